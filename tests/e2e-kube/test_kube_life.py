#!/usr/bin/python3
"""What happens to an application over its life on a real cluster: promoted, taken back, cleaned up after, hurt in every part
and healed, with the engine killed and the API server away.  By ssh; kubectl only looks and hurts."""
import base64
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import time

import cases
from cluster import HOST, OURS, OWN, KubeLab, hold, kubectl, objects
from lab import wait_until
from load import Load

POLICIES = os.environ.get("CODINGLAB_TEST_POLICIES") == "enforced"  # the cluster's network does what NetworkPolicies say
MANY = int(os.environ.get("CODINGLAB_MANY", 5))  # instances of WAS in H12
AWAY = int(os.environ.get("CODINGLAB_AWAY_S", 60))  # how long the API server is away in H6
CUTS_S = int(os.environ.get("CODINGLAB_CUTS_S", 300))  # how long G9 goes on killing the engine


def tiers(alice, env="prod"):
    return {t["tier"]: (t["want"], t["ready"]) for t in alice.json(f"status --env {env}", "shop")["tiers"]}


def instance(alice, tier="was", env="prod"):
    """One that is there: who is replaced may get the next number."""
    return next(i["name"] for t in alice.json(f"status --env {env}", "shop")["tiers"] if t["tier"] == tier for i in t["instances"] if i["state"] == "ready")


def serving(alice, tier, n, seconds=120):
    wait_until(lambda: f"{tier} is not {n}: {tiers(alice)}", lambda: tiers(alice)[tier] == (n, n), seconds)


def pods(lab, tier, env="prod"):
    return [p for p in objects("pods", lab.ns(env=env), "-l", f"{OURS},codinglab/tier={tier}") if "deletionTimestamp" not in p["metadata"]]


def digests(lab, env):
    return {t: {p["spec"]["containers"][0]["image"].split("@")[1] for p in pods(lab, t, env)} for t in ("web", "was", "db")}


def say(alice, word):
    alice.ssh(f"sh -c \"sed -i 's/<h1>[^<]*/<h1>{word}/' app.py && grep -c '<h1>{word}' app.py\"", "shop")


def page(lab, url, word, seconds=60):
    wait_until(lambda: lab.get(url)[1][:300], lambda: f"<h1>{word}" in lab.get(url)[1], seconds)


def events(alice):
    return alice.ssh("events -n 200", "shop").stdout


def quiet(alice, seconds=180):
    wait_until(lambda: alice.ssh("op ls", "shop").stdout,
               lambda: not [o for o in alice.json("op ls", "shop")["ops"] if o["state"] in ("queued", "running")], seconds, 0.5)


def pids_of(tier, lab):
    """Processes of a tier's containers as this machine sees them, and their parents: containerd's shims."""
    ids = [c["containerID"].split("//")[1] for p in pods(lab, tier) for c in p["status"]["containerStatuses"] if "containerID" in c]
    found = {}
    for d in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if any(i in (d / "cgroup").read_text() for i in ids):
                found[int(d.name)] = int(re.search(r"PPid:\t(\d+)", (d / "status").read_text()).group(1))
        except (OSError, AttributeError):
            continue
    shims = {parent for parent in found.values() if parent not in found}
    return sorted(p for p, parent in found.items() if parent in shims), shims


# -- releases

def test_promoted_by_digest(lab, alice, url):
    say(alice, "first")
    alice.ssh("deploy", "shop", timeout=600)
    told = alice.ssh("promote -n", "shop")
    alice.ssh("promote -y", "shop", timeout=600)
    page(lab, url, "first")
    assert digests(lab, "dev") == digests(lab, "prod") and all(len(d) == 1 for d in digests(lab, "prod").values()), (digests(lab, "dev"), told.stdout)
    releases = {env: alice.json(f"releases --env {env}", "shop")["releases"][0] for env in ("dev", "prod")}
    assert releases["dev"]["digest"] == releases["prod"]["digest"] and releases["prod"]["result"] == "serving", releases


