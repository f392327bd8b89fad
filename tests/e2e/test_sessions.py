#!/usr/bin/python3
"""What is open survives: the client dies, the session dies, the gateway dies, the terminal emulator dies."""
import os
import pathlib
import signal
import sys
import time

import cases
from lab import Lab, wait_until


def processes(lab, program, *words):
    out = []
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            exe = os.readlink(f"/proc/{p}/exe")
            argv = pathlib.Path(f"/proc/{p}/cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if exe == str(lab.dir / "s/lib/bin" / program) and all(w in argv for w in words):
            out.append(int(p))
    return out


def test_client_killed_same_screen_and_unsaved_text(lab, alice):
    with alice.screen("notes", 30, 100) as s:
        s.expect("main.py")
        s.open_file("main.py")
        s.expect("(?i)print")
        s.send("unsaved line here")
        s.expect("unsaved line here")
        s.kill()
    with alice.screen("notes", 30, 100) as s:
        s.expect("unsaved line here")
        assert len(processes(lab, "codinglab-tui", "notes")) == 1


def test_session_killed_text_is_offered_back(lab, alice):
    with alice.screen("notes", 30, 100) as s:
        s.expect("unsaved line here")
        time.sleep(2.5)
        os.kill(processes(lab, "codinglab-tui", "notes")[0], signal.SIGKILL)
        # the door leads to a new session at once, which offers what the old one had not saved
        s.expect("Unsaved text")
        s.expect("Recover")
        s.send("<Enter>")
        s.expect("unsaved line here")


def test_gateway_killed_sessions_stay(lab, alice):
    before = processes(lab, "codinglab-tui", "notes")
    lab.kill_daemon("sshd")
    wait_until("gateway answers", lambda: alice.ssh("whoami", check=False).returncode == 0, 20)
    with alice.screen("notes", 30, 100) as s:
        s.expect("unsaved line here")
    assert processes(lab, "codinglab-tui", "notes") == before


def test_terminal_emulator_killed_program_lives(lab, alice):
    with alice.screen("notes", 30, 100) as s:
        s.expect("main.py")
        s.send("<F4>")
        s.expect(r"\$ ")
        s.send("x=still; sleep 0.2<Enter>")
        time.sleep(0.5)
        worker = max(processes(lab, "codinglab-pane"))
        os.kill(worker, signal.SIGKILL)
        s.expect("(?i)restarted")
        s.send("echo $x-here<Enter>")
        s.expect("still-here")


def test_another_client_sees_the_same(lab, alice):
    with alice.screen("notes", 30, 100) as a, alice.screen("notes", 30, 100) as b:
        a.expect("main.py")
        b.expect("main.py")
        a.send("<F4>")
        a.expect(r"\$ ")
        a.send("echo both-$((1+1))<Enter>")
        a.expect("both-2")
        b.expect("both-2")


def main():
    with Lab() as lab:
        alice = lab.user("alice")
        alice.ssh("project create notes --stack python")
        alice.ssh("up", "notes")
        return cases.main(globals(), lab, alice)


sys.exit(main())
