"""Bytes through the gateway beside OpenSSH's sshd, in the same run: a program's output and input, sftp, a forwarded port.

Both sides take turns, the best of some rounds counts; sshd reads the same file on the host that a dev container has in /tmp.
"""
import os
import socket
import subprocess
import time

from lab import free_port, wait_until

MB = 1 << 20
GOAL = ("at least", 0.8)
SERVE = ("import socket,sys; s=socket.create_server(('127.0.0.1',int(sys.argv[1]))); b=bytes(1<<18)\n"
         "while True:\n c=s.accept()[0]; n=int(c.makefile().readline())\n while n>0:\n  c.sendall(b[:n]); n-=len(b)\n c.close()\n")


def seconds(argv, **kw):
    t0 = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, **kw)
    return time.perf_counter() - t0


def best(rounds, ours, theirs):
    """Least seconds of each, taking turns."""
    times = [(ours(), theirs()) for _ in range(rounds)]
    return min(t[0] for t in times), min(t[1] for t in times)


def pull(port, size):
    with socket.create_connection(("127.0.0.1", port), 120) as s:
        t0, got = time.perf_counter(), 0
        s.sendall(b"%d\n" % size)
        while got < size:
            data = s.recv(1 << 18)
            if not data:
                raise SystemExit(f"-L: ended after {got} of {size} bytes")
            got += len(data)
        return time.perf_counter() - t0


def tunnel(port):
    wait_until("the forwarded port", lambda: subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True).stdout, 60)


def programs(run, row, size, data):
    """cat of a file, and a file into cat."""
    def feed(argv):
        with open(data, "rb") as f:
            return seconds([*argv, "cat >/dev/null"], stdin=f)
    ours, theirs = run["ours"], run["theirs"]
    a, b = best(run["rounds"], lambda: seconds([*ours, "cat /tmp/data"], stdin=subprocess.DEVNULL),
                lambda: seconds([*theirs, f"cat {data}"], stdin=subprocess.DEVNULL))
    row(f"exec, output of {size} MB", size / a, size / b, "MB/s", "sshd", GOAL)
    a, b = best(run["rounds"], lambda: feed(ours), lambda: feed(theirs))
    row(f"exec, input of {size} MB", size / a, size / b, "MB/s", "sshd", GOAL)


def files(run, row, size, data):
    def sftp(argv, line):
        base = ["sftp", "-q", "-b", "-"] + [{"-p": "-P"}.get(x, x) for x in argv[1:-1]] + [argv[-1]]
        return seconds(base, input=line.encode())
    for what, one, two in (("get", f"get /tmp/data {data}.back\n", f"get {data} {data}.back2\n"), ("put", f"put {data} /tmp/put\n", f"put {data} {data}.put\n")):
        a, b = best(run["rounds"], lambda: sftp(run["ours"], one), lambda: sftp(run["theirs"], two))
        row(f"sftp {what} of {size} MB", size / a, size / b, "MB/s", "sshd", GOAL)
    if subprocess.run(["cmp", data, f"{data}.back"]).returncode:
        raise SystemExit("sftp: the file that came back is not the same")


def forward(run, row, size):
    served, there, a, b = 8123, free_port(), free_port(), free_port()
    ours, theirs = run["ours"], run["theirs"]
    running = [subprocess.Popen(c, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for c in (
        [*ours, f'exec python3 -c "$(cat /tmp/serve.py)" {served}'], ["/usr/bin/python3", "-c", SERVE, str(there)],
        [*ours[:-1], "-N", "-L", f"127.0.0.1:{a}:127.0.0.1:{served}", ours[-1]],
        [*theirs[:-1], "-N", "-L", f"127.0.0.1:{b}:127.0.0.1:{there}", theirs[-1]])]
    try:
        tunnel(a)
        tunnel(b)
        time.sleep(2)
        x, y = best(run["rounds"], lambda: pull(a, size * MB), lambda: pull(b, size * MB))
    finally:
        for p in running:
            p.kill()
            p.wait()
    row(f"-L, {size} MB", size / x, size / y, "MB/s", "sshd", GOAL)


def bench(user, peer, row, quick, project="bench"):
    size = 32 if quick else 500
    run = {"rounds": 1 if quick else 3, "ours": user.argv(project), "theirs": [x for x in peer.argv("") if x not in ("-tt", "")]}
    data = peer.dir / "throughput"
    with open(data, "wb") as f:
        for _ in range(size):
            f.write(os.urandom(MB))
    if user.ssh(f"project show {project}", check=False).returncode:
        user.ssh(f"project create {project} --stack python")
    user.ssh("up", project)
    with open(data, "rb") as f:
        seconds([*run["ours"], "cat >/tmp/data"], stdin=f)
    user.ssh("cat >/tmp/serve.py", project, input=SERVE.encode())
    programs(run, row, size, data)
    files(run, row, size, data)
    forward(run, row, size)
    user.ssh("rm -f /tmp/data /tmp/put /tmp/serve.py", project)
    for f in data.parent.glob("throughput*"):
        f.unlink()
