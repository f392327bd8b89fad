#!/usr/bin/python3
"""`lab soak`: the rule by which it calls something a leak, on made-up series; and a minute of it on a real lab."""
import json
import os
import random
import re
import subprocess
import sys

import cases
from lab import ROOT

sys.path.insert(0, str(ROOT / "bench"))
import soak  # noqa: E402


def series(f, n=30):
    random.seed(7)
    return [(60.0 * i, f(i)) for i in range(n)]


def test_a_slope_is_what_it_is(_):
    b, error = soak.slope([(x, 3 * x + 5) for x in range(10)])
    assert abs(b - 3) < 1e-9 and error < 1e-6
    assert soak.slope([(0, 1), (1, 2)])[1] == float("inf"), "two looks say nothing"
    assert soak.slope([(1, 1)] * 5) == (0.0, float("inf"))


def test_what_grows_clearly_is_a_leak(_):
    assert soak.leaking(series(lambda i: 100 + 2 * i), 6)
    assert soak.leaking(series(lambda i: 50 + i + random.uniform(-1, 1)), 6)
    assert soak.leaking(series(lambda i: 20 + i // 2), 3)


def test_what_does_not_is_none(_):
    assert not soak.leaking(series(lambda i: 100), 6)
    assert not soak.leaking(series(lambda i: 100 + random.uniform(-20, 20)), 6), "noise"
    assert not soak.leaking(series(lambda i: min(100 + 10 * i, 150)), 6), "a cache that filled up"
    assert not soak.leaking(series(lambda i: 100 + 0.1 * i), 6), "less than the floor"
    assert not soak.leaking(series(lambda i: 100 if i < 25 else 130), 6), "one step is no slope"
    assert not soak.leaking(series(lambda i: 200 - 3 * i), 6), "shrinking"
    assert not soak.leaking(series(lambda i: 100 + 9 * i, n=5), 6), "too few looks"


def test_history_may_grow(_):
    looks = [(60.0 * i, {("rows", "audit"): 10 * i, ("rows", "key"): 25 * i, ("fds", "engine"): 20}) for i in range(20)]
    leaks = {(kind, what): leak for kind, what, *_, leak in soak.judge(looks)}
    assert leaks == {("rows", "audit"): False, ("rows", "key"): True, ("fds", "engine"): False}, leaks


def test_a_minute(_):
    p = subprocess.run(["/usr/bin/python3", ROOT / "bench/soak.py", "1", "--people", "2", "--seed", "1"], capture_output=True, text=True, timeout=900,
                       cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "tests/lib")})
    assert p.returncode == 0, p.stdout[-4000:] + p.stderr[-3000:]
    result = json.loads((ROOT / "out/soak.json").read_text())
    assert result["rounds"] >= 3 and result["failures"] == []
    kinds = {(row[0], row[1]) for row in result["table"]}
    for what in (("fds", "engine"), ("memory", "tui"), ("processes", "conn"), ("processes", "pane"), ("rows", "release"), ("rows", "message")):
        assert what in kinds, kinds
    assert "per hour" in p.stdout and "no leak" in p.stdout.splitlines()[-1]


def test_rows_of_load(_):
    """G16 and L6 with a part of their load: they run, say their figures, and nobody is told of a busy database or gets an error."""
    p = subprocess.run(["/usr/bin/python3", ROOT / "bench/soak.py", "0.1", "--rows", "G16 L6", "--share", "0.04"], capture_output=True, text=True, timeout=900,
                       cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "tests/lib")})
    for bar in ("G16  answers that say that the database is busy", "G16  answers of 500 and more", "L6   answers of 500 and more"):
        assert re.search(re.escape(bar) + r" +0\.0 <= +0\.0 *$", p.stdout, re.M), p.stdout[-3000:] + p.stderr[-3000:]
    assert re.search(r"^G16  the database is whole +1\.0", p.stdout, re.M) and re.search(r"^G16  writes that were taken, % +100\.0", p.stdout, re.M), p.stdout
    r = subprocess.run(["/usr/bin/python3", ROOT / "bench/soak.py", "--rows", "G17"], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "tests/lib")})
    assert r.returncode and "no row G17" in r.stderr, r


sys.exit(cases.main(globals(), None))
