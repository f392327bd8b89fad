#!/usr/bin/python3
"""The dev container as a pod of a real cluster: what a user does in it, by ssh alone; and what is said when it cannot start."""
import json
import re
import subprocess
import sys
import time

import cases
from cluster import OURS, KubeLab, hold, kubectl, objects, OWN
from lab import free_port, wait_until


class PodLab(KubeLab):
    """Its nodes see the state directory as this machine does."""

    def __exit__(self, *exc):
        super().__exit__(*exc)
        for v in json.loads(kubectl("get", "pv", "-l", OURS, "-o", "json", check=False) or "{}").get("items", []):
            if (v["spec"].get("claimRef") or {}).get("namespace", "").startswith(self.prefix + "-"):
                kubectl("delete", "pv", v["metadata"]["name"], "--wait=false", check=False)

    def up(self, *args):
        return super().up("--kube-workspaces", f"{self.dir}/s/projects", *args)


def pod(lab):
    found = objects("pods", lab.ns(env="ide"), "-l", f"{OURS},codinglab/tier=dev")
    return next((p for p in found if p["metadata"]["name"] == "shop-dev"), None)


def no_container_here(lab):
    names = lab.podman("ps", "--filter", f"label=codinglab.instance={lab.instance()}", "--format", "{{.Names}}").split()  # others use the store too
    return not [n for n in names if n.endswith("-dev")]


def test_a_command_runs_in_the_pod(lab, alice):
    p = alice.ssh("sh -c 'hostname; id -un; pwd; cat /proc/1/cgroup | head -1'", "shop", timeout=300)
    assert p.stdout.split("\n")[:3] == ["shop", "alice", "/workspace"], p.stdout
    assert pod(lab)["status"]["phase"] == "Running" and no_container_here(lab)


def test_streams_are_apart_and_the_status_is_exact(lab, alice):
    p = alice.ssh("sh -c 'echo out; echo err >&2; exit 7'", "shop", check=False)
    assert (p.returncode, p.stdout, p.stderr) == (7, "out\n", "err\n"), (p.returncode, p.stdout, p.stderr)
    for n in (0, 1, 126, 255):
        assert alice.ssh(f"sh -c 'exit {n}'", "shop", check=False).returncode == n
    assert alice.ssh("no-such-program", "shop", check=False).returncode == 127


def test_input_ends(lab, alice):
    data = bytes(range(256)) * 8192
    p = alice.ssh("sha256sum", "shop", input=data)
    assert p.stdout.split()[0] == subprocess.run(["sha256sum"], input=data, capture_output=True, check=True).stdout.decode().split()[0]
    assert alice.ssh("cat", "shop", input=data).raw == data
    assert alice.ssh("wc -c", "shop").stdout.strip() == "0"


def test_much_output_comes_whole(lab, alice):
    p = alice.ssh("sh -c 'seq 1 300000; exit 3'", "shop", check=False)
    assert p.returncode == 3 and p.stdout == "".join(f"{i}\n" for i in range(1, 300001))


