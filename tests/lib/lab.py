"""A private CodingLab for a test: brought up by `./lab up` itself, used by real ssh, taken down in any case.

    with Lab(backend="local") as lab:
        alice = lab.user("alice")                 # account, key, uid
        alice.ssh("project create shop --stack django")
        alice.ssh("run", project="shop", input=b"...")
        with alice.screen("shop") as s:           # a real terminal on a real ssh
            s.expect("Files"); s.send("<F7>"); s.expect("Operate")
"""
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time
import fcntl

import pyte

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = pathlib.Path(os.environ.get("CODINGLAB_TEST_RELEASE", ROOT / "build/release/bin"))
DEV = pathlib.Path(os.environ.get("CODINGLAB_TEST_BIN", ROOT / "build/dev/bin"))
PATIENCE = float(os.environ.get("CODINGLAB_PATIENCE", "1"))  # every limit below times this: for a machine busy with other work
os.environ.setdefault("CODINGLAB_STORAGE", os.environ.get("CODINGLAB_CACHE", "/var/cache/codinglab") + "/store")

KEYS = {"Enter": "\r", "Esc": "\x1b", "Tab": "\t", "S-Tab": "\x1b[Z", "BS": "\x7f", "Del": "\x1b[3~", "Up": "\x1b[A", "Down": "\x1b[B",
        "Right": "\x1b[C", "Left": "\x1b[D", "Home": "\x1b[H", "End": "\x1b[F", "PgUp": "\x1b[5~", "PgDn": "\x1b[6~",
        "F1": "\x1bOP", "F2": "\x1bOQ", "F3": "\x1bOR", "F4": "\x1bOS", "F5": "\x1b[15~", "F6": "\x1b[17~", "F7": "\x1b[18~",
        "F8": "\x1b[19~", "F9": "\x1b[20~", "F10": "\x1b[21~", "F11": "\x1b[23~", "F12": "\x1b[24~", "Space": " ", "lt": "<"}


def key_bytes(text):
    """`abc<Enter><C-s><M-1>` to what a terminal sends."""
    def one(m):
        k = m.group(1)
        if k in KEYS:
            return KEYS[k]
        if k.startswith("C-") and len(k) == 3:
            return chr(ord(k[2].upper()) ^ 0x40) if k[2] != " " else "\0"
        if k.startswith("M-"):
            return "\x1b" + k[2:]
        raise ValueError(f"no such key: {k}")
    return re.sub(r"<([A-Za-z][\w-]*|[CM]-.)>", one, text).encode()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, predicate, seconds=30, every=0.1):
    """The predicate's first true value; fails with `what` (a string or a function giving one)."""
    end = time.time() + seconds * PATIENCE
    while True:
        v = predicate()
        if v:
            return v
        if time.time() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(every)