def test_rolled_back(lab, alice, url):
    before, was = alice.json("releases --env prod", "shop")["releases"][0], digests(lab, "prod")["was"]
    say(alice, "second")
    alice.ssh("ship", "shop", timeout=600)
    page(lab, url, "second")
    assert digests(lab, "prod")["was"] != was
    with Load(lab.edge_port, url, threads=2) as load:
        alice.ssh("rollback --env prod -y", "shop", timeout=300)
        page(lab, url, "first")
        time.sleep(1)
    assert not load.failures, load.failures[:5]
    now = alice.json("releases --env prod", "shop")["releases"][0]
    assert now["digest"] == before["digest"] and now["result"] == "serving" and digests(lab, "prod")["was"] == was, (now, before)


# -- images

def there(lab, image):
    """Can a node still pull it?  The pods' own pull secret asks."""
    name, digest = image.split("/", 1)[1].split("@")
    password = (lab.dir / "s/registry/password").read_text().strip() if (lab.dir / "s/registry/password").exists() else ""
    secret = next(o for o in objects("secrets", lab.ns()) if o["type"] == "kubernetes.io/dockerconfigjson")
    auths = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"]
    auth = base64.b64decode(next(iter(auths.values()))["auth"]).decode()
    p = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*", "-u", auth, "-I", "-H",
                        "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json",
                        f"http://{HOST}:{lab.outer}/v2/{name}/manifests/{digest}"], capture_output=True, text=True)
    return p.stdout == "200" or (p.stdout, p.stderr, name, digest, bool(password))


def test_gc_leaves_what_is_used(lab, alice, url):
    alice.ssh("save kept", "shop", timeout=300)
    used = {p["spec"]["containers"][0]["image"] for env in ("dev", "prod") for p in objects("pods", lab.ns(env=env))}
    assert len(used) >= 3, used
    before = lab.admin.json("image ls")["images"]
    lab.admin.ssh("image gc", timeout=300)
    for image in used:
        assert there(lab, image) is True, there(lab, image)
    after = {(m["id"], m.get("tag")) for m in lab.admin.json("image ls")["images"]}
    for m in before:
        if m["kind"] == "save":
            assert (m["id"], m.get("tag")) in after, m
    # the release that does not serve now is still one to go back to
    second = alice.json("releases --env prod", "shop")["releases"][1]["version"]
    alice.ssh(f"rollback v{second} --env prod -y", "shop", timeout=300)
    page(lab, url, "second")
    alice.ssh("load kept -y", "shop", timeout=300)


def test_pods_come_back_with_images_that_only_the_repository_has(lab, alice, url):
    """After a clean-up, on a node that has none of it: what is pulled by digest is still there."""
    if not OWN:
        raise cases.Skip("images of another's node are not removed")
    node = (pathlib.Path(os.environ.get("CODINGLAB_CLUSTER", "/var/lib/codinglab-cluster")) / "containerd.sock")
    image = pods(lab, "was")[0]["spec"]["containers"][0]["image"]
    subprocess.run(["ctr", "--address", str(node), "--namespace", "k8s.io", "images", "rm", image], check=True, capture_output=True)
    kubectl("-n", lab.ns(), "delete", "pod", pods(lab, "was")[0]["metadata"]["name"], "--wait=false")
    time.sleep(2)
    serving(alice, "was", 1)
    page(lab, url, "second")


# -- hurt and healed (point 10), each with its events

def was_ready(lab):
    """Does the cluster itself say so?  Ours follows it."""
    return [c["status"] for p in pods(lab, "was") for c in p["status"].get("conditions", []) if c["type"] == "Ready"] == ["True"]


def restarts(lab):
    return {p["metadata"]["uid"]: p["status"].get("containerStatuses", [{"restartCount": 0}])[0]["restartCount"] for p in pods(lab, "was")}


def healed(lab, alice, url, hurt, seconds=120):
    wait_until("it is whole before it is hurt", lambda: was_ready(lab), seconds)
    old = restarts(lab)
    hurt()
    wait_until(lambda: f"still {restarts(lab)}", lambda: restarts(lab) != old, seconds)
    wait_until("the cluster has it ready again", lambda: was_ready(lab), seconds)
    serving(alice, "was", 1, seconds)
    wait_until("it answers", lambda: lab.get(url)[0] == 200, seconds)


