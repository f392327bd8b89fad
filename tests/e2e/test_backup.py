#!/usr/bin/python3
"""The restore drill: a lab backed up while it serves comes back on another machine; what is damaged or hostile does not."""
import io
import json
import os
import subprocess
import sys
import tarfile

import cases
from lab import RELEASE, ROOT, Lab, User, wait_until


class State:
    """The backup that the first test makes."""
    data = b""
    rows = {}


def lab_cmd(lab, *args, **kw):
    return subprocess.run([ROOT / "lab", *args], env=lab.env, capture_output=True, text=True, timeout=300, **kw)


def restore(lab, path, *args):
    return lab_cmd(lab, "restore", "--bin", str(RELEASE), *args, str(path))


def unpacked(data):
    return subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=True).stdout


def packed(tar):
    return subprocess.run(["zstd", "-qc"], input=tar, capture_output=True, check=True).stdout


def rebuilt(data, change):
    """The same archive, each (TarInfo, bytes) given to change, which returns a list of them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(unpacked(data))) as old, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as new:
        for m in old:
            for info, body in change(m, old.extractfile(m).read() if m.isfile() else b""):
                info.size = len(body) if info.isfile() else 0
                new.addfile(info, io.BytesIO(body) if info.isfile() else None)
    return packed(out.getvalue())


SQL = {"shop": ["psql", "-qtAX", "-c"], "bazaar": ["mariadb", "-N", "-B", "-e"]}


def sql(lab, me, project, text):
    """In production's database, by the client that its image has."""
    number = me.json(f"project show {project}")["id"]
    box = next(n for n in lab.podman("ps", "--filter", f"label=codinglab.instance={lab.instance()}", "--format", "{{.Names}}").split()
               if f"-p{number}-prod-db-" in n)
    return lab.podman("exec", box, *SQL[project], text).strip()


def test_backup_is_for_admins_and_audited(lab, alice):
    p = alice.ssh("backup -", check=False)
    assert p.returncode == 5 and p.raw == b"", p
    alice.ssh("project create shop --stack python")
    alice.ssh("sh -c 'echo \"# mine\" >> main.py; ln -s /etc/shadow link; chmod 700 main.py'", "shop", timeout=200)
    alice.ssh("save kept -m before", "shop")
    alice.ssh("sh -c 'echo later > later'", "shop")
    alice.ssh("chat say hello", "shop")
    url = alice.ssh("ship", "shop", timeout=300).stdout.strip().split("\n")[-1]
    assert lab.get(url)[0] == 200
    alice.ssh("project create bazaar --stack python --db mariadb")
    alice.ssh("ship", "bazaar", timeout=300)
    for name in SQL:
        sql(lab, alice, name, "CREATE TABLE kept (n int primary key, word text); INSERT INTO kept VALUES (1, 'it''s \\\\ 재고'), (2, NULL)")
    p = lab.admin.ssh("backup -", timeout=300)
    assert "database of" not in p.stderr, p.stderr
    State.data = p.raw
    State.rows = {name: sql(lab, alice, name, "SELECT n, word FROM kept ORDER BY n") for name in SQL}
    assert "재고" in State.rows["shop"] and "재고" in State.rows["bazaar"], State.rows
    assert not list((lab.dir / "s/dumps").iterdir()), "no copy of the databases stays behind"
    assert len(State.data) > 10000
    rows = lab.admin.json("audit --verb backup")["audit"]
    assert {(r["user"], r["result"]) for r in rows} == {("admin", "ok"), ("alice", "forbidden")}, rows
    assert not (lab.dir / "s/engine/backup.db").exists(), "no copy of the database stays behind"
    p = lab.admin.ssh("restore x", check=False)
    assert p.returncode == 3 and "./lab restore" in p.stderr


