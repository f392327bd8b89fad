#!/usr/bin/python3
"""Doors onto one real session: many at once, late ones, slow and stopped ones, hostile ones, thousands one after another."""
import os
import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import cases  # noqa: E402
import lab  # noqa: E402
from door import ACK, ADMIT, HELLO, INPUT, RESIZE, Session, text, u32  # noqa: E402

ROUNDS = int(os.environ.get("CODINGLAB_RECONNECTS", "200"))
MOST = 64  # tui/doors.h


def fds(s):
    return len(os.listdir(f"/proc/{s.process.pid}/fd"))


def rss(s):
    return int(next(x for x in open(f"/proc/{s.process.pid}/status") if x.startswith("VmRSS")).split()[1])


def say(d, what):
    d.type("<F8>")
    d.expect("> ")
    d.type(what)
    d.expect(what)


def test_taking_a_session_over():
    """The other windows are closed and say by whom; a guest cannot do it; text that was not saved is still there."""
    with Session(project="shop") as s:
        a, b, guest = s.door(24, 100), s.door(24, 100), s.door(24, 100, mode=1, user="bob")
        for d in (a, b, guest):
            d.expect("Files")
        say(b, "half a sentence")
        guest.type("<F2>take-over<Enter>")
        guest.expect("only the owner of the session may")
        assert a.exit is None and b.exit is None
        a.type("<F2>take-over<Enter>")
        for d in (b, guest):
            d.until("the others are told", lambda d=d: d.exit is not None)
            assert d.exit == (0, "codinglab: alice took the session over in another window"), d.exit
        a.expect("the other windows are closed")
        a.expect("half a sentence")
        a.type("<F2>take-over<Enter>")
        a.expect("there is no other window")


def test_a_window_that_rests_is_closed():
    """Warned of on the screen first; a key keeps a window; the session goes on, and ends when nobody comes back."""
    with Session(project="shop", env={"CODINGLAB_TUI_WINDOW_IDLE_S": "4", "CODINGLAB_TUI_SESSION_IDLE_S": "3"}) as s:
        used, resting = s.door(24, 100), s.door(24, 100)
        used.expect("Files")
        used.expect("unless a key is pressed in it")
        while resting.exit is None:
            used.type("<Esc>")
            used.pump(0.3)
            resting.pump(0.3)
        assert resting.exit == (0, "codinglab: no key for too long, so this window was closed. The session lives on"), resting.exit
        assert used.exit is None and s.alive()
        used.until("the other one too, once it rests", lambda: used.exit is not None)
        again = s.door(24, 100)
        again.expect("Files")
        again.close()
        lab.wait_until("the session ends", lambda: not s.alive(), 15)


def test_a_window_that_is_too_old_is_closed():
    with Session(project="shop", env={"CODINGLAB_TUI_WINDOW_MAX_S": "3"}) as s:
        d = s.door(24, 100)
        d.expect("it was open for long enough")
        while d.exit is None:
            d.type("<Esc>")
            d.pump(0.2)
        assert d.exit[0] == 0 and "as long as one may be" in d.exit[1], d.exit
        assert s.alive()


def test_many_doors_each_at_its_size():
    """Forty doors of forty sizes see the same; the owner's screen is never resized by them; the next over the limit is told."""
    with Session(project="shop") as s:
        first = s.door(24, 100)
        first.expect("Files")
        others = []
        for i in range(30):
            d = s.door(24 + i % 9, 100 + 3 * i, mode=2)
            d.expect("CodingLab", seconds=20)
            others.append(d)
        say(first, "seen by all")
        for d in others:
            d.expect("seen by all", seconds=20)
        assert "CodingLab" in first.row(1)
        first.settle()
        before = first.text()
        others[3].resize(60, 200)
        others[3].expect("seen by all", seconds=20)
        others[5].resize(11, 41)
        others[5].settle()
        first.settle()
        assert first.text() == before, "a watcher's size changed the owner's screen"
        while len(others) + 1 < MOST:
            others.append(s.door(24, 80, mode=2))
            others[-1].expect("seen by all", seconds=20)
        over = s.door(24, 80)
        over.until("the door over the limit is told", lambda: over.exit is not None)
        assert over.exit[0] == 6 and "shown in 64 windows already" in over.exit[1], over.exit
        assert s.alive()
        others.pop().close()
        again = s.door(24, 80)
        again.expect("seen by all")


def test_a_late_door_is_painted_at_once():
    """What the screen shows is there with the first frame, although nothing changes any more."""
    with Session(project="shop") as s:
        d = s.door(24, 100)
        say(d, "long before")
        d.settle(0.5)
        late = s.door(24, 100)
        late.until("its first frame", lambda: late.frames == 1)
        assert "long before" in late.text(), late.text()
        late.settle()
        d.settle()
        assert late.text() == d.text()


