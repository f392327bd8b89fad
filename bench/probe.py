"""A terminal service measured from outside: a client on a pty, timed from a key's write to its effect's arrival."""
import fcntl
import os
import pty
import random
import re
import select
import signal
import statistics
import struct
import termios
import time

ANSI = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][0-9A-B]|\x1b[=>78cDEHMNOZ]|[\x00-\x08\x0b-\x1f]")


class Client:
    """One command on its own pty; times are seconds."""

    def __init__(self, argv, rows=40, cols=120, env=None):
        self.raw, self.total, self.closed = b"", 0, False
        self.started = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            os.environ.update({"TERM": "xterm-256color", "LANG": "C.UTF-8", **(env or {})})
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
            os.execvp(argv[0], [str(a) for a in argv])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        os.set_blocking(self.fd, False)

    def send(self, keys):
        self.raw = b""
        data = keys.encode() if isinstance(keys, str) else keys
        t = time.perf_counter()
        os.write(self.fd, data)
        return t

    def wait(self, regex, seconds=30):
        """The moment the regular expression was first seen in what arrived since send(); None if never."""
        want, end = re.compile(regex.encode(), re.S), time.perf_counter() + seconds
        while True:
            if want.search(ANSI.sub(b"", self.raw[-65536:])):
                return time.perf_counter()
            left = end - time.perf_counter()
            if left <= 0 or self.closed or not select.select([self.fd], [], [], left)[0]:
                return None
            try:
                data = os.read(self.fd, 1 << 16)
            except OSError:
                data = b""
            self.closed = not data
            self.total += len(data)
            self.raw = (self.raw + data)[-1 << 18:]

    def need(self, regex, seconds=30):
        t = self.wait(regex, seconds)
        if t is None:
            raise SystemExit(f"never came: {regex}; last {ANSI.sub(b' ', self.raw)[-600:]!r}")
        return t

    def settle(self, seconds=0.3):
        """Read until nothing has come for that long."""
        while select.select([self.fd], [], [], seconds)[0]:
            try:
                if not os.read(self.fd, 1 << 16):
                    return
            except OSError:
                return

    def close(self):
        try:
            os.kill(self.pid, signal.SIGHUP)
        except ProcessLookupError:
            pass
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def echo(clients, keys=200, gap=0.03):
    """Milliseconds from a letter's write to its arrival, a list for each client.  The clients take turns key by key, so that
    whatever else the machine does meets them alike; at a typist's uneven pace."""
    out = [[] for _ in clients]
    for k in range(keys):
        c = "abcdefghijklmnopqrstuvwxyz"[k % 26]
        for client, times in sorted(zip(clients, out), key=lambda _: random.random()):
            t0 = client.send(c)
            t = client.wait(c, 5)
            times.append((t - t0) * 1000 if t else float("inf"))
            time.sleep(gap * random.uniform(0.5, 1.5))
        if k % 40 == 39 or k == keys - 1:
            for client in clients:
                client.send("\x15")
                client.settle(0.1)
    return out


def percentile(xs, p):
    xs = sorted(xs)
    return xs[min(len(xs) - 1, int(len(xs) * p))]


def tree(pid):
    """pid and all its descendants."""
    kids = {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{p}/stat") as f:
                kids.setdefault(int(f.read().rsplit(")", 1)[1].split()[1]), []).append(int(p))
        except OSError:
            pass
    out, todo = [], [pid]
    while todo:
        p = todo.pop()
        out.append(p)
        todo += kids.get(p, [])
    return out


def pss_kib(pids):
    """Proportional share of memory of these processes, KiB."""
    total = 0
    for p in pids:
        try:
            with open(f"/proc/{p}/smaps_rollup") as f:
                total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except (OSError, StopIteration):
            pass
    return total


def by_name(*names):
    out = []
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{p}/comm") as f:
                if f.read().strip() in names:
                    out.append(int(p))
        except OSError:
            pass
    return out


def median(xs):
    return statistics.median(xs)
