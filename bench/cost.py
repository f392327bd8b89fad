"""What a request costs: the processor time of each part of the way that it takes, while a load runs.

A ratio of requests/s alone says little where the load generator, the edge, the tiers and the database share the cores: what one of them takes the
application does not get.  This tells the parts apart: microseconds of processor, of all cores, for each answer.
"""
import os
import pathlib
import re
import resource

from probe import by_name, tree

TICK = os.sysconf("SC_CLK_TCK")
PARTS = ("load", "edge", "web", "was", "db")


def seconds(pids):
    """Processor time of these processes and of the children that they waited for, until now, in seconds."""
    total = 0
    for p in pids:
        try:
            total += sum(map(int, pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()[11:15]))
        except (OSError, ValueError):
            pass
    return total / TICK


def load_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def container_pids(lab, project, tier):
    """Everything that runs in the production instances of a tier."""
    shown = lab.podman("ps", "--filter", f"label=codinglab.instance={lab.instance()}", "--format", "{{.Names}} {{.Pid}}").split("\n")
    pids = [int(m.group(1)) for m in (re.search(rf"p{project}-prod-{tier}-\d+\S* (\d+)$", line.strip()) for line in shown) if m]
    return [q for p in pids for q in tree(p)]


def edge_pids(lab):
    """The edge of this lab: its command line names the lab's state."""
    def ours(pid):
        try:
            return lab.env["CODINGLAB_STATE"].encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
    return [p for p in by_name("haproxy") if ours(p)]


class Meter:
    """Processor time of each part between two moments, for each answer, in microseconds."""

    def __init__(self, lab, project):
        self.pids = {tier: container_pids(lab, project, tier) for tier in ("web", "was", "db")}
        self.pids["edge"] = edge_pids(lab)

    def look(self):
        return {"load": load_seconds(), **{part: seconds(pids) for part, pids in self.pids.items()}}

    def of(self, measure):
        """measure() returns answers a second and how many; this returns the first and {part: microseconds an answer}."""
        before = self.look()
        rate, answers = measure()
        after = self.look()
        return rate, {p: (after[p] - before[p]) / answers * 1e6 if answers else 0.0 for p in PARTS}


def mean_of(costs):
    return {p: sum(c[p] for c in costs) / len(costs) for p in PARTS}
