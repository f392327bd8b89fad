#!/usr/bin/python3
"""The editor as its user meets it, in the real session program: typing, saving, undo, finding, Hangul, changes on disk,
recovery after kill -9, binary files, unreadable files, a full disk, a 1 GB file."""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import cases  # noqa: E402
from door import Session  # noqa: E402

UP, DOWN, END, HOME, S_RIGHT, C_HOME, C_END, S_DOWN, C_RIGHT = (f"\x1b[{c}".encode() for c in (
    "A", "B", "F", "H", "1;2C", "1;5H", "1;5F", "1;2B", "1;5C"))


@contextlib.contextmanager
def editor(name, content, rows=24, cols=80, files=None, open_it=True):
    with Session(project="shop", files={name: content, **(files or {})}) as s:
        d = s.door(rows, cols)
        s.work = s.dir / "work"
        s.file = s.work / name
        d.expect("Files")
        d.expect(name.split("/")[0][:8])
        if open_it:
            goto(d, name)
        yield s, d


def goto(d, name):
    d.type(f"<C-p>{name}")
    d.settle()
    d.type("<Enter>")
    d.expect(f" {name.split('/')[-1]} ", row=2)
    d.settle()


def keys(d, *what):
    for k in what:
        if isinstance(k, bytes):
            d.raw_input(k)
        else:
            d.type(k)
    d.settle(0.15)


def choose(d, wanted, key):
    d.expect(wanted)
    keys(d, key)


def test_typing_saving_and_undoing():
    with editor("a.py", "def f(x):\n    return x\n") as (s, d):
        d.expect("a.py 1:1  utf-8", row=24)
        keys(d, END, "<Enter>", "y = 1")
        d.expect("2      y = 1")  # the indent came by itself, a level deeper after the colon
        d.expect("a.py ●", row=2)
        keys(d, "<C-s>")
        d.expect("saved a.py")
        d.expect_not("a.py ●")
        assert s.file.read_text() == "def f(x):\n    y = 1\n    return x\n"
        keys(d, "<C-z>")
        d.expect_not("y = 1")
        d.expect("a.py ●", row=2)
        keys(d, "<C-y>")
        d.expect("y = 1")
        d.expect_not("a.py ●")
        st = s.file.stat()
        assert st.st_uid == s.uid and not list(s.work.glob(".codinglab-save-*"))


def test_hangul_is_two_cells_and_one_step():
    nfd = "\u1112\u1161\u11ab"  # the same syllable, decomposed
    with editor("k.txt", f"한글 text\n{nfd}x\n👩‍💻z\n") as (s, d):
        keys(d, "<Right>")
        assert d.screen.cursor.x - d.row(3).index("한") == 2, d.screen.cursor
        d.expect("k.txt 1:3", row=24)
        keys(d, "<Right><Right>")
        d.expect("k.txt 1:6", row=24)
        keys(d, DOWN, HOME, "<Right>", "<BS>")
        d.expect("2  x")
        keys(d, DOWN, HOME, "<Del>")
        d.expect("3  z")
        keys(d, HOME, "안녕")
        d.expect("3  안녕z")
        keys(d, "<C-s>")
        d.expect("saved")
        assert s.file.read_text() == "한글 text\nx\n안녕z\n", s.file.read_text()


def test_a_wide_character_is_never_split_at_the_edge():
    with editor("w.txt", "가" * 200 + "\n" + "x" + "나" * 200 + "\n") as (s, d):
        keys(d, END)
        d.expect("w.txt 1:401", row=24)
        for y in (3, 4):
            line = d.row(y)
            assert "가" in line or "나" in line
        keys(d, HOME)
        d.expect("1  가가")
        d.expect("2  x나")


