"""Rows of the security battery that are load (docs/SECURITY.md: L1, L2, L3, L6, G16): `lab soak --rows "L3 L6" [MINUTES]`.

G16 and L6 need no containers (backend sim); the others share one dev container.  Each says what it reached beside its bar, and the run fails where a bar was missed.  The bars are for two quiet cores; --share F asks for
that part of the load only (people, requests), to try that a row works.
"""
import concurrent.futures
import json
import os
import random
import socket
import sqlite3
import subprocess
import threading
import time

import crowd
from lab import wait_until
from probe import Client, percentile, pss_kib

READERS, WRITERS = 200, 50
RATE = 1000            # requests a second
OUTPUT = 40 * 1024     # bytes a second of each session
READ = ("/v1/info", "/v1/whoami", "/v1/projects", "/v1/stacks", "/v1/ops?limit=20", "/v1/images", "/v1/sessions")
# Says how much it wrote, once a second; paced by the clock, so that what waits is made up for.
TALKER = ("python3 -uc 'import sys,time\nt,n=time.time(),0\nline=b\"x\"*1023+b\"\\n\"\n"
          "while time.time()-t<%d:\n while n<(time.time()-t)*%d: sys.stdout.buffer.write(line*4); n+=4096\n"
          " sys.stdout.buffer.flush(); time.sleep(.1)\nsys.stdout.buffer.write(b\"end %%d\\n\"%%n)'")


def judge(name, figures):
    """[(what, reached, bar, "<=" or ">=")] as text; True if all bars are kept."""
    good = True
    for what, got, bar, side in figures:
        kept = got <= bar if side == "<=" else got >= bar
        good = good and kept
        print(f"{name:4} {what:52} {got:10.1f} {side} {bar:8.1f} {'' if kept else '  MISSED'}", flush=True)
    return good


# ---- requests ----

class Rest:
    """The engine's socket as root; one request for each connection."""

    def __init__(self, lab):
        self.path = str(lab.dir / "s/run/engine.sock")
        self.lock, self.times, self.codes, self.busy = threading.Lock(), [], {}, 0

    def ask(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        began, answer = time.perf_counter(), b""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(30)
                s.connect(self.path)
                s.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
                while part := s.recv(65536):
                    answer += part
        except OSError as e:
            answer = f"HTTP/1.1 599 {e}".encode()
        took, code = (time.perf_counter() - began) * 1000, int(answer[9:12] or 599)
        with self.lock:
            self.times.append(took)
            self.codes[code] = self.codes.get(code, 0) + 1
            self.busy += b"SQLITE" in answer or b"database is locked" in answer
        return code

    def failed(self):
        return sum(n for code, n in self.codes.items() if code >= 500)


def projects(lab, n):
    """So many projects of one account, and their ids."""
    user = lab.user("rows")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: user.ssh(f"project create r{i} --stack python"), range(n)))
    return [p["id"] for p in json.loads(user.ssh("project ls --json").stdout)["projects"]]


def forever(end, work):
    while time.time() < end:
        work()


def row_g16(lab, o):
    """50 writers and 200 readers side by side: nobody sees a busy database."""
    ids, rest = projects(lab, max(2, int(WRITERS * o.share))), Rest(lab)
    writes = Rest(lab)
    end = time.time() + o.minutes * 60

    def write(i):
        n = 0
        while time.time() < end:
            n += 1
            writes.ask("PUT", f"/v1/projects/{i}/config", {"env": "dev", "set": {f"K{n % 20}": str(n)}})
            time.sleep(random.uniform(0.2, 0.6))

    def read(_):
        forever(end, lambda: (rest.ask("GET", random.choice((*READ, f"/v1/projects/{random.choice(ids)}/status?env=dev"))), time.sleep(random.uniform(0.5, 1.5))))

    readers = max(4, int(READERS * o.share))
    with concurrent.futures.ThreadPoolExecutor(len(ids) + readers) as pool:
        jobs = [pool.submit(write, i) for i in ids] + [pool.submit(read, i) for i in range(readers)]
        for j in jobs:
            j.result()
    good = sum(n for c, n in writes.codes.items() if c < 300)
    print(f"G16  {len(ids)} writers, {readers} readers: {writes.codes} and {rest.codes}")
    with sqlite3.connect(f"file:{lab.dir}/s/engine/codinglab.db?mode=ro", uri=True, timeout=10) as db:
        whole = db.execute("pragma quick_check").fetchone()[0] == "ok"
    return judge("G16", [("answers that say that the database is busy", rest.busy + writes.busy, 0, "<="), ("answers of 500 and more", rest.failed() + writes.failed(), 0, "<="),
                         ("writes that were taken, %", 100 * good / max(1, len(writes.times)), 100, ">="), ("p99 of reads, ms", percentile(rest.times, 0.99), 200, "<="),
                         ("p99 of writes, ms", percentile(writes.times, 0.99), 200, "<="), ("the database is whole", whole, 1, ">=")])


def row_l6(lab, o):
    """So many requests a second, whatever the answers take; one in ten writes."""
    ids, rest, rate = projects(lab, 10), Rest(lab), RATE * o.share
    began = time.perf_counter()
    count, late = int(rate * o.minutes * 60), []

    def one(n):
        wait = began + n / rate - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        elif wait < -1:
            late.append(n)
        if n % 10 == 0:
            rest.ask("PUT", f"/v1/projects/{random.choice(ids)}/config", {"env": "dev", "set": {f"K{n % 20}": str(n)}})
        else:
            rest.ask("GET", random.choice(READ))

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        list(pool.map(one, range(count), chunksize=1))
    took = time.perf_counter() - began
    print(f"L6   {count} requests in {took:.0f} s: {rest.codes}")
    return judge("L6", [("requests a second, % of those wanted", 100 * count / took / rate, 95, ">="), ("begun a second late or more, %", 100 * len(late) / max(1, count), 5, "<="),
                        ("answers of 500 and more", rest.failed(), 0, "<="), ("p99, ms", percentile(rest.times, 0.99), 100, "<=")])


