#!/usr/bin/python3
"""`./lab` itself: up twice is harmless, a taken port is said with its fix, down leaves nothing running."""
import os
import socket
import subprocess
import sys

import cases
from lab import Lab, ROOT, free_port


def lab_script(lab, *args, state=None):
    env = {**lab.env, **({"CODINGLAB_STATE": str(state)} if state else {})}
    return subprocess.run([ROOT / "lab", *args], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)


def alive(path):
    """Processes whose program is below path."""
    out = []
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            exe = os.readlink(f"/proc/{p}/exe")
        except OSError:
            continue
        if exe.startswith(str(path)):
            out.append((p, exe))
    return out


def test_help_and_unknown_words(lab):
    assert lab_script(lab, "help").returncode == 0
    p = lab_script(lab, "frobnicate")
    assert p.returncode == 2 and "lab up" in p.stderr
    for verb in ("up", "down", "test", "fuzz", "restore", "container"):
        p = lab_script(lab, verb, "--help")
        assert p.returncode == 0 and not p.stderr and p.stdout.startswith(f"usage: lab {verb}"), (verb, p)
    p = lab_script(lab, "down", "--keepapps")
    assert p.returncode == 2 and "--keepapps" in p.stderr, p
    assert alive(lab.dir)


def test_up_prints_one_ssh_line_and_may_be_repeated(lab):
    before = {d: lab.pid(d) for d in ("engine", "sshd")}
    lines = [x for x in lab.up().split("\n") if x.strip().startswith("ssh ")]
    assert len(lines) == 1 and f"-p {lab.port}" in lines[0] and "admin@127.0.0.1" in lines[0], lines
    assert {d: lab.pid(d) for d in ("engine", "sshd")} == before
    assert lab.admin.ssh("whoami").stdout.startswith("admin")


def test_taken_port_is_said_with_the_fix(lab):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        p = lab_script(lab, "up", "--bin", str(lab.bin), "--backend", "sim", "--no-images", "--port", str(port), "--edge-port", str(free_port()),
                       state=lab.dir / "other")
    assert p.returncode == 1, p
    assert f"port {port} is taken" in p.stderr and "--port" in p.stderr, p.stderr


def test_an_old_libssh_is_refused(lab):
    fake = lab.dir / "fake"
    fake.mkdir()
    (fake / "dpkg-query").write_text("#!/bin/sh\ncase \"$*\" in\n*libssh-4*) printf 0.10.6-0+deb12u1 ;;\n*) exec /usr/bin/dpkg-query \"$@\" ;;\nesac\n")
    (fake / "dpkg-query").chmod(0o755)
    p = subprocess.run([ROOT / "lab", "up", "--bin", lab.bin, "--port", str(free_port())], capture_output=True, text=True, timeout=60,
                       env={**os.environ, "PATH": f"{fake}:{os.environ['PATH']}", "CODINGLAB_STATE": str(lab.dir / "other")})
    assert p.returncode == 1 and "libssh 0.10.6-0+deb12u1: it lacks security fixes" in p.stderr, p
    assert not (lab.dir / "other/run/pids").exists()


def first_range(path):
    """The number of the range that a lab in this folder would like to have: lab's own_range()."""
    return int(subprocess.run(["cksum"], input=str(path).encode(), capture_output=True, check=True).stdout.split()[0]) % 39


def test_labs_on_one_machine_take_different_networks(lab):
    """Two whose folders lead to the same range; the one that began keeps it, also when it begins again."""
    one = lab.dir / "one"
    other = next(p for p in (lab.dir / f"other{i}" for i in range(1000)) if first_range(p) == first_range(one))
    try:
        for state in (one, other, one):
            state.mkdir(exist_ok=True)
            p = lab_script(lab, "__networks_begin", state=state)
            assert p.returncode == 0, p
        mine, theirs = ((p / "range").read_text() for p in (one, other))
        assert mine != theirs and mine.endswith(".0.0/14\n"), (mine, theirs)
        assert mine.strip() in lab_script(lab, "__subnet_pools", state=one).stdout
    finally:
        for state in (one, other):
            lab_script(lab, "__networks_forget", state=state)


def test_down_leaves_nothing(lab):
    assert alive(lab.dir)
    p = lab_script(lab, "down")
    assert p.returncode == 0 and " warn " not in p.stderr, p
    assert not alive(lab.dir), alive(lab.dir)
    lab.up()
    assert lab.admin.ssh("whoami").stdout.startswith("admin"), "accounts are kept"


def main():
    with Lab(backend="sim") as lab:
        return cases.main(globals(), lab)


sys.exit(main())
