#!/usr/bin/python3
"""codinglab-pty as containers run it: pipes taken over a socket, a forwarded connection with each way closed on its own."""
import array
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import cases
from lab import RELEASE, DEV, free_port

HELPER = next(str(b / "codinglab-pty") for b in (DEV, RELEASE) if (b / "codinglab-pty").exists())


class Door:
    """The runtime broker's end: gives three pipes to who connects."""

    def __enter__(self):
        self.dir = tempfile.TemporaryDirectory()
        self.path = f"{self.dir.name}/door"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.listener.settimeout(30)
        return self

    def run(self, *argv, fds=None, say=b"p"):
        p = subprocess.Popen([HELPER, "take", *argv], env={**os.environ, "CODINGLAB_PIPES": self.path}, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        sock, _ = self.listener.accept()
        with sock:
            if fds is not None:
                sock.sendmsg([say], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        return p

    def __exit__(self, *exc):
        self.listener.close()
        self.dir.cleanup()


class Pipes:
    def __enter__(self):
        self.all = [*os.pipe(), *os.pipe(), *os.pipe()]
        self.theirs = [self.all[0], self.all[3], self.all[5]]
        return self

    def let_go(self):
        for fd in self.theirs:
            os.close(fd)
        self.all = [fd for fd in self.all if fd not in self.theirs]

    def said(self):
        os.close(self.all[0])
        out = [b"".join(iter(lambda fd=fd: os.read(fd, 65536), b"")) for fd in self.all[1:]]
        self.all = self.all[1:]
        return out

    def __exit__(self, *exc):
        for fd in self.all:
            os.close(fd)


def test_a_program_has_them_and_nothing_else(_):
    with Door() as door, Pipes() as pipes:
        p = door.run("sh", "-c", "cat; echo oops >&2; ls /proc/self/fd | tr '\\n' ' '; env | grep -c CODINGLAB_PIPES; exit 7", fds=pipes.theirs)
        pipes.let_go()
        os.write(pipes.all[0], b"hello ")
        out, err = pipes.said()
        assert out == b"hello 0 1 2 3 0\n" and err == b"oops\n", (out, err)
        assert p.wait(30) == 7 and p.communicate() == (b"", b"")


def test_a_signal_is_the_programs_own(_):
    with Door() as door, Pipes() as pipes:
        p = door.run("sh", "-c", "kill -TERM $$", fds=pipes.theirs)
        assert p.wait(30) == -15
        p.communicate()


def test_a_program_that_is_not_there(_):
    with Door() as door, Pipes() as pipes:
        p = door.run("no-such-program", fds=pipes.theirs)
        pipes.let_go()
        assert pipes.said()[1].startswith(b"no-such-program: ") and p.wait(30) == 127
        p.communicate()
    with Door() as door, Pipes() as pipes:
        p = door.run("/etc", fds=pipes.theirs)
        assert p.wait(30) == 126
        p.communicate()


def test_nothing_runs_without_all_three(_):
    for fds in (None, [0], [0, 1]):
        with Door() as door:
            p = door.run("sh", "-c", "echo ran", fds=fds)
            out, err = p.communicate(timeout=30)
            assert p.returncode == 125 and out == b"" and b"no pipes" in err, (fds, out, err)
    r = subprocess.run([HELPER, "take", "echo", "ran"], env={}, capture_output=True)
    assert r.returncode == 125 and r.stdout == b"", r


class Dial:
    """A connection to a server of the test's own through `codinglab-pty dial`."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(30)
        self.p = subprocess.Popen([HELPER, "dial", str(self.listener.getsockname()[1])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.server, _ = self.listener.accept()
        self.server.settimeout(30)
        assert self.p.stdout.read(1) == b"+"
        return self

    def __exit__(self, *exc):
        self.server.close()
        self.listener.close()
        self.p.kill()
        self.p.wait()
        for f in (self.p.stdin, self.p.stdout, self.p.stderr):
            try:
                f.close()
            except BrokenPipeError:
                pass


def rest(sock):
    return b"".join(iter(lambda: sock.recv(65536), b""))


def test_the_client_closes_first(_):
    with Dial() as d:
        d.p.stdin.write(b"question")
        d.p.stdin.close()
        assert rest(d.server) == b"question"
        d.server.sendall(b"answer" * 100000)
        d.server.close()
        assert d.p.stdout.read() == b"answer" * 100000 and d.p.wait(30) == 0


def test_the_server_closes_first(_):
    with Dial() as d:
        d.server.sendall(b"greeting")
        d.server.shutdown(socket.SHUT_WR)
        assert d.p.stdout.read() == b"greeting"  # to its end, while the other way is open
        d.p.stdin.write(b"late")
        d.p.stdin.close()
        assert rest(d.server) == b"late" and d.p.wait(30) == 0


def test_both_ways_at_once(_):
    data = os.urandom(20_000_000)
    with Dial() as d:
        got = {}
        jobs = [threading.Thread(target=lambda: (d.p.stdin.write(data), d.p.stdin.close())), threading.Thread(target=lambda: got.update(up=rest(d.server))),
                threading.Thread(target=lambda: (d.server.sendall(data), d.server.shutdown(socket.SHUT_WR))),
                threading.Thread(target=lambda: got.update(down=d.p.stdout.read()))]
        for j in jobs:
            j.start()
        for j in jobs:
            j.join(60)
        assert got["up"] == data and got["down"] == data and d.p.wait(30) == 0


def test_a_reset_ends_it(_):
    with Dial() as d:
        d.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        d.server.close()
        assert d.p.stdout.read() == b""
        try:
            while d.p.poll() is None:
                d.p.stdin.write(b"x" * 65536)
        except BrokenPipeError:
            pass
        assert d.p.wait(30) == 0


def test_nobody_listens(_):
    r = subprocess.run([HELPER, "dial", str(free_port())], capture_output=True, stdin=subprocess.DEVNULL)
    assert r.returncode == 1 and r.stdout == b"" and b"Connection refused" in r.stderr, r


def frame(kind, payload=b""):
    return kind.encode() + struct.pack(">I", len(payload)) + payload


def start(*argv, tty=0, rows=24, cols=80, folder="", env=()):
    return frame("S", b"".join(w.encode() + b"\0" for w in [str(tty), str(rows), str(cols), folder, *env, "", *argv]))


def serve(*frames, wait=True):
    p = subprocess.Popen([HELPER, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdin.write(b"".join(frames))
    p.stdin.flush()
    if not wait:
        return p
    out, err = p.stdout.read(), p.stderr.read()
    return p.wait(20), out, err


def test_served_input_ends_where_it_is_said(_):
    assert serve(start("cat"), frame("D", b"one "), frame("D", b"two"), frame("E")) == (0, b"one two", b"")
    assert serve(start("wc", "-c"), *[frame("D", b"x" * 1000000)] * 3, frame("E"))[1].strip() == b"3000000"


def test_served_status_folder_and_variables(_):
    assert serve(start("sh", "-c", "echo $A; pwd; echo bad >&2; exit 7", env=["A=b c"], folder="/tmp")) == (7, b"b c\n/tmp\n", b"bad\n")
    assert serve(start("no-such-program"))[0] == 127
    assert serve(start("/etc/passwd"))[0] == 126
    assert serve(start("printf", "[%s]", "", "a"))[1] == b"[][a]"


def test_served_terminal_and_its_size(_):
    assert serve(start("sh", "-c", "stty size; exit 3", tty=1, rows=33, cols=99)) == (3, b"33 99\r\n", b"")
    p = serve(start("sh", "-c", "trap 'stty size; exit 5' WINCH; echo on; while :; do sleep 0.05; done", tty=1), wait=False)
    assert p.stdout.readline() == b"on\r\n"
    p.stdin.write(frame("W", struct.pack(">HH", 40, 120)))
    p.stdin.flush()
    assert p.stdout.readline() == b"40 120\r\n" and p.wait(20) == 5


def test_served_signals_and_hang_up(_):
    p = serve(start("sh", "-c", "echo on; exec sleep 1000"), wait=False)
    p.stdout.readline()
    p.stdin.write(frame("K", b"\x0f"))
    p.stdin.flush()
    assert p.wait(20) == 128 + 15
    p = serve(start("sh", "-c", "trap 'echo hung; exit 9' HUP; echo on; while :; do sleep 0.05; done"), wait=False)
    p.stdout.readline()
    p.stdin.close()
    assert p.stdout.read() == b"hung\n" and p.wait(20) == 9
    p = serve(start("sh", "-c", "trap '' HUP; echo on; exec sleep 1000"), wait=False)
    p.stdout.readline()
    p.stdin.close()
    assert p.wait(20) == 128 + 9  # whoever does not take the hint is killed


def test_served_nonsense_runs_nothing(_):
    for bad in (b"", frame("D", b"x"), frame("S", b"1\0"), frame("S"), b"S\xff\xff\xff\xff", frame("X")):
        p = subprocess.run([HELPER, "serve"], input=bad, capture_output=True, timeout=20)
        assert p.returncode == 125 and not p.stdout, (bad, p)


class Listening:
    """`codinglab-pty agent PATH`: the socket that it hands out, and its end."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.door = Door().__enter__()
        self.p = subprocess.Popen([HELPER, "agent", self.path], env={**os.environ, "CODINGLAB_PIPES": self.door.path}, stderr=subprocess.PIPE)
        sock, _ = self.door.listener.accept()
        with sock:
            self.word, anc, *_ = sock.recvmsg(2, socket.CMSG_SPACE(4))
        self.socket = socket.socket(fileno=array.array("i", anc[0][2])[0]) if anc else None
        if self.socket:
            self.socket.settimeout(10)
        return self

    def answers(self):
        with socket.socket(socket.AF_UNIX) as c:
            c.settimeout(10)
            c.connect(self.path)
            self.socket.accept()[0].close()
            return c.recv(1) == b""

    def end(self, sig=15):
        self.p.send_signal(sig)
        self.p.wait(30)

    def __exit__(self, *exc):
        self.p.kill()
        self.p.communicate()
        self.door.__exit__()
        if self.socket:
            self.socket.close()


def test_an_agents_place_is_ones_own(_):
    with tempfile.TemporaryDirectory() as d, Listening(f"{d}/mine/agent") as a:
        st, inner = os.stat(f"{d}/mine"), os.stat(f"{d}/mine/agent")
        assert a.word == b"m" and st.st_mode & 0o777 == 0o700 and inner.st_mode & 0o777 == 0o600, (a.word, st, inner)
        assert a.answers()
        a.end()
        assert a.p.returncode == 0 and os.listdir(f"{d}/mine") == [], "its folder stays: nobody else gets the name"


def test_the_newest_takes_the_place_over(_):
    with tempfile.TemporaryDirectory() as d, Listening(f"{d}/mine/agent") as a, Listening(f"{d}/mine/agent") as b:
        assert b.answers() and os.listdir(f"{d}/mine") == ["agent"]
        a.end()  # removes no other's
        assert b.answers()
        b.end(9)  # leaves its socket behind, which holds up nobody
        with Listening(f"{d}/mine/agent") as c:
            assert c.answers()


def test_a_strangers_folder_is_no_place_for_an_agent(_):
    with tempfile.TemporaryDirectory() as d:
        os.mkdir(f"{d}/open", 0o755)
        os.chmod(f"{d}/open", 0o755)
        os.mkdir(f"{d}/theirs", 0o700)
        os.symlink("theirs", f"{d}/link")
        open(f"{d}/file", "w").close()
        folders = ["open", "link", "file", "none/deeper", "x" * 130]
        if os.geteuid() == 0:
            os.mkdir(f"{d}/other", 0o700)
            os.chown(f"{d}/other", 12345, 12345)
            folders.append("other")
        for folder in folders:
            with Listening(f"{d}/{folder}/agent") as a:
                assert a.word[:1] == b"e" and a.socket is None and a.p.wait(30) == 1, (folder, a.word)
        assert os.listdir(f"{d}/theirs") == []


if __name__ == "__main__":
    sys.exit(bool(cases.main(globals(), None)))
