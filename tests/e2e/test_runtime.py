#!/usr/bin/python3
"""The runtime broker with a real podman: containers, executions, builds, images, files, who may ask."""
import hashlib
import os
import pathlib
import select
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import cases
from lab import wait_until
from runtime import *

USAGE, PRECONDITION, NOT_FOUND, FORBIDDEN, UNAVAILABLE = 2, 3, 4, 5, 11


def refused(fn, *args, **kw):
    try:
        fn(*args, **kw)
    except Refused as e:
        return e
    raise AssertionError("it was not refused")


def dev(r, name="p1-dev", project=1, **kw):
    """A dev container of the tools image, running."""
    r.image("tools")
    r.workspace(project)
    r.apply(r.spec(name, project=project, image="tools", argv=["codinglab-dev"], network=f"p{project}-ide", workdir="/workspace", user_name="alice",
                   hostname="shop", mounts=[(WORKSPACE, "", "/workspace", 0), (HOME, "", "/home/dev", 0)],
                   vars={"HOME": "/home/dev", "USER": "alice", "CODINGLAB_PROJECT": "shop"}, **kw))


# -- containers

def test_a_container_runs_as_asked_and_without_rights(r):
    dev(r)
    _, _, out, err = r.run_in("p1-dev", "sh", "-c", "id -un; id -u; id -g; pwd; hostname; cat /proc/self/status; tini --version", workdir="/workspace")
    rows = out.decode().split("\n")
    assert rows[:5] == ["alice", str(UID), str(GID), "/workspace", "shop"], (rows[:5], err)
    status = dict(l.split(":\t", 1) for l in rows if ":\t" in l)
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == int(status["CapPrm"], 16) == 0
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"


def test_asking_again_changes_nothing_and_labels_say_all(r):
    dev(r, generation=-7)
    before = r.observe(1)["p1-dev"]
    dev(r, generation=-7)
    assert r.observe()["p1-dev"]["started"] == before["started"]
    assert (before["project"], before["env"], before["tier"], before["n"], before["state"]) == (1, "ide", "dev", 1, 1)
    assert before["address"] and abs(before["started"] / 1000 - time.time()) < 300
    assert r.observe(2) == {}


def test_cpu_and_memory_are_seen(r):
    dev(r)
    a = r.observe(1, True)["p1-dev"]
    r.run_in("p1-dev", "sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")
    b = r.observe(1, True)["p1-dev"]
    assert b["cpu_ns"] > a["cpu_ns"] >= 0 and b["memory"] > 0


def test_an_exit_status_is_seen_and_apply_starts_again(r):
    spec = r.spec("p3-dev-was-1-r1", project=3, env="dev", tier="was", release=1, image="base", argv=["sh", "-c", "sleep 0.3; exit 7"])
    r.image("base")
    r.apply(spec)
    wait_until("exited", lambda: r.observe(3)["p3-dev-was-1-r1"]["state"] == 2)
    first = r.observe(3)["p3-dev-was-1-r1"]
    assert first["exit"] == 7 and first["address"] == ""
    r.apply(spec)
    wait_until("started again", lambda: r.observe(3)["p3-dev-was-1-r1"]["started"] > first["started"])
    r.remove("p3-dev-was-1-r1")
    r.remove("p3-dev-was-1-r1")
    assert r.observe(3) == {}


def test_limits_hold(r):
    r.image("base")
    r.apply(r.spec("p3-dev", project=3, image="base", argv=["sleep", "600"], memory=64 << 20, pids=20, read_only=True, mounts=[(TMP, "", "/tmp", 0)]))
    status, _, _, err = r.run_in("p3-dev", "sh", "-c", "echo x >/tmp/ok && echo x >/app/no")
    assert status != 0 and b"ead-only" in err, err
    status, _, _, _ = r.run_in("p3-dev", "sh", "-c", "perl -e '$x = q(a) x (200 << 20); print length $x'")
    assert status != 0, "it took more memory than it has"
    _, _, out, err = r.run_in("p3-dev", "sh", "-c", "for i in $(seq 50); do sleep 5 & done; echo done")
    assert b"fork" in err.lower() or b"resource" in err.lower(), (out, err)
    r.remove("p3-dev")


