#!/usr/bin/python3
"""Production in another cluster: added by a kubeconfig, promoted to, looked at, away for a while, removed.

The other cluster is the same one seen by another way: through a relay of its own and with an account of its own, so what goes
there can be counted, cut and refused apart from the lab's own cluster."""
import base64
import json
import socket
import sys
import threading

import cases
from cluster import KubeLab, kubectl
from lab import free_port, wait_until
from relay import pump

ACCOUNT = "codinglab-test-west"


class Way:
    """A relay on 127.0.0.1 to the API server: counts connections, can be cut."""

    def __init__(self, host, port):
        self.to, self.port, self.n, self.open, self.cut = (host, port), free_port(), 0, [], False
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                a, _ = self.listener.accept()
            except OSError:
                return
            if self.cut:
                a.close()
                continue
            self.n += 1
            b = socket.create_connection(self.to)
            self.open += [a, b]
            for x, y in ((a, b), (b, a)):
                threading.Thread(target=pump, args=(x, y), daemon=True).start()

    def away(self, is_away):
        self.cut = is_away
        for s in self.open if is_away else []:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.open = []

    def close(self):
        self.away(True)
        self.listener.close()


def account(prefix):
    """An account with the rights that a lab needs; its token."""
    name = f"{ACCOUNT}-{prefix}"
    kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"}},
        {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
         "metadata": {"name": name, "namespace": "default", "annotations": {"kubernetes.io/service-account.name": name}}},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
         "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}]}]}))
    wait_until("its token", lambda: json.loads(kubectl("-n", "default", "get", "secret", name, "-o", "json")).get("data", {}).get("token"), 30)
    return name, base64.b64decode(json.loads(kubectl("-n", "default", "get", "secret", name, "-o", "json"))["data"]["token"]).decode()


def forget(name):
    kubectl("delete", "clusterrolebinding", name, check=False)
    kubectl("-n", "default", "delete", "serviceaccount,secret", name, check=False)


def kubeconfig(way, token):
    own = json.loads(kubectl("config", "view", "--raw", "--flatten", "--minify", "-o", "json"))["clusters"][0]["cluster"]
    return {"apiVersion": "v1", "kind": "Config", "current-context": "west",
            "clusters": [{"name": "west", "cluster": {"server": f"https://127.0.0.1:{way.port}", "certificate-authority-data": own["certificate-authority-data"]}}],
            "contexts": [{"name": "west", "context": {"cluster": "west", "user": "west"}}], "users": [{"name": "west", "user": {"token": token}}]}


def add(lab, name, config, check=True):
    return lab.admin.ssh(f"target add {name} --kubeconfig -", input=json.dumps(config).encode(), check=check, timeout=60)


def test_what_is_no_use_is_refused(lab, alice, way, config):
    for change, code, word in (
            (lambda c: c["users"][0].update(user={"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/true"}}), 2, "--flatten"),
            (lambda c: c["users"][0].update(user={"tokenFile": "/etc/shadow"}), 2, "--flatten"),
            (lambda c: c["users"][0].update(user={"client-certificate": "/etc/shadow", "client-key": "/etc/shadow"}), 2, "--flatten"),
            (lambda c: c["users"][0].update(user={"token": "wrong"}), 5, "kubernetes"),
            (lambda c: c["clusters"][0]["cluster"].update(server="https://127.0.0.1:1"), None, "127.0.0.1"),
            (lambda c: c.update({"current-context": "east"}), 4, "east")):
        bad = json.loads(json.dumps(config))
        change(bad)
        p = add(lab, "west", bad, check=False)
        assert p.returncode and (code is None or p.returncode == code) and word in p.stderr, (code, word, p.returncode, p.stderr)
    p = alice.ssh("target add west --kubeconfig -", input=json.dumps(config).encode(), check=False)
    assert p.returncode == 5, (p.returncode, p.stderr)
    assert not lab.admin.json("target ls")["targets"]
    p = alice.ssh("promote --target west", "shop", check=False)
    assert p.returncode == 4 and "target ls" in p.stderr, (p.returncode, p.stderr)


