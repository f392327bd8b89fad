#!/usr/bin/python3
"""An application on a real cluster, by ssh alone: shipped, scaled, broken, healed, removed."""
import sys
import time

import cases
from cluster import OURS, KubeLab, hold, kubectl, objects, OWN
from lab import wait_until
from load import Load

NS = ""  # of alice in prod


def tiers(alice):
    return {t["tier"]: (t["want"], t["ready"]) for t in alice.json("status", "shop")["tiers"]}


def serving(alice, tier, n, seconds=120):
    wait_until(lambda: f"{tier} is not {n}: {tiers(alice)}", lambda: tiers(alice)[tier] == (n, n), seconds)


def pods(tier):
    return [p for p in objects("pods", NS, "-l", f"{OURS},codinglab/tier={tier}") if "deletionTimestamp" not in p["metadata"]]


def test_it_answers_through_web_was_db(lab, alice, url):
    wait_until("the page is there", lambda: lab.get(url)[0] == 200, 30)
    assert {t: len(pods(t)) for t in ("web", "was", "db")} == {"web": 1, "was": 1, "db": 1}
    assert tiers(alice) == {"web": (1, 1), "was": (1, 1), "db": (1, 1)}, tiers(alice)
    for t in ("web", "was", "db"):
        image = pods(t)[0]["spec"]["containers"][0]["image"]
        assert "@sha256:" in image, image


def test_what_is_made_is_restricted_and_ours(lab, alice, url):
    ns = [n for n in objects("namespaces", "default") if n["metadata"]["name"] == NS][0]
    assert ns["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for p in pods("web") + pods("was") + pods("db"):
        spec, c = p["spec"], p["spec"]["containers"][0]
        assert spec["automountServiceAccountToken"] is False and not [v for v in spec["volumes"] if "projected" in v or "secret" in v], spec["volumes"]
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        assert c["securityContext"]["capabilities"]["drop"] == ["ALL"] and not c["securityContext"]["allowPrivilegeEscalation"]
        assert c["resources"]["limits"]["memory"]
    policies = {p["metadata"]["name"] for p in objects("networkpolicies", NS)}
    assert {"default-deny", "dns", "shop-web", "shop-was", "shop-db"} <= policies, policies
    assert objects("resourcequotas", NS) and objects("limitranges", NS)
    assert not [o for o in objects("secrets,configmaps,services,deployments,statefulsets", NS, "-l", "codinglab/project")
                if o["metadata"]["labels"]["app.kubernetes.io/managed-by"] != "codinglab"]


def test_scale_under_load_loses_no_request(lab, alice, url):
    with Load(lab.edge_port, url, threads=2) as load:
        alice.ssh("scale was=3", "shop")
        serving(alice, "was", 3)
        time.sleep(2)
        alice.ssh("scale was=1", "shop")
        serving(alice, "was", 1)
        wait_until("one pod is left", lambda: len(pods("was")) == 1, 60)
        time.sleep(3)
    assert not load.failures, (load.ok, load.failures[:5])
    assert load.ok > 20, load.ok


def test_logs_and_events(lab, alice, url):
    lab.get(url + "?from-the-test")
    wait_until("the request is in web's log", lambda: "from-the-test" in alice.ssh("logs -t web -n 200", "shop").stdout, 20)
    told = alice.ssh("events", "shop").stdout
    assert "was-1 ready" in told and "scaled was" in told, told


def test_what_is_taken_away_comes_back(lab, alice, url):
    kubectl("-n", NS, "delete", "pod", pods("was")[0]["metadata"]["name"], "--wait=false")
    kubectl("-n", NS, "delete", "service", "shop-was")
    wait_until("the service is back", lambda: "shop-was" in kubectl("-n", NS, "get", "svc", "-o", "name"), 60)
    serving(alice, "was", 1)
    wait_until("it answers", lambda: lab.get(url)[0] == 200, 60)


def test_a_bad_release_never_gets_traffic(lab, alice, url):
    alice.ssh("config set STARTS=never", "shop", check=False)
    good = alice.json("status", "shop")["release"]
    with Load(lab.edge_port, url, threads=2) as load:
        alice.ssh("sh -c 'cp .codinglab.json .keep 2>/dev/null; echo \"{\\\"serve\\\":[\\\"sh\\\",\\\"-c\\\",\\\"echo broken; exit 7\\\"]}\" > .codinglab.json'", "shop")
        p = alice.ssh("ship", "shop", check=False, timeout=600)
        assert p.returncode == 1 and "status 7" in p.stderr, (p.returncode, p.stdout, p.stderr)
        time.sleep(2)
    assert not load.failures, load.failures[:5]
    alice.ssh("sh -c 'rm .codinglab.json; mv .keep .codinglab.json 2>/dev/null; true'", "shop")
    serving(alice, "was", 1)
    assert alice.json("status", "shop")["release"] == good


def test_the_api_server_away_and_back(lab, alice, url):
    if not OWN:
        raise cases.Skip("the API server of another's cluster is not stopped")
    hold("apiserver")
    try:
        alice.ssh("scale was=2 --no-wait", "shop")
        assert lab.get(url)[0] == 200
        wait_until(lambda: alice.ssh("op ls", "shop").stdout, lambda: lab.get(url)[0] == 200 and "6443" in str(alice.json("op ls", "shop")["ops"][0]), 90)
    finally:
        hold("apiserver", False)
    serving(alice, "was", 2, 180)
    alice.ssh("scale was=1", "shop")


def test_nothing_of_others_is_adopted(lab, alice, url):
    kubectl("create", "namespace", lab.ns(env="dev"))
    try:
        p = alice.ssh("deploy", "shop", check=False, timeout=600)
        assert p.returncode and "did not make" in p.stderr, (p.returncode, p.stderr)
        assert not objects("pods", lab.ns(env="dev"))
    finally:
        kubectl("delete", "namespace", lab.ns(env="dev"))


def test_removed_with_the_project(lab, alice, url):
    alice.ssh("project rm shop -y", timeout=180)
    wait_until(lambda: kubectl("get", "ns"), lambda: NS not in kubectl("get", "ns"), 120)


def main():
    global NS
    with KubeLab(images="python web postgresql") as lab:
        NS = lab.ns()
        alice = lab.user("alice")
        alice.ssh("project create shop --stack python")
        alice.ssh("ship", "shop", timeout=900)
        sys.exit(bool(cases.main(globals(), lab, alice, alice.ssh("url", "shop").stdout.strip())))


main()
