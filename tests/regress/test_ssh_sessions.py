#!/usr/bin/python3
"""Screens over ssh: joining, sizes, leaving, moving between projects, sessions that die, gateways that restart."""
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import cases  # noqa: E402
import gateway  # noqa: E402
import lab  # noqa: E402


PID = re.compile(r"typed 'p' acked \d+ pid (\d+)")


def screen(g, user="alice", rows=30, cols=200, env=None, **kw):
    return lab.Screen(g.argv(user=user, options=["-tt", "-o", "SendEnv=*"], **kw), rows, cols, env)


def pid_of(s):
    before = len(PID.findall(s.text()))
    s.send("p")
    lab.wait_until("the session answers", lambda: (s.pump(0.05), len(PID.findall(s.text())) > before)[1], 10)
    return int(PID.findall(s.text())[-1])


def leave(s, key="q"):
    s.send(key)
    return ended(s)


def ended(s, seconds=10):
    """Wait for the client's own end; its exit status."""
    lab.wait_until("the client ended", lambda: (s.pump(0.05), s.closed)[1], seconds)
    s.close()
    return s.status


def drawn(s):
    return "\n".join(r.rstrip() for r in s.screen.display)


def end_sessions(g):
    for pid in g.children("codinglab-tui"):
        os.kill(pid, signal.SIGTERM)
    lab.wait_until("sessions end", lambda: not g.children("codinglab-tui"), 5)
    lab.wait_until("their sockets go", lambda: not os.listdir(f"{g.run}/sessions"), 5)


def test_the_home_screen(g):
    with screen(g, env={"LC_TIME": "ko_KR", "LD_PRELOAD_X": "no"}) as s:
        s.expect("welcome alice by 0 project -")
        shown = s.text().replace("\n", "")
        for part in ("size 30x200", "term xterm-256color", "uid 200001", "gids []", "home-alice", "user-id 1",
                     "LC_TIME=ko_KR"):
            assert part in shown, (part, shown)
        assert "LD_PRELOAD" not in shown and "PATH=" not in shown.replace("PATH=/", ""), shown
        s.expect(r"welcome")
        assert leave(s) == 0
        assert "bye from the session" in drawn(s)


def test_a_project_has_its_own_session(g):
    with screen(g) as home, screen(g, "alice+shop") as shop:
        home.expect("project -")
        shop.expect("project shop")
        shown = shop.text().replace("\n", "")
        assert "gids [300007]" in shown and "work-shop" in shown and "project-id 7" in shown, shown
        assert pid_of(home) != pid_of(shop)


def test_a_live_session_is_joined_again(g):
    with screen(g, "alice+shop") as s:
        s.expect("welcome")
        first = pid_of(s)
        s.kill()
    with screen(g, "alice+shop") as a, screen(g, "alice+shop", 24, 80) as b:
        a.expect("welcome")
        b.expect("welcome")
        assert pid_of(a) == first and pid_of(b) == first
    assert len(g.children("codinglab-pane")) == len(g.children("codinglab-tui"))


def test_windows_are_followed(g):
    with screen(g) as s:
        s.expect("welcome")
        s.resize(41, 137)
        s.expect("resized 41x137")
        for i in range(50):
            s.resize(30 + i % 7, 90)
        s.resize(33, 99)
        s.expect("resized 33x99")


def test_frames_are_acknowledged_whole(g):
    with screen(g) as s:
        s.expect("welcome")
        s.send("b")
        s.expect("00199", 30)
        s.send("y")
        acked = int(s.expect(r"typed 'y' acked (\d+)").group(1))
        s.send("z")
        assert int(s.expect(r"typed 'z' acked (\d+)").group(1)) == acked + 1


def test_exit_status_of_a_session(g):
    with screen(g) as s:
        s.expect("welcome")
        assert leave(s, "x") == 3


def test_moving_between_projects(g):
    with screen(g) as s:
        s.expect("project -")
        s.send("s")
        s.expect("project shop")
        pid_of(s)
        s.send("h")
        s.expect(r"(?s)project shop.*project -")
        s.send("n")
        assert ended(s) == 4
        assert "codinglab: project nowhere: not found. See `project ls`" in drawn(s)


def test_a_session_that_dies_is_started_again(g):
    end_sessions(g)
    with screen(g, "alice+shop") as s:
        s.expect("welcome")
        first = pid_of(s)
        s.send("k")
        s.expect(r"(?s)welcome.*welcome")
        assert "project shop" in s.text()
        assert pid_of(s) != first
    assert "session %d ended" % first in g.log.read_text()


def test_a_session_that_keeps_dying_ends_the_client(g):
    end_sessions(g)
    with screen(g) as s:
        for i in range(4):
            s.expect("(?s)" + "welcome.*" * (i + 1))
            s.send("k")
        assert ended(s) == 1
        assert "ended unexpectedly" in drawn(s)


def test_a_moved_door_comes_back_to_where_it_moved(g):
    with screen(g) as s:
        s.expect("project -")
        s.send("s")
        s.expect("project shop")
        s.send("k")
        s.expect(r"(?s)project shop.*project shop")


