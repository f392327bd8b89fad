"""The Kubernetes of a test: KUBECONFIG's, or tests/cluster's; and a lab whose applications run there."""
import json
import os
import pathlib
import socket
import subprocess
import threading

from lab import Lab, free_port
from relay import pump

OWN = os.environ.get("CODINGLAB_TEST_CLUSTER") == "own"  # made by tests/cluster/up
STATE = pathlib.Path(os.environ.get("CODINGLAB_CLUSTER", "/var/lib/codinglab-cluster"))
HOST = os.environ.get("CODINGLAB_TEST_HOST", "10.203.77.1")  # this machine as the nodes reach it
OURS = "app.kubernetes.io/managed-by=codinglab"


def kubectl(*args, check=True, input=None):
    p = subprocess.run(["kubectl", *args], capture_output=True, text=True, input=input)
    if check and p.returncode:
        raise AssertionError(f"kubectl {' '.join(args)}: {p.stderr}")
    return p.stdout


def objects(kind, ns, *more):
    return json.loads(kubectl("-n", ns, "get", kind, "-o", "json", *more))["items"]


class Relay:
    """The repository of a lab listens on 127.0.0.1: nodes reach it by this machine's address on their network."""

    def __init__(self, address, port, to):
        self.port = to
        self.listener = socket.create_server((address, port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                a, _ = self.listener.accept()
                b = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                return
            for x, y in ((a, b), (b, a)):
                threading.Thread(target=pump, args=(x, y), daemon=True).start()

    def close(self):
        self.listener.close()


class FakeCluster:
    """A control plane of its own, whose nodes are kwok's (tests/cluster/fake); `with` gives the path of its kubeconfig."""

    def __init__(self, nodes=1):
        self.nodes, self.dir = nodes, pathlib.Path(f"/var/lib/codinglab-fake-{os.getpid()}")

    def run(self, *args):
        return subprocess.run([pathlib.Path(__file__).parent.parent / "cluster/fake", *args], capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def __enter__(self):
        p = self.run("up", self.dir, str(self.nodes))
        if p.returncode:
            self.__exit__()
            raise AssertionError(f"tests/cluster/fake: exit {p.returncode}\n{p.stdout}{p.stderr}")
        return p.stdout.split("\n")[-2]

    def __exit__(self, *exc):
        self.run("down", self.dir)


class KubeLab(Lab):
    def __init__(self, **more):
        self.registry, self.outer = free_port(), free_port()
        self.prefix = f"lab{self.outer}"  # others may use the same cluster, with users of the same names
        super().__init__(backend="kube", up_args=("--registry-port", str(self.registry), "--kube-registry", f"{HOST}:{self.outer}"), **more)

    def ns(self, user="alice", env="prod"):
        return f"{self.prefix}-{user}-{env}"

    def make_key(self, name):
        self.env["CODINGLAB_KUBE_PREFIX"] = self.prefix
        return super().make_key(name)

    def __enter__(self):
        self.relay = Relay(HOST, self.outer, self.registry)
        if OWN:  # plain HTTP, which containerd speaks with 127.0.0.1 only unless told
            d = STATE / "registries" / f"{HOST}:{self.outer}"
            d.mkdir(parents=True)
            url = f"http://{HOST}:{self.outer}"
            (d / "hosts.toml").write_text(f'server = "{url}"\n[host."{url}"]\ncapabilities = ["pull", "resolve"]\n')
        return super().__enter__()

    def __exit__(self, *exc):
        if exc and exc[0] is not None and not (exc[0] is SystemExit and not exc[1].code):
            for n in (self.ns(env="prod"), self.ns(env="dev")):
                print(kubectl("-n", n, "get", "pods,svc,events", check=False)[-6000:])
        super().__exit__(*exc)
        self.relay.close()
        for o in json.loads(kubectl("get", "namespaces", "-l", OURS, "-o", "json", check=False) or "{}").get("items", []):
            if o["metadata"]["name"].startswith(self.prefix + "-"):
                kubectl("delete", "namespace", o["metadata"]["name"], "--wait=false", check=False)


def hold(name, held=True):
    """Stop a program of tests/cluster's node and keep it stopped, or let it start again."""
    subprocess.run([pathlib.Path(__file__).parent.parent / "cluster/up", "--hold" if held else "--let", name], check=True)
