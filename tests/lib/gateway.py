"""A private gateway for a test: the real codinglab-sshd and codinglab-conn with a fake engine, session and verb
program around them, so that every answer they get is the test's own.

    with Gateway() as g:
        g.ssh("echo hi").stdout
"""
import os
import pathlib
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

from lab import wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("CODINGLAB_TEST_BIN", ROOT / "build/dev/bin"))
UID_BASE, GID_BASE = 200000, 300000
AUTH_KEY, AUTH_PASSWORD, AUTH_TARGET, AUTH_NOTE, AUTH_ROW, AUTH_DONE = range(0x200, 0x206)
AUTH_REPLY, AUTH_TARGET_REPLY, AUTH_REVOKE, AUTH_ROLL, AUTH_KICK = range(0x280, 0x285)
CODES = ("ok failed usage precondition not_found forbidden unauthenticated quota conflict too_large not_implemented "
         "unavailable timeout").split()

VERBS = """#!/bin/sh
# The fake verb program: its line is a shell's.
[ "$1" = --ssh ] || exit 99
line=$CODINGLAB_LINE; unset CODINGLAB_LINE; exec /bin/sh -c "$line"
"""
PANE = """#!/usr/bin/python3
import os
while os.read(3, 65536):
    pass
"""


def u32(n):
    return struct.pack("<I", n & 0xffffffff)


def i64(n):
    return struct.pack("<q", n)


def text(s):
    b = s if isinstance(s, bytes) else s.encode()
    return u32(len(b)) + b


class Reader:
    """Fields of one packet in order, as base/ipc writes them."""

    def __init__(self, data):
        self.data, self.pos = data, 0

    def u32(self):
        self.pos += 4
        return struct.unpack_from("<I", self.data, self.pos - 4)[0]

    def i64(self):
        self.pos += 8
        return struct.unpack_from("<q", self.data, self.pos - 8)[0]

    def bytes(self):
        n = self.u32()
        self.pos += n
        return self.data[self.pos - n:self.pos]

    def str(self):
        return self.bytes().decode(errors="surrogateescape")


