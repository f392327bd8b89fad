#!/usr/bin/python3
"""The database damaged on disk (G12): the engine refuses or recovers, and never serves other data without a word."""
import random
import shutil
import sqlite3
import subprocess
import sys

from engine import BIN, Engine
import cases

engine = Engine()
NAMES = [f"user-{i}" for i in range(60)]


def fill():
    for n in NAMES:
        engine.user(n)
    engine.kill()  # the log is not merged: all three files are there
    keep = engine.state / "kept"
    keep.mkdir()
    for f in (engine.state / "engine").glob("codinglab.db*"):
        shutil.copy(f, keep / f.name)
    assert (keep / "codinglab.db-wal").stat().st_size > 0


def put_back():
    for f in (engine.state / "engine").glob("codinglab.db*"):
        f.unlink()
    for f in (engine.state / "kept").iterdir():
        to = engine.state / "engine" / f.name
        shutil.copy(f, to)
        shutil.chown(to, (engine.state / "engine").stat().st_uid, (engine.state / "engine").stat().st_gid)


def outcome():
    """"refused", or the set of users that it serves."""
    try:
        engine.start()
    except RuntimeError as e:
        assert "AddressSanitizer" not in str(e) and "runtime error" not in str(e), e
        return "refused"
    r = engine.get("/v1/users")
    if r.status != 200:
        engine.kill()
        return "refused"
    names = [u["name"] for u in r.json["users"]]
    engine.healthy()
    engine.kill()
    return names


def judge(got, what):
    """Nothing, or all that was written: never a beginning of it, which SQLite takes a cut log for."""
    if got == "refused":
        return "refused"
    users = [n for n in got if n.startswith("user-")]
    assert sorted(users, key=lambda n: int(n[5:])) == NAMES, (what, users)
    return "whole"


def test_flipped_bytes():
    fill()
    rng = random.Random(12)
    told = {}
    for name in ("codinglab.db", "codinglab.db-wal", "codinglab.db-shm"):
        for n in range(12):
            put_back()
            path = engine.state / "engine" / name
            data = bytearray(path.read_bytes())
            for _ in range(1 + n % 4 * 8):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            path.write_bytes(bytes(data))
            kind = judge(outcome(), (name, n))
            told.setdefault(name, []).append(kind)
    assert set(told["codinglab.db-shm"]) == {"whole"}, told  # made anew from the log
    print({k: {w: v.count(w) for w in sorted(set(v))} for k, v in told.items()})


def test_a_header_that_is_none_is_refused_and_left_alone():
    put_back()
    path = engine.state / "engine/codinglab.db"
    bad = b"\0" * 100 + path.read_bytes()[100:]
    path.write_bytes(bad)
    (engine.state / "engine/codinglab.db-wal").unlink()
    assert outcome() == "refused"
    assert path.read_bytes()[:100] == bad[:100]


def test_without_log_or_index():
    put_back()
    (engine.state / "engine/codinglab.db-shm").unlink()
    assert judge(outcome(), "no shm") == "whole"
    put_back()
    (engine.state / "engine/codinglab.db-wal").unlink()
    assert judge(outcome(), "no wal") == "refused"


def test_a_cut_log_is_refused_with_the_way_out():
    size = (engine.state / "kept/codinglab.db-wal").stat().st_size
    for part in (0.1, 0.5, 0.9, 0.999):
        put_back()
        with open(engine.state / "engine/codinglab.db-wal", "r+b") as f:
            f.truncate(int(size * part))
        assert judge(outcome(), part) == "refused"
    try:
        engine.start()
        raise AssertionError("it serves")
    except RuntimeError as e:
        assert "changes are not in the database" in str(e) and "codinglab.mark" in str(e), e
    mark = engine.state / "engine/codinglab.mark"
    kept = mark.read_bytes()
    mark.unlink()  # the way out: go on with what is there
    users = [n for n in outcome() if n.startswith("user-")]
    assert sorted(users, key=lambda n: int(n[5:])) == NAMES[:len(users)], users
    mark.write_bytes(kept)
    shutil.chown(mark, (engine.state / "engine").stat().st_uid, (engine.state / "engine").stat().st_gid)


def test_a_mark_that_is_none_is_no_judge():
    put_back()
    mark = engine.state / "engine/codinglab.mark"
    kept = mark.read_bytes()
    assert kept.strip().isdigit() and int(kept) >= len(NAMES), kept
    for text in (b"", b"x" * 20, b"9" * 30, b"-0000000000000000001\n"):
        mark.write_bytes(text)
        put_back()
        assert judge(outcome(), text) == "whole"
    mark.write_bytes(kept)


def test_the_restore_drill_of_the_database():
    put_back()
    engine.start()
    assert engine.call("POST", "/v1/backup").status in (200, 501), "the sim backend has no files"
    copy = engine.state / "engine/backup.db"
    db = sqlite3.connect(copy)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    there = {r[0] for r in db.execute("SELECT name FROM user")}
    db.close()
    assert there >= set(NAMES)
    engine.kill()
    for f in (engine.state / "engine").glob("codinglab.db*"):
        f.unlink()
    (engine.state / "engine/codinglab.mark").unlink()  # no part of a backup
    copy.rename(engine.state / "engine/codinglab.db")
    assert judge(outcome(), "restored") == "whole"


def test_checking_says_which_database_is_newer():
    put_back()
    path = engine.state / "engine/codinglab.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 9999")
    db.close()
    p = subprocess.run([BIN / "codinglab-engine", "--check-store"], env={"CODINGLAB_STATE": str(engine.state), "CODINGLAB_CONF": "/dev/null"},
                       capture_output=True, text=True)
    assert p.returncode == 3 and "newer" in p.stderr, p


sys.exit(cases.main(globals()))