def test_a_killed_pod(lab, alice, url):
    before = len(re.findall(r"was-\d+ ready", events(alice)))
    healed(lab, alice, url, lambda: kubectl("-n", lab.ns(), "delete", "pod", pods(lab, "was")[0]["metadata"]["name"], "--grace-period=0", "--force"))
    wait_until(lambda: events(alice), lambda: len(re.findall(r"was-\d+ ready", events(alice))) > before, 30)


def test_a_killed_program(lab, alice, url):
    def hurt():
        found = pids_of("was", lab)[0]
        assert found, pods(lab, "was")
        for pid in found:
            os.kill(pid, signal.SIGKILL)
    if not OWN:
        raise cases.Skip("the processes of another's node are not seen")
    healed(lab, alice, url, hurt)


def test_a_killed_shim(lab, alice, url):
    if not OWN:
        raise cases.Skip("the processes of another's node are not seen")
    _, shims = pids_of("was", lab)
    assert shims and all("shim" in pathlib.Path(f"/proc/{s}/cmdline").read_text() for s in shims), shims

    def hurt():
        for pid in shims:
            os.kill(pid, signal.SIGKILL)
    healed(lab, alice, url, hurt, 180)


def test_a_deleted_service(lab, alice, url):
    uid = json.loads(kubectl("-n", lab.ns(), "get", "svc", "shop-was", "-o", "json"))["metadata"]["uid"]
    kubectl("-n", lab.ns(), "delete", "service", "shop-was")
    wait_until("it is back", lambda: json.loads(kubectl("-n", lab.ns(), "get", "svc", "shop-was", "-o", "json", check=False) or '{"metadata":{"uid":""}}')
               ["metadata"]["uid"] not in ("", uid), 60)
    now = json.loads(kubectl("-n", lab.ns(), "get", "svc", "shop-was", "-o", "json"))["metadata"]["uid"]
    # Web asks the old address until its pods are replaced
    wait_until("web asks the new one", lambda: [p["metadata"].get("annotations", {}).get("codinglab/upstream") for p in pods(lab, "web")] == [now], 120, 1)
    serving(alice, "web", 1)
    wait_until("it answers", lambda: lab.get(url)[0] == 200, 90)


def test_a_restarted_kubelet(lab, alice, url):
    if not OWN:
        raise cases.Skip("another's kubelet is not stopped")
    with Load(lab.edge_port, url, threads=2) as load:
        hold("kubelet")
        time.sleep(3)
        hold("kubelet", False)
        wait_until("the node is ready", lambda: lab.admin.json("host ls")["hosts"][0]["state"] == "ready", 60, 1)
        serving(alice, "was", 1)
    assert not load.failures, load.failures[:5]


def test_the_api_server_away(lab, alice, url):
    """A minute, or CODINGLAB_AWAY_S (600: ten minutes).  Nothing is lost, the screen says so, what runs goes on, what was asked for meanwhile comes after."""
    if not OWN:
        raise cases.Skip("another's API server is not stopped")
    with Load(lab.edge_port, url, threads=2, seconds=AWAY + 600) as load, alice.screen("shop", rows=30, cols=120) as s:
        s.expect("Files")
        s.send("<F7>")
        s.expect("PROD")
        hold("apiserver")
        began = time.time()
        try:
            alice.ssh("scale was=2 --no-wait", "shop")
            s.expect("waiting for the cl", 60)
            s.expect("cluster: it does", 60)
            assert lab.admin.json("info")["backend_state"] == "degraded"
            told = lab.admin.ssh("host ls", check=False, timeout=60)
            assert told.returncode != 0 and told.stderr.startswith("codinglab: "), (told.returncode, told.stdout, told.stderr)
            assert alice.json("status", "shop")["tiers"], "what was known is still told"
            while time.time() - began < AWAY:
                assert not load.failures and alice.json("status", "shop")["tiers"], load.failures[:5]
                time.sleep(min(10, max(0.1, AWAY - (time.time() - began))))
        finally:
            hold("apiserver", False)
        back = time.time()
        s.expect("cluster: it answers again", 60)
        serving(alice, "was", 2, 120)
    # After a long absence the cluster itself may hold its only node for lost, and have no endpoints until it has heard of it again.
    lost = kubectl("-n", lab.ns(), "get", "events", "--field-selector", "reason=NodeNotReady", "-o", "name")
    assert not [f for f in load.failures if f[0] < back or not lost], (load.ok, load.failures[:5])
    alice.ssh("scale was=1", "shop")
    serving(alice, "was", 1)
    quiet(alice)