def test_projects_do_not_reach_each_other(r):
    dev(r)
    dev(r, "p2-dev", project=2)
    dev(r, "p3-dev", project=3)
    r.remove("p3-dev")  # a network that loses its last container does not open the others (netavark's rules do)
    seen = r.observe()
    listen = r.exec("p2-dev", ["sh", "-c", "echo up; exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/1' || true"])
    listen.finish()
    address = seen["p2-dev"]["address"]
    status, _, _, _ = r.run_in("p1-dev", "bash", "-c", f"ping -c1 -W1 {address} 2>/dev/null || timeout 2 bash -c '</dev/tcp/{address}/22'")
    assert status != 0
    # A closed port of a reachable neighbour refuses at once; an isolated one stays silent.
    _, _, _, err = r.run_in("p1-dev", "bash", "-c", f"timeout 2 bash -c '</dev/tcp/{address}/22'; echo $? >&2")
    assert b"refused" not in err, err
    assert (r.state / "projects/2/work").exists() and r.run_in("p1-dev", "ls", "/workspace/../..")[2].find(b"projects") < 0


def test_names_work_between_tiers_of_one_project(r):
    r.image("tools")
    for n, alias in ((1, "db"), (2, "was")):
        r.apply(r.spec(f"p4-dev-{alias}-1-r1", project=4, env="dev", tier=alias, image="tools", argv=["sleep", "600"], network="p4-dev", alias=alias))
    out = wait_until("db by name", lambda: r.run_in("p4-dev-was-1-r1", "getent", "hosts", "db")[2])
    assert r.observe(4)["p4-dev-db-1-r1"]["address"].encode() in out
    for alias in ("db", "was"):
        r.remove(f"p4-dev-{alias}-1-r1")
    r.ask("NETWORK_REMOVE", text("p4-dev"))
    r.ask("NETWORK_REMOVE", text("p4-dev"))


def test_the_database_keeps_its_address_and_needs_no_name_server(r):
    """The name server of podman's networks answers "unknown" for a moment whenever any container comes or goes."""
    r.image("tools")

    def start(tier, n=1, **more):
        name = f"p4-dev-{tier}-{n}-r1"
        r.apply(r.spec(name, project=4, env="dev", tier=tier, n=n, image="tools", argv=["sleep", "600"], network="p4-dev", alias=tier, **more))
        return r.observe(4)[name]["address"]
    start("web")
    address = start("db")
    start("was", vars={"DATABASE_URL": "postgresql://app@db:5432/app"})
    assert f"{address}\tdb" in r.run_in("p4-dev-was-1-r1", "cat", "/etc/hosts")[2].decode()
    assert f"{address}\tdb" not in r.run_in("p4-dev-web-1-r1", "cat", "/etc/hosts")[2].decode()
    r.remove("p4-dev-db-1-r1")
    others = [start("web", n) for n in (2, 3)]
    assert start("db") == address and address not in others, (address, others)
    for name in r.observe(4):
        r.remove(name)
    r.ask("NETWORK_REMOVE", text("p4-dev"))


def test_a_volume_outlives_its_container(r):
    r.image("base")
    for step in ("echo kept >/data/f; sleep 600", "sleep 600"):
        r.apply(r.spec("p5-dev-db-1-r0", project=5, env="dev", tier="db", image="base", argv=["sh", "-c", step], mounts=[(VOLUME, "p5-dev-db", "/app", 0)])
                if "kept" not in step else
                r.spec("p5-dev-db-1-r0", project=5, env="dev", tier="db", image="base", argv=["sh", "-c", step.replace("/data", "/app")],
                       mounts=[(VOLUME, "p5-dev-db", "/app", 0)]))
        wait_until("the file", lambda: r.run_in("p5-dev-db-1-r0", "cat", "/app/f")[2] == b"kept\n")
        r.remove("p5-dev-db-1-r0")
    r.ask("VOLUME_REMOVE", text("p5-dev-db"))
    assert "p5-dev-db" not in r.podman("volume", "ls", "-q")


