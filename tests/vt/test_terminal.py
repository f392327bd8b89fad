#!/usr/bin/python3
"""Terminals in the IDE as their user meets them: a real session and a real codinglab-pane, a small broker of ptys."""
import array
import contextlib
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import cases  # noqa: E402
import pyte  # noqa: E402
from door import Session, text, u32  # noqa: E402
from fake_engine import FakeEngine  # noqa: E402
from lab import DEV  # noqa: E402

OPEN, RESIZE, SIGNAL, OPENED, EXITED = 0x300, 0x301, 0x302, 0x380, 0x381


class Broker:
    """Answers exec.sock: each ticket is a program on a pty of its own (engine/api/exec_proto.h)."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.bind(path)
        os.chmod(path, 0o666)
        self.sock.listen(16)
        self.pids, self.sizes = [], []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.run, args=(c,), daemon=True).start()

    def run(self, c):
        argv = c.recv(65536)[8:].decode().split("\x1f")
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(argv[0], argv, {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "PS1": "$ "})
        self.pids.append(pid)
        c.sendmsg([u32(OPENED) + u32(1) + text("")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
        open_ = True
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                break
            if open_ and select.select([c], [], [], 0.05)[0]:
                m = c.recv(65536)
                if not m:
                    os.kill(pid, signal.SIGHUP)
                    os.close(fd)
                    open_ = False
                elif struct.unpack_from("<I", m)[0] == RESIZE:
                    rows, cols = struct.unpack_from("<II", m, 4)
                    self.sizes.append((rows, cols))
                    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
            elif not open_:
                time.sleep(0.05)
        self.pids.remove(pid)
        if open_:
            os.close(fd)
            code = os.waitstatus_to_exitcode(status)
            with contextlib.suppress(OSError):
                c.send(u32(EXITED) + u32(max(code, 0)) + u32(max(-code, 0)))
        c.close()

    def close(self):
        self.sock.close()
        for pid in list(self.pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Engine(FakeEngine):
    def in_project(self, p, method, part, full, body):
        if part != "exec":
            return super().in_project(p, method, part, full, body)
        if body.get("command"):
            argv = ["/bin/sh", "-c", body["command"]]
        elif body.get("run"):
            argv = ["/bin/sh", "-c", "echo running; exit 3"]
        else:
            argv = ["/bin/sh"]
        return 200, {"ticket": "\x1f".join(argv), "socket": self.path.replace("engine.sock", "exec.sock")}


class Screen(pyte.Screen):
    """pyte does not know SU and SD, which ncurses uses."""

    def scroll(self, at, move, n):
        top, bottom = self.margins or (0, self.lines - 1)
        x, y = self.cursor.x, self.cursor.y
        self.cursor.y = bottom if at == "bottom" else top
        for _ in range(n or 1):
            move()
        self.cursor.x, self.cursor.y = x, y

    def scroll_up(self, n=1):
        self.scroll("bottom", self.index, n)

    def scroll_down(self, n=1):
        self.scroll("top", self.reverse_index, n)


class Stream(pyte.ByteStream):
    csi = dict(pyte.ByteStream.csi, S="scroll_up", T="scroll_down")
    events = pyte.ByteStream.events | {"scroll_up", "scroll_down"}


class TermSession(Session):
    def door(self, rows=24, cols=80, **how):
        d = super().door(rows, cols, **how)
        d.screen = Screen(cols, rows)
        d.stream = Stream(d.screen)
        return d

    def __init__(self, **how):
        super().__init__(**how)
        self.engine = Engine(str(self.dir / "run/engine.sock"), self.user)

    def launch(self):
        self.broker = Broker(str(self.dir / "run/exec.sock"))
        super().launch()
        fds = pathlib.Path(f"/proc/{self.process.pid}/fd")
        memory = None
        while memory is None:
            for n in os.listdir(fds):
                with contextlib.suppress(OSError):
                    if "memfd:panes" in os.readlink(fds / n):
                        memory = os.open(fds / n, os.O_RDWR)
                        break
        self.pane_process = subprocess.Popen(
            [DEV / "codinglab-pane", "--fd", str(self.pane.fileno()), "--shm-fd", str(memory), "--test"],
            pass_fds=[self.pane.fileno(), memory], stderr=open(self.dir / "log", "ab"))
        os.close(memory)

    def worker(self):
        pid = self.pane_process.pid
        return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def stop(self):
        self.broker.close()
        self.pane.close()
        super().stop()
        try:
            self.pane_process.wait(5)
        except subprocess.TimeoutExpired:
            self.pane_process.kill()
            self.pane_process.wait()
            raise AssertionError("the pane process outlives its session")


@contextlib.contextmanager
def terminal(rows=30, cols=100, keys="<F4>"):
    with TermSession(project="shop") as s:
        d = s.door(rows, cols)
        d.expect("Files")
        d.settle()
        d.type(keys)
        d.expect("$ ")
        yield s, d


def test_type_and_see():
    with terminal() as (s, d):
        d.type("echo 한글 $((40+2))<Enter>")
        d.expect("한글 42")
        exec_ = next(c for c in s.engine.calls if c[1].endswith("/exec"))
        assert exec_[2]["shell"] and exec_[2]["tty"] and exec_[2]["env"]["TERM"] == "xterm-256color", exec_


def test_colours_and_alternate_screen():
    with terminal() as (s, d):
        d.type("printf '\\033[31mr\\033[44;1mb\\033[38;2;1;2;3mt\\033[0m\\n'<Enter>")
        d.expect("rbt")
        y = next(i for i, r in enumerate(d.rows_text()) if "rbt" in r and "printf" not in r)
        x = d.row(y + 1).index("rbt")
        cell = d.screen.buffer[y]
        assert cell[x].fg == "red" and cell[x + 1].bg == "blue" and cell[x + 1].bold, cell[x + 1]
        d.type("printf '\\033[?1049h\\033[2;3Hfull'; sleep 0.7; printf '\\033[?1049l'<Enter>")
        d.expect_not("rbt")
        d.expect("  full")
        d.expect("rbt")


def test_programs():
    with terminal() as (s, d):
        d.type("seq 1 300 | less<Enter>")
        d.expect(":")
        d.type("G")
        d.expect("300")
        d.type("q")
        d.expect("$ ")
        d.type("vim -u NONE -i NONE -n<Enter>")
        d.expect("~")
        d.type("ihello<Esc>")
        d.expect("hello")
        d.type(":q!<Enter>")
        d.expect_not("~   ")


def test_look_back_and_search():
    with terminal() as (s, d):
        d.type("seq 1 200<Enter>")
        d.expect("200")
        d.raw_input(b"\x1b[5;2~")  # Shift-PgUp
        d.expect("looking back")
        for _ in range(30):
            d.raw_input(b"\x1b[5~")
        d.expect("seq 1 200")
        d.type("/")
        d.settle()
        d.type("$ seq<Enter>")
        d.settle()
        d.type("q")
        d.expect_not("looking back")
        d.expect("200")


def test_copy_goes_to_the_owner():
    with terminal() as (s, d):
        d.type("echo cop''ied<Enter>")
        d.expect("copied")
        d.type("<C-]>")
        d.type("y")
        d.expect("looking back")
        d.type("k0v$y")
        d.settle()
        assert b"\x1b]52;" in d.raw, "no OSC 52"


SCREENS = [r"seq 1 7", r"seq 1 90", r"printf '\033[2J\033[3;9Habc\033[5;1H'", r"printf 'x\033[4;1H\033[2L\033[7;1H'; seq 3",
           r"printf '\033[?1049h\033[6;6Hother'; sleep .2; printf '\033[?1049l'", r"printf '\033[?5h'; sleep .2; printf '\033[?5l'",
           r"printf '한글\r\033[2Gx\n'", r"printf '\033[2;6r\033[6;1H\n\n\033[r\033[9;1H'", r"printf '\033[8;1H\033[44mblue\033[K\033[m\n'",
           r"printf 'e\314\201a\314\200\n'", "clear"]


def test_what_is_painted_in_parts_is_the_whole():
    """Only rows that changed are painted; painting everything anew changes nothing then."""
    with terminal() as (s, d):
        for n, line in enumerate(SCREENS * 2):
            d.type(line.replace("<", "<lt>") + "<Enter>")
            d.settle(0.6)
            if n % 4 == 1:  # a menu over it, which goes again
                d.type("<C-]><F10>")
                d.settle()
                d.type("<Esc>")
                d.settle()
            if n % 5 == 2:
                d.resize(26 + n % 7, 90 + n % 11)
                d.settle(0.6)
            before, cursor = d.rows_text(), (d.screen.cursor.y, d.screen.cursor.x)
            d.type("<C-]><C-l>")
            d.settle()
            assert d.rows_text() == before, (line, before, d.rows_text())
            assert (d.screen.cursor.y, d.screen.cursor.x) == cursor, line


def test_resize():
    with terminal() as (s, d):
        first = s.broker.sizes[-1]
        d.resize(40, 120)
        d.until("no new size", lambda: s.broker.sizes[-1] != first)
        d.type("stty size<Enter>")
        d.expect("%d %d" % s.broker.sizes[-1])


def test_run_shows_its_status_and_starts_again():
    with TermSession(project="shop") as s:
        d = s.door(30, 100)
        d.expect("Files")
        d.settle()
        d.type("<F5>")
        d.expect("running")
        d.expect("exited 3")
        d.expect("run: exited 3")
        d.type("<Enter>")
        d.until("no second run", lambda: len([c for c in s.engine.calls if c[1].endswith("/exec")]) == 2)
        d.until("the second run goes on", lambda: len(s.broker.pids) < 2 and d.settle(0.5) is None)
        d.expect("run: exited 3")
        d.type("q")
        d.expect_not("exited 3")


def test_running_again_takes_no_further_tab():
    with TermSession(project="shop") as s:
        d = s.door(30, 100)
        d.expect("Files")
        d.settle()
        runs = lambda: len([c for c in s.engine.calls if c[1].endswith("/exec")])
        for n in range(11):  # more often than there may be terminals
            before = runs()
            d.type("<C-]><F5>" if n else "<F5>")
            d.until("it is run", lambda before=before: runs() == before + 1)
            d.settle(0.5)
            d.expect("run: exited 3")
        assert d.text().count("run: exited") == 1 and "are open already" not in d.text(), d.text()


def test_leaving_a_shell_closes_its_tab():
    with terminal() as (s, d):
        d.type("exit<Enter>")
        d.expect_not("1 shell")


def test_background_job_does_not_hide_the_end():
    with terminal() as (s, d):
        d.type("trap '' HUP; sleep 20 & echo job=$!.; exit 4<Enter>")
        d.expect("exited 4")
        job = int(re.search(r"job=(\d+)\.", d.text()).group(1))
        os.kill(job, signal.SIGKILL)


def test_two_tabs_and_the_prefix():
    with terminal() as (s, d):
        d.type("echo fir''st<Enter>")
        d.expect("first")
        d.type("<C-]>")
        d.type("c")
        d.expect("2 shell")
        d.expect_not("first")
        d.type("echo sec''ond<Enter>")
        d.expect("second")
        d.type("<C-]>")
        d.type("n")
        d.expect("first")
        d.type("cat -v<Enter>")
        d.settle()
        d.type("<C-]>")
        d.type("<C-]>")
        d.type("<Enter>")
        d.expect("^]")
        d.raw_input(b"\x1bOP\r")
        d.expect("^[OP")


def bar(d):
    return d.rows_text()[-1]


def test_the_bar_follows_the_program():
    """Titles and key bar are drawn when they say something else, and only then: whoever types sees the rest stay."""
    with terminal() as (s, d):
        d.settle()
        before = bar(d)
        for name in ("one", "two", "a-longer-name", "two"):
            d.type(f"printf '\\033]2;ti''tle-%s\\007' {name}<Enter>")
            d.expect(f"title-{name}")
            assert bar(d).endswith(f"title-{name}"), bar(d)
        assert "title-one" not in "".join(d.rows_text())
        d.type("printf '\\033]2;\\007'<Enter>")
        d.expect_not("title-two")
        assert bar(d) == before, (bar(d), before)
        d.type("printf '\\033]2;한''글 \\033[31mred\\007'<Enter>")  # what is no title shows as nothing
        d.settle()
        assert "\x1b" not in bar(d)


def test_the_bar_shows_what_keys_do_now():
    with terminal() as (s, d):
        d.settle()
        typing = bar(d)
        d.type("<C-]>")
        d.settle()
        prefix = bar(d)
        assert prefix != typing, prefix
        d.type("<Esc>")
        d.settle()
        assert bar(d) == typing, (bar(d), typing)
        d.type("<C-]><F3>")
        d.settle()
        tree = bar(d)
        assert tree not in (typing, prefix), tree
        d.type("<F4>")
        d.settle()
        assert bar(d) == typing, (bar(d), typing)
        s.engine.event("online", 1, "", {"online": 7})
        d.expect("7 online")
        d.type("echo a''b<Enter>")
        d.expect("ab")
        assert "7 online" in bar(d), bar(d)
        s.engine.event("online", 1, "", {"online": 1})
        d.expect_not("online")


def test_titles_of_tabs_follow_focus_and_end():
    with terminal() as (s, d):
        def tabs():
            row = next(i for i, r in enumerate(d.rows_text()) if "1 shell" in r)
            line = d.row(row + 1)
            return row, line.index("1 shell")

        d.settle()
        y, x = tabs()
        here = d.screen.buffer[y][x].fg
        d.type("<C-]><F3>")
        d.settle()
        away = d.screen.buffer[y][x].fg
        assert here != away, here
        d.type("<F4>")
        d.settle()
        assert d.screen.buffer[y][x].fg == here
        d.type("<C-]>")
        d.type("c")
        d.expect("2 shell")
        assert d.screen.buffer[y][x].fg not in (here, away), "the first tab is not the shown one"
        d.type("exit 3<Enter>")
        d.expect("2 shell: exited 3")
        d.type("q")
        d.expect_not("2 shell")
        assert d.screen.buffer[y][x].fg == here


def test_paste():
    with terminal() as (s, d):
        d.raw_input(b"\x1b[200~echo on''e\necho tw''o\n\x1b[201~")  # sh has no bracketed paste
        d.expect("several lines")
        d.type("<Esc>")
        d.settle()
        assert "one\n" not in d.text()
        d.raw_input(b"\x1b[200~echo thr''ee\x1b[201~")
        d.type("<Enter>")
        d.expect("three")


def test_emulator_dies():
    """D16: the program goes on, the user sees what happened."""
    with terminal() as (s, d):
        d.type("n=41; seq 1 50<Enter>")
        d.expect("50")
        for how in (signal.SIGSEGV, signal.SIGKILL):
            d.type("clear<Enter>")
            d.expect_not("terminal restarted")
            old = s.worker()
            os.kill(old, how)
            d.expect("terminal restarted")
            d.type(f"echo alive{int(how)} $((n+1))<Enter>")
            d.expect(f"alive{int(how)} 42")
            assert s.worker() != old
        assert s.alive()


def test_hostile_output():
    with terminal() as (s, d):
        d.type("printf '\\033[2b\\033]52;c;aGFjaw==\\007\\033]0;ti\\033[31mtle\\007\\033[8;500;500t'; echo sa''fe<Enter>")
        d.expect("safe")
        d.type("head -c 300000 /dev/urandom; printf '\\033c'; echo ag''ain<Enter>")
        d.expect("again", seconds=20)
        assert b"\x1b]52;" not in d.raw, "the program wrote the owner's clipboard"
        assert s.alive() and s.pane_process.poll() is None


def test_flood_is_interruptible():
    with terminal() as (s, d):
        d.type("yes floodline<Enter>")
        d.expect("floodline")
        for _ in range(10):
            d.pump(0.1)
        d.type("<C-c>")
        d.settle()
        d.type("echo stop''ped<Enter>")
        d.expect("stopped")


def test_mouse():
    with terminal() as (s, d):
        d.type("printf '\\033[?1000;1006h'; cat -v<Enter>")
        d.settle()
        y = next(i for i, r in enumerate(d.rows_text()) if "cat -v" in r)
        d.raw_input(b"\x1b[<0;60;%dM\x1b[<0;60;%dm" % (y + 1, y + 1))
        d.expect("^[[<0;")


if __name__ == "__main__":
    sys.exit(cases.main(globals()) > 0)
