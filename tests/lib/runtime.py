"""The runtime broker with a real podman, as the engine and a session speak to it (broker_proto.h, exec_proto.h).

    with Runtime() as r:
        r.image("python-run")                         # builds what is missing, once for all tests
        r.apply(r.spec("p1-dev", project=1, image="python-run"))
        x = r.exec("p1-dev", ["cat"]); x.write(b"hi"); x.close_input(); x.finish() -> (0, 0, b"hi", b"")
"""
import array
import errno
import json
import os
import pathlib
import re
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

from lab import DEV, ROOT, wait_until

PROTO = (ROOT / "engine/broker/broker_proto.h").read_text()
VERBS = re.findall(r"^\tBROKER_(\w+)(?: = 0x400)?,", PROTO.split("enum broker_verb {")[1].split("};")[0], re.M)
VERB = {name: 0x400 + i for i, name in enumerate(VERBS)}
OK, ERROR, LINE, INSTANCE, IMAGE, DATA, CHANGE = range(0x480, 0x487)
OPEN, RESIZE, SIGNAL = range(0x300, 0x303)
OPENED, EXITED, FAILED = range(0x380, 0x383)
WORKSPACE, HOME, VOLUME, EDGE, TMP = range(5)
UID, GID = 200901, 300901
RECIPES = {"base": ("base", "Containerfile", None), "tools": ("tools", "Containerfile", "base"),
           "python": ("python", "Containerfile", "tools"), "python-run": ("python", "Containerfile.run", "base"),
           "web": ("web", "Containerfile", "base"), "postgresql": ("postgresql", "Containerfile", "base")}


def u32(n):
    return struct.pack("<I", n & 0xffffffff)


def i64(n):
    return struct.pack("<q", n)


def text(s):
    s = s.encode() if isinstance(s, str) else s
    return u32(len(s)) + s


def words(argv):
    return u32(len(argv)) + b"".join(map(text, argv))


def pairs(d):
    return u32(len(d)) + b"".join(text(k) + text(v) for k, v in d.items())


class Fields:
    def __init__(self, data):
        self.data, self.at = data, 0

    def u32(self):
        self.at += 4
        return struct.unpack_from("<I", self.data, self.at - 4)[0]

    def i32(self):
        self.at += 4
        return struct.unpack_from("<i", self.data, self.at - 4)[0]

    def i64(self):
        self.at += 8
        return struct.unpack_from("<q", self.data, self.at - 8)[0]

    def bytes(self):
        n = self.u32()
        self.at += n
        return self.data[self.at - n:self.at]

    def str(self):
        return self.bytes().decode(errors="replace")


class Refused(Exception):
    """The broker's ERROR, or EXEC_FAILED: .code is a number of base/err.def, .message its text."""

    def __init__(self, f):
        self.code, self.message, self.hint = f.u32(), f.str(), f.str()
        super().__init__(f"{self.message} ({self.hint})")