def test_an_image_that_is_not_there_says_so(r):
    e = refused(r.apply, r.spec("p1-x", image="nosuch"))
    assert e.code == PRECONDITION and "not built" in e.message and e.hint
    e = refused(r.apply, r.spec("p1-x", image="sha256:" + "0" * 64))
    assert e.code == PRECONDITION
    assert "p1-x" not in r.observe()


def test_another_instances_containers_are_not_there(r):
    dev(r)
    with Runtime() as other:
        assert other.instance() != r.instance() and other.observe() == {}
        assert refused(other.run_in, "p1-dev", "true").code == NOT_FOUND
        other.remove("p1-dev")
    assert r.observe(1)["p1-dev"]["state"] == 1


def test_changes_are_told(r):
    r.image("base")
    link = r.link()
    link.send("WATCH")
    kind, f = link.receive()
    assert kind == CHANGE and (f.str(), f.str()) == ("", "resync")
    time.sleep(0.5)
    r.apply(r.spec("p6-dev-was-1-r1", project=6, env="dev", tier="was", image="base", argv=["sh", "-c", "sleep 0.5; exit 3"]))
    wait_until("its end", lambda: r.observe(6)["p6-dev-was-1-r1"]["state"] == 2)
    r.remove("p6-dev-was-1-r1")
    got = {}
    while "remove" not in got:
        kind, f = link.receive()
        assert kind == CHANGE
        name, what, code = f.str(), f.str(), f.i32()
        if name == "p6-dev-was-1-r1":
            got[what] = code
    assert list(got)[0] == "start" and got["die"] == 3, got
    link.send("CANCEL")
    kind, f = link.receive()
    assert kind == ERROR and "cancelled" in Refused(f).message
    assert link.ask("PING").str().startswith("Podman")


# -- executions

def test_exit_statuses_are_exact(r):
    dev(r)
    for n in [0, 1, 2, 3, 63, 126, 127, 128, 129, 130, 137, 143, 254, 255]:
        assert r.run_in("p1-dev", "sh", "-c", f"exit {n}")[:2] == (n, 0)
    assert r.run_in("p1-dev", "sh", "-c", "kill -TERM $$")[:2] == (143, 0)
    assert r.run_in("p1-dev", "sh", "-c", "kill -KILL $$")[:2] == (137, 0)


def test_an_unknown_program_fails_as_in_a_shell(r):
    dev(r)
    try:
        status = r.run_in("p1-dev", "/no/such/program")[0]
        assert status in (126, 127), status
    except Refused as e:
        assert "no such file" in e.message.lower(), e


def test_input_ends_and_streams_stay_apart(r):
    dev(r)
    assert r.run_in("p1-dev", "cat", input=b"hi\n") == (0, 0, b"hi\n", b"")
    assert r.run_in("p1-dev", "sh", "-c", "cat >&2; echo out", input=b"in") == (0, 0, b"out\n", b"in")
    assert r.run_in("p1-dev", "wc", "-c")[2] == b"0\n"
    assert r.run_in("p1-dev", "true", input=b"x" * 300000)[0] == 0


def test_environment_workdir_and_identity(r):
    dev(r)
    _, _, out, _ = r.run_in("p1-dev", "sh", "-c", "printf '%s\\n' \"$GREETING\"; pwd; id -u", vars={"GREETING": "a b\t'\"$x"}, workdir="/tmp", uid=UID + 1)
    assert out.decode().split("\n")[:3] == ["a b\t'\"$x", "/tmp", str(UID + 1)]


def test_a_hundred_megabytes_both_ways(r):
    dev(r)
    data = os.urandom(1 << 20) * 100
    x = r.exec("p1-dev", ["cat"])
    t = threading.Thread(target=lambda: (x.write(data), x.close_input()))
    t.start()
    out, err = x.drain()
    t.join()
    assert x.exited() == (0, 0) and err == b""
    x.close()
    assert len(out) == len(data) and hashlib.sha256(out).digest() == hashlib.sha256(data).digest()


