#!/usr/bin/python3
"""Who is in which session, and kicking: the listener asks the sessions themselves, whoever started them."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import cases  # noqa: E402
import gateway  # noqa: E402
import lab  # noqa: E402
from test_ssh_sessions import drawn, ended, pid_of, screen  # noqa: E402

ALICE, BOB = gateway.UID_BASE + 1, gateway.UID_BASE + 2


def where(rows):
    return sorted((r["uid"], r["owner"], r["project"]) for r in rows)


def test_nobody_is_there(g):
    assert g.engine.sessions() == []
    assert g.engine.kick(ALICE) == "not_found"
    assert g.engine.kick(ALICE, door=1) == "not_found"


def test_sessions_and_doors_are_listed(g):
    with screen(g, rows=30, cols=100) as home, screen(g, "alice+shop", 24, 80) as a, screen(g, "alice+shop", 40, 120) as b, \
            screen(g, "bob") as bob:
        for s in (home, a, b, bob):
            s.expect("welcome")
        rows = g.engine.sessions()
        assert where(rows) == [(ALICE, "", ""), (ALICE, "alice", "shop"), (BOB, "", "")], rows
        assert all(r["answers"] for r in rows), rows
        shop = next(r for r in rows if r["project"])
        assert sorted((d["door"], d["rows"], d["cols"]) for d in shop["doors"]) == [(1, 24, 80), (2, 40, 120)] or \
            sorted((d["door"], d["rows"], d["cols"]) for d in shop["doors"]) == [(1, 40, 120), (2, 24, 80)], shop
        assert {(d["user"], d["from"]) for d in shop["doors"]} == {("alice", "127.0.0.1")}, shop
        assert where(g.engine.sessions(BOB)) == [(BOB, "", "")]
        home.resize(33, 111)
        home.expect("resized 33x111")
        assert [(d["rows"], d["cols"]) for r in g.engine.sessions(ALICE) if not r["project"] for d in r["doors"]] == [(33, 111)]


def test_a_door_is_closed_the_others_stay(g):
    with screen(g, "alice+shop") as a, screen(g, "alice+shop") as b:
        a.expect("welcome")
        b.expect("welcome")
        first = pid_of(a)
        assert g.engine.kick(ALICE, "alice", "shop", door=7) == "not_found"
        assert g.engine.kick(ALICE, "alice", "shop", door=1) == 1
        lab.wait_until("one client ended", lambda: (a.pump(0.05), b.pump(0.05), a.closed or b.closed)[2], 10)
        gone, left = (a, b) if a.closed else (b, a)
        assert "out with you" in drawn(gone)
        assert pid_of(left) == first


def test_all_doors_are_closed_and_the_session_lives(g):
    with screen(g, "alice+shop") as a, screen(g, "alice+shop") as b:
        a.expect("welcome")
        b.expect("welcome")
        first = pid_of(a)
        assert g.engine.kick(ALICE, "alice", "shop", door=0) == 1
        assert ended(a) == 0 and ended(b) == 0
    assert [r["doors"] for r in g.engine.sessions(ALICE) if r["project"]] == [[]]
    with screen(g, "alice+shop") as a:
        a.expect("welcome")
        assert pid_of(a) == first


def test_a_session_is_ended_alone(g):
    with screen(g, "bob") as bob, screen(g) as home:
        home.expect("welcome")
        bob.expect("welcome")
        his = pid_of(bob)
        assert g.engine.kick(ALICE, "alice", "shop") == 1
        assert where(g.engine.sessions()) == [(ALICE, "", ""), (BOB, "", "")]
        assert pid_of(bob) == his


def test_one_that_does_not_answer_is_told_of_and_killed(g):
    with screen(g, "bob") as bob:
        bob.expect("welcome")
        pid = pid_of(bob)
        os.kill(pid, signal.SIGSTOP)
        try:
            row = next(r for r in g.engine.sessions() if r["uid"] == BOB)
            assert not row["answers"] and row["doors"] == [], row
            assert g.engine.kick(BOB, door=1) == "unavailable"
            assert g.engine.kick(BOB) == 1
            lab.wait_until("it is killed", lambda: not os.path.exists(f"/proc/{pid}"), 5)
        finally:
            if os.path.exists(f"/proc/{pid}"):
                os.kill(pid, signal.SIGCONT)
        bob.expect(r"(?s)welcome.*welcome")  # its door asks for the session again


def test_one_that_ignores_its_end_is_killed(g):
    with screen(g) as s:
        s.expect("welcome")
        pid = pid_of(s)
        s.send("d")
        s.expect("deaf")
        assert g.engine.kick(ALICE) == 1
        lab.wait_until("it is killed", lambda: not os.path.exists(f"/proc/{pid}"), 5)


def test_sessions_of_an_earlier_listener(g):
    with screen(g, "alice+shop") as s:
        s.expect("welcome")
        first = pid_of(s)
        old = g.proc
        old.kill()
        old.wait()
        g.start()
        lab.wait_until("the listener is back", lambda: g.engine.peers, 10)
        rows = g.engine.sessions(ALICE)
        assert [len(r["doors"]) for r in rows if r["project"]] == [1], rows
        assert g.engine.kick(ALICE, "alice", "shop", door=1) == 1
        assert ended(s) == 0
    os.kill(first, signal.SIGTERM)  # no child of the listener that ends with the test


def test_malformed_questions_end_the_link_alone(g):
    before = g.engine.peers[-1]
    before.send(gateway.u32(gateway.AUTH_ROLL) + gateway.i64(1))
    lab.wait_until("it connects anew", lambda: g.engine.peers and g.engine.peers[-1] is not before, 10)
    assert g.ssh("echo yes").stdout == b"yes\n"
    g.engine.peers[-1].send(gateway.u32(gateway.AUTH_KICK) + gateway.i64(2) + gateway.u32(0) + gateway.text("") * 2 +
                            gateway.u32(0) * 2 + gateway.text("root's own"))
    lab.wait_until("it connects anew", lambda: g.engine.peers, 10)
    assert g.ssh("echo yes").stdout == b"yes\n"


def main():
    with gateway.Gateway() as g:
        g.add_user("bob", 2)
        return cases.main(globals(), g)


if __name__ == "__main__":
    sys.exit(main() != 0)
