"""`lab bench stacks` and `images`: the paper's Tables 2 and 3 with its figures beside ours, each of ours beside its peer in
the same run: a run from the IDE beside a bare exec in the same container, an application through web -> was -> db beside the same
instance asked directly.

The paper's figures (its own 16 servers): compile and run 1.35 s on average; loading an application 78.27 ms on average (34 to 197);
requests/s at 300 threads: Spring 3177, Struts 2451, eGovFrame 3263.
"""
import http.client
import json
import os
import pathlib
import re
import subprocess
import time

from lab import ROOT
from probe import Client

STACKS = {s["id"]: s for s in (json.loads(p.read_text()) for p in sorted(ROOT.glob("images/*/stack.json")))}
PAPER_TPS = {"spring": 3177, "struts": 2451, "egov": 3263}
READY = r"key\s*for\s*the\s*IDE|F1\s*Help"
OUT = "\x1d"


def of_kind(kind):
    wanted = os.environ.get("CODINGLAB_STACKS", "").split()
    return [s for s in STACKS if STACKS[s]["kind"] == kind and (not wanted or s in wanted)]


def source_of(work, words):
    """The file below a workspace that has these words; the one that a person would edit."""
    skip = {"node_modules", "target", "vendor", ".git", "test", "tests"}
    for root, dirs, files in os.walk(work):
        dirs[:] = [d for d in dirs if d not in skip]
        for f in files:
            p = pathlib.Path(root) / f
            if "test" not in f.lower() and p.suffix not in (".md", ".pyc", ".class") and p.stat().st_size < 1 << 20 and words in p.read_text(errors="replace"):
                return p
    raise SystemExit(f"no source with {words!r} in {work}")


def edit(path, old, new):
    st = path.stat()
    text = path.read_text().replace(old, new)
    path.write_text(text)
    os.chown(path, st.st_uid, st.st_gid)


# --- Table 2: compile and run -------------------------------------------------------------------------------------------

def compile_and_run(lab, user, row, quick):
    times = []
    for stack in of_kind("language"):
        user.ssh(f"project create {stack} --stack {stack}")
        user.ssh("up", stack)
        user.ssh("run", stack, timeout=300)  # what is built once is built
        work = pathlib.Path(user.json(f"project show {stack}")["workspace"])
        source = source_of(work, "Hello, ")
        container = [c for c in lab.podman("ps", "--filter", f"label=codinglab.instance={lab.instance()}", "--format", "{{.Names}}").split() if
                     c.endswith(f"p{user.json(f'project show {stack}')['id']}-dev")][0]
        ours, bare = [], []
        c = Client(user.argv(stack, "-tt"))
        c.need(READY)
        c.settle(1.0)
        for i in range(3 if quick else 10):
            edit(source, f"Hello, {i}" if i else "Hello, ", f"Hello, {i + 1}")
            t0 = c.send(OUT + "\x1b[15~")
            ours.append(c.need(f"Hello, {i + 1}", 60) - t0)
            c.settle(0.7)
            edit(source, f"Hello, {i + 1}", f"Hello, {i + 1} ")
            bare.append(exec_seconds(lab, user, container, STACKS[stack]["commands"]["run"]))
            edit(source, f"Hello, {i + 1} ", f"Hello, {i + 1}")
        c.close()
        user.ssh(f"project rm {stack} -y")
        times.append(sum(ours) / len(ours))
        row(f"compile and run, {stack}", times[-1], sum(bare) / len(bare), "s", "podman exec", ("over", 0.05))
    row("compile and run, average", sum(times) / len(times), 1.35, "s", "the paper", ("below", 0.5))


def exec_seconds(lab, user, container, argv):
    """The same command by the container engine's own client, to the end of its output."""
    env = ["-e", "HOME=/home/dev", "-e", "PORT=8000"]
    gid = subprocess.run(lab.podman_argv("exec", container, "stat", "-c", "%g", "/workspace"), env=lab.podman_env(), capture_output=True, text=True).stdout.strip()
    t0 = time.perf_counter()
    p = subprocess.run(lab.podman_argv("exec", "-u", f"{user.uid}:{gid}", "-w", "/workspace", *env, container, *argv), env=lab.podman_env(), capture_output=True)
    t = time.perf_counter() - t0
    if p.returncode:
        raise SystemExit(f"bare exec: {p.stderr.decode()}")
    return t


# --- Table 3: applications ----------------------------------------------------------------------------------------------