def test_a_slow_reader_loses_nothing(r):
    dev(r)
    x = r.exec("p1-dev", ["sh", "-c", "head -c 8000000 /dev/zero; head -c 3000000 /dev/zero >&2"])
    time.sleep(1)
    out, err = x.drain()
    assert (len(out), len(err), x.exited()) == (8000000, 3000000, (0, 0))
    x.close()


def test_a_terminal(r):
    dev(r)
    x = r.exec("p1-dev", ["bash", "--norc"], tty=True, rows=33, cols=101, vars={"TERM": "xterm-256color", "PS1": "$ "})
    x.write(b"stty size; tty; echo mark-$((6*7))\r")
    got = x.until(b"mark-42")
    assert b"33 101" in got and b"/dev/pts/" in got, got
    x.resize(50, 160)
    time.sleep(0.3)
    x.write(b"stty size; echo mark-$((6*8))\r")
    assert b"50 160" in x.until(b"mark-48")
    x.write(b"exit 5\r")
    assert x.finish()[:2] == (5, 0)


def test_every_key_is_the_programs(r):
    """Docker's detach keys (Ctrl-P Ctrl-Q) mean nothing here."""
    dev(r)
    x = r.exec("p1-dev", ["sh", "-c", "stty raw -echo; echo ready; exec cat -v"], tty=True)
    x.until(b"ready")
    x.write(b"\x10\x11\x03\x1a.")
    x.until(b"^P^Q^C^Z.")
    x.close()
    assert r.run_in("p1-dev", "cat", input=b"\x10\x11" * 1000)[2] == b"\x10\x11" * 1000


def test_signals_reach_the_foreground_program(r):
    dev(r)
    x = r.exec("p1-dev", ["sh", "-c", "trap 'echo got-int; exit 9' INT; echo ready; while :; do sleep 0.1; done"])
    assert os.read(x.stdout, 100) == b"ready\n"
    x.signal("NOSUCH")
    x.signal("INT")
    status, sig, out, _ = x.finish()
    assert (status, out) == (9, b"got-int\n")
    x = r.exec("p1-dev", ["sh", "-c", "echo ready; sleep 60"])
    assert os.read(x.stdout, 100) == b"ready\n"
    x.signal("TERM")
    assert x.finish()[:2] == (143, 15)


def processes(r, mark):
    return r.run_in("p1-dev", "pgrep", "-f", mark)[2].split()


def test_hanging_up_ends_the_program(r):
    dev(r)
    x = r.exec("p1-dev", ["sleep", "98761"])
    wait_until("it runs", lambda: processes(r, "sleep 9876[1]"))
    x.close()
    wait_until("it is gone", lambda: not processes(r, "sleep 9876[1]"), 8)
    x = r.exec("p1-dev", ["bash", "-c", "trap '' HUP; sleep 98762 & sleep 98762"], tty=True)
    wait_until("it runs", lambda: processes(r, "sleep 9876[2]"))
    x.close()
    wait_until("what ignores it is killed", lambda: not processes(r, "sleep 9876[2]"), 12)


def test_a_ticket_is_for_one_peer_once(r):
    dev(r)
    path = r.run / "exec.sock"
    t = r.ticket("p1-dev", ["true"])
    assert len(t) == 64
    Exec(path, t).finish()
    assert refused(Exec, path, t).code == FORBIDDEN
    assert refused(Exec, path, r.ticket("p1-dev", ["true"], peer=UID)).code == FORBIDDEN
    for bad in ("", "0" * 64, "../" * 10, "0" * 63, "Z" * 64):
        assert refused(Exec, path, bad).code == FORBIDDEN
    assert not list((r.run / "broker/tickets").iterdir())


def test_exec_in_a_stopped_container_says_so(r):
    r.image("base")
    r.apply(r.spec("p3-dev", project=3, image="base", argv=["true"]))
    wait_until("its end", lambda: r.observe(3)["p3-dev"]["state"] == 2)
    e = refused(r.run_in, "p3-dev", "true")
    assert e.code == PRECONDITION and e.hint
    r.remove("p3-dev")
    assert refused(r.run_in, "p3-dev", "true").code == NOT_FOUND


