"""A session as its listener starts it, and doors onto it (base/door.h), for tests.

    with Session(user="alice", project="shop") as s:
        d = s.door(24, 80); d.expect("Files"); d.type("<F2>")
"""
import os
import pathlib
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import pyte

from fake_engine import FakeEngine
from lab import DEV, key_bytes
from wire import text, u32

ADMIT, HELLO, INPUT, RESIZE, ACK = range(0x100, 0x105)
FRAME, EXIT, SWITCH = range(0x180, 0x183)
UID = 200999


class Fields:
    def __init__(self, data):
        self.data, self.at = data, 0

    def u32(self):
        self.at += 4
        return struct.unpack_from("<I", self.data, self.at - 4)[0]

    def bytes(self):
        n = self.u32()
        self.at += n
        return self.data[self.at - n:self.at]


class Door:
    """One attached client: its terminal is a pyte screen."""

    def __init__(self, session, rows, cols, term="xterm-256color", env=("LANG=C.UTF-8",), mode=0, user=None, ack=True):
        self.session, self.rows, self.cols, self.ack = session, rows, cols, ack
        self.screen = pyte.Screen(cols, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.frames, self.exit, self.switch, self.bytes, self.unacked = 0, None, None, 0, None
        self.raw = b""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.connect(session.path)
        self.send(u32(ADMIT) + text(user or session.user) + u32(mode) + text("127.0.0.1"))
        self.send(u32(HELLO) + u32(1) + u32(rows) + u32(cols) + text(term) + u32(len(env)) + b"".join(map(text, env)))

    def send(self, data):
        self.sock.send(data)

    def type(self, keys):
        self.send(u32(INPUT) + text(key_bytes(keys)))

    def raw_input(self, data):
        self.send(u32(INPUT) + text(data))

    def resize(self, rows, cols):
        self.rows, self.cols = rows, cols
        self.screen.resize(rows, cols)
        self.send(u32(RESIZE) + u32(rows) + u32(cols))

    def pump(self, seconds=0.0):
        """Take what came; True if something did."""
        some = False
        while self.sock and select.select([self.sock], [], [], 0 if some else seconds)[0]:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                continue  # once, before the last words of a session that closed with our ACK unread
            some = True
            if not data:
                self.close()
                break
            self.take(Fields(data))
        return some

    def take(self, f):
        kind = f.u32()
        if kind == FRAME:
            frame, last = f.u32(), f.u32()
            part = f.bytes()
            self.bytes += len(part)
            self.raw += part
            self.stream.feed(part)
            self.frames += last
            if last:
                self.unacked = frame
                if self.ack:
                    self.acknowledge()
        elif kind == EXIT:
            self.exit = f.u32(), f.bytes().decode()
        elif kind == SWITCH:
            self.switch = f.bytes().decode()

    def acknowledge(self):
        if self.unacked is not None and self.sock:
            try:
                self.send(u32(ACK) + u32(self.unacked))
            except BrokenPipeError:
                pass
            self.unacked = None

    def close(self):
        if self.sock:
            self.sock.close()
            self.sock = None

    # what a user sees

    def row(self, n):
        line, buffer, skip = "", self.screen.buffer[n - 1], False
        for x in range(self.cols):
            line += buffer[x].data
        return line.rstrip()

    def rows_text(self):
        return [self.row(n + 1) for n in range(self.rows)]

    def text(self):
        return "\n".join(self.rows_text())

    def until(self, what, predicate, seconds=10):
        end = time.monotonic() + seconds
        while not predicate():
            if time.monotonic() > end or not self.session.alive() and not self.pump(0):
                raise AssertionError(f"{what}\n{self.text()}\n{self.session.log()}")
            self.pump(0.05)

    def expect(self, wanted, row=None, seconds=10):
        self.until(f"no {wanted!r} on the screen" + (f" in row {row}" if row else ""),
                   lambda: wanted in (self.row(row) if row else self.text()), seconds)

    def expect_not(self, unwanted, seconds=10):
        self.until(f"still {unwanted!r} on the screen", lambda: unwanted not in self.text(), seconds)

    def settle(self, quiet=0.25):
        """Until nothing came for a while."""
        while self.pump(quiet):
            pass


class Session:
    def __init__(self, user="alice", project=None, owner=None, engine=None, files=None, binary=None, uid=UID, env=None):
        self.user, self.project, self.owner, self.uid = user, project, owner or user, uid
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cl-vt-"))
        self.engine = engine or FakeEngine(str(self.dir / "run/engine.sock"), user)
        self.files, self.binary, self.env = files or {}, binary or DEV / "codinglab-tui", env or {}
        self.process = None

    def start(self):
        self.dir.chmod(0o755)
        for d in ("run", "home/swap", "work"):
            (self.dir / d).mkdir(parents=True)
            (self.dir / d).chmod(0o755)
        for name, content in self.files.items():
            p = self.dir / "work" / name
            p.parent.mkdir(parents=True, exist_ok=True)
            p.write_bytes(content if isinstance(content, bytes) else content.encode())
        for d in ("home", "work"):
            for p in [self.dir / d, *(self.dir / d).rglob("*")]:
                os.chown(p, self.uid, self.uid)
        self.engine.start()
        self.path = str(self.dir / "session.sock")
        self.launch()
        return self

    __enter__ = start

    def launch(self):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.path.exists(self.path):
            os.unlink(self.path)
        listener.bind(self.path)
        listener.listen(8)
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        memory = os.memfd_create("panes")
        argv = [self.binary, "--listen-fd", listener.fileno(), "--pane-fd", pair[0].fileno(), "--shm-fd", memory, "--user", self.user,
                "--uid", self.uid, "--home", self.dir / "home"]
        if self.project:
            p = self.engine.project(f"{self.owner}.{self.project}") or self.engine.add_project(self.project, owner=self.owner)
            argv += ["--project-id", p["id"], "--owner", self.owner, "--project", self.project, "--workspace", self.dir / "work"]
        self.pane = pair[1]
        self.process = subprocess.Popen(
            list(map(str, argv)), pass_fds=[listener.fileno(), pair[0].fileno(), memory], user=self.uid, group=self.uid, extra_groups=[],
            cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.dir / "log", "ab"), start_new_session=True,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "CODINGLAB_STATE": str(self.dir), "ASAN_OPTIONS": "detect_leaks=0",
                 **self.env})
        for x in (listener, pair[0]):
            x.close()
        os.close(memory)

    def door(self, rows=24, cols=80, **how):
        return Door(self, rows, cols, **how)

    def alive(self):
        return self.process.poll() is None

    def log(self):
        return (self.dir / "log").read_text(errors="replace")[-3000:]

    def stop(self):
        if self.process and self.alive():
            os.kill(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.engine.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __exit__(self, *args):
        self.stop()
