#!/usr/bin/python3
"""The repository by the runtime broker: a real registry, a real podman, and what goes wrong between them."""
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import cases
from lab import wait_until
from registry import Registry
from runtime import *

FAILED_CODE, USAGE, NOT_FOUND, FORBIDDEN, UNAVAILABLE, TIMEOUT = 1, 2, 4, 5, 11, 12


def refused(fn, *args, **kw):
    try:
        fn(*args, **kw)
    except Refused as e:
        return e
    raise AssertionError("it was not refused")


def app(r, op, megabytes=0, project=1):
    """An application image of that many random megabytes (random: it does not compress)."""
    r.image("base")
    r.workspace(project)
    script = f"head -c {megabytes << 20} /dev/urandom >blob; echo {op} >op"
    return r.build(op, id=f"app/p{project}", project=project, build=["sh", "-c", script])[0]


def refs(r):
    return r.podman("images", "--format", "{{.Repository}}:{{.Tag}}")


def settled(r):
    """The lock of the repository is free: no push is under way, what was cut is tidied."""
    lock = r.state / "registry/lock"
    return not lock.exists() or subprocess.run(["flock", "-n", lock, "true"]).returncode == 0


# -- the way there and back

def test_an_image_goes_there_and_comes_back_the_same(r):
    image = app(r, 101, 2)
    digest, lines = r.push("app/p1:op101", "app/p1", "op101")
    m = r.registry.manifest("app/p1", "op101")
    assert m["own"] == digest and m["config"]["digest"] == image, (digest, image, m)
    assert f"127.0.0.1:{r.registry.port}" not in refs(r), "the push left its own tag behind"
    r.podman("rmi", "-f", image)
    assert "app/p1" not in r.images()
    assert r.pull("app/p1", digest, "app/p1", "op101") == image
    assert r.images()["app/p1"]["digest"] == image
    r.podman("rmi", "-f", image)


def test_a_second_push_sends_only_what_is_new(r):
    app(r, 102, 3)
    r.push("app/p1:op102", "app/p1", "op102")
    before = r.registry.relay.up
    app(r, 103, 1)
    r.push("app/p1:op103", "app/p1", "op103")
    assert r.registry.relay.up - before < 2 << 20, r.registry.relay.up - before
    assert {"op102", "op103"} <= set(r.registry.whole("app/p1"))


def test_what_a_request_may_name(r):
    for image, repository, tag in (("no such!", "app/p1", "x"), ("base", "../p1", "x"), ("base", "app/p1", "X Y"), ("base", "app/p1", ""),
                                   ("base", "APP", "x"), ("docker.example/x", "app/p1", "x"), ("base", "app/p1", "a/b")):
        assert refused(r.push, image, repository, tag).code == USAGE, (image, repository, tag)
    for repository, digest, id in (("app/p1", "latest", "app/p1"), ("app/p1", "sha256:" + "0" * 63, "app/p1"), ("a b", "sha256:" + "0" * 64, "app/p1")):
        assert refused(r.pull, repository, digest, id).code == USAGE
    assert refused(r.push, "nosuch", "app/p1", "x").code == NOT_FOUND
    assert refused(r.pull, "app/p1", "sha256:" + "0" * 64, "app/p1").code == NOT_FOUND


# -- what goes wrong

def test_a_registry_that_is_away_is_named_and_the_next_push_works(r):
    app(r, 104)
    r.registry.kill()
    e = refused(r.push, "app/p1:op104", "app/p1", "op104")
    assert e.code == UNAVAILABLE and "registry" in e.message and e.hint, str(e)
    r.registry.start()
    assert r.push("app/p1:op104", "app/p1", "op104")[0]
    assert "op104" in r.registry.whole("app/p1")


def test_a_wrong_password_is_named(r):
    app(r, 105)
    path = r.state / "registry/password"
    good = path.read_text()
    try:
        path.write_text("wrong")
        e = refused(r.push, "app/p1:op105", "app/p1", "op105")
        assert e.code == FORBIDDEN and "account" in e.message and "registry.user" in e.hint and "wrong" not in str(e)
        path.unlink()
        assert "password" in str(refused(r.push, "app/p1:op105", "app/p1", "op105"))
    finally:
        path.write_text(good)