def test_a_stopped_session_holds_nobody_up(g):
    end_sessions(g)
    with screen(g) as s:
        s.expect("welcome")
        pid = pid_of(s)
        os.kill(pid, signal.SIGSTOP)
        s.send("v" * 100)
        assert g.ssh("echo fine", timeout=10).stdout == b"fine\n"
        with screen(g, "alice+shop") as other:
            other.expect("welcome")
        os.kill(pid, signal.SIGCONT)
        s.expect("typed 'v'")
        s.send("y")
        s.expect("typed 'y'")


def test_a_killed_listener_leaves_sessions_alone(g):
    end_sessions(g)
    with screen(g, "alice+shop") as s:
        s.expect("welcome")
        first = pid_of(s)
        g.proc.kill()
        g.proc.wait()
        s.send("q1"[1])
        s.expect("typed '1'")
        g.log.write_text("")
        g.start()
        assert "1 live sessions" in g.log.read_text()
        with screen(g, "alice+shop") as again:
            again.expect("welcome")
            assert pid_of(again) == first
        s.send("2")
        s.expect("typed '2'")
    os.kill(first, signal.SIGKILL)
    with screen(g, "alice+shop") as s:
        s.expect("welcome")
        assert pid_of(s) != first


def test_stepping_down_and_taking_over(g):
    end_sessions(g)
    with screen(g) as s:
        s.expect("welcome")
        first = pid_of(s)
        g.proc.send_signal(signal.SIGUSR1)
        assert g.proc.wait(5) == 0
        g.log.write_text("")
        g.start()
        s.send("z")
        s.expect("typed 'z'")
        with screen(g) as again:
            again.expect("welcome")
            assert pid_of(again) == first
    os.kill(first, signal.SIGKILL)
    lab.wait_until("it is gone", lambda: first not in g.children("codinglab-tui"), 5)


def test_sessions_of_one_user_are_limited(g):
    with gateway.Gateway(["--sshd-sessions-per-user", "2"]) as own:
        own.add_project("alice", "two", 8)
        own.add_project("alice", "three", 9)
        with screen(own) as a, screen(own, "alice+shop") as b:
            a.expect("welcome")
            b.expect("welcome")
            with screen(own, "alice+two") as c:
                c.expect("codinglab: session: you have 2 open already")
                assert ended(c) == 6
            leave(a)
            leave(b)
            for pid in own.children("codinglab-tui"):
                os.kill(pid, signal.SIGTERM)
            lab.wait_until("sockets go", lambda: not os.listdir(own.run / "sessions"), 5)
        with screen(own, "alice+three") as d:
            d.expect("welcome")


def test_a_revoked_user_is_shown_the_reason(g):
    with screen(g) as s:
        s.expect("welcome")
        g.engine.revoke(1, "you were disabled by an admin")
        s.expect("you were disabled by an admin")
        ended(s)
    lab.wait_until("the session ended", lambda: not g.children("codinglab-tui"), 6)


def test_a_program_that_is_missing(g):
    with gateway.Gateway() as own:
        (own.bin / "codinglab-tui").unlink()
        (own.bin / "codinglab").unlink()
        with screen(own) as s:
            s.expect("codinglab: start .*codinglab-tui")
        r = own.ssh("true")
        assert r.returncode != 0 and b"codinglab: start" in r.stderr, r
        assert not os.listdir(own.run / "sessions")


def test_the_gateway_ends_everything_when_told(g):
    own = gateway.Gateway()
    with own:
        with screen(own) as s:
            s.expect("welcome")
            p = subprocess.Popen(own.argv("echo up; sleep 100"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            assert p.stdout.readline() == b"up\n"
            t0 = time.time()
            own.proc.terminate()
            assert own.proc.wait(10) == 0 and time.time() - t0 < 8
            assert p.wait(5) == 255 and b"shutting down" in p.stderr.read()
            ended(s, 5)
        assert not own.children("codinglab-tui") and not own.children("codinglab-conn")


def test_nothing_is_left_behind(g):
    end_sessions(g)
    fds = len(os.listdir(f"/proc/{g.proc.pid}/fd"))
    for _ in range(5):
        g.ssh("true")
        with screen(g) as s:
            s.expect("welcome")
            leave(s)
    end_sessions(g)
    lab.wait_until("connections end", lambda: not g.children("codinglab-conn"), 5)
    assert len(os.listdir(f"/proc/{g.proc.pid}/fd")) == fds
    zombies = subprocess.run(["ps", "--ppid", str(g.proc.pid), "-o", "stat="], capture_output=True, text=True).stdout
    assert "Z" not in zombies, zombies


def test_no_sanitizer_complained(g):
    text = g.log.read_text(errors="replace")
    assert not re.search("AddressSanitizer|runtime error", text), text[-3000:]


if __name__ == "__main__":
    with gateway.Gateway() as gw:
        failed = cases.main(globals(), gw)
    sys.exit(bool(failed))
