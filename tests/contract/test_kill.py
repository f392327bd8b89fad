#!/usr/bin/python3
"""300 kill -9 of the engine while it writes (G10): what was acknowledged is there, the database is whole, the audit
trail has a row for each change."""
import hashlib
import os
import pathlib
import random
import signal
import socket
import sqlite3
import struct
import sys
import threading
import time

from engine import BIN, Engine
import cases

ROUNDS = int(os.environ.get("CODINGLAB_KILLS", "300"))
release = pathlib.Path(os.environ.get("CODINGLAB_TEST_RELEASE", "/nowhere")) / "codinglab-engine"
engine = Engine(binary=release if release.exists() else BIN / "codinglab-engine")
engine.user("ada", "admin")


def write_until_it_dies(done):
    while True:
        try:
            r = engine.call("POST", "/v1/invites", {})
        except OSError:
            return
        if r.status != 200 or not r.json:
            return
        done.append(r.json["code"])


def test_what_was_acknowledged_is_there():
    rng = random.Random(7)
    acknowledged = []
    for n in range(ROUNDS):
        threads = [threading.Thread(target=write_until_it_dies, args=(acknowledged,)) for _ in range(3)]
        for t in threads:
            t.start()
        time.sleep(rng.random() * 0.08)
        engine.kill()
        for t in threads:
            t.join()
        engine.start()
    assert len(acknowledged) > ROUNDS, len(acknowledged)
    engine.kill()
    db = sqlite3.connect(engine.state / "engine/codinglab.db")
    assert db.execute("PRAGMA quick_check").fetchall() == [("ok",)]
    there = {row[0] for row in db.execute("SELECT hash FROM invite")}
    lost = [c for c in acknowledged if hashlib.sha256(c.replace("-", "").encode()).digest() not in there]
    assert not lost, f"{len(lost)} of {len(acknowledged)} lost"
    rows = db.execute("SELECT count(*) FROM audit WHERE verb = 'invite' AND result = 'ok'").fetchone()[0]
    db.close()
    assert rows == len(there), (rows, len(there))  # change and audit row are one
    print(f"{ROUNDS} kills, {len(acknowledged)} acknowledged, {len(there)} there")


def test_a_second_engine_on_the_same_state_is_refused():
    import subprocess
    engine.start()
    p = subprocess.run([str(engine.binary), "--engine-backend", "sim", "--engine-user", "root", "--images-dir", "/nowhere"],
                       env={"CODINGLAB_STATE": str(engine.state), "CODINGLAB_CONF": "/dev/null", "PATH": "/usr/bin:/bin"},
                       capture_output=True, text=True, timeout=60)
    assert p.returncode == 7 and p.stderr.startswith("codinglab: "), (p.returncode, p.stderr)
    engine.healthy()


def test_interrupted_calls_change_nothing():
    """K9: stopped and woken all the time, clients that go away in the middle of an answer: every request is answered as ever."""
    before = engine.get("/v1/projects").json
    halt = threading.Event()

    def disturb():
        while not halt.is_set():
            os.kill(engine.pid, signal.SIGSTOP)
            os.kill(engine.pid, signal.SIGCONT)
            time.sleep(0.001)

    def leave():
        while not halt.is_set():
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(str(engine.socket))
                s.send(b"GET /v1/projects HTTP/1.1\r\nHost: x\r\n\r\n")
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            time.sleep(0.01)

    threads = [threading.Thread(target=f) for f in (disturb, leave)]
    for t in threads:
        t.start()
    try:
        for _ in range(150):
            r = engine.get("/v1/projects")
            assert (r.status, r.json) == (200, before), r
        os.kill(engine.pid, signal.SIGPIPE)
        assert engine.get("/v1/projects").json == before
    finally:
        halt.set()
        for t in threads:
            t.join()
        os.kill(engine.pid, signal.SIGCONT)
    engine.healthy()


def test_a_newer_database_is_left_alone():
    engine.stop()
    path = engine.state / "engine/codinglab.db"
    db = sqlite3.connect(path)
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute("PRAGMA user_version = 999")
    db.commit()
    db.close()
    before = path.read_bytes()
    try:
        engine.start()
        raise AssertionError("it started")
    except RuntimeError as e:
        assert "newer CodingLab" in str(e), e
    assert engine.process.returncode == 3
    after = path.read_bytes()
    assert after == before, [i for i in range(len(before)) if before[i:i + 1] != after[i:i + 1]][:20]
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {version}")
    db.commit()
    db.close()
    engine.start()
    engine.healthy()


sys.exit(cases.main(globals()))