class Direct:
    """One way to an application: an address, and the Host header to use there."""

    def __init__(self, address, port, host):
        self.address, self.port, self.host = address, port, host
        self.conn = http.client.HTTPConnection(address, port, timeout=30)

    def load(self):
        t0 = time.perf_counter()
        self.conn.request("GET", "/", headers={"Host": self.host})
        r = self.conn.getresponse()
        r.read()
        if r.status != 200:
            raise SystemExit(f"{self.address}:{self.port}: status {r.status}")
        return (time.perf_counter() - t0) * 1000

    def rps(self, seconds):
        p = subprocess.run(["wrk", "-t1", "-c300", f"-d{seconds}s", "--timeout", "10s", "-H", f"Host: {self.host}", f"http://{self.address}:{self.port}/"],
                           capture_output=True, text=True)
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", p.stdout)
        return float(re.search(r"Requests/sec:\s+([\d.]+)", p.stdout).group(1)), int(bad.group(1)) if bad else 0


def instance_address(lab, project, tier):
    name = [c for c in lab.podman("ps", "--filter", f"label=codinglab.instance={lab.instance()}", "--format", "{{.Names}}").split()
            if re.search(rf"p{project}-prod-{tier}-1\b", c)][0]
    networks = json.loads(lab.podman("inspect", name))[0]["NetworkSettings"]["Networks"]
    return next(iter(networks.values()))["IPAddress"]


def applications(lab, user, row, quick):
    loads, edits = [], []
    for stack in of_kind("framework"):
        user.ssh(f"project create {stack} --stack {stack}")
        url = user.ssh("ship", stack, timeout=900).stdout.strip().split("\n")[-1]
        host = url.split("/")[2]
        show = user.json(f"project show {stack}")
        ways = [Direct("127.0.0.1", lab.edge_port, host), Direct(instance_address(lab, show["id"], "was"), STACKS[stack]["port"], host)]
        for w in ways:
            for _ in range(20):
                w.load()  # warm
        web, was = [], []
        for _ in range(10):
            web.append(ways[0].load())
            was.append(ways[1].load())
        loads.append(sum(web) / 10)
        row(f"app load, {stack}", loads[-1], sum(was) / 10, "ms", "WAS asked", ("ratio", 1.15))
        rates = [[], []]
        for _ in range(1 if quick else 2):
            for i in (1, 0):
                n, bad = ways[i].rps(5 if quick else 15)
                rates[i].append(n)
                if bad:
                    print(f"{'':34} {bad} answers were not 2xx")
        row(f"requests/s at c300, {stack}", sum(rates[0]) / len(rates[0]), sum(rates[1]) / len(rates[1]), "/s", "bare", ("at least", 0.95))
        if stack in PAPER_TPS:
            print(f"{'':34} the paper: {PAPER_TPS[stack]} /s, on its own machines")
        edits.append(edit_to_release(lab, user, stack, show, ways[0]))
        row(f"edit to new release, {stack}", edits[-1], None, "s", "", ("none", 0))
        user.ssh(f"project rm {stack} -y", timeout=200)
    row("app load, average", sum(loads) / len(loads), 78.27, "ms", "the paper", ("below", 10))


def edit_to_release(lab, user, stack, show, way):
    source = source_of(pathlib.Path(show["workspace"]), "Hello from ")
    edit(source, "Hello from ", "Greetings from ")
    t0 = time.perf_counter()
    user.ssh("ship", stack, timeout=900)
    c = http.client.HTTPConnection("127.0.0.1", way.port, timeout=30)
    c.request("GET", "/", headers={"Host": way.host})
    if b"Greetings from" not in c.getresponse().read():
        raise SystemExit(f"{stack}: the new release does not serve")
    return time.perf_counter() - t0


# --- images --------------------------------------------------------------------------------------------------------------

def images(lab, user, row, quick):
    """Every image from nothing, in a store of this run's own."""
    t0 = time.perf_counter()
    lab.admin.ssh("image build --timeout 3600s", timeout=3700)
    total = time.perf_counter() - t0
    op = [o for o in lab.admin.json("op ls")["ops"] if o["kind"] == "image build"][0]
    times = dict(re.findall(r"== (\S+): built in ([\d.]+) s", lab.admin.ssh(f"op {op['id']}", check=False).stderr))
    size = 0
    for i in lab.admin.json("image ls")["images"]:
        if i.get("size") is None:
            continue
        size += 1
        print(f"image {i['id']:28} {float(times.get(i['id'], 'nan')):8.1f} s  {i['size'] / 1e6:8.1f} MB")
    row(f"all {size} images built from nothing", total, None, "s", "", ("none", 0))