def test_production_runs_there(lab, alice, way, config):
    told = add(lab, "west", config).stdout
    assert f"127.0.0.1:{way.port}" in told and "promote --target west" in told, told
    assert add(lab, "west", config, check=False).returncode == 7
    before = way.n
    alice.ssh("promote --target west -y", "shop", timeout=600)
    assert way.n > before, "nothing went the way to the other cluster"
    url = alice.ssh("url --env prod", "shop").stdout.strip()
    wait_until("the page is there", lambda: lab.get(url)[0] == 200, 30)
    dev, prod = (alice.json(f"status --env {env}", "shop") for env in ("dev", "prod"))
    assert dev["target"] is None and prod["target"] == "west", (dev["target"], prod["target"])
    assert dev["release"]["digest"] == prod["release"]["digest"]
    assert [t["environments"] for t in lab.admin.json("target ls")["targets"]] == [1]


def test_the_same_verbs_reach_it(lab, alice, way, config):
    alice.ssh("scale was=2 --env prod", "shop")
    wait_until(lambda: str(alice.json("status --env prod", "shop")["tiers"]),
               lambda: [(t["want"], t["ready"]) for t in alice.json("status --env prod", "shop")["tiers"] if t["tier"] == "was"] == [(2, 2)], 90)
    p = alice.ssh("enter was-2 sh -c 'echo $CODINGLAB_ENV; exit 3'", "shop", check=False)  # prod, once a release serves there
    assert (p.returncode, p.stdout) == (3, "prod\n"), (p.returncode, p.stdout, p.stderr)
    assert alice.ssh("logs --env prod -t was -n 20", "shop").stdout
    assert {h.get("target", "") for h in lab.admin.json("host ls")["hosts"]} == {"", "west"}
    alice.ssh("scale was=1 --env prod", "shop")


def test_it_does_not_move(lab, alice, way, config):
    add(lab, "east", config)
    p = alice.ssh("promote --target east -y", "shop", check=False)
    assert p.returncode == 7 and "target west" in p.stderr, (p.returncode, p.stderr)
    lab.admin.ssh("target rm east")
    p = lab.admin.ssh("target rm west", check=False)
    assert p.returncode == 7 and "environments" in p.stderr, (p.returncode, p.stderr)
    alice.ssh("promote -y", "shop", timeout=300)  # goes on where prod is
    assert alice.json("status --env prod", "shop")["target"] == "west"


def test_away_it_waits_and_the_other_goes_on(lab, alice, way, config):
    way.away(True)
    try:
        alice.ssh("scale was=2 --env prod --no-wait", "shop")
        alice.ssh("scale was=2 --env dev", "shop", timeout=120)
        wait_until(lambda: alice.ssh("op ls", "shop").stdout,
                   lambda: f"127.0.0.1:{way.port}" in str([o for o in alice.json("op ls", "shop")["ops"] if o["state"] in ("queued", "running")]), 60)
    finally:
        way.away(False)
    wait_until(lambda: alice.ssh("op ls", "shop").stdout,
               lambda: not [o for o in alice.json("op ls", "shop")["ops"] if o["state"] in ("queued", "running")], 120)
    wait_until("scaled after all", lambda: [(t["want"], t["ready"]) for t in alice.json("status --env prod", "shop")["tiers"] if t["tier"] == "was"] == [(2, 2)], 90)


def test_an_engine_that_starts_anew_knows_it(lab, alice, way, config):
    lab.kill_daemon("engine")
    wait_until("engine answers", lambda: alice.ssh("whoami", check=False).returncode == 0, 20)
    before = way.n
    alice.ssh("scale was=1 --env prod", "shop", timeout=120)
    assert way.n > before
    log = (lab.dir / "s/log/engine.log").read_text(errors="replace")
    assert config["users"][0]["user"]["token"] not in log


def test_it_goes_with_the_project(lab, alice, way, config):
    alice.ssh("project rm shop -y", timeout=240)
    wait_until("its namespace is gone", lambda: lab.ns() not in kubectl("get", "ns"), 120)
    lab.admin.ssh("target rm west")
    assert not lab.admin.json("target ls")["targets"]
    assert lab.admin.ssh("target rm west", check=False).returncode == 4


def main():
    server = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))["clusters"][0]["cluster"]["server"]
    host, port = server.split("://")[1].split(":")
    with KubeLab(images="python web postgresql") as lab:
        name, token = account(lab.prefix)
        way = Way(host, int(port))
        try:
            alice = lab.user("alice")
            alice.ssh("project create shop --stack python")
            alice.ssh("deploy", "shop", timeout=900)
            sys.exit(bool(cases.main(globals(), lab, alice, way, kubeconfig(way, token))))
        finally:
            way.close()
            forget(name)


main()