def test_a_connection_cut_at_any_point_leaves_no_half_image(r):
    app(r, 106, 6)
    relay = r.registry.relay
    for more in (0, 300, 3000, 200_000, 3_000_000, 6_000_000):
        relay.cut_after = relay.up + more
        try:
            r.push("app/p1:op106", "app/p1", f"cut{more}")
        except Refused as e:
            assert e.code in (UNAVAILABLE, FAILED_CODE), str(e)
            assert f"cut{more}" not in r.registry.tags("app/p1"), more
        relay.cut_after = None
        r.registry.whole("app/p1")
    assert r.registry.relay.cuts > 3
    assert not r.registry.leftovers(), r.registry.leftovers()
    r.push("app/p1:op106", "app/p1", "op106")
    assert "op106" in r.registry.whole("app/p1")


def start_push(r, image, tag):
    """A push in a thread; .error, .digest when it is over."""
    def run():
        link = Link(r.run / "broker/broker.sock")
        try:
            t.digest = link.ask("PUSH", text(image) + text("app/p1") + text(tag) + u32(120)).str()
        except (Refused, EOFError, OSError) as e:
            t.error = e
        finally:
            link.close()
    t = threading.Thread(target=run)
    t.error = t.digest = None
    t.start()
    return t


def held_push(r, op, megabytes=6):
    """A push that stands still in the middle of its upload."""
    app(r, op, megabytes)
    relay = r.registry.relay
    start = relay.up
    t = start_push(r, f"app/p1:op{op}", f"op{op}")
    wait_until("the upload", lambda: relay.up - start > 500_000, 30, 0.005)
    relay.hold = True
    return t


def test_a_killed_registry_is_survived(r):
    t = held_push(r, 107)
    r.registry.kill()
    r.registry.relay.hold = False
    r.registry.start()
    t.join(60)
    if t.error:  # podman tries three times by itself; otherwise the one who asked does
        assert t.error.code == UNAVAILABLE, t.error
        assert "op107" not in r.registry.tags("app/p1")
        r.push("app/p1:op107", "app/p1", "op107")
    assert "op107" in r.registry.whole("app/p1")


def test_a_killed_broker_leaves_nothing_half_visible(r):
    t = held_push(r, 108)
    children = subprocess.run(["pgrep", "-P", str(r.broker.pid)], capture_output=True, text=True).stdout.split()
    r.broker.send_signal(signal.SIGKILL)
    for pid in children:
        os.kill(int(pid), signal.SIGKILL)
    r.broker.wait()
    for path in r.run.rglob("*.sock"):
        if path.name != "podman.sock":
            path.unlink()
    r.registry.relay.hold = False
    t.join(60)
    assert t.error is not None and "op108" not in r.registry.whole("app/p1")
    wait_until("the cut push ends", lambda: settled(r))
    r.start_broker()
    wait_until(lambda: f"tidied: {r.registry.leftovers()}", lambda: not r.registry.leftovers())
    r.push("app/p1:op108", "app/p1", "op108")
    assert "op108" in r.registry.whole("app/p1")
    assert f"127.0.0.1:{r.registry.port}" not in refs(r)


def test_a_cancelled_push_is_gone(r):
    app(r, 109, 6)
    relay = r.registry.relay
    start = relay.up
    link = Link(r.run / "broker/broker.sock")
    link.send("PUSH", text("app/p1:op109") + text("app/p1") + text("op109") + u32(120))
    wait_until("the upload", lambda: relay.up - start > 500_000, 30, 0.005)
    relay.hold = True
    link.send("CANCEL")
    kind = None
    while kind not in (OK, ERROR):
        kind, f = link.receive()
    relay.hold = False
    assert kind == ERROR and "cancelled" in Refused(f).message
    link.close()
    wait_until("the lock", lambda: settled(r))
    assert "op109" not in r.registry.whole("app/p1")


