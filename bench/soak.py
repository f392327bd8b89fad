#!/usr/bin/python3
"""`lab soak [MINUTES]`: a mixed class on a lab of its own (backend sim), for any time, and what grew meanwhile.

Work comes in rounds of the same kind and size: people who stay and type, floods of keys, clients that come, are cut and come again,
verbs, chat, releases, projects made and removed.  After each round all of it rests for a moment and is counted: descriptors, memory,
processes, rows.  At the end each is a slope per hour; a leak is one that is clear (leaking()), and makes the exit status 1.

soak.py [MINUTES] [--people N] [--seed N]     figures also go to out/soak.json
soak.py --rows "L3 L6" [MINUTES] [--share F]  rows of the battery that are load instead (load_rows.py)
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import sqlite3
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/lib"), str(ROOT / "bench")]

from probe import Client, pss_kib  # noqa: E402

READY = r"key\s*for\s*the\s*IDE|F1\s*Help"
# What a working lab writes down: these rows are there to stay.
HISTORY = {"audit", "op", "op_log", "op_step", "event", "message", "release", "idem", "deploy", "env_log"}
# The least growth over the whole run that is worth a word: less is a cache or a buffer that found its size.
FLOOR = {"fds": 6, "processes": 3, "memory": 6.0, "rows": 20}


# ---- slopes ----

def slope(points):
    """Of (x, y) pairs by least squares: (slope, its standard error)."""
    n = len(points)
    if n < 3:
        return 0.0, float("inf")
    mx, my = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    sxx = sum((x - mx) ** 2 for x, _ in points)
    if sxx == 0:
        return 0.0, float("inf")
    b = sum((x - mx) * (y - my) for x, y in points) / sxx
    rest = sum((y - my - b * (x - mx)) ** 2 for x, y in points)
    return b, (rest / (n - 2) / sxx) ** 0.5


def leaking(points, floor):
    """Is it clear that it grows?  Of the second half, when caches are warm: five standard errors above nothing, more than the floor
    within that half, and still growing in its last third."""
    late = points[len(points) // 2:]
    if len(late) < 6:
        return False
    b, error = slope(late)
    grown = b * (late[-1][0] - late[0][0])
    last, _ = slope(late[-max(3, len(late) // 3):])
    return grown > floor and b > 5 * error and last > b / 3


# ---- counting ----

def processes(lab):
    out = {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            exe = os.readlink(f"/proc/{p}/exe").removesuffix(" (deleted)")
        except OSError:
            continue
        if exe.startswith(f"{lab.dir}/s/lib/bin/"):
            out.setdefault(os.path.basename(exe).removeprefix("codinglab-"), []).append(int(p))
    return out


def fds(pids):
    n = 0
    for p in pids:
        try:
            n += len(os.listdir(f"/proc/{p}/fd"))
        except OSError:
            pass
    return n


def rows(lab):
    with sqlite3.connect(f"file:{lab.dir}/s/engine/codinglab.db?mode=ro", uri=True, timeout=10) as db:
        names = [n for n, in db.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")]
        return {n: db.execute(f'select count(*) from "{n}"').fetchone()[0] for n in names}


def count(lab):
    """One look at everything: {(kind, what): number}."""
    out = {}
    for name, pids in processes(lab).items():
        out["processes", name] = len(pids)
        out["fds", name] = fds(pids)
        out["memory", name] = pss_kib(pids) / 1024
    for name, n in rows(lab).items():
        out["rows", name] = n
    out["files", "sessions"] = len(list((lab.dir / "s/run/sessions").iterdir()))
    return out


# ---- the class ----

class Person:
    """An account with a project and a screen that stays."""

    def __init__(self, lab, i):
        self.user = lab.user(f"soak{i}")
        self.user.ssh("project create work --stack python")
        work = pathlib.Path(self.user.json("project show", "work")["workspace"])  # this backend makes no folders
        work.mkdir(parents=True, exist_ok=True)
        os.chown(work, self.user.uid, -1)
        (work / "main.py").write_text("print('hello')\n" * 50)
        self.argv = self.user.argv("work", "-tt")
        self.stay = Client(self.argv)
        self.stay.need(READY, 60)
        self.stay.settle()

    def type(self):
        """A line in the palette, then away with it."""
        self.stay.send("\x1d\x10")
        for c in "notes and more ":
            self.stay.send(c)
            time.sleep(0.01)
        self.stay.send("\x1b")
        self.stay.settle(0.1)

    def flood(self):
        """Keys as fast as the line takes them: help and menus, up and down."""
        self.stay.send("\x1bOP" + "\x1b[B" * 300 + "\x1b[A" * 300 + "\x1b")
        self.stay.settle(0.2)

    def reconnect(self):
        """A second door that is cut, one that leaves, and one whose client dies in the key exchange."""
        for cut in (True, False):
            c = Client(self.argv, rows=30, cols=90)
            c.need("\u2502", 60)  # whatever is on the screen now: it has a frame
            if cut:
                os.kill(c.pid, 9)
            c.close()
        c = Client(self.argv)
        time.sleep(random.uniform(0, 0.1))
        os.kill(c.pid, 9)
        c.close()

    def verbs(self):
        for line in ("whoami", "project ls", "status -p work", "releases -p work", "nonsense that is no verb", "events -n 20 -p work"):
            self.user.ssh(line, check=False)

    def talk(self):
        self.user.ssh("chat say -p work hello to all of you")
        self.user.ssh("chat tail -p work -n 5")

    def release(self):
        self.user.ssh("ship -p work")
        self.user.ssh("scale was=3 -p work")
        self.user.ssh("scale was=1 -p work")

    def project(self):
        self.user.ssh("project create brief --stack python")
        self.user.ssh("project rm brief -y")

    WORK = ("type", "flood", "reconnect", "verbs", "talk", "release", "project")


def settled(lab, people):
    """Those who were cut are gone a moment later."""
    end = time.time() + 10
    while time.time() < end and len(processes(lab).get("conn", [])) > people:
        time.sleep(0.2)


def one(person, what):
    """(what, how it failed or None): work that fails is told, and the others go on."""
    try:
        getattr(person, what)()
    except (Exception, SystemExit) as e:
        return what, f"{type(e).__name__}: {str(e)[:200]}"
    return what, None


def soak(lab, minutes, people, tell):
    """[(seconds, counts)] after each round, and what failed."""
    lab.admin.ssh("image build", timeout=300)  # this backend only says so
    crowd = [Person(lab, i) for i in range(people)]
    began, looks, failures, rounds = time.time(), [], [], 0
    try:
        with concurrent.futures.ThreadPoolExecutor(people) as pool:
            while time.time() - began < minutes * 60 or len(looks) < 3:
                work = [(p, w) for p in crowd for w in Person.WORK]
                random.shuffle(work)
                # Each person does one thing at a time; different people side by side.
                lanes = [[w for q, w in work if q is p] for p in crowd]
                for results in pool.map(lambda k: [one(crowd[k], w) for w in lanes[k]], range(people)):
                    failures += [f"{w}: {why}" for w, why in results if why]
                rounds += 1
                time.sleep(1.0)
                settled(lab, people)
                looks.append((time.time() - began, count(lab)))
                tell(rounds, looks)
    finally:
        for p in crowd:
            p.stay.close()
    return looks, failures


def judge(looks):
    """[(kind, what, first, last, slope per hour, leaks)]"""
    out = []
    for key in sorted({k for _, c in looks for k in c}):
        points = [(t, c.get(key, 0)) for t, c in looks]
        b, _ = slope(points)
        kind, what = key
        watched = kind != "rows" or what not in HISTORY
        out.append((kind, what, points[0][1], points[-1][1], b * 3600, watched and leaking(points, FLOOR.get(kind, 3))))
    return out


def main():
    p = argparse.ArgumentParser(prog="lab soak", description="A mixed class for so many minutes; what grew, as slopes per hour.")
    p.add_argument("minutes", nargs="?", type=float)
    p.add_argument("--rows", default="", help="rows of the battery instead: G16 L6 L3 L1 L2, or some of them, each for its own time")
    p.add_argument("--share", type=float, default=1.0, help="this part of a row's load, to try it (1.0)")
    p.add_argument("--people", type=int, default=4, help="who work at once (4)")
    p.add_argument("--seed", type=int, default=None)
    o = p.parse_args()
    if (o.minutes is not None and not 0 < o.minutes <= 7 * 24 * 60) or not 1 <= o.people <= 50 or not 0 < o.share <= 1:
        p.error("MINUTES: up to a week; --people: 1 to 50; --share: up to 1")
    random.seed(o.seed)
    os.environ["CODINGLAB_SSHD_EXEMPT"] = "127.0.0.0/8"
    from lab import Lab
    if o.rows:
        import load_rows
        missed = load_rows.run(load_rows.known(o.rows), o.minutes, o.share, Lab)
        print("missed: " + " ".join(missed) if missed else "all bars are kept")
        sys.exit(bool(missed))
    o.minutes = o.minutes or 10
    with Lab(backend="sim") as lab:
        looks, failures = soak(lab, o.minutes, o.people, lambda n, ls: print(
            f"round {n}: {ls[-1][0]:.0f} s, {sum(v for k, v in ls[-1][1].items() if k[0] == 'processes')} processes, "
            f"{sum(v for k, v in ls[-1][1].items() if k[0] == 'memory'):.1f} MB", flush=True))
    table = judge(looks)
    print(f"\n{'what':32} {'first':>9} {'last':>9} {'per hour':>10}")
    for kind, what, first, last, per_hour, leaks in table:
        if kind != "rows" or first != last:
            print(f"{kind + ' ' + what:32} {first:9.1f} {last:9.1f} {per_hour:10.1f} {'  LEAK' if leaks else '  (history)' if kind == 'rows' and what in HISTORY else ''}")
    for f in failures[:20]:
        print(f"failed: {f}")
    leaks = [f"{kind} {what}" for kind, what, *_, leak in table if leak]
    print(f"{len(looks)} rounds in {looks[-1][0]:.0f} s, {len(failures)} pieces of work failed, " + (f"leaks: {', '.join(leaks)}" if leaks else "no leak"))
    (ROOT / "out").mkdir(exist_ok=True)
    (ROOT / "out/soak.json").write_text(json.dumps({"minutes": o.minutes, "rounds": len(looks), "failures": failures, "table": table}, indent=1))
    sys.exit(bool(leaks or failures))


if __name__ == "__main__":
    main()