# -- jobs, logs, probes

def test_a_job_tells_lines_and_status_and_leaves_nothing(r):
    r.image("base")
    f, lines = r.lines("RUN", r.spec("op9-migrate", env="job", tier="job", argv=["sh", "-c", "echo one; echo two >&2; printf three; exit 4"]) + u32(60))
    assert f.i32() == 4 and sorted(lines) == [b"one", b"three", b"two"]
    assert "op9-migrate" not in r.observe()
    e = refused(r.lines, "RUN", r.spec("op9-migrate", env="job", tier="job", argv=["sleep", "60"]) + u32(1))
    assert "timed out" in e.message and "op9-migrate" not in r.observe()


def test_a_job_is_cancelled(r):
    r.image("base")
    link = r.link()
    link.send("RUN", r.spec("op10-job", env="job", tier="job", argv=["sh", "-c", "echo go; sleep 60"]) + u32(100))
    assert link.receive()[1].bytes() == b"go"
    link.close()
    wait_until("it is removed", lambda: "op10-job" not in r.observe(), 15)


def test_logs_are_read_and_followed(r):
    r.image("base")
    r.apply(r.spec("p3-dev-was-1-r1", project=3, env="dev", tier="was", image="base",
                   argv=["sh", "-c", "for i in 1 2 3 4 5; do echo line $i; done; sleep 1; echo later >&2; sleep 600"]))
    wait_until("five lines", lambda: len(r.lines("LOGS", text("p3-dev-was-1-r1") + u32(-1) + u32(0))[1]) >= 5)
    assert r.lines("LOGS", text("p3-dev-was-1-r1") + u32(2) + u32(0))[1][0] in (b"line 4", b"line 5")
    link = r.link()
    link.send("LOGS", text("p3-dev-was-1-r1") + u32(-1) + u32(1))
    got = []
    while b"later" not in got:
        kind, f = link.receive()
        assert kind == LINE
        got.append(f.bytes())
    link.close()
    r.remove("p3-dev-was-1-r1")
    assert refused(r.lines, "LOGS", text("p3-dev-was-1-r1") + u32(-1) + u32(0)).code == NOT_FOUND


def test_postgresql_starts_is_ready_and_keeps_its_data(r):
    r.image("postgresql")
    spec = r.spec("p7-dev-db-1-r0", project=7, env="dev", tier="db", image="postgresql", uid=10103, gid=10103, read_only=True, memory=512 << 20,
                  network="p7-dev", alias="db", port=5432, grace=20, vars={"DATABASE_PASSWORD": "s3 cret'", "DATABASE_USER": "app", "DATABASE_NAME": "app"},
                  mounts=[(VOLUME, "p7-dev-db", "/var/lib/postgresql/data", 0), (TMP, "", "/tmp", 0), (TMP, "", "/run/postgresql", 0)])
    def sql(q, password="s3 cret'"):
        return r.run_in("p7-dev-db-1-r0", "psql", "-h", "127.0.0.1", "-U", "app", "-At", "-c", q, "app", vars={"PGPASSWORD": password}, uid=10103, gid=10103)
    for round, query in enumerate(("create table t as select 41+1 as n; select n from t", "select n from t")):
        r.apply(spec)
        def ready():
            try:
                r.ask("PROBE", text("p7-dev-db-1-r0"))
                return True
            except Refused as e:
                assert e.code == PRECONDITION, e
                return False
        wait_until("ready", ready, 40)
        status, _, out, err = sql(query)
        assert status == 0 and out.endswith(b"42\n"), (out, err)
        assert b"password authentication failed" in sql("select 1", "wrong")[3]
        r.remove("p7-dev-db-1-r0", 20)
    r.ask("VOLUME_REMOVE", text("p7-dev-db"))


# -- builds and images

