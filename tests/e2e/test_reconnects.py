#!/usr/bin/python3
"""One person who comes and goes for ever, by the stock client on the real gateway, engine and session: whoever is left, cut or killed in the
middle of it leaves no process, no descriptor and no memory behind (CODINGLAB_RECONNECTS, 300 unless told; the whole promise is 10,000)."""
import concurrent.futures
import os
import pathlib
import random
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent / "lib"), str(pathlib.Path(__file__).resolve().parent.parent.parent / "bench")]
import cases
import soak
from lab import Lab, wait_until
from probe import Client

ROUNDS = int(os.environ.get("CODINGLAB_RECONNECTS", "300"))
LANES = 4
GROWTH = 3.0  # MB of a kind of process over the whole run: a buffer that found its size; 1 KB for each of 10,000 would be three times that


def come_and_go(person, n):
    c = Client(person.argv, rows=24 + n % 20, cols=80 + n % 50)
    if n % 4:
        c.need("\u2502", 60)  # a frame
    else:
        time.sleep(random.uniform(0, 0.15))  # cut anywhere between the first byte and the first frame
    if n % 2:
        os.kill(c.pid, 9)
    c.close()


def look(lab):
    """Counted when all that was cut is over: {(kind, what): number} of what must not grow."""
    wait_until("those who left are gone", lambda: len(soak.processes(lab).get("conn", [])) == 1, 60)
    time.sleep(1)
    return {k: v for k, v in soak.count(lab).items() if k[0] in ("processes", "fds", "memory", "files")}


def test_nothing_grows(lab):
    person = soak.Person(lab, 0)
    with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
        list(pool.map(lambda n: come_and_go(person, n), range(max(40, ROUNDS // 10))))
        before = look(lab)
        list(pool.map(lambda n: come_and_go(person, n), range(ROUNDS)))
    after = look(lab)
    for key in sorted({*before, *after}):
        print(f"{key[0]:10} {key[1]:10} {before.get(key, 0):8.1f} {after.get(key, 0):8.1f}")
    for kind, what in {*before, *after}:
        grown = after.get((kind, what), 0) - before.get((kind, what), 0)
        assert grown <= (GROWTH if kind == "memory" else 0), f"{kind} of {what}: {grown:+.1f} in {ROUNDS}"
    person.stay.close()


if __name__ == "__main__":
    os.environ["CODINGLAB_SSHD_EXEMPT"] = "127.0.0.0/8"
    random.seed(1)
    with Lab(backend="sim") as lab:
        failed = cases.main(globals(), lab)
    sys.exit(bool(failed))