class Link:
    """One connection of the engine's to the broker."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(600)
        self.sock.connect(str(path))

    def send(self, verb, body=b""):
        self.sock.send(u32(VERB[verb] if isinstance(verb, str) else verb) + body)

    def receive(self):
        data = self.sock.recv(65536)
        return (None, None) if not data else (struct.unpack_from("<I", data)[0], Fields(data[4:]))

    def ask(self, verb, body=b"", part=None):
        """Send, give each part to `part`, return the fields of OK; raises Refused, or EOFError."""
        self.send(verb, body)
        while True:
            kind, f = self.receive()
            if kind is None:
                raise EOFError("the broker closed the connection")
            if kind == OK:
                return f
            if kind == ERROR:
                raise Refused(f)
            if part:
                part(kind, f)

    def close(self):
        self.sock.close()


class Exec:
    """A running execution: .tty (one descriptor) or .stdin .stdout .stderr."""

    def __init__(self, path, ticket):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(60)
        self.sock.connect(str(path))
        self.sock.send(u32(OPEN) + text(ticket))
        data, anc, _, _ = self.sock.recvmsg(65536, socket.CMSG_SPACE(16))
        if not data:
            raise EOFError("the broker closed the connection")
        fds = array.array("i")
        for _, _, d in anc:
            fds.frombytes(d[:len(d) - len(d) % fds.itemsize])
        kind, f = struct.unpack_from("<I", data)[0], Fields(data[4:])
        if kind == FAILED:
            raise Refused(f)
        self.is_tty, self.early = f.u32(), f.bytes()
        self.fds = list(fds)
        if self.is_tty:
            self.tty, = self.fds
        else:
            self.stdin, self.stdout, self.stderr = self.fds

    def write(self, data):
        fd = self.tty if self.is_tty else self.stdin
        while data:
            data = data[os.write(fd, data):]

    def close_input(self):
        self.shut(self.stdin)

    def shut(self, fd):
        if fd in self.fds:
            self.fds.remove(fd)
            os.close(fd)

    def resize(self, rows, cols):
        self.sock.send(u32(RESIZE) + u32(rows) + u32(cols))

    def signal(self, name):
        self.sock.send(u32(SIGNAL) + text(name))

    def until(self, word, seconds=20):
        """Read the terminal until word has come; everything so far."""
        got, end = self.early, time.time() + seconds
        self.early = b""
        while word not in got:
            if not select.select([self.tty], [], [], max(0, end - time.time()))[0]:
                raise AssertionError(f"{word!r} never came: {got!r}")
            data = os.read(self.tty, 65536)
            if not data:
                raise AssertionError(f"ended before {word!r}: {got!r}")
            got += data
        return got

    def drain(self):
        """(stdout, stderr) to their ends; for a terminal (everything, b"")."""
        out = {fd: b"" for fd in self.fds if self.is_tty or fd != getattr(self, "stdin", None)}
        open_fds = set(out)
        while open_fds:
            for fd in select.select(list(open_fds), [], [])[0]:
                try:
                    data = os.read(fd, 1 << 20)
                except OSError as e:  # a terminal whose program has ended
                    if e.errno != errno.EIO:
                        raise
                    data = b""
                out[fd] += data
                if not data:
                    open_fds.remove(fd)
        return (self.early + out[self.tty], b"") if self.is_tty else (out[self.stdout], out[self.stderr])

    def exited(self):
        """(status, signal)"""
        data = self.sock.recv(65536)
        assert data, "the broker hung up without EXITED"
        f = Fields(data[4:])
        if struct.unpack_from("<I", data)[0] == FAILED:
            raise Refused(f)
        return f.u32(), f.u32()

    def finish(self):
        out, err = self.drain()
        status, sig = self.exited()
        self.close()
        return status, sig, out, err

    def close(self):
        for fd in list(self.fds):
            self.shut(fd)
        self.sock.close()


class Runtime:
    def __init__(self, bin=None, engine_running=True, bundle="/etc/ssl/certs/ca-certificates.crt", registry=None):
        """registry: a function that makes one (tests/lib/registry.py) in the folder that it is given."""
        self.bundle = bundle
        self.make_registry, self.registry = registry, None
        self.bin = pathlib.Path(bin or os.environ.get("CODINGLAB_TEST_BIN", DEV))
        self.engine_running = engine_running
        self.processes = []

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="codinglab-test-", dir="/var/tmp"))
        self.dir.chmod(0o755)
        self.state, self.run = self.dir / "s", self.dir / "s/run"
        for d in ("projects", "users", "images", "run/podman", "run/broker", "run/edge/0", "run/edge/1"):
            (self.state / d).mkdir(parents=True, exist_ok=True)
        self.env = {**os.environ, "CODINGLAB_STATE": str(self.state), "CODINGLAB_BIN_DIR": str(self.bin), "CODINGLAB_IMAGES_DIR": str(ROOT / "images"),
                    "CODINGLAB_IMAGES_ROOTFS": f"{os.environ.get('CODINGLAB_CACHE', '/var/cache/codinglab')}/base-debian-13.tar",
                    "CODINGLAB_ENGINE_USER": "codinglab"}
        try:
            if self.make_registry:
                self.registry = self.make_registry(self.state / "registry").__enter__()
                self.env["CODINGLAB_REGISTRY_PORT"] = str(self.registry.port)
            if self.engine_running:
                self.start_podman()
            self.start_broker()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        if self.engine_running:
            self.purge()
        for p in reversed(self.processes):
            p.terminate()
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        if self.engine_running:
            self.lab_does("__networks_forget")
        if self.registry:
            self.registry.__exit__()
        if exc and exc[0] is not None:
            print((self.dir / "broker.log").read_text()[-4000:])
        shutil.rmtree(self.dir, ignore_errors=True)

    # -- processes

    def lab_does(self, what):
        return subprocess.run([ROOT / "lab", what], env=self.env, capture_output=True, check=True, text=True).stdout

    def start_podman(self):
        store = os.environ["CODINGLAB_STORAGE"]
        crc = subprocess.run(["cksum"], input=store.encode(), capture_output=True, check=True).stdout.split()[0].decode()
        conf, builds = self.dir / "containers.conf", self.dir / "builds.conf"
        runtime = "crun" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "runc"
        subprocess.run([ROOT / "images/trust-files", self.run / "trust", "", self.bundle], check=True)
        mounts = (f'"{self.run}/trust/ca-certificates.crt:/etc/ssl/certs/ca-certificates.crt:ro",'
                  f'"{self.run}/trust:/run/codinglab-trust:ro"')
        self.lab_does("__networks_begin")
        pools = self.lab_does("__subnet_pools")
        for path, volumes in (conf, ""), (builds, mounts):
            path.write_text(f'[containers]\ndefault_ulimits=[]\nvolumes=[{volumes}]\n[engine]\nruntime="{runtime}"\n'
                            'events_logger="file"\n[network]\nnetwork_backend="netavark"\n' + pools)
        os.makedirs(store, exist_ok=True)
        self.podman_args = ["podman", "--root", f"{store}/storage", "--runroot", f"/run/codinglab-containers-{crc}",
                            "--tmpdir", f"/run/codinglab-containers-{crc}/libpod"]
        self.podman_env = {**os.environ, "CONTAINERS_CONF": str(conf)}
        if self.registry:
            mirrors = self.dir / "registries.conf"
            mirrors.write_text(f'unqualified-search-registries = []\n[[registry]]\nlocation = "127.0.0.1:{self.registry.port}"\ninsecure = true\n')
            self.podman_env["CONTAINERS_REGISTRIES_CONF"] = str(mirrors)
        for path, name in (conf, "podman"), (builds, "build"):
            sock = self.run / f"podman/{name}.sock"
            with open(self.dir / "podman.log", "ab") as log:
                self.processes.append(subprocess.Popen([*self.podman_args, "system", "service", "--time", "0", f"unix://{sock}"], cwd=self.dir,
                                                       env={**self.podman_env, "CONTAINERS_CONF": str(path)}, stdin=subprocess.DEVNULL,
                                                       stdout=log, stderr=log))
            wait_until("podman", sock.exists)

    def start_broker(self):
        with open(self.dir / "broker.log", "ab") as log:
            self.broker = subprocess.Popen([self.bin / "codinglab-broker"], env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append(self.broker)

        def answers():
            try:
                Link(self.run / "broker/broker.sock").close()
                return True
            except OSError:
                return False
        wait_until("the broker", answers)

    def podman(self, *args, check=True):
        p = subprocess.run([*self.podman_args, *args], env=self.podman_env, capture_output=True, text=True)
        if check and p.returncode:
            raise AssertionError(f"podman {args}: {p.stderr}")
        return p.stdout

    def purge(self):
        """Everything of this instance: the store is shared with other tests."""
        label = f"label=codinglab.instance={self.instance()}"
        ids = self.podman("ps", "-aq", "--filter", label, check=False).split()
        if ids:
            self.podman("rm", "-f", "-t", "0", *ids, check=False)
        for kind in ("volume", "network"):
            names = self.podman(kind, "ls", "-q", "--filter", label, check=False).split()
            if names:
                self.podman(kind, "rm", "-f", *names, check=False)
        ids = self.podman("images", "-q", "--filter", label, check=False).split()
        if ids:
            self.podman("rmi", "-f", *set(ids), check=False)

    def instance(self):
        return subprocess.run([self.bin / "codinglab-broker", "--print-instance"], env=self.env, capture_output=True, text=True,
                              check=True).stdout.strip()

    # -- requests

    def link(self):
        return Link(self.run / "broker/broker.sock")

    def ask(self, verb, body=b"", part=None):
        link = self.link()
        try:
            return link.ask(verb, body, part)
        finally:
            link.close()

    def lines(self, verb, body):
        """(fields of OK, [line, ...])"""
        got = []
        return self.ask(verb, body, lambda kind, f: got.append(f.bytes()) if kind == LINE else None), got

    def spec(self, name, project=1, env="ide", tier="dev", n=1, release=0, image="base", argv=(), vars=None, mounts=(), network="", alias="",
             hostname="", workdir="", uid=UID, gid=GID, user_name="", memory=256 << 20, cpu=0, pids=128, read_only=False, port=0, health="",
             grace=1, generation=1):
        return (text(name) + i64(project) + text(env) + text(tier) + u32(n) + u32(release) + text(image) + words(argv) + pairs(vars or {}) +
                u32(len(mounts)) + b"".join(u32(k) + text(s) + text(t) + u32(ro) for k, s, t, ro in mounts) + text(network) + text(alias) +
                text(hostname) + text(workdir) + u32(uid) + u32(gid) + text(user_name) + i64(memory) + u32(cpu) + u32(pids) +
                u32(read_only) + u32(port) + text(health) + u32(grace) + i64(generation))

    def apply(self, spec):
        self.ask("APPLY", spec)

    def remove(self, name, grace=0):
        self.ask("REMOVE", text(name) + u32(grace))

    def observe(self, project=0, stats=False):
        """{name: dict}"""
        out = {}

        def part(kind, f):
            d = {"name": f.str(), "project": f.i64(), "env": f.str(), "tier": f.str(), "n": f.i32(), "release": f.i32(),
                 "generation": f.i64(), "image": f.str(), "state": f.u32(), "exit": f.i32(), "address": f.str(), "started": f.i64(),
                 "cpu_ns": f.i64(), "memory": f.i64()}
            out[d["name"]] = d
        self.ask("OBSERVE", i64(project) + u32(stats), part)
        return out

    def ticket(self, name, argv, vars=None, workdir="", uid=UID, gid=GID, tty=False, rows=24, cols=80, peer=None):
        return self.ask("EXEC", text(name) + words(argv) + pairs(vars or {}) + text(workdir) + u32(uid) + u32(gid) + u32(tty) + u32(rows) +
                        u32(cols) + u32(os.getuid() if peer is None else peer)).str()

    def exec(self, name, argv, **kw):
        return Exec(self.run / "exec.sock", self.ticket(name, argv, **kw))

    def run_in(self, name, *argv, input=b"", **kw):
        """(status, signal, stdout, stderr) of a command, its input written while its output is read."""
        x = self.exec(name, list(argv), **kw)

        def feed():
            try:
                x.write(input)
            except BrokenPipeError:
                pass
            x.close_input()
        t = threading.Thread(target=feed)
        t.start()
        result = x.drain()
        t.join()
        status = x.exited()
        x.close()
        return (*status, *result)

    def image(self, id):
        """Build an image unless it is there."""
        have = self.images()
        if not have.get(id, {}).get("current"):
            folder, file, parent = RECIPES[id]
            if parent:
                self.image(parent)
            self.ask("IMAGE_BUILD", text(folder) + text(file) + text(id) + u32(1200))

    def images(self):
        out = {}

        def part(kind, f):
            d = {"id": f.str(), "tag": f.str(), "digest": f.str(), "parent": f.str(), "size": f.i64(), "created": f.i64(), "containers": f.i32(),
                 "current": f.u32(), "labels": json.loads(f.str() or "{}")}
            out.setdefault(d["id"], d)
        self.ask("IMAGE_LIST", b"", part)
        return out

    def push(self, image, repository, tag, timeout=120):
        """(digest, lines)"""
        f, lines = self.lines("PUSH", text(image) + text(repository) + text(tag) + u32(timeout))
        return f.str(), lines

    def pull(self, repository, digest, id, tag="", timeout=120):
        return self.lines("PULL", text(repository) + text(digest) + text(id) + text(tag) + u32(timeout))[0].str()

    def prune(self, dry=False, min_age=0):
        """(how many, bytes, lines)"""
        f, lines = self.lines("IMAGE_PRUNE", u32(dry) + u32(min_age))
        return f.i64(), f.i64(), lines

    def repository_gc(self, dry=False, timeout=120):
        """(bytes freed, lines)"""
        f, lines = self.lines("REPOSITORY_GC", u32(dry) + u32(timeout))
        return f.i64(), lines

    def workspace(self, project=1, uid=UID, gid=GID, template="", subst=None):
        self.ask("WORKSPACE_CREATE", i64(project) + u32(uid) + u32(gid) + text(template) + pairs(subst or {}))
        return self.state / f"projects/{project}/work"

    def build(self, op, id="app/p1", project=1, source="base", onto="base", build=(), cmd=("true",), labels=None, uid=UID, gid=GID, timeout=120):
        body = (text(id) + i64(project) + i64(op) + text(source) + text(onto) + words(build) + words(cmd) + u32(uid) + u32(gid) +
                pairs(labels or {}) + i64(0) + u32(timeout))
        f, lines = self.lines("BUILD", body)
        return f.str(), lines