def test_changes_made_while_nothing_watched_are_found(lab, alice, url):
    """The API server comes back with a watch cache that knows no earlier version (410): all is listed again."""
    if not OWN:
        raise cases.Skip("another's API server is not stopped")
    hold("apiserver")
    time.sleep(2)
    hold("apiserver", False)
    wait_until("it is back", lambda: kubectl("get", "--raw", "/readyz", check=False) == "ok", 60)
    kubectl("-n", lab.ns(), "delete", "deployment", "shop-was", "--wait=false")
    wait_until("it is back", lambda: "shop-was" in kubectl("-n", lab.ns(), "get", "deployments", "-o", "name"), 60)
    # The cluster collects what the deleted one owned; 1.20's collector misses it at times when its API server was away, and the pods go on.
    uid = json.loads(kubectl("-n", lab.ns(), "get", "deployment", "shop-was", "-o", "json"))["metadata"]["uid"]
    for r in objects("replicasets", lab.ns(), "-l", f"{OURS},codinglab/tier=was"):
        if r["metadata"]["ownerReferences"][0]["uid"] != uid:
            kubectl("-n", lab.ns(), "delete", "replicaset", r["metadata"]["name"], "--ignore-not-found")
    serving(alice, "was", tiers(alice)["was"][0])
    wait_until("it answers", lambda: lab.get(url)[0] == 200, 60)


# -- the battery

def journal(lab, op):
    """What the engine has written down of an operation: its state, its step, the release that it makes and what the environment is to run."""
    with sqlite3.connect(f"file:{lab.dir}/s/engine/codinglab.db?mode=ro", uri=True, timeout=10) as db:
        row = db.execute("SELECT state, step, project, env FROM op WHERE id = ?", (op,)).fetchone()
        return row[:2] + tuple(db.execute("SELECT version, result, digest, config FROM release WHERE op = ?", (op,))) \
            + tuple(db.execute("SELECT desired, serving, state FROM env WHERE project = ? AND name = ?", row[2:]))


def cut_at_every_step(lab, alice, op, end):
    """kill -9 of the engine as soon as it has written down something new of the operation, again and again until that has ended (or at `end` leave it
    alone).  A build is cut twice: the third time it is given up.  How often."""
    seen, cuts, builds = set(), 0, 0
    while True:
        now = journal(lab, op)
        if now[0] not in ("queued", "running"):
            return cuts
        building = any(r[1] == "building" for r in now[2:] if isinstance(r[1], str))
        if now not in seen and time.time() < end and not (building and builds == 2):
            seen.add(now)
            os.kill(lab.pid("engine"), signal.SIGKILL)
            cuts, builds = cuts + 1, builds + building
            wait_until("engine answers", lambda: alice.ssh("whoami", check=False).returncode == 0, 30)
        time.sleep(0.003)


def whole(lab, env, was):
    """Nothing twice, no orphan."""
    ns = lab.ns(env=env)
    sets = objects("replicasets", ns)
    assert sum(1 for r in sets if r["spec"]["replicas"] and r["metadata"]["labels"].get("codinglab/tier") == "was") == 1, [r["metadata"]["name"] for r in sets]
    found = [(o["kind"], o["metadata"]["name"]) for o in objects("deployments,statefulsets,services", ns)]
    assert len(found) == len(set(found)) == 6, found
    wait_until(lambda: str([p["metadata"]["name"] for p in objects("pods", ns)]),
               lambda: len([p for p in objects("pods", ns) if p["status"]["phase"] in ("Running", "Pending")]) == was + 2, 60)


