#!/usr/bin/python3
"""codinglab-pane with real programs on real ptys: what they draw, floods, hostile output, death of the worker."""
import os
import re
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pane_driver as drv
from pane_driver import Pane

SH = ["/bin/sh"]
PLAIN = {"PS1": "$ ", "ENV": "", "HISTFILE": "/dev/null"}


def kids(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(x) for x in f.read().split()]


def switches(pid):
    with open("/proc/%d/status" % pid) as f:
        return sum(int(x) for x in re.findall(r"ctxt_switches:\s+(\d+)", f.read()))


def rss(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def shell(p, ident=0, **kw):
    fd = p.run(ident, SH, env=PLAIN, **kw)
    assert p.until(lambda: p.rows(ident) and p.rows(ident)[0].startswith("$")), "no prompt"
    return fd


def test_echo_and_colours():
    with Pane() as p:
        fd = shell(p)
        os.write(fd, "printf '\\033[1;31mred\\033[0m 한글 e\\314\\201\\n'\n".encode())
        assert p.until(lambda: any(r.startswith("red 한글 e\u0301") for r in p.rows(0))), p.text(0)
        row = next(i for i, r in enumerate(p.rows(0)) if r.startswith("red"))
        ch, _, attr, fg, _ = p.cell(0, row, 0)
        assert ch == ord("r") and attr & 1 and fg == (1 << 24 | 1), (ch, attr, hex(fg))
        assert p.cell(0, row, 4)[0] == ord("한") | 1 << 21
        assert p.cell(0, row, 5)[0] == 1 << 22


def test_seq_and_scrollback():
    with Pane() as p:
        fd = shell(p)
        os.write(fd, b"seq 1 100000; echo DO''NE\n")
        assert p.until(lambda: "DONE" in p.text(0), 30)
        rows = p.rows(0)
        at = rows.index("DONE")
        assert rows[at - 1] == "100000", rows
        lines = p.lines(0)
        assert [int(x) for x in lines[-5:]] == list(range(int(lines[-1]) - 4, int(lines[-1]) + 1))
        assert int(lines[-1]) + 1 == int(rows[0]), (lines[-1], rows[0])


def program(argv):
    if not shutil.which(argv[0]):
        print("skipped within: no", argv[0])
        return None
    return argv


def test_vim():
    if not program(["vim"]):
        return
    with Pane() as p:
        fd = p.run(0, ["vim", "-u", "NONE", "-i", "NONE", "-n", "-c", "set t_RV= nocp smd"])
        assert p.until(lambda: "~" in p.text(0) and p.head(0)["modes"] & drv.MODES["alt"])
        os.write(fd, "ihello 한글\x1b".encode())
        assert p.until(lambda: p.rows(0)[0] == "hello 한글"), p.text(0)
        p.resize(0, 10, 40)
        assert p.until(lambda: p.head(0)["rows"] == 10 and p.rows(0)[1].startswith("~"))
        os.write(fd, b"\x1b:q!\r")
        assert p.until(lambda: drv.ENDED in p.log)
        assert not p.head(0)["modes"] & drv.MODES["alt"]


def test_less():
    if not program(["less"]):
        return
    with Pane() as p:
        fd = p.run(0, ["sh", "-c", "seq 1 500 | less"])
        assert p.until(lambda: p.rows(0) and p.rows(0)[0] == "1" and p.rows(0)[22] == "23"), p.text(0)
        assert p.head(0)["modes"] & drv.MODES["cursor_keys"]
        os.write(fd, b" ")
        assert p.until(lambda: p.rows(0)[0] == "24"), p.text(0)
        os.write(fd, b"q")
        assert p.until(lambda: drv.ENDED in p.log)


def test_htop():
    if not program(["htop"]):
        return
    with Pane() as p:
        fd = p.run(0, ["htop"], rows=30, cols=100, env={"HTOPRC": "/dev/null"})
        assert p.until(lambda: "F10" in p.text(0) and "PID" in p.text(0)), p.text(0)
        os.write(fd, b"q")
        assert p.until(lambda: drv.ENDED in p.log)


def test_cat_of_a_large_file():
    """As far as the emulator goes, a binary is only odd text: the terminal lives on."""
    with Pane() as p:
        fd = shell(p)
        os.write(fd, b"head -c 3000000 /dev/urandom; printf '\\033c'; echo ali''ve\n")
        assert p.until(lambda: any("alive" in r for r in p.rows(0)), 30), p.text(0)
        assert drv.RESTARTED not in p.log


def test_replies_reach_the_program():
    with Pane() as p:
        fd = shell(p)
        os.write(fd, b"stty raw -echo; printf '\\033[6n\\033[c\\033[21t\\033]2;evil\\007\\033[21t'; "
                     b"dd bs=1 count=13 2>/dev/null | od -c; stty sane\n")
        assert p.until(lambda: "033   [   ?   1   ;   2   c" in p.text(0)), p.text(0)
        assert p.until(lambda: p.title(0) == "evil")
        assert "e   v   i   l" not in p.text(0)


def test_endless_string():
    """D7: memory stays, and text after the end is shown."""
    with Pane() as p:
        fd = shell(p)
        worker = kids(p.proc.pid)[0]
        before = rss(worker)
        os.write(fd, b"printf '\\033]0;'; head -c 50000000 /dev/zero | tr '\\0' Q; printf '\\033\\\\SHO''WN'\n")
        assert p.until(lambda: "SHOWN" in p.text(0), 60)
        assert rss(worker) - before < 1024, (before, rss(worker))


def test_marks_and_repeats():
    """D1 and D8."""
    with Pane() as p:
        fd = shell(p)
        os.write(fd, b"printf '\\033[2bx'; printf '\\033[24;1H\xed\x95\x9c\\033[99b\\033[H\\033[J'; "
                     b"/usr/bin/python3 -c \"print('\\u0301'*2000000)\"; echo ali''ve\n")
        assert p.until(lambda: "alive" in p.text(0), 30), p.text(0)
        assert drv.RESTARTED not in p.log


def test_flood_does_not_delay_another():
    with Pane() as p:
        shell(p, 0)
        fd = shell(p, 1)
        os.write(p.open_fds[0], b"yes\n")
        assert p.until(lambda: p.rows(0)[20] == "y")
        for i in range(20):
            os.write(fd, b"m%d " % i)
            assert p.until(lambda: "m%d" % i in p.text(1), 5)
        p.resize(0, 10, 40)
        assert p.until(lambda: p.head(0)["rows"] == 10 and p.rows(0)[9] == "y")
        os.write(p.open_fds[0], b"\x03")
        assert p.until(lambda: p.text(0).rstrip().endswith("$"), 5), p.text(0)


def test_one_note_until_looked():
    with Pane() as p:
        fd = shell(p)
        while p.recv(0.2):
            p.looked()
        os.write(fd, b"seq 1 30000\n")
        assert p.recv(5)[0] == drv.NOTE
        assert p.recv(1) is None, "a second note before the session looked"
        p.looked()
        assert p.recv(5)[0] == drv.NOTE
        p.looked()
        assert p.until(lambda: "30000" in p.text(0))


def test_idle_wakes_nobody():
    with Pane() as p:
        shell(p)
        time.sleep(0.3)
        while p.recv(0):
            p.looked()
        pids = [p.proc.pid] + kids(p.proc.pid)
        before = [switches(x) for x in pids]
        time.sleep(2)
        assert before == [switches(x) for x in pids]


def revive(p, what):
    """D16: the worker is replaced; the program and its terminal go on."""
    fd = shell(p)
    os.write(fd, b"n=7; seq 1 100\n")
    assert p.until(lambda: "100" in p.rows(0))
    old = kids(p.proc.pid)
    p.send(drv.TEST, what)
    assert p.until(lambda: drv.RESTARTED in p.log, 10)
    struct_zero(p)
    p.open(0, fd, flags=1)
    os.write(fd, b"echo n=$n\n")
    assert p.until(lambda: any(r.endswith("n=7") for r in p.rows(0)), 5), p.text(0)
    assert kids(p.proc.pid) != old
    assert p.lines(0), "the lines that scrolled off are gone"


def struct_zero(p):
    p.mem[4:12] = b"\0" * 8


def test_worker_spins():
    with Pane(test=True) as p:
        revive(p, drv.SPIN)


def test_worker_crashes():
    with Pane(test=True) as p:
        revive(p, drv.CRASH)


def test_test_messages_need_the_flag():
    """Without --test such a message is malformed: that worker ends, another serves."""
    with Pane() as p:
        fd = shell(p)
        p.send(drv.TEST, drv.SPIN)
        assert p.until(lambda: drv.RESTARTED in p.log, 10)
        struct_zero(p)
        p.open(0, fd)
        os.write(fd, b"echo he''re\n")
        assert p.until(lambda: "here" in p.text(0), 5)


def test_session_gone():
    p = Pane()
    try:
        shell(p)
        p.sock.close()
        assert p.proc.wait(5) == 0
    finally:
        p.close()


def test_eight_terminals_of_every_size():
    with Pane() as p:
        for i in range(8):
            shell(p, i, rows=2 + i * 40, cols=4 + i * 100)
        for i in range(8):
            p.resize(i, 500, 1000)
            os.write(p.open_fds[i], b"echo a''b\n")
        for i in range(8):
            assert p.until(lambda: any("ab" in r for r in p.rows(i)), 10), i
            assert p.head(i)["cols"] == 1000 and 2 <= p.head(i)["rows"] <= 500
        assert drv.RESTARTED not in p.log


def main():
    failed = 0
    for name, test in sorted(globals().items()):
        if not name.startswith("test_"):
            continue
        try:
            test()
            print("ok", name)
        except AssertionError as e:
            failed += 1
            print("FAILED", name, str(e)[:2000])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
