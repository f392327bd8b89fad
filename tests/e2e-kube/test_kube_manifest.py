#!/usr/bin/python3
"""What is applied, as kubectl takes it; and instances that load decides, by a HorizontalPodAutoscaler."""
import json
import subprocess
import sys

import cases
from cluster import KubeLab, kubectl, objects
from lab import wait_until
from load import Load


def tier(alice, name="was"):
    return [t for t in alice.json("status", "shop")["tiers"] if t["tier"] == name][0]


def autoscalers(lab):
    return {o["metadata"]["name"]: o["spec"] for o in objects("hpa.v1.autoscaling", lab.ns())}


def diff(text):
    p = subprocess.run(["kubectl", "diff", "-f", "-"], input=text, capture_output=True, text=True)
    return p.returncode, p.stdout + p.stderr


def test_the_manifest_shows_no_difference(lab, alice, url):
    plain, all_of_it = (alice.ssh("manifest" + o, "shop").stdout for o in ("", " --secrets"))
    kinds = [o["kind"] for o in json.loads(plain)["items"]]
    assert "Secret" not in kinds and {"Namespace", "Deployment", "StatefulSet", "Service", "Ingress", "NetworkPolicy"} <= set(kinds), kinds
    assert [o["kind"] for o in json.loads(all_of_it)["items"]].count("Secret") == 4
    for text in (plain, all_of_it):
        code, out = diff(text)
        assert code == 0 and not [l for l in out.splitlines() if l[:1] in "+-"], out
        told = kubectl("apply", "--dry-run=server", "-f", "-", input=text).splitlines()
        assert len(told) == len(json.loads(text)["items"]) and all(l.endswith("(server dry run)") for l in told), told
        kubectl("apply", "--dry-run=server", "--server-side", "--field-manager=codinglab", "-f", "-", input=text)


def test_it_is_what_another_namespace_would_need(lab, alice, url):
    text = alice.ssh("manifest --secrets", "shop").stdout.replace(lab.ns(), lab.ns() + "-2")
    assert kubectl("create", "--dry-run=client", "-f", "-", "-o", "name", input=text)
    image = [o for o in json.loads(text)["items"] if o["kind"] == "Deployment"][0]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert "@sha256:" in image, image


def test_only_operators_read_it(lab, alice, url):
    bob = lab.user("bob")
    alice.ssh("project member add bob viewer", "shop")
    p = bob.ssh("manifest", "shop", check=False)
    assert p.returncode == 5, (p.returncode, p.stderr)


def test_load_decides_within_limits(lab, alice, url):
    alice.ssh("autoscale was --min 2 --max 3 --cpu 60", "shop")
    assert autoscalers(lab)["shop-was"] == {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop-was"},
                                            "minReplicas": 2, "maxReplicas": 3, "targetCPUUtilizationPercentage": 6000}
    wait_until(lambda: tier(alice), lambda: tier(alice)["ready"] == 2, 90)
    assert tier(alice)["autoscale"] == {"min": 2, "max": 3, "cpu": 60} and tier(alice)["want"] == 2
    assert "load: 2-3" in alice.ssh("status", "shop").stdout
    code, out = diff(alice.ssh("manifest", "shop").stdout)
    assert code == 0, out


def test_scale_offers_to_pin(lab, alice, url):
    p = alice.ssh("scale was=1", "shop", check=False)
    assert p.returncode == 7 and "load decides" in p.stderr and "--pin" in p.stderr, (p.returncode, p.stderr)
    assert "shop-was" in autoscalers(lab)
    alice.ssh("scale was=1 --pin", "shop")
    wait_until(lambda: tier(alice), lambda: (tier(alice)["want"], tier(alice)["ready"]) == (1, 1), 90)
    assert not autoscalers(lab) and tier(alice)["autoscale"] is None


def test_it_grows_under_load_and_keeps_its_number(lab, alice, url):
    alice.ssh("autoscale was --min 1 --max 3 --cpu 1", "shop")
    with Load(lab.edge_port, url, threads=8) as load:
        wait_until(lambda: (tier(alice), kubectl("-n", lab.ns(), "describe", "hpa")), lambda: tier(alice)["ready"] == 3, 240, 1)
        alice.ssh("config set GREETING=again --env prod", "shop", timeout=300)  # a new release: the number stays
        assert tier(alice)["want"] >= 3, tier(alice)
    assert not load.failures, load.failures[:5]
    alice.ssh("autoscale off was", "shop")
    assert tier(alice)["autoscale"] is None and tier(alice)["want"] == 3 and not autoscalers(lab)


def main():
    with KubeLab(images="python web postgresql") as lab:
        alice = lab.user("alice")
        alice.ssh("project create shop --stack python")
        alice.ssh("ship", "shop", timeout=900)
        sys.exit(bool(cases.main(globals(), lab, alice, alice.ssh("url", "shop").stdout.strip())))


main()
