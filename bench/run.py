#!/usr/bin/python3
"""`lab bench`: the hot paths beside their peers, each pair measured in one run, printed as a ratio.

run.py [CASE...] [OPTIONS]     figures also go to out/bench.json, those of one case to out/bench-CASE.json
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/lib"), str(ROOT / "bench")]

import crowd  # noqa: E402
import kube  # noqa: E402
import panes  # noqa: E402
import stacks  # noqa: E402
import tables  # noqa: E402
import throughput  # noqa: E402
from lab import Lab, free_port, wait_until  # noqa: E402
from probe import Client, by_name, echo, median, percentile, pss_kib, tree  # noqa: E402



def options():
    p = argparse.ArgumentParser(prog="lab bench", description="Measure the hot paths beside their peers, each pair in one run.")
    p.add_argument("cases", nargs="*", metavar="CASE", help="none: all but those that take long; --list names them")
    p.add_argument("--list", action="store_true", help="name the cases and what they measure")
    p.add_argument("--quick", action="store_true", help="fewer rounds: whether it works, not how fast")
    p.add_argument("--stacks", default=os.environ.get("CODINGLAB_STACKS", "all"), metavar='"ID..."', help="of stacks and images: only these")
    p.add_argument("--seconds", type=int, default=0, metavar="N", help="of stacks: load of each framework by each way, in two turns (30; with --quick 5, one turn)")
    p.add_argument("--runs", type=int, default=0, metavar="N", help="of stacks: times that each figure is taken (10; with --quick 3)")
    p.add_argument("--minutes", type=int, default=28, metavar="N", help="of stacks: no further stack is begun that would not be done within these (28)")
    p.add_argument("--connections", type=int, default=300, metavar="N", help="of stacks: at once, while loading")
    p.add_argument("--more", action="store_true", help="of stacks, images and kube: keep in the tables what earlier runs measured of others")
    p.add_argument("--store", metavar="DIR", help="of images: build in this store and keep it (CODINGLAB_STORAGE=DIR uses it then)")
    p.add_argument("--into", metavar="FILE", help="of stacks, images and kube: write the tables between their marks in this document too")
    p.add_argument("--sessions", default="", metavar='"N..."', help="of gateway: live sessions, one figure for each number (1 100 300; with --quick 1 4)")
    p.add_argument("--parts", default="", metavar='"PART..."', help=f"only these: of gateway {' '.join(crowd.PARTS)}; of kube {' '.join(kube.PARTS)}")
    o = p.parse_args()
    o.seconds, o.runs = o.seconds or (5 if o.quick else 30), o.runs or (3 if o.quick else 10)
    o.warm = 1 if o.quick else 5
    o.sessions = o.sessions or ("1 4" if o.quick else "1 100 300")
    return o


OPTIONS = options()
QUICK = OPTIONS.quick
ROWS = []


def row(case, ours, peer, unit, peer_name, goal):
    """goal: (kind, limit): ratio = ours/peer at most limit; at least = ours/peer at least; below = ours at most; over = ours at
    most that much over the peer; none = only told."""
    ratio = ours / peer if peer else None
    kind, limit = goal
    ok = {"ratio": lambda: ratio <= limit, "at least": lambda: ratio >= limit, "below": lambda: ours <= limit, "over": lambda: ours - peer <= limit,
          "none": lambda: True}[kind]()
    text = {"ratio": f"x <= {limit}", "at least": f"x >= {limit}", "below": f"<= {limit}", "over": f"<= peer + {limit}", "none": ""}[kind]
    ROWS.append({"case": case, "ours": round(ours, 3), "peer": peer and round(peer, 3), "unit": unit, "peer_name": peer_name,
                 "ratio": ratio and round(ratio, 3), "goal": text, "reached": ok})
    print(f"{case:34} {ours:10.2f} {unit:4} {peer_name:14} {peer if peer is None else round(peer, 2)!s:>10} {unit:4} "
          f"{'' if ratio is None else f'{ratio:5.2f} x':9} " + (f"goal {text} {'reached' if ok else 'NOT REACHED'}" if text else ""), flush=True)


class Peer:
    """OpenSSH's sshd with tmux for a shell, on a port of its own."""

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="codinglab-bench-", dir="/var/tmp"))
        self.port = free_port()
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.dir / name], check=True)
        shutil.copy(self.dir / "user.pub", self.dir / "authorized_keys")
        os.makedirs("/run/sshd", exist_ok=True)
        (self.dir / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.dir}/host\nPidFile {self.dir}/pid\nPermitRootLogin yes\n"
            f"AuthorizedKeysFile {self.dir}/authorized_keys\nStrictModes no\nUsePAM yes\nPrintMotd no\nMaxStartups 500\nSubsystem sftp /usr/lib/openssh/sftp-server\n")
        self.log = open(self.dir / "log", "w")
        self.sshd = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", self.dir / "sshd_config"], stderr=self.log)
        wait_until("sshd", lambda: subprocess.run(["ss", "-Hltn", f"sport = :{self.port}"], capture_output=True).stdout)
        return self

    def argv(self, command, *extra):
        return ["ssh", "-F", "none", "-p", str(self.port), "-i", str(self.dir / "user"), "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
                "-o", f"UserKnownHostsFile={self.dir}/known_hosts", "-o", "StrictHostKeyChecking=accept-new", "-o", "LogLevel=ERROR", "-tt",
                "root@127.0.0.1", command, *extra]

    def tmux(self, i):
        return self.argv(f"tmux -f /dev/null -L bench{os.getpid()} new -A -s b{i} bash --norc")

    def servers(self):
        """tmux servers of this run: one, and none before the first session."""
        out = []
        for p in by_name("tmux: server"):
            try:
                with open(f"/proc/{p}/cmdline") as f:
                    if f"bench{os.getpid()}" in f.read():
                        out.append(p)
            except OSError:  # it ended
                pass
        return out

    def pids(self):
        """sshd's whole tree and the tmux server's."""
        return tree(self.sshd.pid) + [q for p in self.servers() for q in tree(p)]

    def end(self):
        """Every tmux session; a new one does not meet the server of these any more."""
        subprocess.run(["tmux", "-L", f"bench{os.getpid()}", "kill-server"], capture_output=True)
        wait_until("the tmux server ends", lambda: not self.servers(), 60)

    def __exit__(self, *exc):
        self.end()
        self.sshd.send_signal(signal.SIGTERM)
        self.sshd.wait()
        shutil.rmtree(self.dir)


