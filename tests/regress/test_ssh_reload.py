#!/usr/bin/python3
"""SIGUSR2: the listener goes on as the program that is installed now.  What is live, what is opened by it later, and who is just
logging in notice nothing; a program that is broken is not run."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import cases  # noqa: E402
import gateway  # noqa: E402
import lab  # noqa: E402


def screen(g, user="alice", rows=30, cols=200):
    return lab.Screen(g.argv(user=user, options=["-tt"]), rows, cols)


def taken(g):
    return g.log.read_text(errors="replace").count("took over")


def reload(g):
    """Ask, and wait until it is done; the process stays the same."""
    before, pid = taken(g), g.proc.pid
    os.kill(pid, signal.SIGUSR2)
    lab.wait_until("handed over", lambda: taken(g) > before, 20)
    assert g.proc.poll() is None and g.proc.pid == pid


def test_a_live_screen_goes_on_and_moves(g):
    with screen(g) as s:
        s.expect("welcome alice by 0 project -")
        reload(g)
        s.send("z")
        s.expect("typed 'z'")
        s.send("s")  # asks the new one to open another project
        s.expect("welcome alice by 0 project shop")
        reload(g)
        s.send("h")
        s.expect("welcome alice by 0 project -")
        s.send("x")
        lab.wait_until("the client ended", lambda: (s.pump(0.05), s.closed)[1], 10)
        s.close()
        assert s.status == 3


def test_a_session_that_dies_is_started_again_by_the_next(g):
    with screen(g) as s:
        s.expect("welcome")
        reload(g)
        s.send("k")
        s.expect("welcome", 20)
        s.send("1")
        s.expect("typed '1'", 20)
        s.send("q")


def test_the_exit_status_of_a_program_that_spans_it(g):
    p = subprocess.Popen(g.argv("cat; echo over >&2; exit 41"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdin.write(b"before\n")
    p.stdin.flush()
    assert p.stdout.readline() == b"before\n"
    reload(g)
    p.stdin.write(b"after\n")
    p.stdin.flush()
    assert p.stdout.readline() == b"after\n"
    out, err = p.communicate(timeout=30)
    assert (p.returncode, out, err) == (41, b"", b"over\n"), (p.returncode, out, err)


def test_a_signal_reaches_a_program_of_before(g):
    """What the client closes ends, though another program of ours started it."""
    with subprocess.Popen(g.argv("echo $$; exec sleep 600"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as p:
        pid = int(p.stdout.readline())
        reload(g)
        p.kill()
    lab.wait_until("the program ended", lambda: not os.path.exists(f"/proc/{pid}"), 15)


def test_a_new_channel_on_a_connection_of_before(g):
    control = g.dir / "control"
    master = subprocess.Popen(g.argv("cat", options=["-M", "-S", str(control)]), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        master.stdin.write(b"x\n")
        master.stdin.flush()
        master.stdout.readline()
        reload(g)
        p = g.ssh("echo second; exit 7", options=["-S", str(control)])
        assert (p.returncode, p.stdout) == (7, b"second\n"), p
    finally:
        master.stdin.close()
        assert master.wait(20) == 0


def test_one_who_is_just_logging_in(g):
    """Version and key exchange begun before, the rest after; and one whose question to the engine is open."""
    with socket.create_connection(("127.0.0.1", g.port), 20) as s:
        assert s.recv(64).startswith(b"SSH-2.0-")
        reload(g)
        s.sendall(b"SSH-2.0-test\r\n")
        assert len(s.recv(64)) > 0, "the connection was cut"
    g.engine.delay = 0.7
    try:
        p = subprocess.Popen(g.argv("echo in"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.8)
        reload(g)
        out, err = p.communicate(timeout=60)
        assert (p.returncode, out) == (0, b"in\n"), (p.returncode, out, err)
    finally:
        g.engine.delay = 0


def test_no_login_is_refused_meanwhile(g):
    results, stop = [], threading.Event()

    def come_and_go():
        while not stop.is_set():
            p = g.ssh("echo hello")
            results.append((p.returncode, p.stdout, p.stderr))

    threads = [threading.Thread(target=come_and_go) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        for _ in range(6):
            reload(g)
            time.sleep(0.3)
    finally:
        stop.set()
        for t in threads:
            t.join(60)
    assert len(results) >= 6 and all(r == (0, b"hello\n", b"") for r in results), [r for r in results if r[0]] or len(results)


def test_the_program_on_disk_is_what_goes_on(g):
    """An upgrade: the file at its place is another one afterwards."""
    link = g.bin / "codinglab-sshd"
    target = link.resolve()
    other = g.bin / "other"
    shutil.copy(target, other)
    os.replace(other, link)
    try:
        reload(g)
        assert pathlib.Path(f"/proc/{g.proc.pid}/exe").resolve() == link
        assert g.ssh("echo on").stdout == b"on\n"
    finally:
        link.unlink()
        link.symlink_to(target)
    reload(g)
    assert pathlib.Path(f"/proc/{g.proc.pid}/exe").resolve() == target


def test_a_broken_program_is_not_run(g):
    link = g.bin / "codinglab-sshd"
    target = link.resolve()
    for content in (b"no program at all", b"#!/bin/sh\nexit 1\n", b"#!/bin/sh\necho handover 9999\n", b"#!/bin/sh\necho; sleep 600\n"):
        with screen(g) as s:
            s.expect("welcome")
            link.unlink()
            link.write_bytes(content)
            link.chmod(0o755)
            seen = g.log.read_text(errors="replace").count("error")
            try:
                os.kill(g.proc.pid, signal.SIGUSR2)
                lab.wait_until("it says why not", lambda: g.log.read_text(errors="replace").count("error") > seen, 20)
            finally:
                link.unlink()
                link.symlink_to(target)
            assert "not handed over" in g.log.read_text(errors="replace")
            s.send("1")
            s.expect("typed '1'")
            s.send("q")
        assert g.ssh("echo still").stdout == b"still\n"


def test_penalties_outlive_it(g):
    """An address that is shut out stays so."""
    with gateway.Gateway(exempt=False) as strict:
        for _ in range(12):
            with socket.create_connection(("127.0.0.1", strict.port), 20) as s:
                s.recv(64)
                s.sendall(b"rubbish\r\n")
                try:
                    s.recv(64)
                except OSError:
                    pass
        refused = b"Permission denied"
        end = time.time() + 30
        while time.time() < end:
            p = strict.ssh("true")
            if p.returncode:
                break
            subprocess.run(strict.argv("true", user="nobody"), capture_output=True)
        assert p.returncode and refused not in p.stderr, p
        before = strict.log.read_text().count("Not allowed at this time")
        assert before
        os.kill(strict.proc.pid, signal.SIGUSR2)
        lab.wait_until("handed over", lambda: taken(strict) == 1, 20)
        assert strict.ssh("true").returncode
        assert strict.log.read_text().count("Not allowed at this time") > before


def test_only_reading_the_configuration(g):
    argv = [g.bin / "codinglab-sshd", "--check"]
    env = {"CODINGLAB_STATE": str(g.dir), "CODINGLAB_CONF": "/dev/null"}
    p = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=20)
    assert p.returncode == 0 and p.stdout.startswith("handover "), p
    p = subprocess.run([*argv[:1], "--sshd-port", "0", "--check"], env=env, capture_output=True, text=True, timeout=20)
    assert p.returncode != 0 and "sshd.port" in p.stderr, p


def test_no_sanitizer_complained(g):
    text = g.log.read_text(errors="replace")
    assert not re.search("AddressSanitizer|runtime error", text), text[-3000:]


if __name__ == "__main__":
    with gateway.Gateway() as gw:
        failed = cases.main(globals(), gw)
    sys.exit(bool(failed))
