#!/usr/bin/python3
"""The Debian package: built by cpack, installed on a Debian 12 of its own that runs systemd, used, reloaded, upgraded and purged.

The machine is a root file system in namespaces of its own (mounts, processes, control groups), systemd its first process; its
network is the host's, so ports are free ones.  It has no container engine: the engine runs its backend `sim`.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile

import cases
from lab import ROOT, Screen, free_port, wait_until

CACHE = pathlib.Path(os.environ.get("CODINGLAB_CACHE", "/var/cache/codinglab"))
HIERARCHY = pathlib.Path("/sys/fs/cgroup/systemd")
ACCOUNTS = "codinglab codinglab-ssh codinglab-pane codinglab-registry codinglab-proxy".split()
OURS = "codinglab-engine codinglab-sshd codinglab-broker codinglab-edge codinglab-setup".split()
ENTER = r"""
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount -t sysfs -o ro sysfs "$1/sys"
mount -t tmpfs tmpfs "$1/sys/fs/cgroup"
mkdir "$1/sys/fs/cgroup/systemd"
mount -t cgroup -o none,name=systemd cgroup "$1/sys/fs/cgroup/systemd"
mount -t tmpfs -o mode=755 tmpfs "$1/dev"
for d in null zero full random urandom tty; do touch "$1/dev/$d"; mount --bind "/dev/$d" "$1/dev/$d"; done
mkdir "$1/dev/pts" "$1/dev/shm" "$1/old"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$1/dev/pts"
ln -s pts/ptmx "$1/dev/ptmx"
touch "$1/dev/console"
mount -t tmpfs tmpfs "$1/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$1/run"
cd "$1"
pivot_root . old
umount -l /old
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=basic.target
"""


def build_package(folder):
    """The package from what is built."""
    p = subprocess.run(["cmake", "-S", ROOT, "--preset", "release"], cwd=ROOT, capture_output=True, text=True)
    assert p.returncode == 0, p.stderr
    p = subprocess.run(["cpack", "-B", folder], cwd=ROOT / "build/release", capture_output=True, text=True, timeout=900)
    assert p.returncode == 0, p.stdout[-3000:] + p.stderr[-3000:]
    debs = list(folder.glob("*.deb"))
    assert len(debs) == 1, debs
    return debs[0]


class Machine:
    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="codinglab-deb-", dir="/var/tmp"))
        self.root, self.proc = self.dir / "root", None
        self.group = HIERARCHY / self.dir.name
        self.port, self.edge = free_port(), free_port()
        try:
            self.deb = build_package(self.dir)
            self.root.mkdir()
            subprocess.run(["tar", "-C", self.root, "-xf", CACHE / "fresh-bookworm.tar", "--exclude=./dev/*"], check=True)
            for name in ("etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt"):
                shutil.copy(f"/{name}", self.root / name)
            for f in pathlib.Path("/etc/apt/apt.conf.d").glob("*proxy*"):
                shutil.copy(f, self.root / "etc/apt/apt.conf.d")
            shutil.copy(self.deb, self.root / "root/codinglab.deb")
            (self.root / "etc/codinglab").mkdir()
            (self.root / "etc/codinglab/codinglab.conf").write_text(
                (ROOT / "packaging/codinglab.conf").read_text().replace("backend = local", "backend = sim")
                .replace("port = 2222", f"port = {self.port}").replace("port = 8080", f"port = {self.edge}"))
            self.group.mkdir()
            self.proc = subprocess.Popen(["sh", "-c", f'echo $$ >{self.group}/cgroup.procs; exec unshare -m -p -C -f --kill-child sh -c "$0" enter "$1"', ENTER,
                                          self.root], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            wait_until("systemd runs", lambda: self.pid() and self.run("systemctl is-system-running").stdout.strip() == "running", 60)
        except BaseException:
            self.__exit__()
            raise
        return self

    def pid(self):
        """systemd, once it is inside."""
        try:
            child = pathlib.Path(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children").read_text().split()
            return child[0] if child and os.readlink(f"/proc/{child[0]}/exe").endswith("/systemd") else None
        except OSError:
            return None

    def run(self, command, timeout=600):
        return subprocess.run(["nsenter", "-t", self.pid(), "-m", "-p", "-C", "-r", "-w", "env", "-i", "HOME=/root", "LANG=C.UTF-8", "TERM=xterm",
                               "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "bash", "-c",
                                f"cd /root && {command}"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout, start_new_session=True)

    def ok(self, command):
        p = self.run(command)
        assert p.returncode == 0, f"{command}: exit {p.returncode}\n{p.stdout[-3000:]}{p.stderr[-3000:]}"
        return p.stdout

    def ssh(self, *command):
        return ["ssh", "-F", "none", "-p", str(self.port), "-i", str(self.dir / "key"), "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
                "-o", f"UserKnownHostsFile={self.dir}/known_hosts", "-o", "StrictHostKeyChecking=accept-new", "-o", "LogLevel=ERROR",
                "ada@127.0.0.1", *command]

    def no_groups(self):
        """Remove them from the deepest up; one whose processes are still ending comes later."""
        for f in sorted([*self.group.rglob("*"), self.group], key=lambda f: -len(f.parts)):
            try:
                if f.is_dir():
                    f.rmdir()
            except OSError:
                pass
        return not self.group.exists()

    def __exit__(self, *exc):
        if self.proc:
            self.proc.send_signal(signal.SIGTERM)
            try:
                self.proc.wait(20)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
        wait_until("its control groups are empty", self.no_groups, 30)


def main_pid(m, unit):
    return int(m.ok(f"systemctl show -P MainPID {unit}"))


def test_it_installs_with_what_it_depends_on(m):
    m.ok("apt-get update -q")
    m.ok("apt-get install -y -q --no-install-recommends -o Dpkg::Options::=--force-confold ./codinglab.deb")
    assert m.ok("dpkg-query -W -f '${db:Status-Status}' codinglab") == "installed"
    for account in ACCOUNTS:
        assert m.ok(f"getent passwd {account}").endswith("/usr/sbin/nologin\n")


def test_its_services_run(m):
    for unit in ("codinglab-setup", "codinglab-engine", "codinglab-sshd"):
        wait_until(lambda: m.run(f"systemctl status {unit}; journalctl -u {unit} -n 20").stdout,
                   lambda: m.run(f"systemctl is-active {unit}").stdout == "active\n", 30)
    wait_until(lambda: m.run("codinglab info; journalctl -n 30").stdout, lambda: m.run("codinglab info").returncode == 0, 30)
    assert m.ok("stat -c '%U %a' /var/lib/codinglab/engine") == "codinglab 750\n"
    assert m.ok("stat -c '%U %a' /var/lib/codinglab/ssh") == "root 700\n"
    assert m.ok("ps -o user= -p $(systemctl show -P MainPID codinglab-engine)").strip().startswith("codingl")
    assert m.ok("systemctl is-enabled codinglab.target") == "enabled\n"


def test_each_unit_is_confined(m):
    """systemd's own judgement, 0 (nothing is open) to 10."""
    for unit in OURS:
        score = re.search(r"exposure level for \S+: ([\d.]+)", m.run(f"systemd-analyze security --no-pager {unit}").stdout)
        assert score and float(score.group(1)) < 3.0, (unit, score and score.group(0))


