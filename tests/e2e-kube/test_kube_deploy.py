#!/usr/bin/python3
"""CodingLab itself on Kubernetes: docs/deploy/kubernetes.yaml with an image that `./lab container` makes, used by real ssh.

Of the file only what it marks EDIT is changed, and what this cluster is: sizes of claims, the projects' folder, and the builder works
with the container store that tests share, so that the stacks' images are there.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import yaml

import cases
from cluster import OURS, OWN, kubectl, objects
from lab import ROOT, Lab, Screen, User, wait_until

CACHE = pathlib.Path(os.environ.get("CODINGLAB_CACHE", "/var/cache/codinglab"))
REGISTRY = os.environ.get("CODINGLAB_TEST_REGISTRY", "10.203.77.2:5000")  # of the test cluster, for the platform's own image
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
NS = "codinglab"


class Person(User):
    def argv(self, project="", *extra):
        argv = super().argv(project, *extra)
        return [*argv[:-1], argv[-1].replace("127.0.0.1", self.lab.address)]


class Deployed(Lab):
    """Not of this machine: up and down are kubectl's."""

    def __init__(self):
        super().__init__(backend="kube")
        self.port, self.edge_port = 2222, 8080
        self.prefix = f"deploy{os.getpid()}"

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="codinglab-test-", dir="/var/tmp"))
        self.dir.chmod(0o755)
        self.env = {**os.environ, "CODINGLAB_STATE": str(self.dir / "s")}
        (self.dir / "s").mkdir()
        self.admin = Person(self, "admin", self.make_key("admin"))
        try:
            self.image()
            self.apply()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def image(self):
        p = subprocess.run([ROOT / "lab", "container", self.dir / "platform.tar"], env=self.env, capture_output=True, text=True, timeout=1800, stdin=subprocess.DEVNULL)
        assert p.returncode == 0, p.stdout[-3000:] + p.stderr[-3000:]
        self.reference = f"{REGISTRY}/codinglab/platform:{self.prefix}"
        p = subprocess.run([*self.podman_argv("push", "-q", "--tls-verify=false", f"oci-archive:{self.dir}/platform.tar", f"docker://{self.reference}")],
                           capture_output=True, text=True)
        if p.returncode:  # this podman pushes images of its store only
            p = subprocess.run(self.podman_argv("push", "-q", "--tls-verify=false", "localhost/codinglab-platform", f"docker://{self.reference}"), capture_output=True, text=True)
        assert p.returncode == 0, p.stderr

    def edited(self):
        """The file's objects as an operator would edit them."""
        store = os.environ["CODINGLAB_STORAGE"]
        for o in yaml.safe_load_all((ROOT / "docs/deploy/kubernetes.yaml").read_text()):
            if o["kind"] == "ConfigMap":
                o["data"]["admin.pub"] = self.admin.key.with_suffix(".pub").read_text()
                conf = o["data"]["codinglab.conf"].replace("/srv/codinglab/projects", f"{self.dir}/projects")
                conf = conf.replace("/var/lib/codinglab/images/rootfs.tar", f"{CACHE}/base-debian-13.tar")
                o["data"]["codinglab.conf"] = conf + f"kube.prefix = {self.prefix}\n"
            elif o["kind"] == "PersistentVolumeClaim":
                o["spec"]["resources"]["requests"]["storage"] = "2Gi"
            elif o["kind"] == "Deployment":
                pod = o["spec"]["template"]["spec"]
                for c in pod["containers"] + pod["initContainers"]:
                    c["image"] = self.reference
                builder = next(c for c in pod["containers"] if c["name"] == "builder")
                builder["env"] = [{"name": "CODINGLAB_STORAGE", "value": store}]
                builder["volumeMounts"] += [{"name": "cache", "mountPath": str(CACHE)}]
                for c in pod["containers"]:  # this machine's way out may need authorities of its own
                    if c["name"] in ("builder", "proxy", "gateway"):
                        c["volumeMounts"] += [{"name": "bundle", "mountPath": BUNDLE, "readOnly": True}]
                pod["volumes"] += [{"name": "cache", "hostPath": {"path": str(CACHE)}}, {"name": "bundle", "hostPath": {"path": BUNDLE}}]
                next(v for v in pod["volumes"] if v["name"] == "projects")["hostPath"]["path"] = f"{self.dir}/projects"
            yield o

    def apply(self):
        kubectl("apply", "-f", "-", input=yaml.safe_dump_all(list(self.edited())))
        self.ready()
        self.address = json.loads(kubectl("-n", NS, "get", "service", "codinglab", "-o", "json"))["spec"]["clusterIP"]

    def ready(self):
        wait_until(lambda: kubectl("-n", NS, "get", "pods,events", check=False)[-3000:], lambda: self.pod_status().get("phase") == "Running" and
                   all(c["ready"] for c in self.pod_status().get("containerStatuses", [])), 240, 1)

    def pod_status(self):
        found = [p for p in objects("pods", NS, "-l", "app.kubernetes.io/name=codinglab") if not p["metadata"].get("deletionTimestamp")]
        return found[0]["status"] if len(found) == 1 else {}

    def inside(self, container, *argv, check=True):
        return kubectl("-n", NS, "exec", "deploy/codinglab", "-c", container, "--", *argv, check=check)

    def person(self, name, role="developer"):
        key = self.make_key(name)
        self.admin.ssh(f"user add {name} --role {role} --key '{key.with_name(key.name + '.pub').read_text().strip()}'")
        return Person(self, name, key)

    def ns(self, env):
        return f"{self.prefix}-alice-{env}"

    def instance(self):
        env = {k: v for k, v in self.env.items() if k != "CODINGLAB_STATE"}
        return subprocess.run([self.bin / "codinglab-broker", "--print-instance"], env=env, capture_output=True, text=True).stdout.strip()

    def told(self):
        print(kubectl("-n", NS, "get", "pods,pvc,events", check=False)[-5000:])
        for c in ("setup", "engine", "gateway", "registry", "edge", "proxy", "builder"):
            print(f"--- {c} ---\n" + kubectl("-n", NS, "logs", "deploy/codinglab", "-c", c, "--tail=40", check=False))

    def __exit__(self, *exc):
        if exc and exc[0] is not None and not (exc[0] is SystemExit and not exc[1].code):
            self.told()
        names = [o["metadata"]["name"] for o in json.loads(kubectl("get", "namespaces", "-l", OURS, "-o", "json"))["items"]]
        mine = [n for n in names if n.startswith(self.prefix + "-")]
        kubectl("delete", "namespace", NS, *mine, "--ignore-not-found", "--timeout=120s", check=False)
        kubectl("delete", "clusterrole,clusterrolebinding", "codinglab-engine", "codinglab-environment", "--ignore-not-found", check=False)
        for v in json.loads(kubectl("get", "pv", "-l", OURS, "-o", "json"))["items"]:
            if (v["spec"].get("claimRef") or {}).get("namespace", "").startswith(self.prefix + "-"):
                kubectl("delete", "pv", v["metadata"]["name"], "--wait=false", check=False)
        (self.dir / "s/containers.conf").write_text("[engine]\nruntime = \"runc\"\n[network]\nnetwork_backend = \"netavark\"\n")
        self.purge()
        self.podman("rmi", "-f", "localhost/codinglab-platform", check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


def allowed(checks):
    """Which of these may the engine's account do?  Each "VERB RESOURCE[.GROUP][/SUBRESOURCE][:NAME]", or with " in NAMESPACE" after it."""
    def review(check):
        (verb, what), ns = check.split(" in ")[0].split(), check.partition(" in ")[2]
        what, _, name = what.partition(":")
        what, _, sub = what.partition("/")
        what, _, group = what.partition(".")
        return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
            "user": f"system:serviceaccount:{NS}:codinglab-engine", "groups": ["system:serviceaccounts", f"system:serviceaccounts:{NS}", "system:authenticated"],
            "resourceAttributes": {"verb": verb, "resource": what, "group": group, "subresource": sub, "name": name, "namespace": ns}}}
    out, answers = kubectl("create", "-o", "json", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": [review(c) for c in checks]})).strip(), []
    while out:  # one document after the other
        answer, end = json.JSONDecoder().raw_decode(out)
        answers, out = [*answers, answer], out[end:].strip()
    assert len(answers) == len(checks) and all(a["spec"]["resourceAttributes"]["verb"] == c.split()[0] for a, c in zip(answers, checks)), (len(answers), len(checks))
    return [c for c, a in zip(checks, answers) if a["status"]["allowed"]]


def test_it_comes_up_and_stays(lab, alice):
    status = lab.pod_status()
    assert sorted(c["name"] for c in status["containerStatuses"]) == ["builder", "edge", "engine", "gateway", "proxy", "registry"]
    assert all(c["restartCount"] == 0 for c in status["containerStatuses"]), status["containerStatuses"]
    assert lab.admin.json("whoami")["name"] == "admin"


def test_each_has_what_it_needs_and_no_more(lab, alice):
    token = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    assert lab.inside("engine", "cat", token).count(".") == 2
    for c in ("gateway", "registry", "edge", "proxy", "builder"):
        assert lab.inside(c, "sh", "-c", f"test -e {token} || echo none").strip() == "none", c
    assert lab.inside("engine", "sh", "-c", "ls -A /var/lib/codinglab/projects").strip() == ""
    assert lab.inside("gateway", "stat", "-c", "%a %U", "/run/codinglab", "/var/lib/codinglab").split("\n")[:2] == ["755 root", "755 root"]
    assert lab.inside("registry", "id", "-un").strip() == "codinglab-registry"
    uids = lab.inside("engine", "sh", "-c", "grep -h ^Uid $(grep -l codinglab-engi /proc/[0-9]*/comm | sed s/comm/status/)")
    assert uids.split() == ["Uid:", "860", "860", "860", "860"], uids


def test_a_program_in_a_dev_pod(lab, alice):
    alice.ssh("project create shop --stack python", timeout=600)
    alice.ssh("up", "shop", timeout=600)
    p = alice.ssh("sh -c 'hostname; id -un; pwd; exit 7'", "shop", check=False)
    assert p.returncode == 7 and p.stdout.split() == ["shop", "alice", "/workspace"], (p.returncode, p.stdout, p.stderr)
    assert objects("pods", lab.ns("ide"))[0]["status"]["phase"] == "Running"


def test_a_terminal_of_the_ide(lab, alice):
    with alice.screen("shop", rows=30, cols=100) as s:
        s.expect("Files")
        s.send("<F4>")
        s.expect(r"alice@shop")
        s.send("echo in-$((40+2))-the-pod > note.txt; cat note.txt<Enter>")
        s.expect("in-42-the-pod")
    assert next((lab.dir / "projects").glob("*/work/note.txt")).read_text() == "in-42-the-pod\n"


def test_an_application_is_shipped_and_reached(lab, alice):
    alice.ssh("ship", "shop", timeout=900)
    url = alice.ssh("url", "shop").stdout.strip()
    host = url.split("//")[1].split(":")[0].split("/")[0]

    def page():
        return subprocess.run(["curl", "-sS", "--noproxy", "*", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", "--resolve", f"{host}:{lab.edge_port}:{lab.address}", url],
                              capture_output=True, text=True).stdout
    wait_until(lambda: f"{url}: {page()}", lambda: page() == "200", 60)
    was = objects("pods", lab.ns("prod"), "-l", "codinglab/tier=was")[0]
    assert was["spec"]["containers"][0]["image"].startswith("127.0.0.1:30500/") and "@sha256:" in was["spec"]["containers"][0]["image"]
    assert "was-1" in alice.ssh("status", "shop").stdout + alice.ssh("top", "shop").stdout


def test_packages_come_by_the_proxy(lab, alice):
    """A class of thirty asks for the same package at once: all get it, by the lab's own authority, and it is kept."""
    one = "pip download -q --no-deps --no-cache-dir -d /tmp/$1 six==1.16.0 >/dev/null && sha256sum </tmp/$1/six-1.16.0-py2.py3-none-any.whl"
    p = alice.ssh(f"sh -c 'echo $HTTPS_PROXY; seq 30 | xargs -P 6 -n 1 sh -c '\\''{one}'\\'' get'", "shop", check=False, timeout=600)
    lines = p.stdout.split("\n")
    assert lines[0] == "http://proxy.codinglab:3130" and len(lines) == 32 and len(set(lines[1:-1])) == 1, (p.stdout[-500:], p.stderr[-2000:])
    assert int(lab.inside("proxy", "sh", "-c", "grep -rl six-1.16.0 /var/lib/codinglab/proxy/cache | wc -l")) >= 1
    policy = next(o for o in objects("networkpolicies", lab.ns("ide")) if o["metadata"]["name"] == "shop-dev")
    assert policy["spec"]["egress"][0]["to"][0]["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "codinglab"}


def test_what_the_engine_may_do(lab, alice):
    checks = [f"{v} {k} in {lab.ns('prod')}" for verbs, kinds in (
        ("get list create patch delete", "pods services secrets configmaps persistentvolumeclaims deployments.apps statefulsets.apps ingresses.networking.k8s.io "
         "networkpolicies.networking.k8s.io horizontalpodautoscalers.autoscaling poddisruptionbudgets.policy"),
        ("get create patch", "resourcequotas limitranges serviceaccounts rolebindings.rbac.authorization.k8s.io"), ("get create", "pods/exec"), ("get", "pods/log"),
        ("list", "events")) for v in verbs.split() for k in kinds.split()]
    checks += [f"{v} namespaces" for v in ("get", "create", "patch", "delete")] + [f"{v} persistentvolumes" for v in ("get", "list", "create", "patch", "delete")]
    checks += ["list pods", "watch pods", "get nodes", "list nodes", "list pods.metrics.k8s.io", "bind clusterroles.rbac.authorization.k8s.io:codinglab-environment"]
    refused = set(checks) - set(allowed(checks))
    assert not refused, refused


def test_what_the_engine_may_not_do(lab, alice):
    kubectl("-n", "default", "create", "secret", "generic", f"{lab.prefix}-foreign", "--from-literal=a=b")
    try:
        checks = [f"{v} {k} in {ns}" for ns in ("default", "kube-system", NS) for v in ("get", "list", "watch", "create", "patch", "update", "delete", "deletecollection")
                  for k in ("secrets", "configmaps", "deployments.apps", "pods/exec", "pods/log", "services", "serviceaccounts", "serviceaccounts/token")]
        checks += [f"{v} pods in default" for v in ("get", "create", "delete", "patch")] + ["delete rolebindings.rbac.authorization.k8s.io in default"]
        rbac = "rbac.authorization.k8s.io"
        checks += [f"create clusterroles.{rbac}", f"escalate clusterroles.{rbac}", f"bind clusterroles.{rbac}:cluster-admin", f"bind clusterroles.{rbac}:admin",
                   f"create clusterrolebindings.{rbac}", f"create roles.{rbac} in default", "impersonate users", "get nodes/proxy", "create nodes/proxy", "delete nodes",
                   "patch nodes", "list secrets", "list namespaces", "create validatingwebhookconfigurations.admissionregistration.k8s.io",
                   "create customresourcedefinitions.apiextensions.k8s.io", "* *"]
        may = allowed(checks)
        assert not may, may
        # asked by the token itself, not by an administrator in its name
        token = lab.inside("engine", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token").strip()
        server = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))["clusters"][0]["cluster"]["server"]
        for path, status in ((f"/api/v1/namespaces/default/secrets/{lab.prefix}-foreign", "403"), ("/api/v1/secrets", "403"), ("/api/v1/nodes/node1/proxy/pods", "403"),
                             (f"/api/v1/namespaces/{lab.ns('prod')}/secrets", "200"), ("/api/v1/pods?limit=1", "200")):
            p = subprocess.run(["curl", "-sk", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", "-H", "@-", f"{server}{path}"],
                               input=f"Authorization: Bearer {token}", capture_output=True, text=True)
            assert p.stdout == status, (path, p.stdout)
    finally:
        kubectl("-n", "default", "delete", "secret", f"{lab.prefix}-foreign", check=False)


def test_a_user_of_it_gets_no_further(lab, alice):
    """Neither a dev pod nor a session of the gateway has a way to the cluster's API with rights."""
    assert alice.ssh("sh -c 'ls /var/run/secrets'", "shop", check=False).returncode
    for ns in (lab.ns("ide"), lab.ns("prod")):
        p = kubectl("auth", "can-i", "--list", "-n", ns, f"--as=system:serviceaccount:{ns}:codinglab", "--as-group=system:serviceaccounts", check=False)
        assert "secrets" not in p and "pods" not in p, p


def test_its_pod_is_replaced(lab, alice):
    """Another pod of the same state: people, projects and applications are there, dev pods ran on meanwhile."""
    dev = objects("pods", lab.ns("ide"))[0]["metadata"]["uid"]
    kubectl("-n", NS, "delete", "pod", "-l", "app.kubernetes.io/name=codinglab", "--timeout=90s")
    lab.ready()
    wait_until("programs run in the dev pod", lambda: alice.ssh("cat note.txt", "shop", check=False).stdout == "in-42-the-pod\n", 90, 1)
    assert objects("pods", lab.ns("ide"))[0]["metadata"]["uid"] == dev
    alice.ssh("scale was=2", "shop", timeout=300)
    wait_until("two answer", lambda: len([p for p in objects("pods", lab.ns("prod"), "-l", "codinglab/tier=was") if p["status"]["phase"] == "Running"]) == 2, 60)


def test_removed_with_the_project(lab, alice):
    alice.ssh("project rm shop -y", timeout=300)
    wait_until("its namespaces are gone", lambda: f"{lab.prefix}-alice" not in kubectl("get", "ns"), 180, 1)
    wait_until("its volume is gone", lambda: lab.prefix not in kubectl("get", "pv", "-l", OURS), 60)


def main():
    if not OWN and "CODINGLAB_TEST_REGISTRY" not in os.environ:
        print("a registry that the cluster pulls from is needed: CODINGLAB_TEST_REGISTRY=HOST:PORT")
        sys.exit(77)
    with Deployed() as lab:
        alice = lab.person("alice")
        failed = cases.main(globals(), lab, alice)
        if failed:
            lab.told()
    sys.exit(bool(failed))


main()