def test_a_signal_reaches_it_and_a_hang_up_ends_it(lab, alice):
    p = subprocess.Popen([*alice.argv("shop"), "sh -c 'echo here; exec sleep 4711'"], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    assert p.stdout.readline() == b"here\n"
    assert alice.ssh("pgrep -f 'sleep 471[1]'", "shop").stdout.strip()
    p.kill()
    p.wait()
    wait_until("it was hung up", lambda: alice.ssh("pgrep -f 'sleep 471[1]'", "shop", check=False).returncode == 1, 20)


def test_a_terminal_has_its_size(lab, alice):
    p = subprocess.run(["script", "-qec", "stty rows 33 cols 101; " + " ".join([*alice.argv("shop", "-tt"), "'stty size; tty; exit 5'"]), "/dev/null"],
                       capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert p.returncode == 5 and "33 101" in p.stdout and "/dev/pts/" in p.stdout, (p.returncode, p.stdout)


def test_the_ide_shows_a_terminal_of_the_pod(lab, alice):
    with alice.screen("shop", rows=30, cols=100) as s:
        s.expect("Files")
        s.send("<F4>")
        s.expect(r"alice@shop")
        s.send("echo in-$((40+2))-the-pod; stty size | sed s/^/was-/<Enter>")
        s.expect("in-42-the-pod")
        before = s.expect(r"was-(\d+) (\d+)").groups()
        s.resize(40, 120)
        # keys may be there before the size is: they are asked again, like a user who sees the old one
        for n in range(10):
            s.send(f"stty size | sed s/^/now{n}-/<Enter>")
            after = s.expect(rf"now{n}-(\d+) (\d+)").groups()
            if after != before:
                break
            time.sleep(0.3)
        assert after != before, (before, after)


def test_editor_and_pod_see_the_same_files(lab, alice):
    alice.ssh("sh -c 'echo from-the-pod > /workspace/note.txt'", "shop")
    own = next((lab.dir / "s/projects").glob("*/work/note.txt"))
    assert own.read_text() == "from-the-pod\n" and own.stat().st_uid >= 200000
    with alice.screen("shop", rows=30, cols=100) as s:
        s.expect("Files")
        s.open_file("note.txt")
        s.expect("from-the-pod")
        s.send("edited <C-s>")
        wait_until("it is in the pod", lambda: "edited" in alice.ssh("cat note.txt", "shop").stdout, 20)


def test_it_is_restricted(lab, alice):
    p = pod(lab)
    spec, c = p["spec"], p["spec"]["containers"][0]
    ns = json.loads(kubectl("get", "ns", lab.ns(env="ide"), "-o", "json"))
    assert ns["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert spec["automountServiceAccountToken"] is False and spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["runAsUser"] >= 200000 and spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert c["securityContext"]["capabilities"]["drop"] == ["ALL"] and c["securityContext"]["allowPrivilegeEscalation"] is False
    assert {k for v in spec["volumes"] for k in v if k != "name"} == {"persistentVolumeClaim", "configMap"}, spec["volumes"]
    assert "@sha256:" in c["image"] and c["resources"]["limits"]["memory"]
    assert objects("resourcequotas", lab.ns(env="ide")) and objects("limitranges", lab.ns(env="ide"))
    assert {"default-deny", "dns"} <= {o["metadata"]["name"] for o in objects("networkpolicies", lab.ns(env="ide"))}
    assert alice.ssh("cat /var/run/secrets/kubernetes.io/serviceaccount/token", "shop", check=False).returncode
    assert "0000000000000000" in alice.ssh("grep CapEff /proc/self/status", "shop").stdout


def test_a_port_of_it_by_forwarding(lab, alice):
    port = free_port()
    alice.ssh("sh -c 'cd /tmp && echo forwarded > f && (setsid python3 -m http.server 7070 >/dev/null 2>&1 </dev/null &) ; sleep 1'", "shop")
    p = subprocess.Popen([*alice.argv("shop", "-N", "-L", f"{port}:localhost:7070")], stdin=subprocess.DEVNULL)
    try:
        wait_until("it answers", lambda: subprocess.run(["curl", "-sS", "-m", "5", f"http://127.0.0.1:{port}/f"], capture_output=True).stdout == b"forwarded\n", 20)
    finally:
        p.terminate()
        p.wait()


def test_stopped_and_started(lab, alice):
    first = pod(lab)["metadata"]["uid"]
    alice.ssh("stop", "shop", timeout=120)
    wait_until("its pod is gone", lambda: pod(lab) is None, 30)
    told = alice.ssh("up", "shop", timeout=120)
    assert pod(lab)["metadata"]["uid"] != first and pod(lab)["status"]["phase"] == "Running", told.stdout
    assert alice.ssh("cat note.txt", "shop").stdout
    seen = alice.ssh("events", "shop").stdout
    assert "dev container starting: " in seen, seen


def test_saved_and_loaded(lab, alice):
    """The files of a save are back in a pod that runs after it; what came later is an undo away."""
    alice.ssh("sh -c 'echo first > kept.txt'", "shop")
    alice.ssh("save one -m before", "shop", timeout=300)
    alice.ssh("sh -c 'echo second > kept.txt; echo more > later.txt'", "shop")
    alice.ssh("load one -y", "shop", timeout=300)
    p = alice.ssh("sh -c 'cat kept.txt; ls later.txt; id -un; pwd'", "shop", check=False, timeout=200)
    assert p.stdout.split() == ["first", "alice", "/workspace"] and "later.txt" in p.stderr, (p.stdout, p.stderr)
    own = next((lab.dir / "s/projects").glob("*/work/kept.txt"))
    alice.ssh("sh -c 'echo third > kept.txt'", "shop")
    assert own.read_text() == "third\n", "the pod works on another folder than the editor"
    undo = [s["name"] for s in alice.json("saves", "shop")["saves"] if s["name"] != "one"]
    assert len(undo) == 1, undo
    alice.ssh(f"load {undo[0]} -y", "shop", timeout=300)
    assert alice.ssh("cat kept.txt later.txt", "shop", timeout=200).stdout == "second\nmore\n"


def test_a_killed_pod_comes_back(lab, alice):
    first = pod(lab)["metadata"]["uid"]
    kubectl("-n", lab.ns(env="ide"), "delete", "pod", "shop-dev", "--grace-period=1", "--wait=false")
    wait_until("another one", lambda: (pod(lab) or {"metadata": {"uid": first}})["metadata"]["uid"] != first and pod(lab)["status"]["phase"] == "Running", 60)
    assert alice.ssh("echo again", "shop").stdout == "again\n"


def test_a_cut_stream_is_never_success(lab, alice):
    if not OWN:
        raise cases.Skip("the API server of another's cluster is not stopped")
    p = subprocess.Popen([*alice.argv("shop"), "sh -c 'echo here; sleep 600'"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert p.stdout.readline() == b"here\n"
    hold("apiserver")
    try:
        _, told = p.communicate(timeout=60)
        assert p.returncode != 0 and b"cut" in told, (p.returncode, told)
    finally:
        hold("apiserver", False)
    wait_until("the API server is back", lambda: kubectl("get", "--raw", "/readyz", check=False) == "ok", 60)
    wait_until("programs run again", lambda: alice.ssh("echo back", "shop", check=False).stdout == "back\n", 60)


def test_it_is_said_why_it_cannot_start(lab, alice):
    """No room, quota and volume: the cause stands in the answer, soon."""
    def cause(words, make, undo):
        alice.ssh("stop", "shop", timeout=120)
        make()
        try:
            p = alice.ssh("up", "shop", check=False, timeout=60)
            assert p.returncode and any(w in p.stderr for w in words), (words, p.returncode, p.stdout, p.stderr)
        finally:
            alice.ssh("stop", "shop", timeout=120, check=False)
            undo()

    ns = lab.ns(env="ide")
    cause(["no room"], lambda: kubectl("cordon", "node1"), lambda: kubectl("uncordon", "node1"))
    kubectl("-n", ns, "create", "quota", "none", "--hard=pods=0")
    cause(["quota"], lambda: None, lambda: kubectl("-n", ns, "delete", "quota", "none"))
    work = next((lab.dir / "s/projects").glob("*/work"))
    away = work.parent.with_name("away")
    cause(["volume"], lambda: work.parent.rename(away), lambda: away.rename(work.parent))
    alice.ssh("up", "shop", timeout=120)


def test_ship_builds_what_the_pod_wrote(lab, alice):
    alice.ssh("ship", "shop", timeout=600)
    url = alice.ssh("url", "shop").stdout.strip()
    wait_until("the page is there", lambda: lab.get(url)[0] == 200, 60)


def test_enter_an_instance(lab, alice):
    p = alice.ssh("enter was-1 sh -c 'echo $CODINGLAB_TIER; hostname; pwd; exit 4'", "shop", check=False)
    was = objects("pods", lab.ns(env="prod"), "-l", f"{OURS},codinglab/tier=was")[0]
    assert p.returncode == 4 and p.stdout.split("\n")[:3] == ["was", was["metadata"]["name"], "/app"], (p.returncode, p.stdout, p.stderr)
    assert alice.ssh("enter web-1 wc -c", "shop", input=b"12345").stdout.strip() == "5"
    with_tty = subprocess.run([*alice.argv("shop", "-tt"), "enter was-1 sh -c 'tty; exit 6'"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert with_tty.returncode == 6 and "/dev/pts/" in with_tty.stdout, (with_tty.returncode, with_tty.stdout)
    gone = alice.ssh("enter was-9 true", "shop", check=False)
    assert gone.returncode == 4 and "no such instance" in gone.stderr, (gone.returncode, gone.stderr)


def test_an_instance_by_forwarding(lab, alice):
    port = free_port()
    p = subprocess.Popen([*alice.argv("shop", "-N", "-L", f"{port}:web:80")], stdin=subprocess.DEVNULL)
    try:
        wait_until("it answers", lambda: b"200" in subprocess.run(["curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{port}/"], capture_output=True).stdout, 20)
    finally:
        p.terminate()
        p.wait()


def test_many_at_once(lab, alice):
    control = ("-o", f"ControlPath={lab.dir}/many")
    master = subprocess.Popen([*alice.argv("shop", "-N", "-M", *control)], stdin=subprocess.DEVNULL)
    try:
        wait_until("connected", lambda: (lab.dir / "many").exists(), 20)
        all_ = [subprocess.Popen([*alice.argv("shop", *control), f"sh -c 'echo {i}; exit {i}'"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) for i in range(8)]
        said = [(p.communicate(timeout=60)[0], p.returncode) for p in all_]
        assert said == [(f"{i}\n".encode(), i) for i in range(8)], said
    finally:
        master.terminate()
        master.wait()


def test_top_knows_cpu_and_memory(lab, alice):
    if "v1beta1.metrics.k8s.io" not in kubectl("get", "apiservices", "-o", "name"):
        raise cases.Skip("this cluster has no metrics API")

    def known():
        tiers = {t["tier"]: t for t in alice.json("status", "shop")["tiers"]}
        return tiers["db"]["memory"] and tiers["db"]["memory"] > 1 << 20 and tiers["db"]["cpu"] is not None

    wait_until(lambda: str(alice.json("status", "shop")["tiers"]), known, 90, 2)
    assert re.search(r"(?m)^db .*MB", alice.ssh("top", "shop").stdout), alice.ssh("top", "shop").stdout


def test_removed_with_the_project(lab, alice):
    volume = [v for v in json.loads(kubectl("get", "pv", "-l", OURS, "-o", "json"))["items"] if (v["spec"].get("claimRef") or {}).get("namespace") == lab.ns(env="ide")]
    assert len(volume) == 1
    alice.ssh("project rm shop -y", timeout=240)
    wait_until("its namespace is gone", lambda: lab.ns(env="ide") not in kubectl("get", "ns"), 120)
    wait_until("its volume is gone", lambda: volume[0]["metadata"]["name"] not in kubectl("get", "pv"), 60)


def main():
    with PodLab(images="python web postgresql") as lab:
        alice = lab.user("alice")
        alice.ssh("project create shop --stack python", timeout=600)
        start = time.monotonic()
        alice.ssh("up", "shop", timeout=600)
        print(f"first start, with the image's push and pull: {time.monotonic() - start:.1f} s")
        sys.exit(bool(cases.main(globals(), lab, alice)))


main()
