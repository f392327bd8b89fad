"""The container store that test runs share: it keeps the images of stacks from one run to the next, and nothing else that is old.

Runs that were cut leave containers and images of labs that are gone; builds leave nameless steps.  Podman reads all of them for each list:
with a thousand images every list takes ten seconds, and every test waits for it.
"""
import os
import pathlib
import re
import subprocess

OF_A_LAB = re.compile(r"localhost/codinglab/i[0-9a-f]{8}/")


def podman(store):
    """As lab starts it on that store."""
    crc = subprocess.run(["cksum"], input=store.encode(), capture_output=True, check=True).stdout.split()[0].decode()
    run = f"/run/codinglab-containers-{crc}"
    return ["podman", "--root", f"{store}/storage", "--runroot", run, "--tmpdir", f"{run}/libpod"]


def in_use(store):
    """A container engine serves it: some lab is at work there."""
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (p / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"podman") and f"{store}/storage".encode() in words:
            return True
    return False


def clean(store):
    """What was removed, in words; None: nothing is there, or a lab is at work on it."""
    if not os.path.exists(f"{store}/storage/overlay-images/images.json") or in_use(store):
        return None

    def do(*args):
        p = subprocess.run([*podman(store), *args], capture_output=True, text=True, timeout=600)
        if p.returncode:
            print(f"{store}: podman {args[0]}: {p.stderr.strip()[-300:]}", flush=True)
        return p.stdout.split()
    containers = do("rm", "--all", "--force", "--time", "0")
    ours = [n for n in do("images", "--format", "{{.Repository}}:{{.Tag}}") if OF_A_LAB.match(n)]
    if ours:
        do("rmi", "--force", *ours)
    steps = do("image", "prune", "--force", "--filter", "until=24h")
    return f"{len(containers)} containers and {len(ours)} images of labs that are gone, {len(steps)} steps of builds"