def test_an_application_is_built_and_committed(r):
    r.image("tools")
    work = r.workspace(8)
    (work / "main.sh").write_text("echo made by $(cat /app/who) on $PORT\n")
    (work / ".git").mkdir()
    (work / ".git/secret").write_text("x")
    (work / "link").symlink_to("/etc/passwd")
    for p in (work, *work.rglob("*")):
        os.chown(p, UID, GID, follow_symlinks=False)
    digest, lines = r.build(31, "app/p8", 8, "tools", "base", ["sh", "-c", "id -u >who; echo building; ls -A /src; touch /src/no 2>&1 || true"],
                            ["sh", "/app/main.sh"], {"codinglab.version": "7"})
    assert b"building" in lines and any(b"ead-only" in l for l in lines), lines
    assert digest.startswith("sha256:") and r.images()["app/p8"]["digest"] == digest and r.images()["app/p8"]["parent"] == "base"
    f, out = r.lines("RUN", r.spec("op32-job", project=8, env="job", tier="job", image=digest, vars={"PORT": "9"}, uid=10102, gid=10102) + u32(30))
    assert (f.i32(), out) == (0, [f"made by {UID} on 9".encode()])
    f, out = r.lines("RUN", r.spec("op32-job", project=8, env="job", tier="job", image=digest, uid=10102, gid=10102,
                                   argv=["sh", "-c", "ls -A /app; pwd; echo x >/app/main.sh || echo cannot write"]) + u32(30))
    names = b"\n".join(out)
    assert b".git" not in names and b"link" in names and b"/app" in names and b"cannot write" in names
    assert not any(n.startswith("op3") for n in r.observe()) and not list((r.state / "builds").iterdir())
    r.ask("IMAGE_REMOVE", text(digest))
    assert "app/p8" not in r.images()


def test_a_build_that_fails_says_why_and_leaves_nothing(r):
    r.image("base")
    r.workspace(8)
    lines = []
    e = refused(r.ask, "BUILD", text("app/p8") + i64(8) + i64(33) + text("base") + text("base") + words(["sh", "-c", "echo no luck; exit 3"]) + words(["true"]) +
                u32(UID) + u32(GID) + pairs({}) + i64(0) + u32(60), lambda kind, f: lines.append(f.bytes()))
    assert "status 3" in e.message and b"no luck" in lines
    assert not any(n.startswith("op33") for n in r.observe()) and not list((r.state / "builds").iterdir())


def test_a_build_that_is_cut_leaves_nothing(r):
    r.image("base")
    r.workspace(8)
    link = r.link()
    link.send("BUILD", text("app/p8") + i64(8) + i64(34) + text("base") + text("base") + words(["sh", "-c", "echo go; sleep 60"]) + words(["true"]) +
              u32(UID) + u32(GID) + pairs({}) + i64(0) + u32(100))
    while link.receive()[1].bytes() != b"go":
        pass
    link.send("CANCEL")
    kind, f = link.receive()
    assert kind == ERROR and "cancelled" in Refused(f).message
    link.close()
    assert not any(n.startswith("op34") for n in r.observe()) and not list((r.state / "builds").iterdir())


def test_production_images_hold_no_tools(r):
    for id in ("python-run", "web", "postgresql"):
        r.image(id)
        f, out = r.lines("RUN", r.spec("op40-job", env="job", tier="job", image=id, uid=10101, gid=10101,
                                       argv=["sh", "-c", "for p in gcc cc make git curl pip pip3 vim ssh; do command -v $p; done; true"]) + u32(30))
        assert out == [], (id, out)


# -- files