def test_finding_runs_while_typing():
    with editor("f.txt", "".join(f"line {i} apple\n" for i in range(100)) + "Orange banana\n") as (s, d):
        keys(d, "<C-f>", "bana")
        d.expect("101  Orange banana")
        d.expect("f.txt 101:12", row=24)
        keys(d, "<C-f>", "<Esc>", C_HOME, "<C-f>")
        keys(d, "\x15", "apple", "<Enter>", "<Enter>")
        d.expect("f.txt 3:13", row=24)
        keys(d, "zzz")
        d.expect("not found")
        keys(d, "<Esc>", "<C-f>", "\x15", "<M-r>", "l.ne 5[0-9]")
        d.expect("f.txt 51:8", row=24)
        keys(d, "(")
        d.expect("missing closing")


def test_replacing_one_and_all():
    with editor("r.txt", "cat dog cat\ncat\n") as (s, d):
        keys(d, "<C-r>", "cat", "<Tab>", "cow", "<Tab>", "<Enter>")
        d.expect("1  cow dog cat")
        keys(d, "<M-a>")
        d.expect("2 replaced")
        keys(d, "<Esc>", "<C-z>")
        d.expect("1  cow dog cat")
        d.expect("2  cat")
        keys(d, "<C-z>")
        d.expect("1  cat dog cat")


def test_selection_clipboard_and_indenting():
    with editor("s.txt", "one two\nthree\n") as (s, d):
        keys(d, S_RIGHT, S_RIGHT, S_RIGHT, "<C-x>")
        d.expect("1   two")
        keys(d, C_END, "<C-v>")
        d.expect("3  one")
        assert b"\x1b]52;c;b25l" in d.raw, "the terminal's clipboard was not told"
        keys(d, C_HOME, S_DOWN, S_DOWN, "<Tab>")
        d.expect("2      three")
        keys(d, "<S-Tab>")
        d.expect("2  three")
        keys(d, "<C-a>", "x")
        d.expect("1  x")
        keys(d, "<C-z>")
        d.expect("3  one")


def test_a_paste_is_one_step_and_runs_nothing():
    with editor("p.txt", "") as (s, d):
        keys(d, b"\x1b[200~if x:\n    y\n\x1b]0;evil\x07\x13\x1b[201~")
        d.expect("1  if x:")
        d.expect("2      y")
        d.expect("3  ^[]0;evil^G^S")
        assert s.file.read_text() in ("", "\n")
        keys(d, "<C-z>")
        d.expect_not("if x:")


def test_going_to_a_line():
    with editor("g.txt", "".join(f"l{i}\n" for i in range(1, 5001))) as (s, d):
        keys(d, "<C-g>", "4321", "<Enter>")
        d.expect("4321  l4321")
        d.expect("g.txt 4321:1", row=24)
        keys(d, "<C-g>", "999999", "<Enter>")
        d.expect("the last line is 5001")


def test_going_to_a_file_by_letters():
    files = {"shop/tests/views.py": "tests\n", "node_modules/views.py": "not mine\n", "한글/메모.txt": "note\n"}
    with editor("shop/views.py", "views\n", files=files, open_it=False) as (s, d):
        keys(d, "<C-p>", "vws")
        d.expect("shop/views.py")
        d.expect("shop/tests/views.py")
        assert "node_modules" not in d.text()
        keys(d, "<Enter>")
        d.expect("1  views")
        keys(d, "<C-p>", "tvie<Enter>")
        d.expect("1  tests")
        keys(d, "<C-p>", "메모<Enter>")
        d.expect("1  note")
        keys(d, "<C-p>", "<Esc>")
        d.expect_not("Go to file")
        d.expect("1  note")
        keys(d, "<C-p>", "nothing-like-it<Enter>")
        d.expect("No such file")


def test_bytes_that_are_not_understood_stay():
    raw = b"\xef\xbb\xbfone\r\n\xff\xfe\x1b[31m\r\nlast"
    with editor("odd.txt", raw) as (s, d):
        d.expect("utf-8 bom crlf", row=24)
        d.expect("2  \\xff\\xfe^[[31m")
        keys(d, C_END, "!", "<Enter>", "<C-s>")
        d.expect("saved")
        assert s.file.read_bytes() == raw + b"!\r\n", s.file.read_bytes()