READY = r"key\s*for\s*the\s*IDE|F1\s*Help"
OUT = "\x1d"  # Ctrl-]: the next key is the IDE's, also in a terminal pane


def ours(lab, user, project="bench"):
    """A client's command; each case has a project, so a session, of its own."""
    if user.ssh(f"project show {project}", check=False).returncode:
        user.ssh(f"project create {project} --stack python")
        user.ssh("up", project)
    return user.argv(project, "-tt")


def terminal(client):
    """From the IDE's first screen to a shell prompt in the focused terminal pane."""
    client.need(READY)
    client.settle()
    client.send(OUT + "\x1bOR")
    client.settle()
    client.send("\x1bOS")
    client.settle(1.0)
    client.send("PS1='ready''> '\r")
    client.need("ready> ")
    client.settle()


def peer_terminal(client):
    client.need(r"\[b\d+\]")
    client.settle()
    client.send("PS1='ready''> '\r")
    client.need("ready> ")
    client.settle()


def case_connect(lab, user, peer):
    """connect to first full screen"""
    a, b = [], []
    mine = ours(lab, user)
    Client(mine).need(READY)
    for i in range(3 if QUICK else 9):
        for argv, ready, out in ((mine, READY, a), (peer.tmux(100), r"\[b100\]", b)):
            c = Client(argv)
            out.append((c.need(ready) - c.started) * 1000)
            c.settle()
            c.close()
    row("connect to first full screen", median(a), median(b), "ms", "sshd + tmux", ("ratio", 1.0))


def case_echo(lab, user, peer):
    """key echo in a terminal pane, one session"""
    a, b = Client(ours(lab, user, "echo")), Client(peer.tmux(1))
    terminal(a)
    peer_terminal(b)
    x, y = echo([a, b], 100 if QUICK else 1000)
    a.close()
    b.close()
    row("key echo, median", median(x), median(y), "ms", "sshd + tmux", ("ratio", 1.5))
    row("key echo, 99th percentile", percentile(x, .99), percentile(y, .99), "ms", "sshd + tmux", ("ratio", 1.5))


def case_flood(lab, user, peer):
    """seq 1 1000000 in a terminal pane"""
    a, b = Client(ours(lab, user, "flood")), Client(peer.tmux(2))
    terminal(a)
    peer_terminal(b)
    x, y = [], []
    for i in range(1 if QUICK else 3):
        for c, out in ((a, x), (b, y)):
            t0 = c.send(f"seq 1 1000000; echo END$(({i}*1000+42))x\r")
            out.append(c.need(f"END{i * 1000 + 42}x", 120) - t0)
            c.settle(1.0)
    a.close()
    b.close()
    row("seq 1 1000000", median(x), median(y), "s", "sshd + tmux", ("ratio", 1.0))


