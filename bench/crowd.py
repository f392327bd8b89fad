"""The gateway beside OpenSSH's sshd with tmux, in the same run: starting, joining, many who type at once, a class that comes at
one moment, memory and idle processor of live sessions, a flood beside typists, files and forwards.

Every client is a real `ssh` on a pty (probe.Client).  Both sides have the same number of live sessions while either is measured,
and take turns, so that what else the machine does meets them alike.  All of it is bounded in number and in time.
"""
import concurrent.futures
import heapq
import os
import pathlib
import random
import select
import shutil
import subprocess
import threading
import time

from lab import free_port, wait_until
from probe import ANSI, Client, by_name, median, percentile, pss_kib

READY = r"key\s*for\s*the\s*IDE|F1\s*Help"
OUT = "\x1d"  # Ctrl-]: the next key is the IDE's, also in a terminal pane
AT_ONCE = 6   # sessions that are opened side by side
MB = 1 << 20
STORM_S = 10  # in which a whole class logs in


# ---- processes ----

def of_lab(lab, gateway_only=True):
    """Processes of the lab's programs: the gateway's and the sessions', or all."""
    names = ("codinglab-sshd", "codinglab-conn", "codinglab-tui", "codinglab-pane")
    out = []
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            exe = os.readlink(f"/proc/{p}/exe").removesuffix(" (deleted)")
        except OSError:
            continue
        if exe.startswith(f"{lab.dir}/s/lib/bin/") and (not gateway_only or os.path.basename(exe) in names):
            out.append(int(p))
    return out


def shells(lab):
    """The shells in the lab's dev containers: those of people with an account of it."""
    out = []
    for p in by_name("bash", "sh", "codinglab-pty"):
        try:
            with open(f"/proc/{p}/environ", "rb") as f:
                ours = b"CODINGLAB_PROJECT" in f.read()
            if ours and os.stat(f"/proc/{p}").st_uid >= 200000:
                out.append(p)
        except OSError:
            pass
    return out


def cpu_seconds(pids):
    """Processor time in seconds, exact (schedstat counts nanoseconds)."""
    total = 0
    for p in pids:
        for task in _tasks(p):
            try:
                with open(f"/proc/{p}/task/{task}/schedstat") as f:
                    total += int(f.read().split()[0])
            except (OSError, ValueError):
                pass
    return total / 1e9


def _tasks(pid):
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def wakes(pids):
    """Voluntary context switches so far."""
    total = 0
    for p in pids:
        for task in _tasks(p):
            try:
                with open(f"/proc/{p}/task/{task}/status") as f:
                    total += next(int(line.split()[1]) for line in f if line.startswith("voluntary"))
            except (OSError, StopIteration):
                pass
    return total


# ---- many who type ----

