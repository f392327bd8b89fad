#!/usr/bin/python3
"""The program `codinglab` as the gateway runs it (--ssh LINE) and as people do, with an engine and a broker of this
test's own: what is a verb and what is a program, exit statuses and signals, bytes, the terminal, pipes that close."""
import array
import fcntl
import http.server
import json
import os
import pathlib
import pty
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from calls import Bridge  # noqa: E402
from cases import main  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OPEN, RESIZE, SIGNAL, OPENED, EXITED = 0x300, 0x301, 0x302, 0x380, 0x381


def binary():
    places = [os.environ.get("CL_BIN"), ROOT / "build/release/bin", ROOT / "build/dev/bin"]
    for d in places:
        if d and os.access(pathlib.Path(d) / "codinglab", os.X_OK):
            return str(pathlib.Path(d) / "codinglab")
    print("codinglab is not built")
    raise SystemExit(77)


def text(message, at):
    n, = struct.unpack_from("<I", message, at)
    return message[at + 4:at + 4 + n].decode()


class Broker(threading.Thread):
    """Runs what the engine was last asked for, by /bin/sh, with pipes or a terminal."""

    def __init__(self, path, lab):
        super().__init__(daemon=True)
        self.lab, self.sizes = lab, []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.bind(path)
        self.sock.listen(16)

    def run(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        message = c.recv(65536)
        assert struct.unpack_from("<I", message)[0] == OPEN and text(message, 4) == "ticket"
        asked = self.lab.asked[-1][2]
        argv = asked.get("argv") or ["/bin/sh", "-c", asked.get("command", "echo run by default")]
        if asked["tty"]:
            master, slave = pty.openpty()
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", asked["rows"], asked["cols"], 0, 0))
            p = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                 preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
            os.close(slave)
            fds = mine = [master]
        else:
            p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
            fds, mine = [p.stdin.fileno(), p.stdout.fileno(), p.stderr.fileno()], []
        c.sendmsg([struct.pack("<III", OPENED, int(asked["tty"]), 0)],
                  [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        for f in (p.stdin, p.stdout, p.stderr):
            if f:
                f.close()
        threading.Thread(target=self.listen, args=(c, p, mine), daemon=True).start()
        code = p.wait()
        try:
            c.send(struct.pack("<III", EXITED, max(code, 0), max(-code, 0)))
        except OSError:
            pass

    def listen(self, c, p, master):
        while True:
            try:
                message = c.recv(65536)
            except OSError:
                message = b""
            if not message:
                p.poll() is None and p.kill()
                return
            kind, = struct.unpack_from("<I", message)
            if kind == SIGNAL:
                p.send_signal(getattr(signal, "SIG" + text(message, 4)))
            elif kind == RESIZE:
                rows, cols = struct.unpack_from("<II", message, 4)
                self.sizes.append((rows, cols))
                fcntl.ioctl(master[0], termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


class Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class Lab:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="cl-program-")
        self.asked = []
        lab = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                lab.asked.append((self.command, self.path, json.loads(body or b"{}")))
                if self.path.endswith("/exec"):
                    reply = {"ticket": "ticket", "socket": f"{lab.dir}/exec"}
                elif self.path == "/v1/whoami":
                    reply = {"name": "alice", "role": "developer"}
                else:
                    reply = {"id": 1, "kind": "scale", "state": "done", "step": "", "projects": []}
                data = json.dumps(reply).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *args):
                pass

            def address_string(self):
                return "local"

        self.engine = Engine(f"{self.dir}/engine", Handler)
        threading.Thread(target=self.engine.serve_forever, daemon=True).start()
        self.bridge = Bridge(f"{self.dir}/engine").start()
        self.broker = Broker(f"{self.dir}/exec", self)
        self.broker.start()
        self.env = {"PATH": os.environ["PATH"], "CODINGLAB_SOCKET": f"{self.dir}/engine", "CODINGLAB_PROJECT": "shop",
                    "LANG": "C.UTF-8", "TERM": "xterm-256color", "CODINGLAB_CONF": "/dev/null"}

    def run(self, *argv, input=b"", env=None, **more):
        return subprocess.run([binary(), *argv], input=input, capture_output=True, timeout=60, env={**self.env, **(env or {})}, **more)

    def ssh(self, line, **more):
        return self.run("--ssh", line, **more)

    def close(self):
        self.bridge.stop()
        self.engine.shutdown()
        self.engine.server_close()
        self.broker.sock.close()
        for name in ("engine", "exec"):
            os.unlink(f"{self.dir}/{name}")
        os.rmdir(self.dir)


def test_verbs_and_programs_are_told_apart(lab):
    assert lab.ssh("whoami").stdout == b"alice (developer)\n"
    assert lab.ssh("scale was=4").returncode == 0 and lab.asked[-1] == ("PUT", "/v1/projects/shop/scale", {"was": 4})
    assert lab.ssh("ps:scale web=2").returncode == 0 and lab.asked[-1][2] == {"web": 2}
    assert lab.ssh("scale --replicas=4 was").returncode == 0 and lab.asked[-1][2] == {"was": 4}
    assert lab.ssh("echo 'a  b' | tr a-z A-Z").stdout == b"A  B\n"
    assert lab.asked[-1][2]["command"] == "echo 'a  b' | tr a-z A-Z", "the line goes through as it came"
    assert lab.ssh("user ad bob").returncode == 2, "a slip in a verb is no program"
    p = lab.ssh("echo hi", env={"CODINGLAB_PROJECT": ""})
    assert p.returncode == 2 and p.stdout == b"" and b"no such verb" in p.stderr and b"help" in p.stderr
    assert lab.ssh("load-test").returncode == 10
    assert lab.ssh("run").stdout == b"run by default\n"


def test_exit_statuses(lab):
    for code in range(256):
        assert lab.ssh(f"exit {code}").returncode == code, code


def test_signals_end_it_the_same_way(lab):
    for s in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGSEGV, signal.SIGUSR1):
        assert lab.ssh(f"kill -{s.value} $$").returncode == -s, s


def test_signals_to_it_reach_the_program(lab):
    p = subprocess.Popen([binary(), "--ssh", "trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 0.05; done"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=lab.env)
    assert p.stdout.readline() == b"ready\n"
    p.terminate()
    assert p.stdout.read() == b"got it\n" and p.wait(30) == 7


def test_streams_and_their_ends(lab):
    p = lab.ssh("echo out; echo err >&2")
    assert (p.stdout, p.stderr) == (b"out\n", b"err\n")
    blob = os.urandom(3_000_000)
    assert lab.ssh("cat", input=blob).stdout == blob
    assert lab.ssh("cat; echo end", input=b"").stdout == b"end\n"
    assert lab.ssh("head -c 1", input=blob).stdout == blob[:1], "a program that stops reading is no error"


def test_a_closed_pipe_ends_the_program(lab):
    p = subprocess.Popen([binary(), "--ssh", "yes"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=lab.env)
    assert p.stdout.read(2) == b"y\n"
    p.stdout.close()
    assert p.wait(30) == -signal.SIGPIPE


def test_the_target_of_the_user_name(lab):
    lab.ssh("true", env={"CODINGLAB_TARGET_TIER": "was", "CODINGLAB_TARGET_N": "2"})
    assert lab.asked[-1][2]["tier"] == "was" and lab.asked[-1][2]["n"] == 2
    lab.ssh("true", env={"CODINGLAB_PROJECT": "bob:shop", "LC_ALL": "ko_KR.UTF-8", "LD_PRELOAD_X": "1"})
    method, path, body = lab.asked[-1]
    assert path == "/v1/projects/bob.shop/exec" and body["env"]["LC_ALL"] == "ko_KR.UTF-8" and "LD_PRELOAD_X" not in body["env"]
    assert "tier" not in body and body["tty"] is False


def terminal(lab, line, rows, cols):
    """codinglab on a terminal of its own; its pid and our end of the terminal."""
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        os.execve(binary(), ["codinglab", "--ssh", line], lab.env)
    return pid, fd


def read_until(fd, what, seen=b""):
    end = time.monotonic() + 30
    while what not in seen and time.monotonic() < end:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
    assert what in seen, seen
    return seen


def test_a_terminal_is_raw_resized_and_restored(lab):
    pid, fd = terminal(lab, "stty size; trap 'stty size' WINCH; echo ready; until read a; do :; done; echo \"got <$a>\"; exit 9", 24, 80)
    seen = read_until(fd, b"ready")
    assert b"24 80" in seen and lab.asked[-1][2]["tty"] is True and lab.asked[-1][2]["env"]["TERM"] == "xterm-256color"
    assert not termios.tcgetattr(fd)[tty.LFLAG] & termios.ECHO, "raw while the program runs"
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
    read_until(fd, b"50 160")
    assert (50, 160) in lab.broker.sizes
    os.write(fd, "재고\r".encode())
    read_until(fd, "got <재고>".encode())
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 9
    os.close(fd)


def test_ctrl_c_on_a_terminal_is_the_programs(lab):
    pid, fd = terminal(lab, "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.05; done", 24, 80)
    read_until(fd, b"ready")
    os.write(fd, b"\x03")
    read_until(fd, b"caught")
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 3
    os.close(fd)


def test_bad_input(lab):
    assert lab.run("scale", "was=x").returncode == 2
    assert lab.run("--json", "scale", "was=x").stderr.startswith(b'{"error":{"code":"usage"')
    assert lab.ssh("'open").returncode == 2, "sh says what is wrong with it"
    assert lab.ssh("").returncode == 2
    p = lab.run("info", env={"CODINGLAB_SOCKET": "/no/engine"})
    assert p.returncode == 75 and p.stderr == b"codinglab: engine: it does not answer at /no/engine. `./lab up` starts it\n"
    p = lab.run("info", env={"CODINGLAB_EDGE_PORT": "many"})
    assert p.returncode == 2 and b"$CODINGLAB_EDGE_PORT" in p.stderr
    assert lab.run().stdout.startswith(b"ssh user[+project]@host VERB")
    assert lab.run("--version").stdout.startswith(b"codinglab ")
    assert lab.run("--help").returncode == 0


if __name__ == "__main__":
    lab = Lab()
    try:
        failed = main(globals(), lab)
    finally:
        lab.close()
    sys.exit(1 if failed else 0)
