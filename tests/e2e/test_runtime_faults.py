#!/usr/bin/python3
"""Battery row H11: the container engine's socket is down, hangs in the middle of a build, answers garbage, restarts: what is
under way is tried again, or has failed with the reason, within 60 s; and all is well once the socket is."""
import os
import pathlib
import signal
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import cases
from lab import Lab, wait_until

SOON = 60  # the row's own limit, on which no figure is published


class Relay:
    """A container engine's socket in front of the real one.  mode: pass, hang (what comes is kept), garbage, down."""

    def __init__(self, path, target):
        self.path, self.target, self.mode, self.open = str(path), target, "pass", set()
        self.listener = None
        self.listen()

    def listen(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o600)
        self.listener.listen(200)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def down(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path)
        self.cut()

    def cut(self):
        for s in list(self.open):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        while self.mode == "hang":
            time.sleep(0.05)
        if self.mode == "garbage":
            try:
                client.recv(65536)
                client.sendall(os.urandom(4096))
            except OSError:
                pass
            client.close()
            return
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(self.target()))
        except OSError:
            client.close()
            return
        self.open |= {client, server}
        threading.Thread(target=self.pump, args=(client, server), daemon=True).start()
        self.pump(server, client)
        self.open -= {client, server}
        client.close()
        server.close()

    def pump(self, source, sink):
        try:
            while data := source.recv(65536):
                while self.mode == "hang":
                    time.sleep(0.05)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for s in (source, sink):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class Faults:
    def __init__(self, lab, relays):
        self.lab, self.relays = lab, relays
        self.user = lab.user("mia")
        self.user.ssh("project create web --stack python")

    def mode(self, mode):
        for r in self.relays:
            r.mode = mode

    def deploy(self):
        return self.user.json("deploy --no-wait", "web")["id"]

    def op(self, id):
        return next(o for o in self.user.json("op ls")["ops"] if o["id"] == id)

    def told(self, id):
        """It is over, or its step says that it waits or is tried again, and why."""
        o = self.op(id)
        return o if o["state"] in ("done", "failed") or "waiting for the container runtime" in o["step"] else None

    def building(self, id):
        """In the middle of the project's own build command."""
        wait_until("the build", lambda: self.op(id)["step"].startswith("building") and (self.lab.dir / "s/builds").exists() and
                   any((self.lab.dir / "s/builds").iterdir()), 30, 0.02)

    def ends_well(self, id):
        def over():
            o = self.op(id)
            return o if o["state"] in ("done", "failed", "cancelled") else None
        o = wait_until(lambda: self.op(id), over, 120)
        assert o["state"] == "done", o


def slow_build(f, seconds=6):
    """The project's build takes a while, so that there is a middle."""
    f.user.ssh("run sh -c 'cat >.codinglab.json'", "web",
               input=b'{"build": ["sh", "-c", "sleep %d; echo built"]}' % seconds)


def test_all_is_well_to_begin_with(f):
    slow_build(f)
    f.ends_well(f.deploy())


def test_a_socket_that_is_down_is_waited_for(f):
    for r in f.relays:
        r.down()
    id = f.deploy()
    o = wait_until(lambda: f.op(id), lambda: f.told(id), SOON)
    assert o["state"] not in ("failed", "done"), o
    for r in f.relays:
        r.listen()
    f.ends_well(id)


def test_a_socket_that_hangs_in_the_middle_of_a_build_is_noticed(f):
    id = f.deploy()
    f.building(id)
    f.mode("hang")
    try:
        o = wait_until(lambda: f.op(id), lambda: f.told(id), SOON)
        assert o["state"] == "failed" and "engine" in o["error"]["message"] or "runtime" in o["step"], o
    finally:
        f.mode("pass")
    if o["state"] == "failed":
        f.ends_well(f.deploy())
    else:
        f.ends_well(id)


def test_garbage_is_no_answer(f):
    id = f.deploy()
    f.building(id)
    f.mode("garbage")
    for r in f.relays:
        r.cut()
    try:
        o = wait_until(lambda: f.op(id), lambda: f.told(id), SOON)
        assert o["state"] != "done" and (o["state"] != "failed" or o["error"]["message"]), o
    finally:
        f.mode("pass")
    if o["state"] == "failed":
        f.ends_well(f.deploy())
    else:
        f.ends_well(id)


def test_a_restarted_engine_is_no_end(f):
    id = f.deploy()
    f.building(id)
    f.lab.kill_daemon("podman", signal.SIGKILL)

    def over_or_again():
        o = f.op(id)
        return o if o["state"] in ("done", "failed") else f.told(id)
    o = wait_until(lambda: f.op(id), over_or_again, SOON)
    assert o["state"] != "failed" or o["error"]["message"], o
    if o["state"] == "failed":
        f.ends_well(f.deploy())
    else:
        f.ends_well(id)


def test_nothing_is_left_behind(f):
    label = f"label=codinglab.instance={f.lab.instance()}"
    wait_until(lambda: f.lab.podman("ps", "-a", "--filter", label),
               lambda: not [n for n in f.lab.podman("ps", "-a", "--format", "{{.Names}}", "--filter", label).split() if "-op" in n], 30)
    assert not list((f.lab.dir / "s/builds").iterdir())


if __name__ == "__main__":
    if os.getuid() != 0:
        print("needs root")
        sys.exit(77)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="codinglab-test-", dir="/var/tmp"))
    lab = Lab(images="python web postgresql")
    relays = [Relay(folder / f"{name}.sock", lambda name=name: lab.dir / f"s/run/podman/{name}.sock") for name in ("podman", "build")]
    os.environ["CODINGLAB_RUNTIME_SOCKET"], os.environ["CODINGLAB_RUNTIME_BUILD_SOCKET"] = (r.path for r in relays)
    try:
        with lab:
            failed = cases.main(globals(), Faults(lab, relays))
    finally:
        for r in relays:
            r.listener.close()
            if os.path.exists(r.path):
                os.unlink(r.path)
        folder.rmdir()
    sys.exit(1 if failed else 0)