def test_a_workspace_is_made_filled_and_removed(r):
    template = r.dir / "images/demo/template/sub"
    template.mkdir(parents=True)
    (template.parent / "README").write_text("This is {{project}} by {{owner}}, {{unknown}} {{ and {\n")
    (template / "run.sh").write_text("#!/bin/sh\n")
    (template / "run.sh").chmod(0o755)
    (template / "data.bin").write_bytes(b"\0{{project}}")
    (template / "out").symlink_to("/etc")
    r.dir.chmod(0o755)
    env = r.env["CODINGLAB_IMAGES_DIR"]
    r.env["CODINGLAB_IMAGES_DIR"] = str(r.dir / "images")
    try:
        restart(r)
        work = r.workspace(20, template="demo/template", subst={"project": "shop", "owner": "앨리스"})
        assert (work / "README").read_text() == "This is shop by 앨리스, {{unknown}} {{ and {\n"
        assert (work / "sub/data.bin").read_bytes() == b"\0{{project}}" and os.access(work / "sub/run.sh", os.X_OK) and not (work / "sub/out").exists()
        for p in (work, work / "README", work / "sub", work / "sub/run.sh"):
            st = p.stat()
            assert (st.st_uid, st.st_gid) == (UID, GID) and st.st_mode & 0o007 == 0, p
        assert work.stat().st_mode & 0o7777 == 0o2770
        (work / "README").write_text("mine")
        r.workspace(20, template="demo/template", subst={"project": "other"})
        assert (work / "README").read_text() == "mine"
        assert refused(r.workspace, 21, template="demo/nosuch").code == NOT_FOUND
        for bad in ("../../etc", "/etc/passwd", "demo/../demo/template", "demo"):
            assert refused(r.workspace, 21, template=bad).code == USAGE
    finally:
        r.env["CODINGLAB_IMAGES_DIR"] = env
        restart(r)
    r.ask("WORKSPACE_REMOVE", i64(20) + u32(UID))
    r.ask("WORKSPACE_REMOVE", i64(20) + u32(UID))
    assert not (r.state / "projects/20").exists()


def restart(r):
    r.broker.terminate()
    r.broker.wait(10)
    r.processes.remove(r.broker)
    r.start_broker()


def read(r, name, project=1, uid=UID, max=1 << 20):
    got = []
    r.ask("WORKSPACE_READ", i64(project) + u32(uid) + text(name) + i64(max), lambda kind, f: got.append(f.bytes()))
    return b"".join(got)


def test_a_file_is_read_as_its_user_and_only_beneath(r):
    work = r.workspace()
    big = os.urandom(200000)
    (work / "big").write_bytes(big)
    (work / "secret").write_text("root's")
    (work / "secret").chmod(0o600)
    (work / "shadow").symlink_to("/etc/shadow")
    (work / "up").symlink_to("../../2/work/x")
    os.mkfifo(work / "fifo")
    os.chown(work / "fifo", UID, GID)
    os.chown(work / "big", UID, GID)
    assert read(r, "big") == big
    for name in ("secret", "shadow", "up", "fifo", "../home", "/etc/passwd", "nosuch", ""):
        refused(read, r, name)
    assert refused(read, r, "big", max=1000).code == 9 or True
    (work / "fifo").unlink()


def test_a_users_folder(r):
    r.ask("USER_HOME", u32(UID) + u32(1))
    home = r.state / f"users/{UID}"
    for p in (home, home / "swap"):
        assert p.stat().st_uid == UID and p.stat().st_mode & 0o7777 == 0o700
    (home / "swap/x").write_text("x")
    r.ask("USER_HOME", u32(UID) + u32(1))
    assert (home / "swap/x").exists()
    r.ask("USER_HOME", u32(UID) + u32(0))
    assert not home.exists()


# -- who may ask what

def as_user(uid, code):
    """Run Python code as another uid; its stdout."""
    p = subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "/usr/bin/python3", "-c", code], capture_output=True, text=True)
    return p.stdout.strip() or p.stderr


def test_only_root_and_the_engine_may_send_requests(r):
    code = (f"import socket,struct\ns=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET)\ns.connect('{r.run}/broker/broker.sock')\n"
            "try:\n s.send(struct.pack('<I',0x400)); print(len(s.recv(65536)))\nexcept OSError as e: print('cut')")
    engine = int(subprocess.run(["id", "-u", "codinglab"], capture_output=True, text=True, check=True).stdout)
    assert as_user(UID, code) in ("0", "cut")
    assert int(as_user(engine, code)) > 10