class Engine(threading.Thread):
    """The engine's side of auth.sock: users with keys and passwords, targets, and what it was told."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.users, self.notes, self.asked = path, {}, [], []
        self.targets = {}
        self.rows, self.done, self.rolls = {}, {}, 0
        self.delay, self.peers, self.stopping = 0, [], False
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        self.listener.listen(4)

    def run(self):
        while not self.stopping:
            ready, _, _ = select.select([self.listener, *self.peers], [], [], 0.05)
            for s in ready:
                if s is self.listener:
                    self.peers.append(s.accept()[0])
                    continue
                try:
                    data = s.recv(65536)
                except OSError:
                    data = b""
                if not data:
                    self.peers.remove(s)
                    s.close()
                    continue
                reply = self.answer(Reader(data))
                if reply:
                    time.sleep(self.delay)
                    s.send(reply)

    def answer(self, m):
        kind, req = m.u32(), m.i64()
        if kind in (AUTH_KEY, AUTH_PASSWORD):
            user, address, proof = m.str(), m.str(), m.str()
            signed = m.u32() if kind == AUTH_KEY else 1
            self.asked.append((user, kind, signed))
            u = self.users.get(user)
            if not u or proof not in u["proofs"]:
                return u32(AUTH_REPLY) + i64(req) + u32(0)
            uid = u.get("uid", UID_BASE + u["id"])
            return u32(AUTH_REPLY) + i64(req) + u32(1) + i64(u["id"]) + text(user) + u32(uid) + u32(uid) + text("user") + text("SHA256:test")
        if kind == AUTH_TARGET:
            user_id, owner, project = m.i64(), m.str(), m.str()
            name = next(n for n, u in self.users.items() if u["id"] == user_id)
            owner = owner or name
            if project and (owner, project) not in self.targets:
                return (u32(AUTH_TARGET_REPLY) + i64(req) + u32(0) + u32(CODES.index("not_found")) +
                        text(f"project {project}: not found") + text("See `project ls`"))
            t = self.targets.get((owner, project), {})
            return (u32(AUTH_TARGET_REPLY) + i64(req) + u32(1) + i64(t.get("id", 0)) +
                    text(owner if project else "") + text(project) + text(self.users[name]["home"]) +
                    text(t.get("workspace", "")) + u32(1 if project else 0) +
                    (u32(GID_BASE + t["id"]) if project else b""))
        if kind == AUTH_NOTE:
            self.notes.append((m.i64(), m.str(), m.str(), m.str(), m.str()))
        if kind == AUTH_ROW:
            row = {"uid": m.u32(), "owner": m.str(), "project": m.str(), "answers": m.u32(), "age": m.i64(), "idle": m.i64()}
            row["doors"] = [{"door": m.u32(), "user": m.str(), "mode": m.u32(), "from": m.str(), "rows": m.u32(), "cols": m.u32(),
                             "age": m.i64(), "idle": m.i64()} for _ in range(m.u32())]
            self.rows.setdefault(req, []).append(row)
        if kind == AUTH_DONE:
            self.done[req] = m.u32() or CODES[m.u32()]
        return None

    def ask(self, kind, fields, seconds=10):
        """Ask the listener; its rows, and 1 or the code of its error."""
        wait_until("the listener's link to the engine", lambda: self.peers)
        self.rolls += 1
        req = self.rolls
        self.peers[-1].send(u32(kind) + i64(req) + fields)
        end = time.time() + seconds
        while req not in self.done:
            assert time.time() < end, "the listener does not answer"
            time.sleep(0.02)
        return self.rows.get(req, []), self.done[req]

    def sessions(self, uid=0):
        rows, done = self.ask(AUTH_ROLL, u32(uid))
        assert done == 1, done
        return rows

    def kick(self, uid, owner="", project="", door=None, words="out with you"):
        return self.ask(AUTH_KICK, u32(uid) + text(owner) + text(project) + u32(door is not None) + u32(door or 0) + text(words))[1]

    def revoke(self, user_id, reason):
        for p in self.peers:
            p.send(u32(AUTH_REVOKE) + i64(user_id) + text(reason) + text(""))

    def stop(self):
        self.stopping = True
        self.join()
        for s in [self.listener, *self.peers]:
            s.close()
        os.unlink(self.path)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Gateway:
    def __init__(self, options=(), exempt=True):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cl-gw-", dir="/var/tmp"))
        self.dir.chmod(0o755)
        self.port, self.options, self.exempt = free_port(), list(options), exempt
        self.run, self.bin, self.log = self.dir / "run", self.dir / "bin", self.dir / "log"
        self.proc = None
        self.spare = []

    def __enter__(self):
        try:
            self.run.mkdir(mode=0o755)
            self.bin.mkdir(mode=0o755)
            for p in ("codinglab-sshd", "codinglab-conn"):
                (self.bin / p).symlink_to(BIN / p)
            self.program("codinglab", VERBS)
            self.program("codinglab-pane", PANE)
            self.program("codinglab-tui", (ROOT / "tests/lib/fake_session.py").read_text())
            self.engine = Engine(self.run / "auth.sock")
            self.engine.start()
            self.key("id")
            self.add_user("alice", 1)
            self.add_project("alice", "shop", 7)
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *exc):
        if exc[0] is not None and self.log.exists():
            print("--- the gateway's log ---\n" + self.log.read_text(errors="replace")[-4000:])
        if self.proc and self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(15)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        if getattr(self, "engine", None) and not self.engine.stopping:
            self.engine.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def program(self, name, content):
        (self.bin / name).write_text(content)
        (self.bin / name).chmod(0o755)

    def key(self, name, kind="ed25519"):
        path = self.dir / name
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
        return " ".join((self.dir / f"{name}.pub").read_text().split()[:2])

    def add_user(self, name, number, key="id", password="s3cret word"):
        home = self.dir / f"home-{name}"
        home.mkdir(exist_ok=True)
        os.chown(home, UID_BASE + number, UID_BASE + number)
        pub = " ".join((self.dir / f"{key}.pub").read_text().split()[:2])
        self.engine.users[name] = {"id": number, "proofs": {pub, password}, "home": str(home)}

    def add_project(self, owner, name, number):
        work = self.dir / f"work-{name}"
        work.mkdir()
        os.chown(work, UID_BASE + self.engine.users[owner]["id"], GID_BASE + number)
        work.chmod(0o2770)
        self.engine.targets[(owner, name)] = {"id": number, "workspace": str(work)}

    def start(self):
        env = {"PATH": "/usr/bin:/bin:/usr/sbin", "CODINGLAB_STATE": str(self.dir), "LANG": "C.UTF-8",
               "CODINGLAB_CONF": "/dev/null"}
        argv = [self.bin / "codinglab-sshd", "--sshd-port", str(self.port), "--bin-dir", str(self.bin), *self.options]
        if self.exempt:
            argv += ["--sshd-exempt", "127.0.0.0/8"]
        said, before = f"port {self.port}", 0
        if self.log.exists():
            before = self.log.read_text().count(said)  # of a listener that was killed
        with open(self.log, "ab") as log:
            self.proc = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        for _ in range(200):
            try:
                # Not through the gate: a probe counts as a client that says nothing.
                if self.log.read_text().count(said) > before:
                    return
            except OSError:
                pass
            if self.proc.poll() is not None:
                raise AssertionError(f"the gateway ended with {self.proc.returncode}: {self.log.read_text()}")
            time.sleep(0.02)
        raise AssertionError("the gateway does not start")

    def argv(self, *command, user="alice", options=(), key="id"):
        return ["ssh", "-F", "/dev/null", "-p", str(self.port), "-i", str(self.dir / key), "-o", "IdentitiesOnly=yes",
                "-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={self.dir}/known_hosts",
                "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "IdentityAgent=none",
                *options, f"{user}@127.0.0.1", *command]

    def ssh(self, *command, input=b"", timeout=60, **kw):
        return subprocess.run(self.argv(*command, **kw), input=input, capture_output=True, timeout=timeout)

    def children(self, name):
        """Processes of this gateway by program name."""
        found = []
        for p in pathlib.Path("/proc").iterdir():
            try:
                if p.name.isdigit() and str(self.bin).encode() in (p / "cmdline").read_bytes() + (p / "environ").read_bytes():
                    args = (p / "cmdline").read_bytes().split(b"\0")
                    if any(a.endswith(name.encode()) for a in args[:2]):
                        found.append(int(p.name))
                elif p.name.isdigit() and (p / "stat").read_text().split()[3] == str(self.proc.pid):
                    if (p / "comm").read_text().strip() == name[:15]:
                        found.append(int(p.name))
            except (OSError, IndexError):
                pass
        return found

    def noted(self, kind, seconds=5):
        """The audit rows of this kind, waiting for the first."""
        end = time.time() + seconds
        while True:
            rows = [n for n in self.engine.notes if n[3] == kind]
            if rows or time.time() > end:
                return rows
            time.sleep(0.02)
