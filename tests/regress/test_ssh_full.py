#!/usr/bin/python3
"""K3: the gateway can start nothing more. fork() answers EAGAIN, by a control group's limit of processes where one can be made, and by strace in any case:
the listener does not spin, says so, what is open goes on, and it takes logins as soon as it can again."""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import cases  # noqa: E402
import gateway  # noqa: E402
import lab  # noqa: E402

SANITIZED = "dev" in str(gateway.BIN)
V1, V2 = pathlib.Path("/sys/fs/cgroup/pids"), pathlib.Path("/sys/fs/cgroup")


def cpu(pid):
    f = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def no_more_processes(pid):
    """A control group whose limit is what the process has now; entering it is the limit, leaving lifts it."""
    group = (V1 if (V1 / "cgroup.procs").exists() else V2) / f"codinglab-test-{os.getpid()}"
    home = group.parent
    try:
        if home == V2:
            (V2 / "cgroup.subtree_control").write_text("+pids")
        group.mkdir()
    except OSError as e:
        raise cases.Skip(f"no control group of processes can be made here ({e}); the same by strace is tried")
    try:
        (group / "cgroup.procs").write_text(str(pid))
        (group / "pids.max").write_text((group / "pids.current").read_text())
        yield
        (group / "pids.max").write_text("max")
    finally:
        for p in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (home / "cgroup.procs").write_text(p)
        lab.wait_until("the group is empty", lambda: not (group / "cgroup.procs").read_text().split(), 20)
        group.rmdir()


@contextlib.contextmanager
def failing_forks(pid):
    calls = "clone,clone3,fork,vfork"
    p = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-p", str(pid), "-e", f"trace={calls}", "-e", f"inject={calls}:error=EAGAIN"], stderr=subprocess.DEVNULL)
    try:
        lab.wait_until("strace holds it", lambda: f"TracerPid:\t{p.pid}\n" in pathlib.Path(f"/proc/{pid}/status").read_text(), 20)
        yield
    finally:
        p.send_signal(signal.SIGINT)
        p.wait()


def says_no(own):
    """A client that gets no connection process: cut, or left waiting until it gives up."""
    return subprocess.Popen(own.argv("echo never", options=["-o", "ConnectTimeout=20"]), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def full(own, limit):
    held = subprocess.Popen(own.argv("echo up; cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert held.stdout.readline() == b"up\n"
    with limit(own.proc.pid):
        refused = [says_no(own) for _ in range(8)]
        lab.wait_until("it says so", lambda: "not accepting for a moment" in own.log.read_text(), 20)
        before, at = cpu(own.proc.pid), time.time()
        time.sleep(3)
        assert (cpu(own.proc.pid) - before) / (time.time() - at) < (0.5 if SANITIZED else 0.1), "it spins"
        assert own.log.read_text().count("not accepting for a moment") < 20, own.log.read_text()[-2000:]
        held.stdin.write(b"still\n")  # what is open goes on
        held.stdin.flush()
        assert held.stdout.readline() == b"still\n"
        assert own.proc.poll() is None
    for p in refused:
        out, err = p.communicate(timeout=60)
        assert (out == b"never\n") == (p.returncode == 0), (out, err)  # let in late, or told that it was not
    lab.wait_until("it takes logins again", lambda: own.ssh("echo fine").stdout == b"fine\n", 20)
    held.stdin.close()
    assert held.wait(20) == 0
    lab.wait_until("nothing is left of them", lambda: not own.children("codinglab-conn"), 20)


def test_a_limit_of_processes(_):
    with gateway.Gateway() as own:
        full(own, no_more_processes)


def test_forks_that_fail(_):
    with gateway.Gateway() as own:
        full(own, failing_forks)


def test_programs_and_sessions_that_cannot_start(_):
    """A connection that is there asks for a program and a screen while nothing can be started: each is told why, and later both come."""
    with gateway.Gateway() as own:
        control = ["-o", f"ControlPath={own.dir}/control", "-o", "ControlMaster=auto", "-o", "ControlPersist=60"]
        assert own.ssh("echo fine", options=control).stdout == b"fine\n"
        try:
            with failing_forks(own.proc.pid):
                for line, options in ((("echo never",), control), ((), [*control, "-tt"])):
                    r = own.ssh(*line, options=options)
                    assert r.returncode not in (0, 255) and b"never" not in r.stdout and b"codinglab" in r.stderr + r.stdout, r
            assert own.ssh("echo fine", options=control).stdout == b"fine\n"
        finally:
            subprocess.run(own.argv(options=[*control, "-O", "exit"]), capture_output=True)


if __name__ == "__main__":
    sys.exit(cases.main(globals(), None))
