#!/usr/bin/python3
"""codinglab-net: 127.0.0.1:3128 joined to a unix socket, in a network namespace of the test's own."""
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import cases
from lab import DEV

NET = DEV / "codinglab-net"


class Far:
    """The proxy's end: a unix socket whose connections are given to `talk`."""

    def __init__(self, path, talk):
        self.listener, self.talk = socket.socket(socket.AF_UNIX), talk
        self.listener.bind(path)
        self.listener.listen(128)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(s,), daemon=True).start()

    def one(self, s):
        with s:
            self.talk(s)


def everything(s):
    out = b""
    while True:
        part = s.recv(65536)
        if not part:
            return out
        out += part


def back(s):
    """Read to the end, then the same back: both ends are closed one after the other."""
    s.sendall(everything(s))


def run(code, talk=back):
    """Python code as the program behind codinglab-net, alone in a network namespace; its output."""
    with tempfile.TemporaryDirectory() as d:
        far = Far(f"{d}/proxy.sock", talk)
        try:
            p = subprocess.run(["unshare", "-n", "--pid", "--fork", "--kill-child", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", NET, f"{d}/proxy.sock", "/usr/bin/python3", "-c",
                                "import socket, threading\ndef dial():\n return socket.create_connection(('127.0.0.1', 3128), 20)\n" + code],
                               capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
        finally:
            far.listener.close()
    return p


def test_bytes_go_both_ways_to_their_ends():
    p = run("import hashlib, os\ns = dial(); data = os.urandom(8 << 20)\n"
            "t = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR))); t.start()\n"
            "got = b''.join(iter(lambda: s.recv(1 << 20), b'')); t.join()\nprint(got == data, len(got))")
    assert p.stdout == f"True {8 << 20}\n", (p.stdout, p.stderr)


def test_streams_at_the_same_time_do_not_wait_for_each_other():
    def echo(s):
        while part := s.recv(65536):
            s.sendall(part)
    p = run("all = [dial() for _ in range(100)]\n"
            "for i, s in enumerate(all): s.sendall(b'%03d' % i)\n"
            "for i, s in reversed(list(enumerate(all))): assert s.recv(3) == b'%03d' % i\n"
            "for s in all: s.sendall(b'again'); assert s.recv(5) == b'again'\nprint('ok')", echo)
    assert p.stdout == "ok\n", (p.stdout, p.stderr)


def test_more_connections_than_places_wait_for_one():
    p = run("done = []\ndef one(i):\n s = dial(); s.sendall(b'x%d' % i); s.shutdown(socket.SHUT_WR); done.append(s.recv(10) == b'x%d' % i); s.close()\n"
            "ts = [threading.Thread(target=one, args=(i,)) for i in range(300)]\n[t.start() for t in ts]\n[t.join() for t in ts]\nprint(len(done), all(done))")
    assert p.stdout == "300 True\n", (p.stdout, p.stderr)


def test_a_proxy_that_hangs_up_ends_the_connection():
    p = run("s = dial(); s.sendall(b'hello'); print(s.recv(10)); print(s.recv(10))", lambda s: (s.recv(5), s.sendall(b"no")))
    assert p.stdout == "b'no'\nb''\n", (p.stdout, p.stderr)


def test_without_a_proxy_the_program_runs_and_is_refused():
    with tempfile.TemporaryDirectory() as d:
        p = subprocess.run(["unshare", "-n", "--pid", "--fork", "--kill-child", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", NET, f"{d}/none.sock", "/usr/bin/python3", "-c",
                            "import socket; s = socket.create_connection(('127.0.0.1', 3128), 20)\ntry:\n print(s.recv(1))\nexcept ConnectionError: print(b'')"],
                           capture_output=True, text=True, timeout=60)
    assert p.stdout == "b''\n", (p.stdout, p.stderr)


def test_the_programs_status_and_absence_are_told():
    assert run("raise SystemExit(7)").returncode == 7
    with tempfile.TemporaryDirectory() as d:
        p = subprocess.run(["unshare", "-n", "--pid", "--fork", "--kill-child", NET, f"{d}/s", "/no/such/program"], capture_output=True, text=True)
    assert p.returncode == 127 and "/no/such/program" in p.stderr, p.stderr


if __name__ == "__main__":
    sys.exit(cases.main(globals()) != 0)
