#!/usr/bin/python3
"""The file tree as its user meets it: folders, making, renaming, deleting, changes on disk, odd names, links, pipes,
100,000 entries."""
import contextlib
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import cases  # noqa: E402
from door import Session  # noqa: E402


@contextlib.contextmanager
def tree(files, rows=24, cols=100):
    with Session(project="shop", files=files) as s:
        s.work = s.dir / "work"
        d = s.door(rows, cols)
        d.expect("Files")
        d.settle()
        keys(d, "<F3>")
        yield s, d


def keys(d, *what):
    for k in what:
        d.raw_input(k) if isinstance(k, bytes) else d.type(k)
        d.settle(0.15)


def names(d):
    """What the tree shows, row by row."""
    rows = [re.split("[│├┤]", r)[1].strip(" ▸▾") for r in d.rows_text()[2:-2] if r.startswith("│")]
    return [r for r in rows if r]


def own(s, path):
    os.chown(path, s.uid, s.uid, follow_symlinks=False)
    return path


def test_order_and_folding():
    with tree({"a10": "", "a2": "", "B": "", "src/x.py": "", "lib/in/deep": "", ".hid": ""}) as (s, d):
        assert names(d) == ["lib", "src", "a2", "a10", "B"], names(d)
        keys(d, "<Enter>")
        assert names(d) == ["lib", "in", "src", "a2", "a10", "B"], names(d)
        keys(d, "<Down><Right>")
        d.expect("deep")
        keys(d, "<Left><Left><Left>")
        assert names(d) == ["lib", "src", "a2", "a10", "B"], names(d)
        keys(d, ".")
        d.expect(".hid")
        keys(d, "G", "<Enter>")
        d.expect(" B ", row=2)


def test_making_renaming_deleting():
    with tree({"one.txt": "1\n", "dir/two.txt": "2\n"}) as (s, d):
        keys(d, "n", "new.py<Enter>")
        d.expect(" new.py ", row=2)
        assert (s.work / "new.py").read_text() == ""
        keys(d, "<F3>", "N", "folder<Enter>")
        d.expect("▸ folder")
        assert (s.work / "folder").is_dir()
        keys(d, "r", "\x15renamed<Enter>")
        d.expect("▸ renamed")
        assert not (s.work / "folder").exists() and (s.work / "renamed").is_dir()
        keys(d, "n", "one.txt<Enter>")
        d.expect("one.txt: File exists")
        keys(d, "<Esc>", "n", "../evil<Enter>")
        d.expect("must not contain '/'")
        keys(d, "<Esc>", "n", "..<Enter>")
        d.expect("outside the project")
        keys(d, "<Esc>", "g", "<C-d>")
        d.expect("Delete the folder dir and all")
        keys(d, "n")
        assert (s.work / "dir/two.txt").exists()
        keys(d, "<C-d>", "y")
        d.expect_not("▸ dir")
        assert not (s.work / "dir").exists()


def test_follows_the_disk():
    with tree({"src/a": "", "b": ""}) as (s, d):
        (s.work / "from-container").write_text("x")
        d.expect("from-container")
        keys(d, "<Enter>")
        (s.work / "src/inner").write_text("x")
        d.expect("inner")
        keys(d, "<Down>")
        (s.work / "src/a").unlink()
        (s.work / "src/inner").rename(s.work / "src/other")
        d.expect("other")
        assert names(d) == ["src", "other", "b", "from-container"], names(d)
        for p in (s.work / "src").iterdir():
            p.unlink()
        (s.work / "src").rmdir()
        d.expect_not("src")
        for i in range(300):
            (s.work / f"burst{i}").write_text("")
        keys(d, "G")
        d.expect("from-container")
        d.expect("burst299")


def test_odd_names_are_shown_and_work():
    odd = ["new\nline", "esc\x1b[31mred", "-rf", "\u202eevil", "x" * 255, "한글 이름"]
    with tree({}, cols=120) as (s, d):
        for n in odd:
            (s.work / n).write_text("text of it\n")
            own(s, s.work / n)
        raw = os.fsencode(s.work) + b"/bad\xff\xfe"
        os.mkdir(raw)
        os.chown(raw, s.uid, s.uid)
        d.expect("bad\\xff\\xfe")
        d.expect("esc^[[31mred")
        d.expect("\\u{202e}evil")
        d.expect("한글 이름")
        assert "\x1b[31mred" not in d.raw.decode(errors="replace")
        for _ in range(len(odd) + 1):  # each can be deleted
            keys(d, "g", "<C-d>")
            d.expect("Delete")
            keys(d, "y")
            d.settle(0.4)
        d.expect("no files yet")
        assert not list(s.work.iterdir())


def test_an_odd_name_is_opened_saved_and_renamed():
    with tree({"a\x1b\nb": "text\n"}) as (s, d):
        keys(d, "<Enter>")
        d.expect("1  text")
        keys(d, "more ", "<C-s>")
        d.expect("saved")
        assert (s.work / "a\x1b\nb").read_text() == "more text\n"
        keys(d, "<F3>", "r", "plain<Enter>")
        d.expect("plain")
        assert (s.work / "plain").read_text() == "more text\n"


def test_links_pipes_and_loops_are_leaves():
    with tree({"real/f": ""}) as (s, d):
        for name, to in (("loop", "."), ("out", "/etc"), ("shadow", "/etc/shadow"), ("self", "/proc/self/environ")):
            os.symlink(to, s.work / name)
        os.mkfifo(s.work / "pipe")
        own(s, s.work / "pipe")
        d.expect("loop @")
        d.expect("pipe")
        for row, message in (("loop", "not a regular file"), ("out", "outside the project"), ("pipe", "not a regular file"),
                             ("self", "outside the project"), ("shadow", "outside the project")):
            keys(d, "g", "<Down>" * [n.split()[0] for n in names(d)].index(row), "<Enter>")
            d.expect(message)
            keys(d, "<Esc>", "<F3>")
        assert "root:" not in d.text() and s.alive()
        keys(d, "g", "<Down>" * [n.split()[0] for n in names(d)].index("out"), "<C-d>", "y")
        d.expect_not("out @")
        assert pathlib.Path("/etc/hostname").exists()


def test_a_folder_of_100_000_entries():
    with tree({"a": "x"}) as (s, d):
        many = s.work / "many"
        many.mkdir()
        own(s, many)
        for i in range(100000):
            os.close(os.open(many / f"file{i}", os.O_CREAT | os.O_WRONLY))
        d.expect("▸ many")
        keys(d, "g", "<Enter>")
        d.expect("file11", seconds=30)
        rss = int(next(r for r in open(f"/proc/{s.process.pid}/status") if r.startswith("VmRSS")).split()[1])
        keys(d, "G")
        d.expect(" a ")
        keys(d, "k")
        d.expect("file99999")
        print(f"  memory with 100,000 entries shown: {rss // 1024} MiB")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: the session runs as another uid than its listener")
        sys.exit(77)
    sys.exit(1 if cases.main(globals()) else 0)