def test_somebody_logs_in(m):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", m.dir / "key"], check=True)
    m.ok(f"codinglab user add ada --role admin --key '{(m.dir / 'key.pub').read_text().strip()}'")
    p = subprocess.run(m.ssh("whoami"), capture_output=True, text=True, timeout=60)
    assert p.returncode == 0 and p.stdout.startswith("ada"), p
    p = subprocess.run(m.ssh("project create shop --stack python"), capture_output=True, text=True, timeout=60)
    assert p.returncode == 0, p


def test_a_screen_outlives_reload_restart_and_upgrade(m):
    argv = m.ssh()
    with Screen([*argv[:1], "-tt", *argv[1:]], 24, 80) as s:
        s.expect("Projects")
        session = m.ok("ps -eo pid=,args= | grep '[c]odinglab-tui' | cut -c1-60")
        gateway = main_pid(m, "codinglab-sshd")
        m.ok("systemctl reload codinglab-sshd")
        wait_until("it took over", lambda: "took over 1 connections" in m.ok("journalctl -u codinglab-sshd"), 20)
        assert main_pid(m, "codinglab-sshd") == gateway
        m.ok("systemctl restart codinglab-sshd")
        assert main_pid(m, "codinglab-sshd") != gateway
        assert m.ok("ps -eo pid=,args= | grep '[c]odinglab-tui' | cut -c1-60") == session
        m.ok("apt-get install -y -q --reinstall --no-install-recommends ./codinglab.deb")
        assert m.ok("ps -eo pid=,args= | grep '[c]odinglab-tui' | cut -c1-60") == session
        s.send("<F1>")
        s.expect("Help")
    p = subprocess.run(m.ssh("project ls"), capture_output=True, text=True, timeout=60)
    assert p.returncode == 0 and "shop" in p.stdout, p