def test_g9_an_engine_killed_at_every_step(lab, alice, url):
    """kill -9 after each thing that the engine writes down of a scale, a deploy, a promotion, a taking back and a change of password: the same end,
    nothing lost, no orphan, nothing twice.  Round by round until CODINGLAB_CUTS_S are over; one round in any case, of which a cut is each's first step."""
    cuts, begun, rounds = {}, time.time(), 0
    while not rounds or time.time() < begun + CUTS_S:
        for what in (f"scale was={2 - rounds % 2} --env dev", "deploy", "config rotate-db --env dev", "rollback --env dev -y", "promote -y"):
            kind = what.split(" -")[0].split(" was")[0]
            last = alice.json("op ls", "shop")["ops"][0]["id"]
            alice.ssh(what + " --no-wait", "shop")
            op = next(o["id"] for o in alice.json("op ls", "shop")["ops"] if o["id"] > last and o["kind"] == kind)
            cuts[kind] = cuts.get(kind, 0) + cut_at_every_step(lab, alice, op, max(begun + CUTS_S, time.time() + 20))
            quiet(alice)
            done = next(o for o in alice.json("op ls", "shop")["ops"] if o["id"] == op)
            assert done["state"] == "done", (what, done)
            wait_until("it answers", lambda: lab.get(url)[0] == 200, 60)
        rounds += 1
    print(f"killed in {rounds} rounds: " + ", ".join(f"{n} times in {k}" for k, n in cuts.items()))
    assert len(cuts) == 5 and sum(cuts.values()) >= 10, cuts
    alice.ssh("scale was=1 --env dev", "shop")
    serving(alice, "was", 1)
    for env in ("dev", "prod"):
        whole(lab, env, 1)


def login(alice):
    return re.search(r"://(\w+):(\w+)@", alice.ssh(f"enter {instance(alice)} printenv DATABASE_URL", "shop").stdout).groups()


def enters(alice, who):
    return alice.ssh(f"enter db-1 env PGPASSWORD={who[1]} psql -h 127.0.0.1 -U {who[0]} -w -c 'select 1'", "shop", check=False).returncode == 0


def test_another_password_of_the_database(lab, alice, url):
    """Under load, twice: both hold while pods are replaced, then the new one alone; the database's own pod stays."""
    for _ in range(2):
        before, db = login(alice), pods(lab, "db")[0]["metadata"]["uid"]
        with Load(lab.edge_port, url, threads=4) as load:
            p = alice.ssh("config rotate-db --env prod", "shop", timeout=300)
            time.sleep(1)
        assert load.ok > 20 and not load.failures, (load.ok, load.failures[:5])
        now = login(alice)
        assert now[0] != before[0] and now[1] != before[1] and pods(lab, "db")[0]["metadata"]["uid"] == db
        assert enters(alice, now) and not enters(alice, before)
        assert "<li>" in lab.get(url)[1] and lab.get(url)[0] == 200
        told = p.stdout + p.stderr + events(alice) + alice.ssh("op ls --json", "shop").stdout + alice.ssh("manifest --env prod", "shop").stdout + lab.admin.ssh("audit -n 50").stdout
        assert "rotate-db" in told and now[1] not in told and before[1] not in told
        secrets = [o for o in objects("secrets", lab.ns()) if (o["metadata"].get("labels") or {}).get("codinglab/project")]
        held = "".join(base64.b64decode(v).decode() for o in secrets for v in (o.get("data") or {}).values())
        assert now[1] in held and before[1] not in held, [o["metadata"]["name"] for o in secrets]
        assert not [p for p in objects("pods", lab.ns()) if "login" in p["metadata"]["name"]]


def test_a_password_that_the_database_does_not_take(lab, alice, url):
    """The release with it is taken back; the old one holds."""
    before = login(alice)
    alice.ssh("enter db-1 psql -c 'ALTER SYSTEM SET default_transaction_read_only = on'", "shop")
    alice.ssh("enter db-1 psql -c 'SELECT pg_reload_conf()'", "shop")
    try:
        p = alice.ssh("config rotate-db --env prod", "shop", check=False, timeout=300)
    finally:
        alice.ssh("enter db-1 psql -c 'SET default_transaction_read_only = off' -c 'ALTER SYSTEM RESET default_transaction_read_only'", "shop")
        alice.ssh("enter db-1 psql -c 'SELECT pg_reload_conf()'", "shop")
    assert p.returncode == 1 and "database password" in p.stderr and "read-only" in p.stderr, (p.returncode, p.stderr)
    wait_until("it answers", lambda: lab.get(url)[0] == 200, 60)
    assert (login(alice), enters(alice, before)) == (before, True), before


