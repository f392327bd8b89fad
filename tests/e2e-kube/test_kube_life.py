#!/usr/bin/python3
"""What happens to an application over its life on a real cluster: promoted, taken back, cleaned up after, hurt in every part
and healed, with the engine killed and the API server away.  By ssh; kubectl only looks and hurts."""
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

import cases
from cluster import HOST, OURS, OWN, KubeLab, hold, kubectl, objects
from lab import wait_until
from load import Load

POLICIES = os.environ.get("CODINGLAB_TEST_POLICIES") == "enforced"  # the cluster's network does what NetworkPolicies say
MANY = int(os.environ.get("CODINGLAB_MANY", 5))  # instances of WAS in H12


def tiers(alice, env="prod"):
    return {t["tier"]: (t["want"], t["ready"]) for t in alice.json(f"status --env {env}", "shop")["tiers"]}


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
    import base64
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

def healed(lab, alice, url, hurt, seconds=120):
    old = {p["metadata"]["uid"]: p["status"]["containerStatuses"][0]["restartCount"] for p in pods(lab, "was")}
    hurt()
    wait_until("something changed", lambda: {p["metadata"]["uid"]: p["status"].get("containerStatuses", [{"restartCount": 0}])[0]["restartCount"]
                                             for p in pods(lab, "was")} != old, seconds)
    serving(alice, "was", 1, seconds)
    wait_until("it answers", lambda: lab.get(url)[0] == 200, seconds)


def test_a_killed_pod(lab, alice, url):
    healed(lab, alice, url, lambda: kubectl("-n", lab.ns(), "delete", "pod", pods(lab, "was")[0]["metadata"]["name"], "--grace-period=0", "--force"))
    wait_until(lambda: events(alice), lambda: "was-1" in events(alice) and "ready" in events(alice).split("was-1")[-1], 30)


def test_a_killed_program(lab, alice, url):
    def hurt():
        for pid in pids_of("was", lab)[0]:
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


def test_the_api_server_away_for_a_minute(lab, alice, url):
    """Nothing is lost, the screen says so, what runs goes on, what was asked for meanwhile comes after."""
    if not OWN:
        raise cases.Skip("another's API server is not stopped")
    with Load(lab.edge_port, url, threads=2) as load, alice.screen("shop", rows=30, cols=120) as s:
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
            time.sleep(max(0, 60 - (time.time() - began)))
        finally:
            hold("apiserver", False)
        s.expect("cluster: it answers again", 60)
        serving(alice, "was", 2, 120)
    assert not load.failures, (load.ok, load.failures[:5])
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
    serving(alice, "was", tiers(alice)["was"][0])
    wait_until("it answers", lambda: lab.get(url)[0] == 200, 60)


# -- the battery

def test_g9_an_engine_killed_at_any_point(lab, alice, url):
    """kill -9 in ship, scale and deploy: the same end, no orphan, nothing twice."""
    rng = random.Random(9)
    for what in ("scale was=2", "ship", "deploy", "scale was=1"):
        alice.ssh(what + " --no-wait", "shop")
        time.sleep(rng.uniform(0.1, 6))
        lab.kill_daemon("engine")
        wait_until("engine answers", lambda: alice.ssh("whoami", check=False).returncode == 0, 20)
        quiet(alice)
        last = alice.json("op ls", "shop")["ops"][0]
        assert last["state"] == "done", (what, last)
    serving(alice, "was", 1)
    wait_until("it answers", lambda: lab.get(url)[0] == 200, 60)
    for env in ("dev", "prod"):
        ns = lab.ns(env=env)
        sets = objects("replicasets", ns)
        assert sum(1 for r in sets if r["spec"]["replicas"] and r["metadata"]["labels"].get("codinglab/tier") == "was") == 1, [r["metadata"]["name"] for r in sets]
        names = [o["metadata"]["name"] for o in objects("deployments,statefulsets,services", ns)]
        assert len(names) == len(set((o["kind"], o["metadata"]["name"]) for o in objects("deployments,statefulsets,services", ns))) == 6, names
        wait_until(lambda: str([p["metadata"]["name"] for p in objects("pods", ns)]),
                   lambda: len([p for p in objects("pods", ns) if p["status"]["phase"] in ("Running", "Pending")]) == 3, 60)


def test_h2_what_pods_are_given(lab, alice, url):
    for env in ("dev", "prod"):
        for p in objects("pods", lab.ns(env=env)):
            c = p["spec"]["containers"][0]
            assert "@sha256:" in c["image"] and c["resources"]["limits"]["memory"] and c["resources"]["requests"]["cpu"], c
            assert p["metadata"]["labels"]["codinglab/project"] and p["spec"]["automountServiceAccountToken"] is False
    p = alice.ssh("enter was-1 cat /var/run/secrets/kubernetes.io/serviceaccount/token", "shop", check=False)
    assert p.returncode and not p.stdout, p.stdout


def tried(alice, address, port):
    """From a user's pod: what a connection there says within three seconds."""
    code = ("import socket,sys\n"
            f"s=socket.socket(socket.AF_INET6 if ':' in '{address}' else socket.AF_INET); s.settimeout(3)\n"
            f"try: s.connect(('{address}',{port})); print('open')\n"
            "except OSError as e: print('closed', e)\n")
    return alice.ssh("enter was-1 python3 -", "shop", input=code.encode()).stdout.strip()


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
    told = alice.ssh("enter was-1 python3 -", "shop", input=code.encode()).stdout.strip().split("\n")
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
