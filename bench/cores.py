"""Which cores the parts of an application run on, while it is measured.

On a small machine the load generator, the edge, nginx, the application and its database share the cores, so that a ratio of requests/s is the ratio of
what all of them cost.  With the application and its database on cores of their own, as on a host of their own, it is the ratio of what the way carries.
"""
import os

from probe import tree


def halves():
    """(the application's, everything else's): half of the cores each; None with one core."""
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    return (set(cores[:half]), set(cores[half:])) if half else None


def threads(pids):
    for p in pids:
        try:
            yield from map(int, os.listdir(f"/proc/{p}/task"))
        except OSError:  # it ended
            pass


def put(pids, cores):
    for t in threads(pids):
        try:
            os.sched_setaffinity(t, cores)
        except OSError:
            pass


class Apart:
    """`with Apart(pids by part):` was and db on one half of the cores, edge, web and this process with its children on the other."""

    def __init__(self, pids):
        self.application = [q for part in ("was", "db") for q in pids[part]]
        way = [q for part in ("edge", "web") for q in pids[part]] + tree(os.getpid())
        self.way = [p for p in way if p not in self.application]
        self.all = os.sched_getaffinity(0)

    def __enter__(self):
        one, other = halves()
        put(self.application, one)
        put(self.way, other)
        return self

    def __exit__(self, *exc):
        put(self.application + self.way, self.all)