def test_changed_on_disk_is_asked_about():
    with editor("c.txt", "first\n") as (s, d):
        s.file.write_text("other\n")
        d.expect("1  other")  # nothing unsaved: just shown
        keys(d, "mine ")
        time.sleep(0.05)
        s.file.write_text("theirs\n")
        choose(d, "was changed on disk, and you have changes", "k")
        d.expect("1  mine other")
        keys(d, "<C-s>")
        d.expect("was changed on disk since it was opened")
        assert s.file.read_text() == "theirs\n"
        keys(d, "o")
        d.expect("saved")
        assert s.file.read_text() == "mine other\n"
        keys(d, "more ")
        time.sleep(0.05)
        s.file.write_text("again\n")
        choose(d, "was changed on disk, and you have changes", "r")
        d.expect("1  again")
        keys(d, "<C-z>")
        d.expect("1  mine more other")


def test_removed_on_disk_is_asked_about():
    with editor("gone.txt", "text\n") as (s, d):
        keys(d, "my ")
        s.file.unlink()
        d.expect("was removed from the disk")
        keys(d, "<C-s>")
        choose(d, "gone.txt was removed", "w")
        d.expect("saved")
        assert s.file.read_text() == "my text\n"


def test_renamed_on_disk_is_asked_about():
    """Another name for the file, and another file under its name: neither is overwritten unasked."""
    with editor("here.txt", "text\n") as (s, d):
        keys(d, "my ")
        away = s.file.with_name("there.txt")
        s.file.rename(away)
        d.expect("was removed from the disk")
        owner = s.file.parent.stat()
        s.file.with_name("other.txt").write_text("other\n")
        os.chown(s.file.with_name("other.txt"), owner.st_uid, owner.st_gid)
        s.file.with_name("other.txt").rename(s.file)
        choose(d, "here.txt was changed on disk, and you have changes", "k")
        d.expect("1  my text")
        keys(d, "<C-s>")
        choose(d, "here.txt was changed on disk since it was opened", "o")
        d.expect("saved")
        assert s.file.read_text() == "my text\n"
        assert away.read_text() == "text\n"


def test_closing_asks_for_what_is_unsaved():
    with editor("q.txt", "text\n") as (s, d):
        keys(d, "new ", "<C-w>")
        choose(d, "has changes that are not saved", "s")
        d.expect("No file is open")
        assert s.file.read_text() == "new text\n"
        goto(d, "q.txt")
        keys(d, "x", "<C-w>")
        choose(d, "has changes that are not saved", "d")
        d.expect("No file is open")
        assert s.file.read_text() == "new text\n"
        assert not list((s.dir / "home/swap").iterdir())


def test_unsaved_text_survives_a_cut_connection():
    with editor("d.txt", "text\n") as (s, d):
        keys(d, "unsaved ")
        before = d.text()
        d.close()
        again = s.door(24, 80)
        again.expect("1  unsaved text")
        again.settle()
        assert again.text() == before


def test_unsaved_text_survives_kill_9():
    with editor("k9.txt", "text\n" * 50) as (s, d):
        keys(d, "unsaved ", DOWN, "<Enter>", "한글")
        want = [r for r in d.rows_text() if "unsaved" in r or "한글" in r]
        time.sleep(0.6)
        os.kill(s.process.pid, signal.SIGKILL)
        s.process.wait()
        assert s.file.read_text() == "text\n" * 50
        s.launch()
        d = s.door(24, 80)
        choose(d, "A session that ended suddenly left unsaved", "r")
        for r in want:
            d.expect(r.split("│")[2].rstrip())
        d.expect("k9.txt ●")
        d.settle()
        keys(d, "<C-s>")
        d.expect("saved k9.txt")
        assert s.file.read_text().startswith("unsaved text\n") and "한글" in s.file.read_text()
        assert not list((s.dir / "home/swap").iterdir())


