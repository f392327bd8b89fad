#!/usr/bin/python3
"""The first command on a machine that has nothing: a Debian 12 of its own (mmdebstrap, its standard packages and git),
a clone, `./lab up`, the printed ssh line.  Whatever lab's lists of packages lack fails here.

The machine is a root file system in namespaces of its own (mounts, processes); its network is the host's, so the ports are free
ones.  The root file system is kept in the cache, the machine made from it is not.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import cases
from lab import ROOT, free_port, wait_until

CACHE = pathlib.Path(os.environ.get("CODINGLAB_CACHE", "/var/cache/codinglab"))
ENTER = r"""
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount --rbind /sys "$1/sys"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/run"
mkdir -p "$1/run/lock" "$1/old"
cd "$1"
pivot_root . old
umount -l /old
cd /root
exec env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=xterm bash -c 'for i in $(seq 3600); do sleep 1; done'
"""


def mirrors():
    """What this machine's apt is configured to use for Debian 12: lines for another machine's sources.list."""
    out = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(LABEL)", "Created-By: Packages"],
                         capture_output=True, text=True, check=True).stdout
    rows = {tuple(line.split()[:2]) for line in out.splitlines() if line.split()[-1].startswith("Debian")}
    lines = [f"deb {uri} {suite} main" for uri, suite in sorted(rows)]
    if not lines:
        print("no Debian mirror in this machine's apt configuration")
        sys.exit(77)
    return lines


def root_filesystem():
    """A tar of a fresh Debian 12, made once."""
    tar = CACHE / "fresh-bookworm.tar"
    if not tar.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = tar.with_suffix(f".{os.getpid()}.tar")
        try:
            subprocess.run(["mmdebstrap", "--variant=standard", "--include=ca-certificates,git,openssh-client", "bookworm", part, "-"],
                           input="\n".join(mirrors()) + "\n", text=True, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            part.rename(tar)
        finally:
            part.unlink(missing_ok=True)
    return tar


class Machine:
    """A running Debian in its own mount and process namespaces; all of it is gone afterwards."""

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="codinglab-fresh-", dir="/var/tmp"))
        self.root, self.proc = self.dir / "root", None
        try:
            self.root.mkdir()
            subprocess.run(["tar", "-C", self.root, "-xf", root_filesystem(), "--exclude=./dev/*"], check=True)
            for name in ("etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt"):
                shutil.copy(f"/{name}", self.root / name)
            subprocess.run(["git", "clone", "-q", "--no-hardlinks", ROOT, self.root / "root/codinglab"], check=True)
            self.proc = subprocess.Popen(["unshare", "-m", "-p", "-f", "--kill-child", "sh", "-c", ENTER, "enter", self.root])
            wait_until("the machine runs", self.pid, 20)
        except BaseException:
            self.__exit__()
            raise
        return self

    def pid(self):
        """Its first process, once it is inside; a shell, since that takes in whoever lost its parent."""
        try:
            child = pathlib.Path(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children").read_text().split()
            return child[0] if child and os.readlink(f"/proc/{child[0]}/exe").endswith("/bash") else None
        except OSError:
            return None

    def run(self, command, timeout=900):
        return subprocess.run(["nsenter", "-t", self.pid(), "-m", "-p", "-r", "-w", "env", "-i", "HOME=/root", "LANG=C.UTF-8", "TERM=xterm",
                               "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "bash", "-c", f"cd /root/codinglab && {command}"],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout)

    def __exit__(self, *exc):
        if self.proc:
            self.proc.send_signal(signal.SIGTERM)
            try:
                self.proc.wait(10)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def test_up_installs_builds_and_prints_a_line_that_works(machine):
    assert machine.run("command -v gcc cmake podman haproxy").returncode != 0, "this machine is not a fresh one"
    p = machine.run(f"./lab up --no-images --port {machine.port} --edge-port {machine.edge}")
    assert p.returncode == 0, p.stdout[-3000:] + p.stderr[-3000:]
    lines = [x.strip() for x in p.stdout.splitlines() if x.strip().startswith("ssh ")]
    assert lines == [f"ssh -p {machine.port} admin@127.0.0.1"], p.stdout[-2000:]
    assert len([x for x in p.stdout.splitlines() if x.startswith("[")]) > 8, "long steps tell where they are"
    who = machine.run(f"{lines[0].replace('ssh ', 'ssh -o StrictHostKeyChecking=no ')} whoami")
    assert who.stdout.startswith("admin"), who


def test_the_home_screen_opens(machine):
    p = machine.run(f"(sleep 3; printf '\\021'; sleep 1) | TERM=xterm script -qec 'stty rows 24 cols 80; "
                    f"ssh -tt -o StrictHostKeyChecking=no -p {machine.port} admin@127.0.0.1' /dev/null")
    assert "Projects" in p.stdout and "Platform" in p.stdout, p.stdout[-2000:]


def test_the_program_is_on_the_path_and_up_again_is_quick(machine):
    assert machine.run("codinglab info").stdout.startswith("version")
    p = machine.run(f"./lab up --no-images --port {machine.port} --edge-port {machine.edge}")
    assert p.returncode == 0 and "installing" not in p.stdout, p.stdout


def test_down_stops_it(machine):
    assert machine.run("./lab down").returncode == 0
    assert machine.run("codinglab info").returncode != 0
    left = machine.run("ps -eo args --no-headers").stdout
    assert "codinglab-" not in left, left


def main():
    with Machine() as machine:
        machine.port, machine.edge = free_port(), free_port()
        return cases.main(globals(), machine)


sys.exit(main())