def test_what_is_in_it(lab, alice):
    names = set()
    with tarfile.open(fileobj=io.BytesIO(unpacked(State.data))) as t:
        for m in t:
            names.add(m.name)
            assert m.isfile() or m.isdir() or m.issym(), m.name
    assert {"codinglab-backup", "codinglab.db", "ssh/host_ed25519", "projects/1/work/app.py", "codinglab-end"} <= names, sorted(names)[:40]
    # the save and the release were made a moment before: the backup waited for them to be in the repository
    for what in ("app/p1", "save/p1"):
        assert any(n.startswith("registry/storage/") and f"/{what}/_manifests/tags/" in n for n in names), what
    assert not [n for n in names if n.split("/")[0] in ("containers", "run", "log", "lib")]


def test_it_comes_back_on_another_machine(lab, alice):
    path = lab.dir / "lab.backup"
    path.write_bytes(State.data)
    with Other(lab) as other:
        p = restore(other, path)
        assert p.returncode == 0, p.stdout + p.stderr
        assert "already" in restore(other, path).stderr, "not over a lab that is there"
        other.up()
        key = (lab.dir / "s/ssh/host_ed25519.pub").read_text()
        assert (other.dir / "s/ssh/host_ed25519.pub").read_text() == key, "the same host to its users"
        me = User(other, "alice", alice.key)
        assert me.json("whoami")["name"] == "alice"
        assert "hello" in me.ssh("chat tail", "shop").stdout
        assert me.ssh("sh -c 'cat later; tail -n 1 main.py; readlink link; stat -c %a main.py'", "shop", timeout=300).stdout == \
            "later\n# mine\n/etc/shadow\n700\n"
        assert [s["name"] for s in me.json("saves", "shop")["saves"]] == ["kept"]
        me.ssh("load kept -y", "shop", timeout=300)
        assert "later" not in me.ssh("ls", "shop").stdout.split()
        wait_until("a database of the new machine", lambda: [t for t in me.json("status", "shop")["tiers"] if t["tier"] == "db" and t["ready"]], 120)
        wait_until("the other database", lambda: [t for t in me.json("status", "bazaar")["tiers"] if t["tier"] == "db" and t["ready"]], 120)
        for name in SQL:
            assert sql(other, me, name, "SELECT n, word FROM kept ORDER BY n") == State.rows[name], name
            sql(other, me, name, "INSERT INTO kept VALUES (3, 'new')")
        url = me.ssh("ship", "shop", timeout=300).stdout.strip().split("\n")[-1]
        assert other.get(url)[0] == 200
        # a database that is there is never filled again
        box = next(n for n in other.podman("ps", "--filter", f"label=codinglab.instance={other.instance()}", "--format", "{{.Names}}").split() if "-prod-db-" in n)
        other.podman("rm", "-f", "-t", "5", box)
        wait_until("the databases again", lambda: all(t["ready"] for p in SQL for t in me.json("status", p)["tiers"] if t["tier"] == "db"), 120)
        for name in SQL:
            assert "new" in sql(other, me, name, "SELECT word FROM kept WHERE n = 3"), name


class Other(Lab):
    """Another machine: other folders, other containers; the same images of stacks, to save time."""

    def __init__(self, first):
        super().__init__(up_args=("--no-images",))
        self.first = first

    def __enter__(self):
        import pathlib
        import tempfile
        from lab import free_port
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="codinglab-test-", dir="/var/tmp"))
        self.dir.chmod(0o755)
        self.port, self.edge_port = free_port(), free_port()
        self.env = {**os.environ, "CODINGLAB_STATE": str(self.dir / "s"), "CODINGLAB_ADMIN": "admin"}
        self.admin = User(self, "admin", self.first.admin.key)
        return self


def refused(lab, data, *words):
    with Other(lab) as other:
        path = other.dir / "bad.backup"
        path.write_bytes(data)
        p = restore(other, path)
        assert p.returncode != 0, p.stdout
        assert not words or any(w in p.stderr for w in words), p.stderr
        left = [n for n in os.listdir(other.dir / "s") if n not in ("log",)] if (other.dir / "s").exists() else []
        assert not left, left
        return p.stderr