def test_binary_and_unreadable_files():
    with editor("b.bin", b"ELF\0\1\2" * 10, files={"secret": "no\n", "notes.txt": "x\n"}) as (s, d):
        d.expect("binary", row=24)
        keys(d, "x")
        d.expect("is a binary file, shown read-only")
        assert s.file.read_bytes() == b"ELF\0\1\2" * 10
        (s.work / "secret").chmod(0)
        os.chown(s.work / "secret", 0, 0)
        keys(d, "<C-p>", "secret", "<Enter>")
        d.expect("secret: Permission denied")
        os.mkfifo(s.work / "pipe")
        os.chown(s.work / "pipe", s.uid, s.uid)
        os.symlink("/etc/passwd", s.work / "link")
        keys(d, "<Esc>", "<Esc>", "<C-p>", "pipe", "<Enter>")
        d.expect("pipe: not a regular file")
        keys(d, "<Esc>", "<Esc>", "<C-p>", "link", "<Enter>")
        d.expect("outside the project")
        os.chmod(s.work / "notes.txt", 0o444)
        os.chown(s.work / "notes.txt", 0, 0)
        keys(d, "<Esc>", "<Esc>")
        goto(d, "notes.txt")
        keys(d, "x")
        d.expect("notes.txt is read-only")


def test_a_full_disk_keeps_the_old_file_and_the_text():
    with Session(project="shop", files={"in/here": "x"}) as s:
        mount = s.dir / "work/in"
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=64k,mode=777,uid={s.uid}", "none", mount], check=True)
        try:
            (mount / "f.txt").write_text("precious\n")
            os.chown(mount / "f.txt", s.uid, s.uid)
            (mount / "filler").write_bytes(b"x" * 52000)
            d = s.door(24, 80)
            d.expect("Files")
            d.settle()
            goto(d, "in/f.txt")
            keys(d, b"\x1b[200~" + b"new text " * 3000 + b"\x1b[201~", "<C-s>")
            d.expect("No space left on device")
            assert (mount / "f.txt").read_text() == "precious\n"
            assert not list(mount.glob(".codinglab-save-*"))
            d.expect("f.txt ●", row=2)
            (mount / "filler").unlink()
            keys(d, "<Esc>", "<C-s>")
            d.expect("saved in/f.txt")
            assert (mount / "f.txt").read_text() == "new text " * 3000 + "precious\n"
        finally:
            subprocess.run(["umount", "-l", mount], check=True)


def test_a_file_of_1_gb():
    with editor("small.txt", "x\n") as (s, d):
        big = s.work / "big.log"
        line = b"2026-11-23 10:00:00 INFO something happened in the service\n"
        block = line * (16 * 1024 * 1024 // len(line))
        with open(big, "wb") as f:
            for _ in range(64):
                f.write(block)
            f.write(b"the end\n")
        os.chown(big, s.uid, s.uid)
        goto(d, "big.log")
        d.expect("1  2026-11-23 10:00:00 INFO")
        keys(d, "new ", C_END)
        d.expect("the end")
        total = 64 * len(block) // len(line) + 2
        d.expect(f"big.log {total}:1", row=24, seconds=60)  # lines are counted in the background
        keys(d, "<C-g>", "9000000", "<Enter>")
        d.expect("9000000  2026", seconds=30)
        rss = int(next(r for r in open(f"/proc/{s.process.pid}/status") if r.startswith("VmRSS")).split()[1])
        with open(big, "r+b") as f:
            f.truncate(1000)  # while it is open, with unsaved changes
        choose(d, "was changed on disk, and you have changes", "k")
        keys(d, C_HOME, C_END, C_HOME)
        assert s.alive()
        keys(d, "<C-s>")
        d.expect("was changed on disk since it was opened")
        keys(d, "o")
        d.expect("changed under us", seconds=30)
        assert big.stat().st_size == 1000
        print(f"  memory with the 1 GB file open: {rss // 1024} MiB")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: the session runs as another uid than its listener")
        sys.exit(77)
    sys.exit(1 if cases.main(globals()) else 0)