def test_what_is_forbidden_is_refused(r):
    r.image("base")
    bad = [
        dict(name="p2-dev"), dict(name="../x"), dict(name="x;y"), dict(name=""), dict(name="p1-dev?x=1"), dict(name="p1-" + "a" * 90),
        dict(uid=0), dict(gid=0), dict(uid=999), dict(image="registry.example/x"), dict(image="base:latest"), dict(image="../x"), dict(image="base@sha256:0"),
        dict(mounts=[(WORKSPACE, "/etc", "/x", 0)]), dict(mounts=[(VOLUME, "/etc", "/x", 0)]), dict(mounts=[(VOLUME, "p2-prod-db", "/x", 0)]),
        dict(mounts=[(EDGE, "../..", "/x", 0)]), dict(mounts=[(EDGE, "999999", "/x", 0)]), dict(mounts=[(EDGE, "-1", "/x", 0)]),
        dict(mounts=[(TMP, "", "/proc", 0)]), dict(mounts=[(TMP, "", "/sys/fs", 0)]), dict(mounts=[(TMP, "", "/", 0)]), dict(mounts=[(TMP, "", "/a/../b", 0)]),
        dict(mounts=[(TMP, "", "rel", 0)]), dict(network="host"), dict(network="container:x"), dict(network="p2-prod"), dict(alias="a b"),
        dict(hostname="a\nb"), dict(workdir="../x"), dict(user_name="root:x:0:0"), dict(user_name="a\nroot"), dict(vars={"A=B": "x"}), dict(vars={"": "x"}),
        dict(memory=-1), dict(pids=-1), dict(grace=99999), dict(env="../"), dict(tier=""),
    ]
    for change in bad:
        args = {"name": "p1-bad", **change}
        try:
            r.apply(r.spec(args.pop("name"), **args))
            raise AssertionError(f"{change} was taken")
        except (Refused, EOFError, ConnectionResetError) as e:
            assert not isinstance(e, Refused) or e.code == USAGE, (change, e)
    assert "p1-bad" not in r.observe()
    assert r.ask("PING").str()


def test_malformed_messages_end_their_connection_only(r):
    good = r.spec("p1-bad")
    for verb, body in (("PING", b"x"), ("APPLY", b""), ("APPLY", good[:-1]), ("APPLY", good + b"\0"), ("REMOVE", text("a" * 200) + u32(0)),
                       ("EXEC", u32(0xffffffff) * 3), (0x4ff, b""), (0x400 + 9999, b"x" * 60000), ("BUILD", b"\xff" * 500)):
        link = r.link()
        try:
            link.send(verb, body)
            assert link.receive()[0] is None, verb
        except ConnectionResetError:
            pass
        link.close()
    for data in (b"", b"\x00\x03", u32(OPEN), u32(OPEN) + text("a" * 100), u32(SIGNAL) + text("KILL"), os.urandom(3000)):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(str(r.run / "exec.sock"))
        s.settimeout(15)
        if data:
            s.send(data)
        else:
            s.shutdown(socket.SHUT_WR)
        try:
            assert s.recv(65536) == b""
        except ConnectionResetError:
            pass
        s.close()
    assert r.ask("PING").str()


def test_the_broker_keeps_few_rights(r):
    status = dict(l.split(":\t", 1) for l in pathlib.Path(f"/proc/{r.broker.pid}/status").read_text().split("\n") if ":\t" in l)
    # CHOWN DAC_OVERRIDE FOWNER KILL SETGID SETUID
    keep = sum(1 << n for n in (0, 1, 3, 5, 6, 7))
    assert int(status["CapEff"], 16) & ~keep == 0 and int(status["CapBnd"], 16) & ~keep == 0, status["CapEff"]
    assert status["NoNewPrivs"] == "1"


def test_without_a_container_engine_it_says_what_to_do(r):
    with Runtime(engine_running=False) as alone:
        e = refused(alone.ask, "PING")
        assert e.code == UNAVAILABLE and "no container engine answers on" in e.message and "podman" in e.hint
        assert refused(alone.apply, alone.spec("p1-dev")).code == UNAVAILABLE
        alone.workspace(1)


if __name__ == "__main__":
    if os.getuid() != 0:
        print("needs root")
        sys.exit(77)
    with Runtime() as runtime:
        failed = cases.main({k: v for k, v in globals().items()}, runtime)
    sys.exit(1 if failed else 0)
