"""Drives codinglab-pane as a session does: messages over a SEQPACKET pair, cells read from the shared memory.

Not a test by itself (not executable).  The numbers mirror base/pane.h.
"""
import array
import fcntl
import mmap
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import time

PAGE = 4096
MARKS = 1024 * 8 * 4
CELLS = 8003584
RING = 4 << 20
OFF_CELLS = PAGE + MARKS
OFF_RING = OFF_CELLS + CELLS
TERM = OFF_RING + RING
SHARED = PAGE + 8 * TERM
OPEN, RESIZE, CLOSE, FEED, LOOKED, TEST = range(0x500, 0x506)
NOTE, ENDED, CLIPBOARD, RESTARTED = range(0x580, 0x584)
SPIN, CRASH = 1, 2
MODES = dict(cursor_keys=1, keypad=2, paste=4, focus=8, click=16, drag=32, move=64, sgr=128, alt=256, hidden=512)


def binary():
    here = os.path.dirname(os.path.abspath(__file__))
    root = os.path.dirname(os.path.dirname(here))
    names = [os.environ.get(n, "") for n in ("CL_BIN", "CODINGLAB_TEST_BIN")] + [os.path.join(root, "build", b, "bin") for b in ("release", "dev")]
    for d in names:
        if d and os.access(os.path.join(d, "codinglab-pane"), os.X_OK):
            return os.path.join(d, "codinglab-pane")
    print("codinglab-pane is not built")
    raise SystemExit(77)


class Pane:
    """One pane process with its terminals."""

    def __init__(self, test=False):
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.memfd = os.memfd_create("pane")
        os.ftruncate(self.memfd, SHARED)
        self.mem = mmap.mmap(self.memfd, SHARED)
        args = [binary(), "--fd", str(theirs.fileno()), "--shm-fd", str(self.memfd)] + (["--test"] if test else [])
        self.proc = subprocess.Popen(args, pass_fds=(theirs.fileno(), self.memfd))
        theirs.close()
        self.children = []
        self.log = []
        self.open_fds = {}

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        for pid in self.children:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
        for fd in self.open_fds.values():
            os.close(fd)
        self.sock.close()
        try:
            self.proc.wait(5)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        self.mem.close()
        os.close(self.memfd)

    def send(self, kind, *fields, data=None, fd=None):
        msg = struct.pack("<I", kind) + b"".join(struct.pack("<I", f) for f in fields)
        if data is not None:
            msg += struct.pack("<I", len(data)) + data
        anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd is not None else []
        self.sock.sendmsg([msg], anc)

    def open(self, ident, fd, rows=24, cols=80, ring=65536, flags=0):
        self.send(OPEN, ident, rows, cols, ring, flags, fd=fd)

    def run(self, ident, argv, rows=24, cols=80, env=None, ring=65536):
        """Start a program on a pty and open a terminal for it; gives the master descriptor."""
        pid, fd = pty.fork()
        if pid == 0:
            os.environ.update({"TERM": "xterm-256color", "LANG": "C.UTF-8", **(env or {})})
            os.execvp(argv[0], argv)
        self.children.append(pid)
        self.open_fds[ident] = fd
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self.open(ident, fd, rows, cols, ring)
        return fd

    def resize(self, ident, rows, cols):
        if ident in self.open_fds:
            fcntl.ioctl(self.open_fds[ident], termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self.send(RESIZE, ident, rows, cols)

    def looked(self):
        struct.pack_into("<I", self.mem, 4, 0)
        if struct.unpack_from("<I", self.mem, 8)[0]:
            struct.pack_into("<I", self.mem, 8, 0)
            self.send(LOOKED)

    def recv(self, timeout=5.0):
        """The next message as (type, fields...), or None."""
        if not select.select([self.sock], [], [], timeout)[0]:
            return None
        data = self.sock.recv(65536)
        if not data:
            return ("closed",)
        kind = struct.unpack_from("<I", data)[0]
        self.log.append(kind)
        if kind == CLIPBOARD:
            return (kind, struct.unpack_from("<I", data, 4)[0], data[12:])
        return (kind,) + struct.unpack_from("<%dI" % ((len(data) - 4) // 4), data, 4)

    def until(self, test, timeout=10.0):
        """Look after each note until test() holds."""
        end = time.monotonic() + timeout
        while True:
            if test():
                return True
            left = end - time.monotonic()
            if left <= 0:
                return False
            msg = self.recv(min(left, 0.2))
            if msg and msg[0] == NOTE:
                self.looked()

    def base(self, ident):
        return PAGE + ident * TERM

    def head(self, ident):
        names = ("seq", "rows", "cols", "row", "col", "modes", "shape", "bells", "titles", "stamp")
        return dict(zip(names, struct.unpack_from("<10I", self.mem, self.base(ident))))

    def title(self, ident):
        raw = self.mem[self.base(ident) + 40 : self.base(ident) + 296]
        return raw.split(b"\0")[0].decode()

    def ring(self, ident):
        return struct.unpack_from("<QQQI", self.mem, self.base(ident) + 296)

    def lines(self, ident):
        """Lines that scrolled off, oldest first, without colours."""
        head, tail, _, cap = self.ring(ident)
        base = self.base(ident) + OFF_RING
        data = bytes(self.mem[base : base + cap])
        both = data + data
        out = []
        while tail < head:
            at = tail % cap
            n = struct.unpack_from("<H", both, at)[0]
            body = both[at + 2 : at + 2 + n][1:]
            text = b""
            while b"\x01" in body:
                cut = body.index(b"\x01")
                text += body[:cut]
                body = body[cut + 11 :]
            out.append((text + body).decode())
            tail += n + 4
        return out

    def cell(self, ident, row, col):
        h = self.head(ident)
        at = self.base(ident) + OFF_CELLS + (row * h["cols"] + col) * 16
        return struct.unpack_from("<IHHII", self.mem, at)

    def rows(self, ident):
        h = self.head(ident)
        at = self.base(ident) + OFF_CELLS
        out = []
        marks = self.base(ident) + PAGE
        for r in range(h["rows"]):
            text = ""
            for ch, mark, _, _, _ in struct.iter_unpack("<IHHII", self.mem[at : at + h["cols"] * 16]):
                if ch & 1 << 22:
                    continue
                text += chr(ch & 0x1FFFFF or 32)
                if mark:
                    text += "".join(chr(c) for c in struct.unpack_from("<8I", self.mem, marks + mark * 32) if c)
            out.append(text.rstrip())
            at += h["cols"] * 16
        return out

    def text(self, ident):
        return "\n".join(self.rows(ident))