def test_damaged_ones_are_refused(lab, alice):
    for at in (0.001, 0.1, 0.5, 0.9, 0.999):
        data = bytearray(State.data)
        data[int(len(data) * at)] ^= 0x10
        refused(lab, bytes(data))
    for part in (0, 10, len(State.data) // 2, len(State.data) - 10):
        refused(lab, State.data[:part])
    refused(lab, b"PK\x03\x04 not a backup at all", "restore", "archive")
    tar = unpacked(State.data)
    at = tar.index(b"# mine")
    refused(lab, packed(tar[:at] + b"# evil" + tar[at + 6:]), "checksum")


def test_hostile_ones_are_refused(lab, alice):
    def with_entry(make):
        done = []

        def change(m, body):
            if m.name == "codinglab-end" and not done:
                done.append(1)
                return [make(), (m, body)]
            return [(m, body)]
        return rebuilt(State.data, change)

    def info(name, kind=tarfile.REGTYPE, link="", mode=0o644):
        t = tarfile.TarInfo(name)
        t.type, t.linkname, t.mode = kind, link, mode
        return t
    outside = lab.dir / "outside"
    for make in (lambda: (info("../../outside"), b"x"), lambda: (info(str(outside)), b"x"), lambda: (info("a/../../outside"), b"x"),
                 lambda: (info("dev", tarfile.CHRTYPE), b""), lambda: (info("hard", tarfile.LNKTYPE, "codinglab.db"), b""),
                 lambda: (info("projects/1/work/link/x"), b"x"), lambda: (info("fifo", tarfile.FIFOTYPE), b"")):
        refused(lab, with_entry(make))
    assert not outside.exists()


def test_a_newer_schema_is_refused(lab, alice):
    def change(m, body):
        if m.name != "codinglab.db":
            return [(m, body)]
        path = lab.dir / "newer.db"
        path.write_bytes(body)
        subprocess.run(["sqlite3", path, "PRAGMA user_version = 9999"], check=True)
        return [(m, path.read_bytes())]
    import hashlib

    def head(m, size, extra=b""):
        kind = "d" if m.isdir() else "l" if m.issym() else "f"
        name = m.name.rstrip("/").encode()
        return (f"{kind} {m.mode & (0o2777 if kind != 'f' else 0o777):o} {m.uid} {m.gid} {size}".encode() + b"\0" + name + b"\0" +
                (m.linkname.encode() + b"\0" if kind == "l" else b""))
    h, n, out = hashlib.sha256(), 0, io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(unpacked(State.data))) as old, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as new:
        for m in old:
            body = old.extractfile(m).read() if m.isfile() else b""
            (m, body), = change(m, body)
            m.size = len(body)
            if m.name == "codinglab-end":
                body = json.dumps({"entries": n, "sha256": h.hexdigest()}).encode()
                m.size = len(body)
            else:
                h.update(head(m, m.size) + body)
                n += 1
            new.addfile(m, io.BytesIO(body) if m.isfile() else None)
    assert "newer CodingLab" in refused(lab, packed(out.getvalue()), "newer CodingLab")


def test_force_replaces_and_keeps_what_was_there(lab, alice):
    path = lab.dir / "lab.backup"
    assert "runs" in restore(lab, path, "--force").stderr
    lab.admin.ssh("user add carol")
    assert lab_cmd(lab, "down").returncode == 0
    p = restore(lab, path, "--force")
    assert p.returncode == 0, p.stdout + p.stderr
    lab.up()
    assert "carol" not in lab.admin.ssh("user ls").stdout
    aside = [n for n in os.listdir(lab.dir / "s") if n.startswith("before-restore-")]
    assert len(aside) == 1 and (lab.dir / "s" / aside[0] / "engine/codinglab.db").exists()
    wait_until("the app", lambda: lab.get(alice.ssh("url", "shop").stdout.strip())[0] == 200, 60)


def main():
    with Lab(up_args=("--no-images",)) as lab:
        lab.admin.ssh("image build python", timeout=900)
        lab.admin.ssh("image build web postgresql mariadb", timeout=900)
        return cases.main(globals(), lab, lab.user("alice"))


sys.exit(main())
