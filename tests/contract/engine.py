"""A private engine (backend sim) in a folder of its own, and calls to it as any uid.

A connection's peer uid is fixed when it is made: a forked child takes on the uid, connects, and passes the
descriptor back.  The engine answers one request for each connection.

With CODINGLAB_TEST_WIRE=call, calls and event streams go over the socket of our own programs instead of HTTP (test_calls.py
runs scripts that way); send() is always HTTP.
"""
import array
import atexit
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from urllib.parse import quote

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/lib"))
import calls  # noqa: E402

BIN = pathlib.Path(os.environ.get("CODINGLAB_TEST_BIN", ROOT / "build/dev/bin"))
UID_BASE = 200000
STRANGER = 61234
WIRE = os.environ.get("CODINGLAB_TEST_WIRE", "http")


def connect_as(path, uid, kind=socket.SOCK_STREAM, timeout=20):
    """A connected socket whose peer sees this uid."""
    if uid == os.geteuid():
        s = socket.socket(socket.AF_UNIX, kind)
        s.settimeout(timeout)
        s.connect(str(path))
        return s
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            s = socket.socket(socket.AF_UNIX, kind)
            s.connect(str(path))
            theirs.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
            code = 0
        except OSError as e:
            theirs.send(b"e%d" % e.errno)
        finally:
            os._exit(code)
    data, anc, _, _ = ours.recvmsg(64, socket.CMSG_LEN(4))
    os.waitpid(pid, 0)
    ours.close()
    theirs.close()
    if not anc:
        raise OSError(int(data[1:]), "cannot connect as %d" % uid)
    s = socket.socket(fileno=struct.unpack("i", anc[0][2][:4])[0])
    s.settimeout(timeout)
    return s


def read_all(s):
    out = b""
    while True:
        try:
            d = s.recv(65536)
        except ConnectionResetError:
            return out
        if not d:
            return out
        out += d


class Reply:
    def __init__(self, raw):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin1").split("\r\n")
        self.raw = raw
        self.status = int(lines[0].split(" ")[1]) if len(lines[0].split(" ")) > 1 else 0
        self.headers = dict((k.lower(), v.strip()) for k, _, v in (x.partition(":") for x in lines[1:]))
        try:
            self.json = json.loads(self.body)
        except ValueError:
            self.json = None

    @property
    def code(self):
        return (self.json or {}).get("error", {}).get("code") if isinstance(self.json, dict) else None

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Engine:
    def __init__(self, *options, state=None, binary=None, keep=False):
        if os.geteuid() != 0:
            print("needs root: the engine tells users apart by their uid")
            sys.exit(77)
        self.state = pathlib.Path(state or tempfile.mkdtemp(prefix="cl-contract-", dir="/var/tmp"))
        self.state.chmod(0o755)
        (self.state / "stacks").mkdir(mode=0o755, exist_ok=True)  # as `lab up` makes it for the engine's account
        shutil.chown(self.state / "stacks", account())
        self.binary = binary or BIN / "codinglab-engine"
        self.options = options
        self.log = self.state / "engine.log"
        self.socket = self.state / "run/engine.sock"
        self.auth = self.state / "run/auth.sock"
        self.pid = None
        self.process = None
        if not keep:
            atexit.register(self.remove)
        self.start()

    def start(self, timeout=30):
        if self.process and self.process.poll() is None:
            self.kill()
        out = open(self.log, "ab")
        at = self.log.stat().st_size
        argv = [str(self.binary), "--engine-backend", "sim", "--images-dir", str(ROOT / "images"),
                "--engine-user", account(), *self.options]
        env = {"ASAN_OPTIONS": "quarantine_size_mb=2", "CODINGLAB_STATE": str(self.state), "PATH": "/usr/bin:/bin", "CODINGLAB_CONF": "/dev/null"}
        self.process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.pid = self.process.pid
        out.close()
        until = time.time() + timeout
        while time.time() < until:
            with open(self.log, "rb") as f:
                f.seek(at)
                if b" ready on " in f.read():
                    return
            if self.process.poll() is not None:
                raise RuntimeError(f"engine ended: {self.process.returncode}: {self.tail()}")
            time.sleep(0.01)
        raise RuntimeError("engine is not ready: " + self.tail())

    def tail(self):
        return self.log.read_text(errors="replace")[-3000:]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def remove(self):
        if self.process and self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.state, ignore_errors=True)

    def connect(self, uid=0):
        return connect_as(self.socket, uid)

    def send(self, data, uid=0):
        with self.connect(uid) as s:
            try:
                s.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
            return Reply(read_all(s))

    def call(self, method, path, body=None, uid=0, headers=None, raw=None, wire=WIRE):
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        if wire == "call":
            return self.message(method, path, data, uid, headers or {})
        head = f"{method} {path} HTTP/1.1\r\nHost: engine\r\n"
        if data or method in ("POST", "PUT"):
            head += f"Content-Length: {len(data)}\r\n"
        for k, v in (headers or {}).items():
            head += f"{k}: {v}\r\n"
        return self.send(head.encode() + b"\r\n" + data, uid)

    def message(self, method, path, data, uid, headers):
        """A call over the socket of our own programs; its answer as if it had come by HTTP."""
        with self.connect_call(uid) as s:
            calls.send(s, method, path, data, headers.get("Idempotency-Key", ""), headers.get("Last-Event-ID", ""))
            r = calls.Answer(s)
            head = f"HTTP/1.1 {r.status} X\r\nallow: {r.allow}\r\n\r\n" if r.allow else f"HTTP/1.1 {r.status} X\r\n\r\n"
            return Reply(head.encode() + r.read())

    def connect_call(self, uid=0):
        return connect_as(str(self.socket) + calls.SUFFIX, uid, socket.SOCK_SEQPACKET)

    def get(self, path, uid=0):
        return self.call("GET", path, uid=uid)

    def user(self, name, role="developer", **more):
        r = self.call("POST", "/v1/users", {"name": name, "role": role, **more})
        assert r.status == 200, r
        return r.json["uid"]

    def project(self, uid, name, stack="python", **more):
        r = self.call("POST", "/v1/projects", {"name": name, "stack": stack, **more}, uid=uid)
        assert r.status == 200, r
        return r.json

    def audit(self, **query):
        return self.get("/v1/audit?limit=1000" + "".join(f"&{k}={quote(v)}" for k, v in query.items())).json["audit"]

    def rss_kib(self):
        for line in open(f"/proc/{self.pid}/status"):
            if line.startswith("VmRSS"):
                return int(line.split()[1])

    def files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def healthy(self):
        """It runs, answers, and no sanitizer spoke."""
        assert self.process.poll() is None, self.tail()
        assert self.get("/v1/info").status == 200
        text = self.log.read_text(errors="replace")
        assert "ERROR: AddressSanitizer" not in text and "runtime error:" not in text, text[-3000:]