class Screen:
    """A real ssh client on a pty, its output drawn by pyte: what the user sees, row by row."""

    def __init__(self, argv, rows=24, cols=80, env=None):
        self.screen = pyte.Screen(cols, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.closed, self.status = False, None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also when the tests were started by nohup: close() hangs up
            os.environ.update({"TERM": "xterm-256color", "LANG": "C.UTF-8", **(env or {})})
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
            os.execvp(argv[0], argv)
        self.screen.write_process_input = lambda text: os.write(self.fd, text.encode())  # where is the cursor? some programs wait for that
        os.set_blocking(self.fd, False)
        self.resize(rows, cols)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if exc[0] is not None:
            print("--- the screen when it failed ---\n" + self.text())
        self.close()

    def pump(self, seconds=0.05):
        end = time.time() + seconds
        while not self.closed:
            r, _, _ = select.select([self.fd], [], [], max(0, end - time.time()))
            if not r:
                return
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            if not data:
                self.closed = True
                return
            self.stream.feed(data)

    def rows(self):
        self.pump(0)
        return [r.rstrip() for r in self.screen.display]

    def text(self):
        return "\n".join(self.rows())

    def send(self, keys):
        os.write(self.fd, key_bytes(keys))

    def expect(self, pattern, seconds=20):
        """Wait until a row matches the regular expression; returns the match."""
        end = time.time() + seconds * PATIENCE
        while True:
            self.pump(0.05)
            m = re.search(pattern, self.text(), re.M)
            if m:
                return m
            if time.time() > end or self.closed:
                raise AssertionError(f"{'closed' if self.closed else 'never shown'}: {pattern}\n{self.text()}")

    def gone(self, pattern, seconds=20):
        wait_until(lambda: f"still shown: {pattern}\n{self.text()}",
                   lambda: (self.pump(0.05), not re.search(pattern, self.text(), re.M))[1], seconds)

    def resize(self, rows, cols):
        self.screen.resize(rows, cols)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def open_file(self, name):
        """To the tree (out of a terminal, whose keys are the program's), then to the file by its name."""
        self.send("<C-]><F3>")
        self.send("<C-p>")
        self.expect("Go to")
        self.send(name)
        self.expect(re.escape(name))
        self.send("<Enter>")

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.close()

    def close(self):
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGHUP)
            except ProcessLookupError:
                pass
            os.close(self.fd)
            _, st = os.waitpid(self.pid, 0)
            self.status, self.pid = os.waitstatus_to_exitcode(st), 0


class User:
    def __init__(self, lab, name, key, uid=None):
        self.lab, self.name, self.key, self.uid = lab, name, key, uid

    def argv(self, project="", *extra):
        target = f"{self.name}+{project}" if project else self.name
        return ["ssh", "-F", "none", "-p", str(self.lab.port), "-i", str(self.key), "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
                "-o", f"UserKnownHostsFile={self.lab.dir}/known_hosts", "-o", "StrictHostKeyChecking=accept-new", "-o", "BatchMode=yes",
                "-o", "LogLevel=ERROR", *extra, f"{target}@127.0.0.1"]

    def ssh(self, command, project="", input=b"", check=True, timeout=120):
        """Run a command by the stock client; the CompletedProcess, output as text."""
        p = subprocess.run([*self.argv(project), command], input=input, capture_output=True, timeout=timeout * PATIENCE)
        p.stdout, p.stderr, p.raw = p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace"), p.stdout
        if check and p.returncode:
            raise AssertionError(f"ssh {self.name}+{project} {command!r}: exit {p.returncode}\n{p.stdout}{p.stderr}")
        return p

    def json(self, command, project=""):
        return json.loads(self.ssh(command + " --json", project).stdout)

    def screen(self, project="", rows=24, cols=80, env=None):
        return Screen(self.argv(project, "-tt"), rows, cols, env)


