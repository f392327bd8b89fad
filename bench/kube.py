"""`lab bench kube`: an application on a real cluster beside kubectl, and how the engine grows with the number of projects.

The cluster is KUBECONFIG's (tests/cluster/up makes one).  What kubectl scales is a copy of the very Deployment that we scale, in the
same namespace, taking turns with it.  The growth is measured on the backend sim, whose instances cost nothing, and on a real API
server with kwok's nodes (tests/cluster/fake), whose pods cost nothing.
"""
import http.client
import json
import os
import pathlib
import re
import socket
import time

from cluster import OURS, FakeCluster, KubeLab, kubectl, objects
from lab import Lab, wait_until
from load import Load
from probe import median
import tables

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss(pid):
    return next(int(line.split()[1]) << 10 for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))


# -- on the cluster

def copy_for_kubectl(lab):
    """The Deployment of WAS once more, under a name and labels that are not ours."""
    o = next(d for d in objects("deployments", lab.ns()) if d["metadata"]["name"] == "shop-was")
    labels = {"app": "peer"}
    o["metadata"] = {"name": "peer", "namespace": lab.ns(), "labels": labels}
    o["spec"].update(replicas=1, selector={"matchLabels": labels})
    o["spec"]["template"]["metadata"] = {"labels": labels}
    o["spec"]["template"]["spec"].pop("affinity", None)
    o.pop("status", None)
    rules = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "peer", "namespace": lab.ns()},
             "spec": {"podSelector": {"matchLabels": labels}, "ingress": [{}], "egress": [{}], "policyTypes": ["Ingress", "Egress"]}}
    kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": [o, rules]}))


def timed(fn, *args, **kw):
    start = time.monotonic()
    fn(*args, **kw)
    return time.monotonic() - start


def scale_by_kubectl(lab, n):
    kubectl("-n", lab.ns(), "scale", "deployment", "peer", f"--replicas={n}")
    kubectl("-n", lab.ns(), "rollout", "status", "deployment/peer", "--timeout=180s")


def gone(lab, labels, n):
    wait_until("the others are gone", lambda: len(objects("pods", lab.ns(), "-l", labels)) == n, 180)


def scale(lab, alice, row, rounds, to):
    copy_for_kubectl(lab)
    scale_by_kubectl(lab, 1)
    ours, peer = [], []
    for _ in range(rounds):
        ours.append(timed(alice.ssh, f"scale was={to}", "shop", timeout=300))
        alice.ssh("scale was=1", "shop", timeout=300)
        gone(lab, f"{OURS},codinglab/tier=was", 1)
        peer.append(timed(scale_by_kubectl, lab, to))
        scale_by_kubectl(lab, 1)
        gone(lab, "app=peer", 1)
    kubectl("-n", lab.ns(), "delete", "deployment,networkpolicy", "peer")
    row(f"kube: was 1 to {to}, all ready", median(ours), median(peer), "s", "kubectl scale", ("ratio", 1.1))


