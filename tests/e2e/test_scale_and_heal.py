#!/usr/bin/python3
"""Operating what runs: scale under load, a killed instance, a killed engine in the middle of things."""
import os
import signal
import subprocess
import sys
import time

import cases
from lab import Lab, wait_until
from load import Load


def tiers(alice, project="shop"):
    return {t["tier"]: (t["want"], t["ready"]) for t in alice.json("status", project)["tiers"]}


def containers(lab, tier):
    return [c for c in lab.podman("ps", "--filter", f"label=codinglab.instance={lab.instance()}", "--format", "{{.Names}}").split() if f"-prod-{tier}-" in c]


def test_scale_under_load_loses_no_request(lab, alice, url):
    web = containers(lab, "web")
    with Load(lab.edge_port, url) as load:
        time.sleep(1)
        alice.ssh("scale was=4", "shop")
        wait_until(lambda: tiers(alice), lambda: tiers(alice)["was"] == (4, 4), 60)
        time.sleep(2)
        alice.ssh("scale was=1", "shop")
        wait_until(lambda: tiers(alice), lambda: tiers(alice)["was"] == (1, 1), 90)
        time.sleep(1)
    assert not load.failures, (load.ok, load.failures[:5])
    assert load.ok > 100, load.ok
    assert containers(lab, "web") == web, "the web tier was touched"


LOOKUPS = """
import socket, time
n = missed = 0
seen = set()
end = time.time() + 25
while time.time() < end:
    n += 1
    try:
        seen.add(socket.getaddrinfo("db", 5432)[0][4][0])
    except OSError:
        missed += 1
    time.sleep(0.002)
print(n, missed, *sorted(seen))
"""


def test_db_is_found_while_containers_come_and_go(lab, alice, url):
    """The name's lookup never misses, whatever is made and removed beside it, and a database made anew has the same address."""
    box = containers(lab, "was")[0]
    with subprocess.Popen(lab.podman_argv("exec", box, "python3", "-c", LOOKUPS), env=lab.podman_env(), stdout=subprocess.PIPE, text=True) as p:
        for n in (3, 1):
            alice.ssh(f"scale was={n}", "shop")
            wait_until(lambda: tiers(alice), lambda: tiers(alice)["was"] == (n, n), 90)
        db = containers(lab, "db")[0]
        address = lab.podman("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", db).strip()
        lab.podman("rm", "-f", "-t", "0", db)
        looked, missed, *seen = p.communicate(timeout=120)[0].split()
    assert int(looked) > 100 and missed == "0" and seen == [address], (looked, missed, seen, address)
    wait_until(lambda: tiers(alice), lambda: tiers(alice)["db"] == (1, 1), 90)
    again = lab.podman("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", containers(lab, "db")[0]).strip()
    assert again == address, (again, address)
    wait_until(lambda: lab.get(url), lambda: lab.get(url)[0] == 200, 30)  # connections to the killed one are given up first


def test_keys_on_the_operations_screen_scale(lab, alice, url):
    with alice.screen("shop", 30, 110) as s:
        s.expect("Files")
        s.send("<F7>")
        s.expect("Operate")
        s.expect(r"was\s+.*1\s+1")
        s.send("<Down>+")
        wait_until(lambda: tiers(alice), lambda: tiers(alice)["was"] == (2, 2), 60)
        s.expect(r"was\s+.*2\s+2")
        s.expect(r"\d+(\.\d+)? ?%")
        s.expect(r"\d+(\.\d+)? ?MB")
        s.send("-")
        wait_until(lambda: tiers(alice), lambda: tiers(alice)["was"] == (1, 1), 60)


def test_killed_instance_is_replaced_and_told(lab, alice, url):
    alice.ssh("scale was=2", "shop")
    wait_until(lambda: tiers(alice), lambda: tiers(alice)["was"] == (2, 2), 60)
    with alice.screen("shop", 30, 110) as s:
        s.expect("Operate")  # as it was left
        victim = containers(lab, "was")[0]
        old = lab.podman("inspect", "-f", "{{.Id}}{{.State.Pid}}", victim)
        lab.podman("kill", victim)
        s.expect("(?i)was-[12].*(gone|exit|replac)", 40)
        wait_until(lambda: tiers(alice), lambda: tiers(alice)["was"] == (2, 2), 60)
        new = lab.podman("inspect", "-f", "{{.Id}}{{.State.Pid}}", containers(lab, "was")[0])
        assert new != old
    assert lab.get(url)[0] == 200


def test_engine_killed_in_a_scale(lab, alice, url):
    with Load(lab.edge_port, url) as load:
        alice.ssh("scale was=3 --no-wait", "shop")
        time.sleep(0.4)
        lab.kill_daemon("engine")
        wait_until("engine answers", lambda: alice.ssh("whoami", check=False).returncode == 0, 20)
        wait_until(lambda: tiers(alice), lambda: tiers(alice)["was"] == (3, 3), 60)
    assert not load.failures, load.failures[:5]
    ops = alice.json("op ls", "shop")["ops"]
    assert not [o for o in ops if o["state"] in ("queued", "running")], ops


def test_engine_killed_in_a_deploy(lab, alice, url):
    for delay in (0.5, 3, 6):
        with Load(lab.edge_port, url, threads=2) as load:
            alice.ssh("ship --no-wait", "shop")
            time.sleep(delay)
            lab.kill_daemon("engine")
            wait_until("engine answers", lambda: alice.ssh("whoami", check=False).returncode == 0, 20)
            wait_until(lambda: alice.ssh("op ls", "shop").stdout,
                       lambda: not [o for o in alice.json("op ls", "shop")["ops"] if o["state"] in ("queued", "running")], 180)
        assert not load.failures, (delay, load.failures[:5])
        last = alice.json("op ls", "shop")["ops"][0]
        assert last["state"] == "done" or last["error"]["message"], last
        assert lab.get(url)[0] == 200
    names = containers(lab, "was")
    assert len(names) == tiers(alice)["was"][0], names


def test_no_container_engine_is_said_in_one_line(lab, alice, url):
    pid = lab.pid("podman")
    sup = int((lab.dir / "s/run/pids/podman.sup").read_text())
    os.kill(sup, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    try:
        p = alice.ssh("run", "shop", check=False)
        assert p.returncode == 75, p
        line = p.stderr.strip().split("\n")[-1]
        assert line.startswith("codinglab: ") and "no container engine answers" in line and "lab up" in line, p.stderr
        p = alice.ssh("restart --timeout 5s", "shop", check=False)
        assert p.returncode == 124 and "no container engine answers" in p.stderr, p
        assert lab.get(url)[0] == 200
    finally:
        os.kill(sup, signal.SIGCONT)
    wait_until("podman back", lambda: alice.ssh("restart", "shop", check=False).returncode == 0, 40)


def main():
    with Lab() as lab:
        alice = lab.user("alice")
        alice.ssh("project create shop --stack django")
        url = alice.ssh("ship", "shop", timeout=300).stdout.strip().split("\n")[-1]
        return cases.main(globals(), lab, alice, url)


sys.exit(main())
