#!/usr/bin/python3
"""K1: kill -9 of each kind of process under many live sessions: what dies with it is its own, and nothing else.

CODINGLAB_MANY: sessions (50), CODINGLAB_KILLS: rounds (2), each of which kills one of every kind."""
import os
import random
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import cases  # noqa: E402
import gateway  # noqa: E402
import lab  # noqa: E402
from test_ssh_sessions import ended, pid_of, screen  # noqa: E402

MANY = int(os.environ.get("CODINGLAB_MANY", "50"))
ROUNDS = int(os.environ.get("CODINGLAB_KILLS", "2"))


def dead(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return "Z" in f.read().split()[2]
    except (FileNotFoundError, ProcessLookupError):
        return True


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    lab.wait_until("it is dead", lambda: dead(pid), 10)


def all_answer(screens, but=()):
    """Each session says its process id when asked; nobody's changed."""
    for name, (s, pid) in screens.items():
        if name not in but:
            assert pid_of(s) == pid, name


def opened(g, name):
    s = screen(g, name, 24, 100)
    s.expect("welcome", 30)
    return s, pid_of(s)


def test_each_kind_of_process(g):
    dice = random.Random(4711)
    screens = {f"user{i}": opened(g, f"user{i}") for i in range(MANY)}
    orphans = set()  # whose connection's listener was killed
    try:
        for _ in range(ROUNDS):
            # a session: started again for its window, the others do not notice
            name = dice.choice(list(screens))
            s, pid = screens[name]
            kill(pid)
            if name in orphans:  # whoever would start it again is dead: its client ends, and comes back
                assert ended(s) != 0
                orphans.remove(name)
                screens[name] = opened(g, name)
            else:
                lab.wait_until("its window shows a new session", lambda s=s: (s.pump(0.05), s.text().count("welcome") > 1)[1], 15)
                screens[name] = s, pid_of(s)
            assert screens[name][1] != pid
            all_answer(screens)
            # a connection: its client ends, its session waits for the next
            name = dice.choice(list(screens))
            s, pid = screens[name]
            before = set(g.children("codinglab-conn"))
            extra = screen(g, name, 24, 100)
            extra.expect("welcome", 30)
            conn = (set(g.children("codinglab-conn")) - before).pop()
            kill(conn)
            assert ended(extra) != 0
            all_answer(screens)
            # a terminal emulator (a stand-in here; the real one in e2e/test_sessions.py)
            kill(dice.choice(g.children("codinglab-pane")))
            all_answer(screens)
            # the listener: everything goes on, and a new one takes newcomers
            old = g.proc
            old.kill()
            old.wait()
            all_answer(screens)
            orphans.update(screens)
            g.start()
            late, late_pid = opened(g, dice.choice([n for n in screens if n != name]))
            assert late_pid in {pid for _, pid in screens.values()}
            late.close()
            all_answer(screens)
    finally:
        for s, _ in screens.values():
            s.close()
        for pid in g.children("codinglab-tui") + [pid for _, pid in screens.values()]:
            if os.path.exists(f"/proc/{pid}"):
                os.kill(pid, signal.SIGKILL)


def main():
    with gateway.Gateway() as g:
        for i in range(MANY):
            g.add_user(f"user{i}", 100 + i)
        return cases.main(globals(), g)


if __name__ == "__main__":
    sys.exit(main() != 0)