class Typist:
    """One client that types a letter, waits for it to be shown, rests, and so on."""

    def __init__(self, client, newline):
        self.client, self.newline, self.key, self.sent, self.letter = client, newline, 0, None, b""
        self.times, self.lost = [], 0

    def press(self, now):
        """The moment of the next look at it."""
        if self.sent is not None:
            self.lost += 1
        self.letter = b"%c" % (97 + self.key % 26)
        self.key += 1
        if self.key % 40 == 0:
            self.letter, self.sent = b"", None
            self.client.send(self.newline)
        else:
            self.sent = self.client.send(self.letter)

    def heard(self, now):
        """Bytes came: is the letter among them?"""
        try:
            data = os.read(self.client.fd, 1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.client.closed = not data
        self.client.raw = (self.client.raw + data)[-1 << 14:]
        if self.sent is not None and self.letter in ANSI.sub(b"", self.client.raw):
            self.times.append((now - self.sent) * 1000)
            self.sent = None


def type_all(clients, keys, newline, most_s):
    """Milliseconds of every key's echo, and how many never came.  The rate of all clients together is that of term_probe.py
    (about 130 keys/s from four clients on); ends after so many keys in all, or so many seconds."""
    gap = 0.03 * max(1, len(clients) / 4)
    people = [Typist(c, newline) for c in clients]
    poll, at = select.epoll(), {c.client.fd: c for c in people}
    for fd in at:
        poll.register(fd, select.EPOLLIN)
    now = time.perf_counter()
    end, pressed = now + most_s, 0
    queue = [(now + random.uniform(0, gap), i) for i in range(len(people))]
    heapq.heapify(queue)
    while pressed < keys and now < end:
        for fd, _ in poll.poll(max(0, min(queue[0][0] - now, 0.5))):
            at[fd].heard(time.perf_counter())
            if at[fd].client.closed:
                raise SystemExit("a client ended while typing: " + repr(ANSI.sub(b" ", at[fd].client.raw)[-300:]))
        now = time.perf_counter()
        while queue[0][0] <= now:
            _, i = heapq.heappop(queue)
            # One that still waits is given five seconds, like a person who stares at the screen.
            if people[i].sent is not None and now - people[i].sent < 5:
                heapq.heappush(queue, (now + gap / 4, i))
                continue
            people[i].press(now)
            pressed += 1
            heapq.heappush(queue, (now + gap * random.uniform(0.5, 1.5), i))
    rest = time.perf_counter() + 1
    while time.perf_counter() < rest and any(p.sent is not None for p in people):
        for fd, _ in poll.poll(0.1):
            at[fd].heard(time.perf_counter())
    poll.close()
    lost = sum(p.lost for p in people) + sum(p.sent is not None for p in people)
    return [t for p in people for t in p.times], lost


class Drain(threading.Thread):
    """Reads what clients show, so that none of them stands still while it is not looked at."""

    def __init__(self, clients):
        super().__init__(daemon=True)
        self.poll, self.stop = select.epoll(), False
        for c in clients:
            self.poll.register(c.fd, select.EPOLLIN)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop = True
        self.join()
        self.poll.close()

    def run(self):
        while not self.stop:
            for fd, _ in self.poll.poll(0.1):
                try:
                    os.read(fd, 1 << 16)
                except OSError:
                    self.poll.unregister(fd)


# ---- the two sides ----

class Ours:
    """Accounts that share one project, so that hundreds of sessions need one dev container."""

    name = "codinglab"

    def __init__(self, lab, count):
        self.lab, self.key = lab, lab.make_key("typist")
        self.env = {**os.environ, "CODINGLAB_CONF": "/dev/null"}
        for line in (lab.dir / "s/lab.env").read_text().split("\n"):
            name, _, value = line.removeprefix("export ").partition("=")
            if name.startswith("CODINGLAB_"):
                self.env[name] = value
        self.owner = lab.user("teacher")
        self.owner.ssh("project create class --stack python")
        self.owner.ssh("up", "class")
        self.workspace = pathlib.Path(self.owner.json("project show", "class")["workspace"])
        (self.workspace / "notes.txt").write_text("\n" * 200)
        os.chown(self.workspace / "notes.txt", self.owner.uid, -1)
        (self.workspace / "notes.txt").chmod(0o664)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(self.account, range(count)))

    def cli(self, *words):
        p = subprocess.run([self.lab.dir / "s/lib/bin/codinglab", *words], env=self.env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if p.returncode:
            raise SystemExit(f"codinglab {' '.join(words)}: exit {p.returncode}: {p.stdout}{p.stderr}")

    def account(self, i):
        key = self.lab.make_key(f"p{i}")
        self.cli("user", "add", f"p{i}", "--role", "student", "--key", key.with_name(key.name + ".pub").read_text().strip())
        self.cli("project", "member", "add", f"p{i}", "editor", "-p", "teacher.class")

    def argv(self, i, target="teacher:class", *extra):
        who = f"p{i}+{target}" if target else f"p{i}"
        return ["ssh", "-F", "none", "-p", str(self.lab.port), "-i", str(self.lab.dir / f"key-p{i}"), "-o", "IdentitiesOnly=yes", "-o",
                "IdentityAgent=none", "-o", f"UserKnownHostsFile={self.lab.dir}/known_hosts", "-o", "StrictHostKeyChecking=accept-new",
                "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-tt", *extra, f"{who}@127.0.0.1"]

    def home(self, i):
        return self.argv(i, "")

    ready = READY

    def terminal(self, i):
        c = Client(self.argv(i))
        c.need(READY, 60)
        c.settle()
        c.send(OUT + "\x1bOS")
        c.settle(1.5)
        for _ in range(5):  # what is typed before the shell asks may be lost
            c.send("PS1='ready''> '\r")
            if c.wait("ready> ", 8):
                c.settle()
                return c
        raise SystemExit(f"no shell for p{i}: {ANSI.sub(b' ', c.raw)[-400:]!r}")

    def editor(self, i):
        c = Client(self.argv(i))
        c.need(READY, 60)
        c.settle()
        c.send(OUT + "\x1bOR")
        c.settle()
        c.send("\x10")
        c.settle(0.5)
        c.send("notes.txt")
        c.settle(0.8)
        c.send("\r")
        c.need(r"notes\.txt")
        c.settle()
        return c

    def pids(self):
        return of_lab(self.lab)

    def with_shells(self):
        return of_lab(self.lab) + shells(self.lab)

    def end(self):
        """Every session that is live."""
        for p in of_lab(self.lab):
            try:
                if os.path.basename(os.readlink(f"/proc/{p}/exe")).startswith("codinglab-tui"):
                    os.kill(p, 15)
            except OSError:
                pass
        wait_until("sessions end", lambda: not list((self.lab.dir / "s/run/sessions").glob("*.sock")), 60)


class Theirs:
    name = "sshd + tmux"
    ready = r"\[b\w+\]"

    def __init__(self, peer):
        self.peer = peer

    def home(self, i):
        return self.peer.tmux(i)

    def terminal(self, i):
        c = Client(self.peer.tmux(i))
        c.need(self.ready, 60)
        c.settle()
        c.send("PS1='ready''> '\r")
        c.need("ready> ")
        c.settle()
        return c

    def editor(self, i):
        c = self.terminal(f"e{i}")
        c.send("vim -u NONE -n +startinsert\r")
        c.need("~")
        c.settle()
        return c

    def pids(self):
        return self.peer.pids()

    def end(self):
        self.peer.end()


def open_many(make, numbers):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(make, numbers))