def test_a_stopped_door_holds_nobody_up():
    """One that reads nothing and one that acknowledges nothing, while another types hundreds of keys: newest screen later."""
    with Session(project="shop") as s:
        d = s.door(24, 100)
        say(d, "begin")
        stopped, deaf = s.door(24, 100, mode=2), s.door(24, 100, mode=2)
        deaf.ack = False
        deaf.expect("begin")
        before = rss(s)
        for i in range(300):
            d.raw_input(b"x" if i % 40 else b"\x7f")
            d.pump(0.001)
        d.type("at last")
        d.expect("at last")
        assert rss(s) - before < 20_000, (before, rss(s))
        frames = deaf.frames
        deaf.settle()
        assert deaf.frames - frames <= 1  # one in flight, however much was drawn
        stopped.expect("at last")
        deaf.ack = True
        deaf.acknowledge()
        deaf.expect("at last")
        deaf.settle()
        assert deaf.frames < 100, deaf.frames  # the newest, no backlog


def test_watchers_do_not_type():
    with Session(project="shop") as s:
        d, watcher = s.door(24, 100), s.door(24, 100, mode=2, user="bob")
        say(d, "mine")
        watcher.type("not mine")
        watcher.settle()
        d.settle()
        assert "not mine" not in d.text()


def test_hostile_doors_end_alone():
    """Messages out of order, of wrong sizes, acknowledgements of nothing: that door is closed, others see nothing of it."""
    with Session(project="shop") as s:
        d = s.door(24, 100)
        say(d, "still here")
        hello = u32(HELLO) + u32(1) + u32(24) + u32(80) + text("xterm") + u32(0)
        admit = u32(ADMIT) + text("eve") + u32(0) + text("::1")
        for first in ([hello], [admit, admit], [admit, u32(INPUT) + text("x")], [admit, hello, hello], [admit, hello, u32(ACK) + u32(99)],
                      [admit, hello, u32(RESIZE) + u32(1 << 31) + u32(0)], [admit, hello, u32(INPUT) + u32(1 << 30)], [b"\xff" * 60000],
                      [admit, u32(HELLO) + u32(1) + u32(24) + u32(80) + text("x" * 5000) + u32(0)], [u32(ADMIT) + text("e") + u32(7) + text("")],
                      [admit, hello, u32(0x180) + u32(1) + u32(1) + text("y")], [b""], [b"\0"]):
            c = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            c.connect(s.path)
            c.settimeout(10)
            try:
                for m in first:
                    c.send(m)
                while c.recv(65536):
                    pass
            except ConnectionError:
                pass
            c.close()
        d.type(" and well")
        d.expect("still here and well")
        assert s.alive()


def test_what_others_print_is_text_at_every_door():
    """Titles, clipboards and reports in what people say reach no door as what they would be to a terminal."""
    with Session(project="shop") as s:
        d, other = s.door(24, 100), s.door(40, 120, mode=2)
        say(d, "quiet")
        evil = "\x1b]0;owned\x07\x1b]52;c;ZXZpbA==\x07\x1b[c\x1b[6n\x1b[21t\x1bP$qm\x1b\\\x9b31m\u202egnp.exe"
        s.engine.say("eve", evil)
        d.expect("eve")
        for x in (d, other):
            x.settle(0.5)
            for bad in (b"\x1b]0;owned", b"\x1b]52;c;ZXZp", b"\x1b[c", b"\x1b[6n", b"\x1b[21t", b"\x1bP$qm", "\u202e".encode()):
                assert bad not in x.raw, bad


def test_reconnects_leave_nothing():
    """However often a client comes and goes, in every way that it can: the same descriptors, the same memory."""
    with Session(project="shop", env={"ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=1"}) as s:
        keep = s.door(24, 100)
        say(keep, "kept")

        def rounds(n):
            for i in range(n):
                d = s.door(24 + i % 5, 90 + i % 7)
                if i % 3 == 0:
                    d.expect("kept")
                elif i % 3 == 1:
                    d.ack = False
                    d.pump(0.02)
                d.close()
                keep.pump(0)
            lab.wait_until("doors are gone", lambda: (keep.pump(0.01), fds(s) <= base + 4)[1], 20)
        base = fds(s)
        rounds(50)  # what is grown once
        before = rss(s)
        rounds(ROUNDS)
        assert rss(s) - before < 4_000, (before, rss(s))
        keep.settle()
        assert "kept" in keep.text()


if __name__ == "__main__":
    sys.exit(bool(cases.main(globals())))
