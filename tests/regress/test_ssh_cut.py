#!/usr/bin/python3
"""A link that is cut: neither end says goodbye (C10).  The client lives in a network namespace of its own; its cable is pulled."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import cases  # noqa: E402
import gateway  # noqa: E402
import lab  # noqa: E402

SPACE, HERE, THERE = f"clcut{os.getpid() % 100000}", f"clh{os.getpid() % 100000}", f"clt{os.getpid() % 100000}"
NET = f"198.18.{os.getpid() % 250}"
LOST_S = 90  # keep-alive after 30 s and three tries, or 75 s with bytes on their way


def ip(*args):
    return subprocess.run(["ip", *args], capture_output=True, text=True)


class Cable:
    """A namespace, and a pair of network cards between it and us."""

    def __enter__(self):
        for args in (["netns", "add", SPACE], ["link", "add", HERE, "type", "veth", "peer", "name", THERE, "netns", SPACE],
                     ["addr", "add", f"{NET}.1/24", "dev", HERE], ["link", "set", HERE, "up"],
                     ["-n", SPACE, "addr", "add", f"{NET}.2/24", "dev", THERE], ["-n", SPACE, "link", "set", THERE, "up"]):
            r = ip(*args)
            if r.returncode:
                self.__exit__()
                raise cases.Skip(f"no network namespace can be made here: {r.stderr.strip()}")
        return self

    def pull(self):
        assert ip("-n", SPACE, "link", "set", THERE, "down").returncode == 0

    def __exit__(self, *exc):
        ip("link", "del", HERE)
        ip("netns", "del", SPACE)


def there(g, *command):
    argv = [a.replace("127.0.0.1", f"{NET}.1") for a in g.argv(*command)]
    return ["ip", "netns", "exec", SPACE, *argv]


def test_a_cut_link_is_noticed_and_leaves_nothing(g):
    with Cable() as cable, gateway.Gateway(["--sshd-listen", "0.0.0.0"]) as own:
        silent = subprocess.Popen(there(own, "echo up; cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        busy = subprocess.Popen(there(own, "echo up; while echo line; do sleep 0.1; done"), stdout=subprocess.PIPE)
        try:
            for p in (silent, busy):
                assert p.stdout.readline() == b"up\n"
            conns = own.children("codinglab-conn")
            assert len(conns) >= 2, conns
            cable.pull()
            lab.wait_until("both connections end", lambda: not own.children("codinglab-conn"), LOST_S + 10, 1)
            lab.wait_until("their programs end too", lambda: not own.children("codinglab"), 20)
            assert own.ssh("echo still here").stdout == b"still here\n"
            assert not any("signal" in n[4] for n in own.engine.notes if n[3] == "crash"), own.engine.notes
        finally:
            for p in (silent, busy):
                p.kill()
                p.wait()


if __name__ == "__main__":
    sys.exit(cases.main(globals(), None) != 0)