def idle(lab, row, pods, seconds):
    """Objects of ours that nothing changes: pods that no scheduler takes."""
    like = objects("pods", lab.ns(), "-l", f"{OURS},codinglab/tier=was")[0]
    labels = {**like["metadata"]["labels"], "codinglab/project": "999999"}
    ns = f"{lab.prefix}-idle"
    spec = {"schedulerName": "none", "containers": [{"name": "c", "image": "none"}]}
    kubectl("create", "namespace", ns)
    try:
        kubectl("create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"idle-{i}", "namespace": ns, "labels": labels}, "spec": spec} for i in range(pods)]}))
        time.sleep(5)
        pid = lab.pid("engine")
        before = cpu_seconds(pid)
        time.sleep(seconds)
        row(f"kube: engine, {pods} pods, no change", (cpu_seconds(pid) - before) / seconds * 100, None, "%", "", ("below", 1))
    finally:
        kubectl("delete", "namespace", ns, "--wait=false")


def load(lab, alice, url, row, connections, seconds, times):
    with Load(lab.edge_port, url, threads=connections, seconds=max(seconds, 600)) as l:
        end = time.monotonic() + seconds
        for _ in range(times):
            alice.ssh("scale was=3", "shop", timeout=300)
            alice.ssh("scale was=1", "shop", timeout=300)
        time.sleep(max(0, end - time.monotonic()))
    row(f"kube: {connections} conns, was 1-3-1 x {times}", len(l.failures), None, "lost", "", ("below", 0))
    row("kube: requests meanwhile", l.ok, None, "", "", ("none", 0))


# -- growth

class Engine:
    """REST on the engine's socket: as root, and as people who own projects, as many each as a quota lets them."""

    def __init__(self, lab, each):
        self.path, self.uids, self.each = str(lab.dir / "s/run/engine.sock"), [], each
        self.done(self.call("POST", "/v1/images/build", {"ids": ["python", "python-run", "web", "postgresql"]})["id"])

    def owner(self, n):
        """Who has project n, from 1."""
        while len(self.uids) <= (n - 1) // self.each:
            self.uids.append(self.call("POST", "/v1/users", {"name": f"grow{len(self.uids)}"})["uid"])
        return self.uids[(n - 1) // self.each]

    def connect(self, uid):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(120)
        os.seteuid(uid)  # the engine asks the kernel who connects
        try:
            s.connect(self.path)
        finally:
            os.seteuid(0)
        return s

    def call(self, method, path, body=None, uid=0):
        c = http.client.HTTPConnection("engine")
        c.sock = self.connect(uid)
        c.request(method, path, None if body is None else json.dumps(body), {"Connection": "close"})
        r = c.getresponse()
        data = json.loads(r.read() or b"{}")
        c.close()
        if r.status >= 300:
            raise AssertionError(f"{method} {path}: {r.status} {data}")
        return data

    def done(self, op):
        while True:
            o = self.call("GET", f"/v1/ops/{op}")
            if o["state"] == "done":
                return
            if o["state"] == "failed":
                raise AssertionError(str(o))
            time.sleep(0.003)


class Growth:
    """Projects on a lab, as they come: what each takes of the engine, and how long one change takes among them."""

    def __init__(self, lab, per_project, end, each=40):
        """per_project: instances (a third tier has 1).  end: no more are made after this, time.monotonic().  each: projects of one person."""
        self.e, self.pid, self.per_project, self.end = Engine(lab, each), lab.pid("engine"), per_project, end
        self.made = self.empty = self.first = 0
        self.curve = []

    def each(self, numbers, begin):
        """Twenty at a time, to their end.  False: time is over."""
        ops = []
        for n in numbers:
            if time.monotonic() > self.end:
                break
            ops.append(begin(n))
            if len(ops) >= 20:
                self.e.done(ops.pop(0))
        for op in ops:
            self.e.done(op)
        return time.monotonic() < self.end

    def ship(self, n):
        self.e.call("POST", "/v1/projects", {"name": f"p{n}", "stack": "python"}, self.e.owner(n))
        self.made = n
        return self.e.call("POST", f"/v1/projects/p{n}/ship", {}, self.e.owner(n))["id"]

    def widen(self, n):
        return self.e.call("PUT", f"/v1/projects/p{n}/scale", {"was": self.per_project - 2}, self.e.owner(n))["id"]

    def to(self, step):
        """step projects, or as many as there is time for (then False)."""
        numbers = range(self.made + 1, step + 1)
        return self.each(numbers, self.ship) and (self.per_project <= 3 or self.each(numbers, self.widen))

    def change(self):
        start = time.monotonic()
        n = 1 + self.changes % 2
        self.changes += 1
        self.e.done(self.e.call("PUT", "/v1/projects/p1/scale", {"web": 3 - n}, self.e.owner(1))["id"])
        return (time.monotonic() - start) * 1000

    def measure(self, step, changes=20):
        if not self.empty:  # what the engine needs once is there after the first few
            self.empty, self.first = rss(self.pid), step
            return
        self.changes = 0
        before = cpu_seconds(self.pid)
        time.sleep(3)
        idle = (cpu_seconds(self.pid) - before) / 3 * 100
        self.curve.append((step, (rss(self.pid) - self.empty) / (step - self.first) / 1024, median([self.change() for _ in range(changes)])))
        print(f"  {step:6} projects, {step * self.per_project:6} instances: {self.curve[-1][1]:8.1f} KiB each, a change in {self.curve[-1][2]:6.0f} ms, "
              f"the engine at rest {idle:5.1f} %", flush=True)

    def rows(self, row, where):
        """The curve, its end beside its beginning."""
        for i, (step, memory, change) in enumerate(self.curve):
            last = i and i == len(self.curve) - 1
            of, began = (f"with {self.curve[0][0]}", self.curve[0]) if last else ("", (0, None, None))
            row(f"{where}: {step} projects, {step * self.per_project} instances, each", memory, began[1], "KiB", of, ("none", 0))
            row(f"{where}: a change with {step} projects", change, began[2], "ms", of, ("ratio", 1.5) if last else ("none", 0))


def grow(row, steps, per_project):
    """On the backend sim."""
    os.environ["CODINGLAB_EDGE_SLOTS"] = str(2 * steps[-1] + 16)
    with Lab(backend="sim") as lab:
        g = Growth(lab, per_project, time.monotonic() + 1500)
        for step in [min(10, steps[0] // 2 or 1), *steps]:
            if not g.to(step):
                raise AssertionError(f"{step} projects: not there in time")
            g.measure(step)
        g.rows(row, "sim")


def volumes(config, first, last):
    """Of the fake cluster, where nobody makes them: one for each project's database."""
    items = [{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"grow{n}"}, "spec": {
        "capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "local", "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": "/nowhere"}}} for n in range(first, last + 1)]
    kubectl("--kubeconfig", config, "create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def kwok(row, steps, per_project, seconds):
    """On a real API server whose nodes are kwok's: as many projects as `seconds` allow."""
    os.environ["CODINGLAB_EDGE_SLOTS"] = str(2 * steps[-1] + 16)
    with FakeCluster(nodes=steps[-1] * per_project // 1500 + 1) as config, Lab(backend="kube-sim", up_args=("--kubeconfig", config)) as lab:
        g = Growth(lab, per_project, time.monotonic() + seconds, 5)  # a person's namespace takes 60 pods
        for step in [min(20, steps[0] // 2 or 1), *steps]:
            volumes(config, g.made + 1, step)
            if not g.to(step):
                break
            g.measure(step, 7)
        if not g.curve:
            raise AssertionError(f"{g.made} projects after {seconds} s: not one step of {steps}")
        if g.curve[-1][0] < steps[-1]:
            print(f"  {g.made} of {steps[-1]} projects after {seconds} s, the last figures with {g.curve[-1][0]}", flush=True)
        g.rows(row, "kwok")


# -- the document's table

def table(figures):
    """What was measured, this time or with --more before it, in the order of its parts."""
    have = figures.all.get("kube", {})
    def place(case):
        return next((i for i, word in enumerate(("all ready", "no change", "conns", "requests", "sim:", "kwok:")) if word in case), 9)
    def number(x):
        return "" if x is None else f"{x:.0f}" if abs(x) >= 100 or float(x).is_integer() else f"{x:.2f}"
    lines = []
    for case in sorted(have, key=lambda c: (place(c), [int(n) for n in re.findall(r"\d+", c)], c)):
        f = have[case]
        lines.append([case, f"{number(f['ours'])} {f['unit']}", f"{number(f['peer'])} {f['unit']}, {f['peer_name']}" if f["peer"] is not None else "",
                      "" if f["ratio"] is None else f"{f['ratio']:.2f}", f["goal"] and f"{f['goal']} {'reached' if f['reached'] else 'NOT REACHED'}"])
    when = sorted({f["when"] for f in have.values()})
    return tables.markdown(f"**An application on a cluster**, beside kubectl in the same run, and the engine as projects come ({'; '.join(when)}; Kubernetes 1.20.2, one node).",
                           ["figure", "CodingLab", "peer", "ratio", "goal"], lines)


def bench(row, quick, parts):
    if "grow" in parts:
        grow(row, [5, 10, 20, 40] if quick else [100, 500, 1000, 2000], 5)
    if "kwok" in parts:
        kwok(row, [2, 4, 8] if quick else [25, 50, 100, 200, 400, 800, 1200, 1600, 2000], 5, 120 if quick else 480)
    if not {"scale", "idle", "load"} & set(parts):
        return
    if not os.environ.get("KUBECONFIG"):
        raise SystemExit("kube: KUBECONFIG names no cluster; tests/cluster/up makes one and prints its file (CODINGLAB_TEST_CLUSTER=own with it)")
    with KubeLab(images="python web postgresql") as lab:
        alice = lab.user("alice")
        alice.ssh("project create shop --stack python")
        alice.ssh("ship", "shop", timeout=900)
        url = alice.ssh("url", "shop").stdout.strip()
        if "scale" in parts:
            scale(lab, alice, row, 1 if quick else 5, 3 if quick else 6)
        if "idle" in parts:
            idle(lab, row, 20 if quick else 200, 10 if quick else 60)
        if "load" in parts:
            load(lab, alice, url, row, 10 if quick else 300, 5 if quick else 30, 1 if quick else 10)


PARTS = ("grow", "kwok", "scale", "idle", "load")
