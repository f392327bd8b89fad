#!/usr/bin/python3
"""Production in a second cluster that is really another one: its own etcd, API server, controllers and scheduler (tests/cluster/fake).
Its nodes and what their kubelets would say are kwok's: pods are scheduled, get addresses and are ready, but no program runs in them, so what an
application answers there is not asked (tests/e2e-kube/test_kube_targets.py does, by a second way into the first cluster)."""
import json
import sys

import cases
from cluster import OURS, OWN, FakeCluster, KubeLab, hold, kubectl
from lab import wait_until


class There:
    """The second cluster, as its own kubectl sees it."""

    def __init__(self, config):
        self.config = config

    def __call__(self, *args, check=True):
        return kubectl("--kubeconfig", self.config, *args, check=check)

    def objects(self, kind, ns, *more):
        return json.loads(self("-n", ns, "get", kind, "-o", "json", *more))["items"]

    def pods(self, ns, tier):
        return [p for p in self.objects("pods", ns, "-l", f"{OURS},codinglab/tier={tier}") if "deletionTimestamp" not in p["metadata"]]

    def flat(self):
        return self("config", "view", "--raw", "--flatten", "--minify", "-o", "json")


def tiers(alice):
    return {t["tier"]: (t["want"], t["ready"]) for t in alice.json("status --env prod", "shop")["tiers"]}


def ready(alice, was):
    wait_until(lambda: str(tiers(alice)), lambda: tiers(alice)["was"] == (was, was), 90)


def digest(pod):
    return pod["spec"]["containers"][0]["image"].split("@")[1]


def test_it_is_added_by_its_kubeconfig(lab, alice, there):
    lab.admin.ssh("target add second --kubeconfig -", input=there.flat().encode(), timeout=60)
    assert [(t["name"], t["environments"]) for t in lab.admin.json("target ls")["targets"]] == [("second", 0)]
    hosts = {h["name"]: h.get("target", "") for h in lab.admin.json("host ls")["hosts"]}
    assert hosts["fake1"] == "second" and "" in hosts.values(), hosts


def test_production_goes_there_and_nowhere_else(lab, alice, there):
    alice.ssh("promote --target second -y", "shop", timeout=600)
    ns = lab.ns()
    for tier in ("web", "was", "db"):
        assert len(there.pods(ns, tier)) == 1, tier
        of_dev = json.loads(kubectl("-n", lab.ns(env="dev"), "get", "pods", "-l", f"{OURS},codinglab/tier={tier}", "-o", "json"))["items"]
        assert {digest(p) for p in there.pods(ns, tier)} == {digest(p) for p in of_dev}, tier
    assert ns not in kubectl("get", "namespaces", "-o", "name")
    assert lab.ns(env="dev") not in there("get", "namespaces", "-o", "name")
    status = alice.json("status --env prod", "shop")
    assert status["target"] == "second" and tiers(alice) == {"web": (1, 1), "was": (1, 1), "db": (1, 1)}, status
    assert there.objects("resourcequotas", ns) and {p["metadata"]["name"] for p in there.objects("networkpolicies", ns)} >= {"default-deny"}


def test_scaled_and_healed_there(lab, alice, there):
    alice.ssh("scale was=3 --env prod", "shop", timeout=120)
    ready(alice, 3)
    gone = there.pods(lab.ns(), "was")[0]["metadata"]
    there("-n", lab.ns(), "delete", "pod", gone["name"], "--wait=false")
    wait_until("another is there", lambda: len(there.pods(lab.ns(), "was")) == 3 and gone["uid"] not in
               {p["metadata"]["uid"] for p in there.pods(lab.ns(), "was")}, 60)
    ready(alice, 3)
    there("-n", lab.ns(), "delete", "deployment", "shop-was", "--wait=false")
    wait_until("the deployment is back", lambda: "shop-was" in there("-n", lab.ns(), "get", "deployments", "-o", "name"), 90)
    ready(alice, 3)
    alice.ssh("scale was=1 --env prod", "shop", timeout=120)
    ready(alice, 1)


def test_it_goes_on_while_the_first_is_away(lab, alice, there):
    if not OWN:
        raise cases.Skip("another's API server is not stopped")
    hold("apiserver")
    try:
        wait_until("it is known", lambda: lab.admin.json("info")["backend_state"] == "degraded", 60)
        alice.ssh("scale was=2 --env prod", "shop", timeout=120)
        ready(alice, 2)
    finally:
        hold("apiserver", False)
    wait_until("it is back", lambda: lab.admin.json("info")["backend_state"] == "ready", 120)
    alice.ssh("scale was=2 --env dev", "shop", timeout=120)
    alice.ssh("scale was=1 --env dev", "shop", timeout=120)


def test_an_engine_that_starts_anew_knows_both(lab, alice, there):
    lab.kill_daemon("engine")
    wait_until("engine answers", lambda: alice.ssh("whoami", check=False).returncode == 0, 20)
    alice.ssh("scale was=1 --env prod", "shop", timeout=120)
    ready(alice, 1)
    assert len(there.pods(lab.ns(), "was")) == 1


def test_nothing_stays_there(lab, alice, there):
    p = lab.admin.ssh("target rm second", check=False)
    assert p.returncode == 7, (p.returncode, p.stderr)
    alice.ssh("project rm shop -y", timeout=240)
    wait_until("its namespace is gone", lambda: lab.ns() not in there("get", "namespaces", "-o", "name"), 120)
    lab.admin.ssh("target rm second")
    assert {h.get("target", "") for h in lab.admin.json("host ls")["hosts"]} == {""}


def main():
    try:
        second = FakeCluster()
        config = second.__enter__()
    except AssertionError as e:
        if "kwok could not be built" not in str(e):
            raise
        print(f"the second cluster needs kwok: {str(e).strip().splitlines()[-1]}")
        sys.exit(77)
    try:
        with KubeLab(images="python web postgresql") as lab:
            alice = lab.user("alice")
            alice.ssh("project create shop --stack python")
            alice.ssh("deploy", "shop", timeout=900)
            sys.exit(bool(cases.main(globals(), lab, alice, There(config))))
    finally:
        second.__exit__()


main()
