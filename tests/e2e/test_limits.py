#!/usr/bin/python3
"""A fork bomb, a memory hog fillers of /dev/shm and of the disk in one project's dev container: that container meets its limits, and everyone
else - another project, the same person's other project, the gateway, the engine - goes on (H10)."""
import os
import pathlib
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import cases
from lab import *

BOMB = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n"
HOG = "x = []\nwhile True:\n    x.append(bytearray(16 << 20))\n"


class World:
    def __init__(self, lab):
        self.lab, self.alice, self.bob = lab, lab.user("alice"), lab.user("bob")
        for who, name in ((self.alice, "wild"), (self.alice, "calm"), (self.bob, "other")):
            who.ssh(f"project create {name} --stack python")
            who.ssh("true", name)

    def others_work(self):
        """Each runs a program of its own, writes a file, talks to the engine."""
        for who, name in ((self.alice, "calm"), (self.bob, "other")):
            assert who.ssh("python3 -c 'print(6 * 7)' | tee out.txt", name, timeout=60).stdout == "42\n"
            who.ssh("chat say still here", name, timeout=60)

    def container(self, project):
        ids = self.lab.podman("ps", "-q", "--filter", f"label=codinglab.instance={self.lab.instance()}", "--filter", "label=codinglab.tier=dev").split()
        for i in ids:
            if "CODINGLAB_PROJECT=" + project in self.lab.podman("inspect", "--format", "{{.Config.Env}}", i):
                return i
        raise AssertionError(f"no dev container of {project}")

    def meanwhile(self, command, fn):
        """fn() while the command runs in the wild project; the command's end is returned, its container is put right."""
        p = subprocess.Popen([*self.alice.argv("wild"), command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            fn()
        finally:
            p.terminate()
            out = p.communicate(timeout=60)[0].decode(errors="replace")
        return p.returncode, out


def first_process(w, container):
    return int(w.lab.podman("inspect", "--format", "{{.State.Pid}}", container))


def test_a_fork_bomb_stays_in_its_container(w):
    wild = w.container("wild")
    limit = int(w.lab.podman("inspect", "--format", "{{.HostConfig.PidsLimit}}", wild))
    assert 0 < limit <= 512

    def look():
        top = f"/proc/{first_process(w, wild)}/cgroup"
        path = next(l.rsplit(":", 1)[1] for l in open(top).read().split("\n") if ":pids:" in l or l.startswith("0::/"))
        current = next(p for p in (pathlib.Path(f"/sys/fs/cgroup/pids{path}/pids.current"), pathlib.Path(f"/sys/fs/cgroup{path}/pids.current")) if p.exists())
        wait_until("the bomb has filled its container", lambda: int(current.read_text()) >= limit - 8)
        w.others_work()
        assert int(current.read_text()) <= limit
    w.meanwhile(f"exec python3 -c '{BOMB}'", look)
    # the person gets out of it alone
    w.alice.ssh("restart", "wild")
    assert w.alice.ssh("echo back", "wild").stdout == "back\n"


def test_a_memory_hog_is_killed_alone(w):
    started = w.lab.podman("inspect", "--format", "{{.State.StartedAt}}", w.container("wild"))
    p = w.alice.ssh(f"python3 -c '{HOG}'", "wild", check=False, timeout=120)
    assert p.returncode == 137 or "MemoryError" in p.stderr, (p.returncode, p.stderr)
    w.others_work()
    assert w.alice.ssh("echo back", "wild").stdout == "back\n"
    assert w.lab.podman("inspect", "--format", "{{.State.StartedAt}}", w.container("wild")) == started


def test_temporary_file_systems_end(w):
    """The only disks that refuse by themselves: workspace and root share the host's."""
    p = w.alice.ssh("cat /dev/zero >/dev/shm/fill; df /dev/shm | tail -n 1; rm /dev/shm/fill", "wild", check=False)
    assert "No space left" in p.stderr and "100%" in p.stdout, (p.stdout, p.stderr)
    w.others_work()


def test_a_disk_filler_is_stopped_and_told(w):
    for where, kept in (("fill", True), ("/var/tmp/fill", False)):
        def stopped():
            p = w.alice.json("project show wild")
            return p["dev"] == "stopped" and p
        out = w.meanwhile(f"exec cat /dev/zero >{where}", lambda: wait_until("the filler is stopped", stopped, 120))
        told = stopped()
        assert "of the 300 MB that a project may have" in told["dev_reason"], (told, out)
        assert told["disk"] > 300 << 20, told
        assert "dev container stopped: disk: its files take" in w.alice.ssh("events", "wild").stdout
        w.others_work()
        # it may be started again, is not stopped for being too large, and what fills it can be removed
        if kept:
            assert int(w.alice.ssh(f"stat -c %s {where}", "wild").stdout) > 200 << 20
            assert w.alice.ssh("sleep 5; echo still here", "wild").stdout == "still here\n"
            w.alice.ssh(f"rm {where}", "wild")
        else:  # it went with the container, as at every stop
            assert w.alice.ssh(f"ls {where}", "wild", check=False).returncode == 2
        wait_until("the room is known to be free again", lambda: w.alice.json("project show wild")["disk"] < 100 << 20, 120)


if __name__ == "__main__":
    os.environ["CODINGLAB_RUNTIME_MEMORY_MB"] = "256"
    os.environ["CODINGLAB_DISK_PROJECT_MB"] = "300"
    with Lab() as lab:
        sys.exit(cases.main(globals(), World(lab)) != 0)