def test_an_image_removed_while_it_is_pushed_leaves_no_name(r):
    t = held_push(r, 111)
    r.ask("IMAGE_REMOVE", text("app/p1:op111"))
    r.registry.relay.hold = False
    t.join(120)
    assert t.error is None, t.error
    assert "op111" in r.registry.whole("app/p1")
    wait_until("no name of it", lambda: "op111" not in refs(r))


def test_a_push_that_takes_too_long_is_ended(r):
    app(r, 110, 4)
    r.registry.relay.hold = True
    try:
        e = refused(r.push, "app/p1:op110", "app/p1", "op110", timeout=2)
    finally:
        r.registry.relay.hold = False
    assert e.code == TIMEOUT and "2 s" in e.message, str(e)


# -- cleaning up

def test_cleaning_up_frees_what_no_tag_names_and_nothing_else(r):
    app(r, 120, 4)
    app(r, 121, 4)
    keep, _ = r.push("app/p1:op120", "app/p1", "keep")
    go, _ = r.push("app/p1:op121", "app/p1", "go")
    assert r.registry.ask(f"/v2/app/p1/manifests/{go}", "DELETE")[0] == 202
    freed, lines = r.repository_gc(dry=True)
    assert freed == 0 and b"would go" in lines[-1], lines
    freed, lines = r.repository_gc()
    assert freed > 4 << 20, (freed, lines)
    assert "go" not in r.registry.tags("app/p1") and r.registry.manifest("app/p1", "keep")["own"] == keep
    r.registry.whole("app/p1")
    r.push("app/p1:op121", "app/p1", "again")  # the registry must know that it has lost these layers
    assert "again" in r.registry.whole("app/p1")


def test_cleaning_up_waits_for_a_push_and_a_push_for_it(r):
    t = held_push(r, 122)
    done = []
    gc = threading.Thread(target=lambda: done.append(r.repository_gc()))
    gc.start()
    time.sleep(1)
    assert not done, "it did not wait for the push"
    app(r, 123)
    late = start_push(r, "app/p1:op123", "op123")
    r.registry.relay.hold = False
    for thread in (t, gc, late):
        thread.join(60)
    assert t.digest and late.digest and done, (t.error, late.error)
    assert {"op122", "op123"} <= set(r.registry.whole("app/p1"))


# -- a full disk (the last: its own registry)

def test_a_full_disk_says_so_and_works_again_with_space():
    with Runtime(registry=lambda d: Registry(d, "48m")) as r:
        app(r, 130)
        r.push("app/p1:op130", "app/p1", "op130")  # the base fits
        app(r, 131, 40)
        e = refused(r.push, "app/p1:op131", "app/p1", "op131")
        assert e.code == FAILED_CODE and "No space left" in e.message and "image gc" in e.hint, str(e)
        assert r.registry.whole("app/p1") == ["op130"], "half an image is visible"
        assert not r.registry.leftovers(), r.registry.leftovers()
        app(r, 132, 1)
        r.push("app/p1:op132", "app/p1", "op132")  # what fits works at once: the cut upload is gone
        fill = r.registry.storage / "fill"
        fill.write_bytes(b"x" * 4096)
        with open(fill, "ab") as f:  # not a byte left: manifests and links cannot be written either
            try:
                while f.write(b"x" * 65536):
                    f.flush()
            except OSError:
                pass
        app(r, 133)
        e = refused(r.push, "app/p1:op133", "app/p1", "op133")
        assert "No space left" in e.message, str(e)
        assert r.registry.whole("app/p1") == ["op130", "op132"]
        fill.unlink()
        r.push("app/p1:op133", "app/p1", "op133")
        assert r.registry.whole("app/p1") == ["op130", "op132", "op133"]


if __name__ == "__main__":
    if os.getuid() != 0:
        print("needs root")
        sys.exit(77)
    names = dict(globals())
    last = names.pop("test_a_full_disk_says_so_and_works_again_with_space")
    with Runtime(registry=Registry) as runtime:
        names["test_a_full_disk_says_so_and_works_again_with_space"] = lambda r: last()
        failed = cases.main(names, runtime)
    sys.exit(1 if failed else 0)