def test_a_new_engine_pushes_nothing_that_is_there(lab, alice, url):
    """What pods pull is asked for by digest: the repository's files stay as they are."""
    blobs = lab.dir / "s/registry"

    def files():
        return {str(f): f.stat().st_mtime_ns for f in blobs.rglob("*") if f.is_file() and "/uploads/" not in str(f)}
    wait_until("nothing is pushed", lambda: not [o for o in lab.admin.json("op ls")["ops"] if o["state"] in ("queued", "running")], 60)
    before = files()
    lab.kill_daemon("engine")
    wait_until("engine answers", lambda: alice.ssh("whoami", check=False).returncode == 0, 20)
    alice.ssh("scale was=2 --env prod", "shop", timeout=300)
    alice.ssh("scale was=1 --env prod", "shop", timeout=300)
    now = files()
    assert before and now == before, sorted(set(now.items()) ^ set(before.items()))[:10]


def test_the_cluster_is_watched_without_a_container_engine(lab, alice, url):
    """Podman away while the engine starts: what happens in the cluster is seen all the same."""
    sup, pid = int((lab.dir / "s/run/pids/podman.sup").read_text()), lab.pid("podman")
    os.kill(sup, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    try:
        lab.kill_daemon("engine")
        wait_until("engine answers", lambda: alice.ssh("whoami", check=False).returncode == 0, 20)
        serving(alice, "was", 1, 60)
        old = set(events(alice).split("\n"))
        kubectl("-n", lab.ns(), "delete", "pod", pods(lab, "was")[0]["metadata"]["name"], "--wait=false")
        wait_until(lambda: events(alice), lambda: any(re.search(r"was-\d+ ready", l) for l in set(events(alice).split("\n")) - old), 90)
    finally:
        os.kill(sup, signal.SIGCONT)
    wait_until("podman back", lambda: lab.admin.json("info")["backend_state"] == "ready", 60)


def test_h2_what_pods_are_given(lab, alice, url):
    for env in ("dev", "prod"):
        for p in objects("pods", lab.ns(env=env)):
            c = p["spec"]["containers"][0]
            assert "@sha256:" in c["image"] and c["resources"]["limits"]["memory"] and c["resources"]["requests"]["cpu"], c
            assert p["metadata"]["labels"]["codinglab/project"] and p["spec"]["automountServiceAccountToken"] is False
    p = alice.ssh(f"enter {instance(alice)} cat /var/run/secrets/kubernetes.io/serviceaccount/token", "shop", check=False)
    assert p.returncode and not p.stdout, p.stdout


def tried(alice, address, port):
    """From a user's pod: what a connection there says within three seconds."""
    code = ("import socket,sys\n"
            f"s=socket.socket(socket.AF_INET6 if ':' in '{address}' else socket.AF_INET); s.settimeout(3)\n"
            f"try: s.connect(('{address}',{port})); print('open')\n"
            "except OSError as e: print('closed', e)\n")
    return alice.ssh(f"enter {instance(alice)} python3 -", "shop", input=code.encode()).stdout.strip()


def test_h5_what_a_pod_cannot_do(lab, alice, url):
    """Without a network that enforces policies: nobody in a pod has credentials for what it may reach."""
    code = ("import json,ssl,urllib.request,urllib.error\n"
            "c=ssl._create_unverified_context()\n"
            "for u in ('https://10.96.0.1/api/v1/secrets','https://10.96.0.1/api/v1/namespaces','https://10.203.77.2:10250/pods','https://10.203.77.2:10250/run/x/y/z'):\n"
            "  try: print(u, urllib.request.urlopen(u, context=c, timeout=5).status)\n"
            "  except urllib.error.HTTPError as e: print(u, e.code)\n"
            "  except OSError as e: print(u, 'none')\n")
    if not OWN:
        raise cases.Skip("the addresses of another's cluster are not known")
    told = alice.ssh(f"enter {instance(alice)} python3 -", "shop", input=code.encode()).stdout.strip().split("\n")
    assert len(told) == 4 and all(l.split()[-1] in ("401", "403", "none") for l in told), told


def test_h5_what_a_pod_cannot_reach(lab, alice, url):
    """The objects are there on any cluster; that they hold takes a network that enforces them."""
    rules = {p["metadata"]["name"]: p["spec"] for p in objects("networkpolicies", lab.ns())}
    assert rules["default-deny"]["podSelector"] == {} and set(rules["default-deny"]["policyTypes"]) == {"Ingress", "Egress"}
    assert not rules["default-deny"].get("ingress") and not rules["default-deny"].get("egress")
    if not POLICIES:
        raise cases.Skip("the objects are there; this cluster's network does not enforce them (CODINGLAB_TEST_POLICIES=enforced where it does)")
    for address, port in (("169.254.169.254", 80), ("10.96.0.1", 443), ("10.203.77.2", 10250), ("10.203.77.2", 6443)):
        assert tried(alice, address, port).startswith("closed"), (address, port)
    other = objects("services", lab.ns(env="dev"))[0]["spec"]["clusterIP"]
    assert tried(alice, other, 8080).startswith("closed")


def test_h12_scaling_and_a_bad_release_under_load(lab, alice, url):
    good = alice.json("status --env prod", "shop")["release"]["version"]
    with Load(lab.edge_port, url, threads=4) as load:
        for n in (2, MANY, 1):
            alice.ssh(f"scale was={n} --env prod", "shop", timeout=300)
            serving(alice, "was", n, 180)
        alice.ssh("sh -c 'cp .codinglab.json .keep 2>/dev/null; echo \"{\\\"serve\\\":[\\\"sh\\\",\\\"-c\\\",\\\"exit 7\\\"]}\" > .codinglab.json'", "shop")
        p = alice.ssh("ship", "shop", check=False, timeout=600)
        assert p.returncode == 1, (p.returncode, p.stdout, p.stderr)
        wait_until("taken back", lambda: alice.json("status --env prod", "shop")["release"]["version"] == good and tiers(alice)["was"] == (1, 1), 60)
        time.sleep(2)
    assert load.ok > 50 and not load.failures, (load.ok, load.failures[:5])
    alice.ssh("sh -c 'rm .codinglab.json; mv .keep .codinglab.json 2>/dev/null; true'", "shop")


def test_nodes(lab, alice, url):
    h = lab.admin.json("host ls")["hosts"]
    node = next(n for n in h if n["name"] == objects("nodes", "default")[0]["metadata"]["name"])
    assert node["state"] == "ready" and node["instances"] >= 6 and node["memory_total"] > 1 << 30 and not node["draining"], node
    told = lab.admin.ssh(f"host show {node['name']}").stdout
    assert "kubelet v" in told and "Ready: True" in told, told
    assert alice.ssh("host ls", check=False).returncode == 5
    missing = lab.admin.ssh("host show nowhere", check=False)
    assert missing.returncode == 4 and "host ls" in missing.stderr
    if not OWN:
        return
    if "v1beta1.metrics.k8s.io" in kubectl("get", "apiservices", "-o", "name"):
        wait_until("its use is known", lambda: (lab.admin.json("host ls")["hosts"][0]["memory"] or 0) > 1 << 20, 60, 2)
    kubectl("cordon", node["name"])
    try:
        assert "ready, draining" in lab.admin.ssh("host ls").stdout
    finally:
        kubectl("uncordon", node["name"])


def main():
    with KubeLab(images="python web postgresql") as lab:
        alice = lab.user("alice")
        alice.ssh("project create shop --stack python")
        alice.ssh("deploy", "shop", timeout=900)
        alice.ssh("promote -y", "shop", timeout=600)
        sys.exit(bool(cases.main(globals(), lab, alice, alice.ssh("url --env prod", "shop").stdout.strip())))


main()