def case_memory(lab, user, peer):
    """memory per live session, gateway and session processes"""
    n = 4 if QUICK else 8
    argvs = [ours(lab, user, f"mem{i}") for i in range(n)]
    base, peer_base = pss_kib(session_pids(lab)), pss_kib(peer.pids())
    mine, theirs = [], []
    for i in range(n):
        c = Client(argvs[i])
        c.need(READY)
        c.settle()
        c.send("\x1bOS")
        c.settle(1.5)
        mine.append(c)
        c = Client(peer.tmux(200 + i))
        peer_terminal(c)
        theirs.append(c)
    time.sleep(1)
    a = (pss_kib(session_pids(lab)) - base) / n / 1024
    b = (pss_kib(peer.pids()) - peer_base) / n / 1024
    for c in mine + theirs:
        c.close()
    row("memory per live session (PSS)", a, b, "MB", "sshd+tmux+bash", ("below", 8.0))


def session_pids(lab, *names):
    """The gateway's and the sessions' processes of this lab."""
    names = names or ("codinglab-sshd", "codinglab-conn", "codinglab-tui", "codinglab-pane")
    out = []
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            exe = os.readlink(f"/proc/{p}/exe")
        except OSError:
            continue
        if exe.startswith(f"{lab.dir}/s/lib/bin/") and os.path.basename(exe) in names:
            out.append(int(p))
    return out


def big_file(path, size=1 << 30):
    with open(path, "wb") as f:
        block = b"".join(b"%09d the quick brown fox jumps over the lazy dog, again and again\n" % i for i in range(100000))
        while f.tell() < size:
            f.write(block)


def case_bigfile(lab, user, peer):
    """a 1 GB text file: first paint and memory, beside vim, micro and nano"""
    argv = ours(lab, user, "big")
    work = pathlib.Path(user.json("project show", "big")["workspace"])
    big = work / "big.txt"
    big_file(big)
    os.chown(big, user.uid, -1)
    c = Client(argv)
    c.need(READY)
    c.settle(1.0)
    tui = max(session_pids(lab, "codinglab-tui"))
    c.send(OUT + "\x1bOR")
    c.settle(0.5)
    c.send("\x10")
    c.settle(0.5)
    c.send("big.txt")
    c.settle(0.8)
    before = pss_kib([tui])
    t0 = c.send("\r")
    t = c.need("000000005 the quick")
    memory, paint = (pss_kib([tui]) - before) / 1024, t - t0
    total = pss_kib([tui]) / 1024
    c.close()
    row("1 GB file: first paint", paint, None, "s", "", ("below", 0.2))
    row("1 GB file: session's memory", total, None, "MB", "", ("below", 64))
    print(f"{'':34} of it by the file: {memory:.1f} MB")
    for name, argv in (("vim", ["vim", "-u", "NONE"]), ("micro", ["micro"]), ("nano", ["nano"])):
        c = Client([*argv, str(big)], env={"HOME": str(peer.dir)})
        t = c.wait("000000005 the quick", 240)
        m = pss_kib(tree(c.pid)) / 1024
        os.kill(c.pid, signal.SIGKILL)
        c.close()
        if t:
            row(f"1 GB file: first paint, {name}", paint, t - c.started, "s", name, ("ratio", 1.0))
            row(f"1 GB file: memory, {name}", total, m, "MB", name, ("ratio", 1.0))
        else:
            print(f"{'':34} {name} showed nothing within 240 s")
    big.unlink()


def case_run(lab, user, peer):
    """run of hello world in python: key to output"""
    c = Client(ours(lab, user, "run"))
    c.need(READY)
    c.settle(1.0)
    xs = []
    for _ in range(3 if QUICK else 7):
        t0 = c.send(OUT + "\x1b[15~")
        xs.append(c.need(r"[Hh]ello,") - t0)
        c.settle(1.0)
    c.close()
    row("run hello world (python)", median(xs), None, "s", "", ("below", 0.5))


def with_tables(case, measure):
    note, figures = tables.now(), tables.Figures(ROOT / f"out/bench-{case}-figures.json", OPTIONS.more)
    def told(say=lambda *_, **__: None):
        stacks.write_tables(case, figures, OPTIONS, note, say)
    try:
        broken = measure(figures, told)
    finally:
        told(print)
    if broken:
        raise SystemExit("broke off: " + "; ".join(f"{stack}: {why}" for stack, why in broken))