class Lab:
    def __init__(self, backend="local", bin=RELEASE, up_args=(), images="python django web postgresql"):
        """images: the stacks whose images the test needs; what is not in the store is built first."""
        self.backend, self.bin, self.up_args, self.images = backend, bin, up_args, images

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="codinglab-test-", dir="/var/tmp"))
        self.dir.chmod(0o755)
        self.port, self.edge_port = free_port(), free_port()
        self.env = {**os.environ, "CODINGLAB_STATE": str(self.dir / "s"), "CODINGLAB_ADMIN": "admin"}
        self.admin = User(self, "admin", self.make_key("admin"))
        try:
            self.up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        if exc and exc[0] is not None and not (exc[0] is SystemExit and not exc[1].code):
            for f in sorted((self.dir / "s/log").glob("*.log")):
                print(f"--- {f.name} ---\n" + "\n".join(f.read_text(errors="replace").split("\n")[-40:]))
        subprocess.run([ROOT / "lab", "down"], env=self.env, capture_output=True)
        if "sim" not in self.backend:
            self.purge()
        self.unmount()
        shutil.rmtree(self.dir, ignore_errors=True)

    def unmount(self):
        for line in reversed(pathlib.Path("/proc/mounts").read_text().split("\n")):
            if str(self.dir) in line:
                subprocess.run(["umount", "-l", line.split()[1]], capture_output=True)

    def up(self, *args):
        p = subprocess.run([ROOT / "lab", "up", "--bin", self.bin, "--port", str(self.port), "--edge-port", str(self.edge_port), "--backend",
                            self.backend, "--key", f"{self.admin.key}.pub", "--wait-images" if "sim" not in self.backend else "--no-images",
                            "--images", self.images, *self.up_args, *args], env=self.env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=1200 * PATIENCE)
        if p.returncode:
            raise AssertionError(f"lab up: exit {p.returncode}\n{p.stdout}{p.stderr}")
        return p.stdout

    def make_key(self, name):
        path = self.dir / f"key-{name}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
        return path

    def user(self, name, role="developer"):
        key = self.make_key(name)
        self.admin.ssh(f"user add {name} --role {role} --key '{key.with_name(key.name + '.pub').read_text().strip()}'")
        me = User(self, name, key)
        me.uid = me.json("whoami").get("uid")
        return me

    def pid(self, daemon):
        """Process id, None in the moment between its end and its restart."""
        try:
            pid = int((self.dir / f"s/run/pids/{daemon}.pid").read_text())
            os.kill(pid, 0)
            return pid
        except (OSError, ValueError):
            return None

    def kill_daemon(self, daemon, sig=signal.SIGKILL):
        """Kill one of this instance's daemons and wait until its supervisor has started it again."""
        old = self.pid(daemon)
        os.kill(old, sig)
        wait_until(f"{daemon} restarted", lambda: self.pid(daemon) not in (None, old), 15)

    def instance(self):
        """What this instance's containers carry as label codinglab.instance; the store is shared with other tests."""
        return subprocess.run([self.bin / "codinglab-broker", "--print-instance"], env=self.env, capture_output=True, text=True).stdout.strip()

    def purge(self):
        label = f"label=codinglab.instance={self.instance()}"
        for listing, removing in ((("ps", "-aq"), ("rm", "-f", "-t", "0")), (("network", "ls", "-q"), ("network", "rm", "-f")),
                                  (("volume", "ls", "-q"), ("volume", "rm", "-f")), (("images", "-q"), ("rmi", "-f"))):
            names = set(self.podman(*listing, "--filter", label, check=False).split())
            if names:
                self.podman(*removing, *names, check=False)

    def podman_argv(self, *args):
        store = os.environ["CODINGLAB_STORAGE"]
        crc = subprocess.run(["cksum"], input=store.encode(), capture_output=True, check=True).stdout.split()[0].decode()
        run = f"/run/codinglab-containers-{crc}"
        return ["podman", "--root", f"{store}/storage", "--runroot", run, "--tmpdir", f"{run}/libpod", "--network-config-dir", f"{store}/networks", *args]

    def podman_env(self):
        return {**os.environ, "CONTAINERS_CONF": f"{self.dir}/s/containers.conf"}

    def podman(self, *args, check=True):
        for _ in range(20):
            p = subprocess.run(self.podman_argv(*args), env=self.podman_env(), capture_output=True, text=True)
            # a list fails as a whole when another test removes one of its images meanwhile: asked again
            if args[0] != "images" or not p.returncode or "image not known" not in p.stderr:
                break
        if check and p.returncode:
            raise AssertionError(f"podman {args}: {p.stderr}")
        return p.stdout

    def get(self, url, timeout=10):
        """(status, body) of an app's URL, sent to this instance's edge whatever the name resolves to."""
        host = re.match(r"https?://([^:/]+)", url).group(1)
        p = subprocess.run(["curl", "-sS", "--noproxy", "*", "-m", str(timeout), "--resolve", f"{host}:{self.edge_port}:127.0.0.1", "-w", "\n%{http_code}", url],
                           capture_output=True, text=True)
        body, _, code = p.stdout.rpartition("\n")
        return int(code or 0), body + p.stderr