# ---- people ----

def row_l3(lab, o):
    """Class start: 200 logins within 10 s, each to its first full screen."""
    n = max(4, int(200 * o.share))
    ours = crowd.Ours(lab, n)
    times, failed, clients = [], [], []
    began = time.perf_counter()

    def come(i):
        time.sleep(max(0, began + 10 * i / n - time.perf_counter()))
        t0 = time.perf_counter()
        c = Client(ours.home(i))
        clients.append(c)
        t = c.wait(crowd.READY, 60)
        (times if t else failed).append((t or t0) - t0)

    try:
        with concurrent.futures.ThreadPoolExecutor(n) as pool:
            list(pool.map(come, range(n)))
        whole = time.perf_counter() - began
    finally:
        crowd.close_all(clients)
    refused = sum(line.count("refused") for line in (lab.dir / "s/log/sshd.log").read_text(errors="replace").split("\n")) if (lab.dir / "s/log/sshd.log").exists() else 0
    return judge("L3", [("people without a screen", len(failed), 0, "<="), ("refused by the gateway's limits", refused, 0, "<="), (f"all {n} are in after, s", whole, 30, "<="),
                        ("p95 of the first screen, ms", 1000 * percentile(times or [99], 0.95), 30000, "<=")])


def row_l1(lab, o):
    """100 sessions with two terminals each, all typing."""
    n = max(2, int(100 * o.share))
    ours, clients = crowd.Ours(lab, n), []
    try:
        clients = crowd.open_many(ours.terminal, range(n))
        for c in clients:
            c.send(crowd.OUT + "c")  # and a second one
            c.settle(0.2)
            c.send("PS1='ready''> '\r")
            c.settle(0.2)
        times, lost = crowd.type_all(clients, int(5 * n * o.minutes * 60), "\x15", o.minutes * 60)
        memory = pss_kib(ours.pids()) / 1024 / n
    finally:
        crowd.close_all(clients)
        ours.end()
    return judge("L1", [("keys that were never shown", lost, 0, "<="), ("echo p50, ms", percentile(times, 0.5), 15, "<="), ("echo p99, ms", percentile(times, 0.99), 50, "<="),
                        ("memory of a session, MB", memory, 12, "<=")])


def row_l2(lab, o):
    """300 connections whose programs write 40 KB/s each, and somebody who types."""
    n, seconds = max(3, int(300 * o.share)), int(o.minutes * 60)
    accounts = n // 6 + 2  # the first types
    ours, people, got, ends = crowd.Ours(lab, accounts), [], [0] * n, [0] * n

    def listen(i):
        argv = [a for a in ours.argv(1 + i % (accounts - 1)) if a != "-tt"]
        with subprocess.Popen([*argv, TALKER % (seconds, OUTPUT)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as p:
            last = b""
            while data := p.stdout.read1(1 << 16):
                got[i] += len(data)
                last = (last + data)[-64:]
            said = last.rsplit(b"end ", 1)
            ends[i] = int(said[1]) if len(said) == 2 else 0

    try:
        people = [ours.terminal(0)]
        with concurrent.futures.ThreadPoolExecutor(n) as pool:
            jobs = [pool.submit(listen, i) for i in range(n)]
            wait_until("they write", lambda: sum(1 for g in got if g) > n * 0.9 or all(j.done() for j in jobs), 120)
            times, lost = crowd.type_all(people, 20 * seconds, "\x15", max(5, seconds - 20))
            for j in jobs:
                j.result()
    finally:
        crowd.close_all(people)
        ours.end()
    dropped = sum(1 for g, e in zip(got, ends) if e == 0 or g < e)
    print(f"L2   {n} connections, {sum(got) / 1e6:.0f} MB in {seconds} s")
    return judge("L2", [("output that arrived, % of 40 KB/s each", 100 * sum(got) / (n * seconds * OUTPUT), 90, ">="), ("cut or incomplete, %", 100 * dropped / n, 1, "<="),
                        ("keys that were never shown", lost, 0, "<="), ("echo p99 of who types, ms", percentile(times, 0.99), 150, "<=")])


# row: (function, backend, the row's own minutes)
ROWS = {"G16": (row_g16, "sim", 10), "L6": (row_l6, "sim", 5), "L3": (row_l3, "local", 1), "L1": (row_l1, "local", 1), "L2": (row_l2, "local", 30)}


class Options:
    def __init__(self, minutes, share):
        self.minutes, self.share = minutes, share


def run(names, minutes, share, make_lab):
    """Each on a lab of its own; the names of those that missed a bar."""
    missed = []
    for name in names:
        fn, backend, own = ROWS[name]
        with make_lab(backend=backend, images="python") as lab:
            if backend == "sim":
                lab.admin.ssh("image build", timeout=300)
            if not fn(lab, Options(minutes or own, share)):
                missed.append(name)
    return missed


def known(text):
    names = text.upper().split()
    for n in names:
        if n not in ROWS:
            raise SystemExit(f"soak: there is no row {n}; there are {' '.join(ROWS)}")
    return names


os.environ.setdefault("CODINGLAB_SSHD_EXEMPT", "127.0.0.0/8")
