#!/usr/bin/python3
"""`ssh -L`, -D and -W by the stock client into a project's dev container and instances, and nowhere else (C12)."""
import hashlib
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import cases
from lab import *

SERVER = ("cd /tmp && head -c 8000000 /dev/urandom >blob && (setsid python3 -m http.server 9000 --bind 127.0.0.1 >/dev/null 2>&1 &) && sha256sum blob && "
          "until python3 -c \"import socket; socket.create_connection(('127.0.0.1', 9000))\" 2>/dev/null; do sleep 0.2; done")


class World:
    def __init__(self, lab):
        self.lab, self.alice, self.bob = lab, lab.user("alice"), lab.user("bob")
        for who, name in ((self.alice, "shop"), (self.bob, "other")):
            who.ssh(f"project create {name} --stack python")
        self.alice.ssh("project member add bob viewer -p shop")
        self.digest = self.alice.ssh(SERVER, "shop").stdout.split()[0]

    def tunnel(self, who, project, *options):
        return Tunnel(who.argv(project, "-v", "-N", *options))


class Tunnel:
    """A client that only forwards, and what it says."""

    def __init__(self, argv):
        self.argv = [a if a != "LogLevel=ERROR" else "LogLevel=DEBUG1" for a in argv]

    def __enter__(self):
        self.said = open(pathlib.Path("/var/tmp") / f"codinglab-tunnel-{os.getpid()}", "w+b")
        os.unlink(self.said.name)
        self.p = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=self.said, stderr=self.said)
        wait_until("logged in", lambda: b"Entering interactive session" in self.text(), 30)
        return self

    def text(self):
        return os.pread(self.said.fileno(), 1 << 20, 0)

    def __exit__(self, *exc):
        self.p.kill()
        self.p.wait()
        self.said.close()


def fetch(url, *options):
    return subprocess.run(["curl", "-sS", "--noproxy", "*", "-m", "30", *options, url], capture_output=True)


def test_a_port_of_the_dev_container(w):
    for host in ("localhost", "shop"):
        port = free_port()
        with w.tunnel(w.alice, "shop", "-L", f"{port}:{host}:9000"):
            r = fetch(f"http://127.0.0.1:{port}/blob")
            assert r.returncode == 0 and hashlib.sha256(r.stdout).hexdigest() == w.digest, (len(r.stdout), r.stderr)


def test_socks_and_stdio(w):
    port = free_port()
    with w.tunnel(w.alice, "shop", "-D", str(port)):
        r = fetch("http://localhost:9000/", "--noproxy", "", "--socks5-hostname", f"127.0.0.1:{port}")
        assert b"blob" in r.stdout, r
    r = subprocess.run(w.alice.argv("shop", "-W", "localhost:9000"), input=b"GET / HTTP/1.0\r\n\r\n", capture_output=True, timeout=60)
    assert r.stdout.startswith(b"HTTP/1.0 200"), r


def test_nothing_else_is_reached(w):
    own = w.lab.port
    for target in (f"127.0.0.1:{own}", f"localhost:{w.lab.edge_port}"):  # loopback is the container's, not the host's
        r = subprocess.run(w.alice.argv("shop", "-W", target), stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        assert r.returncode and not r.stdout, (target, r)
    port = [free_port() for _ in range(6)]
    targets = ("169.254.169.254:80", "other:9000", "10.0.0.1:443", "localhost:1", "bob.other:80", "0.0.0.0:9000")
    forwards = [f for p, t in zip(port, targets) for f in ("-L", f"{p}:{t}")]
    with w.tunnel(w.alice, "shop", *forwards) as t:
        for p in port:
            assert not fetch(f"http://127.0.0.1:{p}/").stdout, p
        for why in (b"169.254.169.254: it is not of this project", b"forwarding to other: it is not", b"port 1: Connection refused"):
            assert why in t.text(), (why, t.text()[-2000:])


def test_who_may_not(w):
    for who, project, why in ((w.bob, "alice:shop", rb"codinglab: .*(viewer|editor|may|permitted)"), (w.alice, "", b"no project is named"),
                              (w.alice, "nothing", rb"codinglab: .*(not found|no such project)")):
        port = free_port()
        with w.tunnel(who, project, "-L", f"{port}:localhost:9000") as t:
            assert not fetch(f"http://127.0.0.1:{port}/").stdout
            assert re.search(why, t.text()), t.text()[-2000:]


def test_an_instance_by_its_name(w):
    w.alice.ssh("deploy", "shop")
    ports = {host: free_port() for host in ("web", "was", "was-1")}
    with w.tunnel(w.alice, "shop", *[f for h, p in ports.items() for f in ("-L", f"{p}:{h}:80")]) as t:
        for host, port in ports.items():
            r = fetch(f"http://127.0.0.1:{port}/", "-o", "/dev/null", "-w", "%{http_code}")
            assert r.stdout == b"200", (host, r, t.text()[-2000:])


def test_a_killed_client_leaves_nothing(w):
    port, count = free_port(), lambda: w.alice.ssh("cat /proc/net/tcp", "shop").stdout.count(f":{9000:04X} 01 ")  # established
    with w.tunnel(w.alice, "shop", "-L", f"{port}:localhost:9000"):
        with socket.create_connection(("127.0.0.1", port)):
            wait_until("it is connected", count, 20)
    wait_until("its end in the container is gone", lambda: count() == 0, 20)


if __name__ == "__main__":
    with Lab() as lab:
        failed = cases.main(globals(), World(lab))
    sys.exit(bool(failed))