def account():
    import pwd
    try:
        pwd.getpwnam("codinglab")
        return "codinglab"
    except KeyError:
        return "nobody"


class Events:
    """A stream of server-sent events, read with a deadline."""

    def __init__(self, engine, query="", uid=0, last=None):
        self.comments = 0
        self.ended = False
        if WIRE == "call":
            conn = engine.connect_call(uid)
            calls.send(conn, "GET", f"/v1/events{query}", last=str(last) if last is not None else "")
            self.s = calls.Answer(conn)
            self.status, self.head, self.buffer = self.s.status, b"", b""
            return
        self.s = engine.connect(uid)
        head = f"GET /v1/events{query} HTTP/1.1\r\nHost: engine\r\n"
        if last is not None:
            head += f"Last-Event-ID: {last}\r\n"
        self.s.sendall(head.encode() + b"\r\n")
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            d = self.s.recv(65536)
            assert d, self.buffer
            self.buffer += d
        self.head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        self.status = int(self.head.split(b" ")[1])

    def next(self, seconds=5):
        """(id, type, data) of the next event, or None when none came."""
        until = time.time() + seconds
        while True:
            while b"\n\n" in self.buffer:
                block, _, self.buffer = self.buffer.partition(b"\n\n")
                ident = kind = None
                data = []
                for line in block.decode().split("\n"):
                    key, _, value = line.partition(":")
                    value = value[1:] if value.startswith(" ") else value
                    if key == "id":
                        ident = int(value)
                    elif key == "event":
                        kind = value
                    elif key == "data":
                        data.append(value)
                    elif key == "":
                        self.comments += 1
                if kind or data:
                    return ident, kind, json.loads("\n".join(data) or "null")
            left = until - time.time()
            if left <= 0 or self.ended:
                return None
            self.s.settimeout(left)
            try:
                d = self.s.recv(65536)
            except (TimeoutError, socket.timeout):
                return None
            except ConnectionResetError:
                d = b""
            self.ended = self.ended or not d
            self.buffer += d

    def wait(self, kind, seconds=5):
        until = time.time() + seconds
        while time.time() < until:
            e = self.next(until - time.time())
            if e is None:
                return None
            if e[1] == kind:
                return e
        return None

    def close(self):
        self.s.close()