def close_all(clients):
    for c in clients:
        c.close()


# ---- what is measured ----

def starting(sides, row, rounds):
    """A session that does not exist yet, then the same again: live."""
    for what, fresh, limit in (("new session to full screen", True, 1.0), ("reattach to full screen", False, 0.8)):
        times = [[], []]
        for k in range(rounds):
            for side, out in zip(sides, times):
                c = Client(side.home(k if fresh else 0))
                out.append((c.need(side.ready, 60) - c.started) * 1000)
                c.settle()
                c.close()
        row(what, median(times[0]), median(times[1]), "ms", sides[1].name, ("ratio", limit))
    for side in sides:
        side.end()


def typing(sides, clients, row, n, what, keys, newline):
    """In turns, three each."""
    out, lost = ([], []), [0, 0]
    for _ in range(3):
        for k in (0, 1):
            with Drain(clients[1 - k]):
                times, missing = type_all(clients[k][:n], keys // 3, newline, 20)
            out[k].extend(times)
            lost[k] += missing
    limit = 0.5 if n >= 300 else 1.0
    for name, figure in (("p50", median), ("p99", lambda xs: percentile(xs, .99))):
        row(f"{what}, {n} typing: {name}", figure(out[0]), figure(out[1]), "ms", sides[1].name, ("ratio", limit))
    if any(lost):
        print(f"{'':34} keys without an echo within 5 s: {lost[0]} of ours, {lost[1]} of theirs")
    return percentile(out[0], .99), percentile(out[1], .99)


def flood(sides, clients, row, n, keys):
    """`yes` in the first pane while the others type; then its Ctrl-C."""
    figures = []
    for k, side in enumerate(sides):
        crowd = clients[k][:n]
        with Drain(clients[1 - k]):
            calm, _ = type_all(crowd[1:], keys // 2, "\x15", 20)
            crowd[0].send("yes\r")
            with Drain(crowd[:1]):
                loud, _ = type_all(crowd[1:], keys // 2, "\x15", 20)
            t0 = crowd[0].send("\x03")
            t = crowd[0].wait("ready> ", 20)
        crowd[0].settle()
        figures.append((percentile(calm, .99), percentile(loud, .99), (t - t0) * 1000 if t else float("inf")))
    (calm, loud, stop), (_, their_loud, their_stop) = figures
    row(f"{n - 1} typing beside `yes`: p99", loud, calm, "ms", "without it", ("ratio", 1.2))
    row(f"{n - 1} typing beside `yes`: p99", loud, their_loud, "ms", sides[1].name, ("none", 0))
    row("Ctrl-C of `yes` to the prompt", stop, their_stop, "ms", sides[1].name, ("below", 100))


def resting(sides, row, n, bases, seconds):
    """Memory of n live sessions, and what they cost while nobody types."""
    pss = [(pss_kib(side.pids()) - base) / n / 1024 for side, base in zip(sides, bases)]
    row(f"memory per session, {n} live (PSS)", pss[0], pss[1], "MB", "sshd+tmux+bash", ("ratio", 1.0))
    whole = (pss_kib(sides[0].with_shells()) - bases[0]) / n / 1024
    row("  with the shells in the container", whole, pss[1], "MB", "sshd+tmux+bash", ("none", 0))
    pids = [of_lab(sides[0].lab, gateway_only=False), sides[1].pids()]
    before = [(cpu_seconds(p), wakes(p)) for p in pids]
    t0 = time.perf_counter()
    time.sleep(seconds)
    took = time.perf_counter() - t0
    cpu = [(cpu_seconds(p) - b[0]) / took * 100 for p, b in zip(pids, before)]
    row(f"processor of {n} idle sessions", cpu[0], cpu[1], "%", sides[1].name, ("below", 1.0) if n >= 300 else ("none", 0))
    row("  wake-ups a second, all", (wakes(pids[0]) - before[0][1]) / took, (wakes(pids[1]) - before[1][1]) / took, "", sides[1].name, ("none", 0))


def storm_of(side, n):
    """n clients within STORM_S: milliseconds to each one's first screen, and how many got none."""
    poll, waiting, times, began = select.epoll(), {}, [], time.perf_counter()
    started, end, refused = 0, began + STORM_S + 60, 0
    clients = []
    import re
    want = re.compile(side.ready.encode(), re.S)
    while time.perf_counter() < end and (started < n or waiting):
        while started < n and time.perf_counter() - began >= started * STORM_S / n:
            c = Client(side.home(started))
            poll.register(c.fd, select.EPOLLIN)
            clients.append(c)
            waiting[c.fd] = c
            started += 1
        for fd, _ in poll.poll(0.005):
            c = waiting.get(fd)
            try:
                data = os.read(fd, 1 << 16)
            except OSError:
                data = b""
            if not data:
                poll.unregister(fd)
                refused += waiting.pop(fd, None) is not None
                continue
            if c:
                c.raw += data
                if want.search(ANSI.sub(b"", c.raw[-65536:])):
                    times.append((time.perf_counter() - c.started) * 1000)
                    del waiting[fd]
    poll.close()
    refused += len(waiting)
    close_all(clients)
    return times, refused


def storm(sides, row, n):
    out = []
    for side in sides:
        out.append(storm_of(side, n))
        side.end()
        time.sleep(2)
    (times, refused), (their, their_refused) = out
    row(f"{n} logins in {STORM_S} s: refused", refused, their_refused, "", sides[1].name, ("below", 0))
    if times and their:
        row(f"{n} logins in {STORM_S} s: p50", median(times), median(their), "ms", sides[1].name, ("none", 0))
        row(f"{n} logins in {STORM_S} s: p95", percentile(times, .95), percentile(their, .95), "ms", sides[1].name, ("ratio", 1.0))


def ladder(sides, row, o):
    """More and more sessions, each with a shell in a pane: all figures that depend on their number."""
    clients, bases = ([], []), [pss_kib(side.pids()) for side in sides]
    try:
        for n in o.sessions:
            for side, mine in zip(sides, clients):
                mine += open_many(side.terminal, range(len(mine), n))
            time.sleep(2)
            typing(sides, clients, row, n, "terminal", o.keys, "\x15")
            if n >= 100 or n == o.sessions[-1]:
                with Drain(clients[0] + clients[1]):
                    time.sleep(3)
                    resting(sides, row, n, bases, o.idle)
            if (n == 100 or (100 not in o.sessions and n == o.sessions[-1])) and n > 1:
                flood(sides, clients, row, n, o.keys)
    finally:
        close_all(clients[0] + clients[1])
        for side in sides:
            side.end()


def editors(sides, row, o):
    for n in (n for n in o.sessions if n < 300 or n == o.sessions[0]):
        clients = ([], [])
        try:
            for side, mine in zip(sides, clients):
                mine += open_many(side.editor, range(n))
            typing(sides, clients, row, n, "editor", o.keys, "\r")
        finally:
            close_all(clients[0] + clients[1])
            for side in sides:
                side.end()


# ---- bytes ----

def timed(argv, **kw):
    t0 = time.perf_counter()
    p = subprocess.run(argv, capture_output=True, text=True, timeout=300, **kw)
    if p.returncode:
        raise SystemExit(f"{' '.join(map(str, argv))}: exit {p.returncode}: {p.stderr[-400:]}")
    return time.perf_counter() - t0


def sftp(ours, peer, row, size_mb):
    """get and put of one file, by the stock client in batch mode."""
    data = peer.dir / "data"
    with open(data, "wb") as f:
        for _ in range(size_mb):
            f.write(os.urandom(MB))
    shutil.copy(data, ours.workspace / "data")
    os.chown(ours.workspace / "data", ours.owner.uid, -1)
    theirs = [a for a in peer.argv("") if a not in ("-tt", "")]
    owner = ours.owner.argv("class")
    rates = {}
    for k, (argv, folder) in enumerate(((owner, "."), (theirs, str(peer.dir)))):
        target = argv[-1]
        base = ["sftp", "-q", "-b", "-"] + [{"-p": "-P"}.get(a, a) for a in argv[1:-1]] + [target]
        for what, line in (("get", f"get {folder}/data {peer.dir}/back{k}\n"), ("put", f"put {data} {folder}/put{k}\n")):
            rates[what, k] = size_mb / min(timed(base, input=line) for _ in range(2))
        if (peer.dir / f"back{k}").read_bytes() != data.read_bytes():
            raise SystemExit(f"sftp: {target}: the file is not the same")
    for what in ("get", "put"):
        row(f"sftp {what} of {size_mb} MB", rates[what, 0], rates[what, 1], "MB/s", "sshd", ("at least", 0.8))


SERVE = ("import socket,sys; s=socket.socket(); s.setsockopt(1,2,1); s.bind(('127.0.0.1',int(sys.argv[1]))); s.listen(8)\n"
         "while True:\n c=s.accept()[0]; n=int(c.makefile().readline()); b=bytes(1<<16)\n"
         " while n>0:\n  c.sendall(b[:min(n,len(b))]); n-=len(b)\n c.close()\n")


def pull(port, size):
    """Bytes through a forwarded port, MB/s."""
    import socket
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        t0, got = time.perf_counter(), 0
        s.sendall(b"%d\n" % size)
        while got < size:
            data = s.recv(1 << 18)
            if not data:
                raise SystemExit(f"-L: ended after {got} of {size} bytes")
            got += len(data)
        return size / MB / (time.perf_counter() - t0)


def forward(ours, peer, row, size_mb):
    """-L to a program that sends: in the dev container, beside one on the host behind sshd."""
    served, (a, b) = 8123, (free_port(), free_port())
    there = free_port()
    (ours.workspace / "serve.py").write_text(SERVE)
    os.chown(ours.workspace / "serve.py", ours.owner.uid, -1)
    argv = [x for x in peer.argv("") if x not in ("-tt", "")]
    running = [subprocess.Popen(c, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for c in (
        [*ours.owner.argv("class"), f"run python3 serve.py {served}"],
        ["/usr/bin/python3", "-c", SERVE, str(there)],
        [*ours.owner.argv("class", "-N", "-L", f"127.0.0.1:{a}:127.0.0.1:{served}")],
        [*argv[:-1], "-N", "-L", f"127.0.0.1:{b}:127.0.0.1:{there}", argv[-1]])]
    rates = [[], []]
    try:
        for port in (a, b):
            wait_until("the forwarded port", lambda: subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True).stdout, 30)
        time.sleep(2)
        for _ in range(2):
            for port, out in zip((a, b), rates):
                out.append(pull(port, size_mb * MB))
    finally:
        for p in running:
            p.kill()
            p.wait()
    row(f"-L, {size_mb} MB", max(rates[0]), max(rates[1]), "MB/s", "sshd", ("at least", 0.8))


class Settings:
    def __init__(self, sessions, quick):
        self.sessions = sorted(int(n) for n in sessions.split())
        self.keys = 240 if quick else 3000
        self.idle = 5 if quick else 20
        self.rounds = 2 if quick else 7
        self.megabytes = 16 if quick else 128


PARTS = ("start", "storm", "ladder", "editor", "sftp", "forward", "greedy")


def bench(lab, peer, row, sessions, quick, parts):
    import greedy  # which types as this does
    o = Settings(sessions, quick)
    most = max(o.sessions)
    ours, theirs = Ours(lab, max(most, o.rounds)), Theirs(peer)
    sides = (ours, theirs)
    for part in parts.split() or PARTS:
        began = time.perf_counter()
        if part == "start":
            starting(sides, row, o.rounds)
        elif part == "storm":
            storm(sides, row, most)
        elif part == "ladder":
            ladder(sides, row, o)
        elif part == "editor":
            editors(sides, row, o)
        elif part == "sftp":
            sftp(ours, peer, row, o.megabytes)
        elif part == "greedy":
            greedy.bench(ours, row, o.keys // 10)
        else:
            forward(ours, peer, row, o.megabytes)
        print(f"{'':34} {part}: {time.perf_counter() - began:.0f} s", flush=True)
