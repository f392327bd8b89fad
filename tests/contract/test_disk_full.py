#!/usr/bin/python3
"""The state's disk fills up (G11, K8): what changes something is refused with the reason, since it could not be
written down; reading goes on; with space again everything works, without a restart."""
import os
import subprocess
import sys
import tempfile
import time

from engine import Engine
import cases

folder = tempfile.mkdtemp(prefix="cl-full-", dir="/var/tmp")
if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0755", "tmpfs", folder]).returncode:
    os.rmdir(folder)
    print("cannot mount a tmpfs here")
    sys.exit(77)
engine = None


def fill():
    fd = os.open(folder + "/filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for size in (65536, 4096, 512, 1):
        try:
            while True:
                os.write(fd, b"x" * size)
        except OSError:
            continue
    os.close(fd)


def test_changes_are_refused_and_reading_goes_on():
    fill()
    refused = 0
    for _ in range(400):
        r = engine.call("POST", "/v1/invites", {})
        if r.status == 200:
            continue
        assert (r.status, r.code) == (503, "unavailable"), r
        assert "space" in r.json["error"]["hint"], r
        refused += 1
        if refused > 5:
            break
    assert refused > 5
    for path in ("/v1/info", "/v1/users", "/v1/audit", "/v1/projects"):
        assert engine.get(path).status == 200, path
    r = engine.call("PUT", "/v1/users/ada/role", {"role": "student"})
    assert r.status == 503, r
    assert [u["role"] for u in engine.get("/v1/users").json["users"]] == ["admin"]
    engine.healthy()


def test_with_space_again_it_goes_on():
    os.unlink(folder + "/filler")
    deadline = time.time() + 10
    while (r := engine.call("POST", "/v1/invites", {})).status != 200 and time.time() < deadline:
        time.sleep(0.1)
    assert r.status == 200, r
    assert engine.call("PUT", "/v1/users/ada/role", {"role": "teacher"}).status == 200
    engine.healthy()


try:
    engine = Engine(state=folder)
    engine.user("ada", "admin")
    failed = cases.main(globals())
finally:
    if engine:
        engine.stop()
    subprocess.run(["umount", "-l", folder])
    os.rmdir(folder)
sys.exit(failed)