def case_gateway(lab, user, peer):
    """the gateway with 1, 100 and 300 sessions: starting, joining, typing, memory, idle, a class at once, files, forwards (only by name)"""
    crowd.bench(lab, peer, row, OPTIONS.sessions, QUICK, OPTIONS.parts)


def case_throughput(lab, user, peer):
    """bytes through a program's output and input, sftp and a forwarded port (only by name)"""
    throughput.bench(user, peer, row, QUICK)


def case_stacks(lab, user, peer):
    """the paper's Tables 2 and 3: compile and run of each language; load, requests/s and a new release of each framework"""
    with_tables("stacks", lambda figures, told: stacks.stacks(lab, user, row, OPTIONS, figures, told))


def case_marks(lab, user, peer):
    """combining marks and joiners without end: CPU of the pane process, beside tmux"""
    panes.marks(row, QUICK)


def case_spin(lab, user, peer):
    """a terminal emulator that hangs: the time until it is replaced"""
    panes.spin(row, QUICK)


def case_images(lab, user, peer):
    """every image built from nothing, in a store of its own: times and sizes (only when asked for by name)"""
    store, kept = OPTIONS.store or tempfile.mkdtemp(prefix="codinglab-bench-store-", dir="/var/tmp"), os.environ["CODINGLAB_STORAGE"]
    if os.path.isdir(store) and os.listdir(store):
        raise SystemExit(f"{store}: is not empty: these figures are those of images built from nothing")
    os.environ["CODINGLAB_STORAGE"] = store
    try:
        with Lab(up_args=["--no-images"], images="") as fresh:
            with_tables("images", lambda figures, told: stacks.images(fresh, fresh.admin, row, OPTIONS, figures))
    finally:
        os.environ["CODINGLAB_STORAGE"] = kept
        if not OPTIONS.store:
            subprocess.run(["rm", "-rf", "--one-file-system", store])


def case_kube(lab, user, peer):
    """an application on KUBECONFIG's cluster beside kubectl: scaling, idle, load; the engine with 2,000 projects on sim (only by name)"""
    figures, began, first = tables.Figures(ROOT / "out/bench-kube-figures.json", OPTIONS.more), tables.now(), len(ROWS)
    try:
        kube.bench(row, QUICK, OPTIONS.parts.split() or kube.PARTS)
    finally:
        for r in ROWS[first:]:
            figures.put("kube", r["case"], **{**r, "when": began})
        text = kube.table(figures)
        print("\n" + text)
        if OPTIONS.into:
            tables.into(OPTIONS.into, "kube", text)


BY_NAME = ("images", "kube", "stacks", "gateway", "throughput")  # long: not without being named
ALONE = ("kube", "marks", "spin", "images")  # without the lab of the others
CASES = {n[5:]: f for n, f in list(globals().items()) if n.startswith("case_")}


def write(name, rows):
    (ROOT / "out").mkdir(exist_ok=True)
    (ROOT / f"out/{name}.json").write_text(json.dumps(rows, indent=1))


def run_cases(wanted, lab, user, peer):
    """What was measured before something broke is kept."""
    for w in wanted:
        first = len(ROWS)
        try:
            CASES[w](lab, user, peer)
        finally:
            write(f"bench-{w}", ROWS[first:])
            write("bench", ROWS)


def main():
    if OPTIONS.list:
        for n, f in CASES.items():
            print(f"{n:10} {f.__doc__}")
        return
    wanted = OPTIONS.cases or [c for c in CASES if c not in BY_NAME]
    unknown = [w for w in wanted if w not in CASES] + stacks.unknown(OPTIONS.stacks)
    if unknown:
        sys.exit(f"no such case or stack: {' '.join(unknown)}. `lab bench --list` names the cases")
    run_cases([w for w in wanted if w in ALONE], None, None, None)
    wanted = [w for w in wanted if w not in ALONE]
    if wanted:
        if "gateway" in wanted:  # a class behind one address, in one dev container
            os.environ.update({"CODINGLAB_SSHD_EXEMPT": "127.0.0.0/8", "CODINGLAB_RUNTIME_PIDS": "4096", "CODINGLAB_RUNTIME_MEMORY_MB": "8192"})
        with Lab(**({"images": stacks.needed(OPTIONS)} if "stacks" in wanted else {"images": "python"} if set(wanted) <= {"gateway", "throughput"} else {})) as lab, Peer() as peer:
            run_cases(wanted, lab, lab.user("bench"), peer)
    sys.exit(not all(r["reached"] for r in ROWS))


main()