def test_it_comes_up_after_a_crash(m):
    for unit in ("codinglab-engine", "codinglab-sshd"):
        old = main_pid(m, unit)
        assert old > 1, (unit, old)
        m.ok(f"kill -9 {old}")
        wait_until("started again", lambda: main_pid(m, unit) not in (0, old), 20)
    wait_until("logins work", lambda: subprocess.run(m.ssh("whoami"), capture_output=True, timeout=60).returncode == 0, 30)


def test_an_image_is_made_of_it(m):
    """`lab container`, on a machine where no lab runs."""
    out = m.dir / "platform.tar"
    p = subprocess.run([ROOT / "lab", "container", "--deb", m.deb, out], env={**os.environ, "CODINGLAB_STATE": str(m.dir / "no-lab")}, capture_output=True, text=True,
                       stdin=subprocess.DEVNULL, timeout=600)
    assert p.returncode == 0, p.stdout[-3000:] + p.stderr[-3000:]
    with tarfile.open(out) as archive:
        def blob(digest):
            return archive.extractfile("blobs/" + digest.replace(":", "/"))
        manifest = json.load(blob(json.load(archive.extractfile("index.json"))["manifests"][0]["digest"]))
        assert json.load(blob(manifest["config"]["digest"]))["config"]["Entrypoint"][-1] == "__pod"
        with tarfile.open(fileobj=blob(manifest["layers"][-1]["digest"])) as layer:
            names = layer.getnames()
    assert "usr/lib/codinglab/lab" in names and not any(n.startswith("etc/codinglab/codinglab.conf") for n in names), names


def test_removing_keeps_what_people_made(m):
    m.ok("apt-get remove -y -q codinglab")
    assert m.run("pgrep -f /usr/lib/codinglab").returncode == 1, m.run("ps aux").stdout
    assert m.run("test -e /usr/lib/codinglab/bin -o -e /usr/bin/codinglab").returncode == 1
    assert m.ok("ls /var/lib/codinglab/engine").strip()


def test_purging_leaves_nothing(m):
    m.ok("apt-get purge -y -q codinglab")
    left = m.run("find / -xdev -name '*codinglab*' -not -path '/proc/*' -not -path '/root/*' -not -path '/var/log/journal/*'"
                 " -not -path '/var/cache/apt/*' -not -path '/tmp/systemd-private-*'").stdout
    assert left == "", left
    for account in ACCOUNTS:
        assert m.run(f"getent passwd {account} || getent group {account}").returncode != 0, account
    assert "codinglab" not in m.ok("systemctl list-units --all --plain --no-legend 'codinglab*' | grep -v not-found || true")


def main():
    if not (CACHE / "fresh-bookworm.tar").exists() or not HIERARCHY.is_dir():
        print("needs the root file system that e2e/test_fresh_machine makes, and systemd's hierarchy of control groups")
        return 77
    with Machine() as machine:
        failed = cases.main(globals(), machine)
        if failed:
            print(machine.run("journalctl --no-pager -n 80 | cut -c1-220").stdout)
            print(f"{failed} failed")
        return failed


sys.exit(main())
