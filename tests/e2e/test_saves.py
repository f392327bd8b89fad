#!/usr/bin/python3
"""Saves on the local engine: made while people work, small, without secrets, brought back whole whatever happened."""
import json
import os
import re
import subprocess
import sys
import tarfile
import threading
import time

import cases
from lab import Lab, wait_until

TREE = ("cd /workspace && find . -mindepth 1 \\( -type d -printf '%P d %m\\n' -o -type l -printf '%P l %l\\n' -o -type f -printf '%P f %m %s ' "
        "-exec sha256sum {} \\; \\) | sort; ls -R ~/.local/bin 2>/dev/null || true")
PACKAGES = "dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\\n' | grep ' installed$' | sort"


def sh(user, project, script, **kw):
    return user.ssh(f"sh -c {quote(script)}", project, **kw).stdout


def quote(s):
    return "'" + s.replace("'", "'\\''") + "'"


def as_root(lab, user, project, *argv):
    """What no user may: change the container's system, from outside."""
    pid = user.json("project show", project)["id"]
    name = f"cl-{lab.instance()[:8]}-p{pid}-dev"
    return lab.podman("exec", "--user", "0", "--privileged", name, *argv)


def saves(user, project):
    return {s["name"]: s for s in user.json("saves", project)["saves"]}


def layers(lab, digest):
    return json.loads(lab.podman("image", "inspect", digest.removeprefix("sha256:")))[0]["RootFS"]["Layers"]


def make(lab, alice, name, stack="python"):
    if name not in {p["name"] for p in alice.json("project ls")["projects"]}:
        alice.ssh(f"project create {name} --stack {stack}")
        alice.ssh("up", name, timeout=200)


def test_a_save_says_what_changed(lab, alice):
    make(lab, alice, "shop")
    out = alice.ssh("save first -m 'it works'", "shop").stdout
    assert re.search(r"^first by alice", out, re.M) and "it works" in out and re.search(r"^  \+ main.py", out, re.M), out
    sh(alice, "shop", "echo '# more' >> main.py; rm README.md; mkdir -p lib/deep; echo 1 > lib/deep/one; ln -s ../main.py lib/link")
    out = alice.ssh("save", "shop").stdout
    assert re.search(r"files: 2 added, 1 changed, 1 removed", out), out
    assert re.search(r"~ main.py", out) and re.search(r"- README.md", out) and re.search(r"\+ lib/deep/one", out), out
    rows = saves(alice, "shop")
    assert rows["first"]["message"] == "it works" and rows["first"]["by"] == "alice" and rows["first"]["base"].startswith("sha256:")
    assert re.search(r"^NAME +AT +BY +SIZE", alice.ssh("saves", "shop").stdout), "a table"
    assert alice.ssh("save first", "shop", check=False).returncode == 7
    assert alice.ssh("save '../x'", "shop", check=False).returncode == 2


def test_ten_saves_share_their_layers(lab, alice):
    make(lab, alice, "ten")
    sh(alice, "ten", "head -c 3000000 /dev/urandom > big.bin")
    for i in range(10):
        if i % 2:
            sh(alice, "ten", f"echo {i} > small-{i}")
        alice.ssh(f"save s{i} -q", "ten")
    rows = saves(alice, "ten")
    assert [rows[f"s{i}"]["new"] for i in range(10)][1:] == [2 if i % 2 else 0 for i in range(1, 10)], rows
    assert rows["s0"]["new"] > 3000000 and rows["s9"]["size"] > 3000000
    work = [layers(lab, rows[f"s{i}"]["workspace"]) for i in range(10)]
    dev = [layers(lab, rows[f"s{i}"]["container"]) for i in range(10)]
    assert len({l for ls in work for l in ls}) == 7, "one empty, one whole, five with a small file"
    assert all(d == dev[0] for d in dev), "nothing changed in the container"
    assert all(a == b[:len(a)] for a, b in zip(work, work[1:])), "each on the one before"


def test_save_break_load_gives_the_same(lab, alice):
    make(lab, alice, "fix")
    sh(alice, "fix", "mkdir -p a/b empty ~/.local/bin; echo tool > ~/.local/bin/tool; printf '#!/bin/sh\\necho hi\\n' > a/run; chmod 750 a/run; "
       "ln -s /etc/passwd a/abs; printf 'x' > \"$(printf 'odd \\001\\377 name')\"; head -c 200000 /dev/urandom > a/b/blob; cp a/b/blob a/again; "
       "touch -d '2001-02-03 04:05:06.789' a/old; chmod 4755 a/b/blob; chmod 700 empty")
    # the system as no user can change it: a package less, a file more
    as_root(lab, alice, "fix", "sh", "-c", "dpkg --force-all -r less >/dev/null 2>&1; echo mine > /usr/local/share/mine")
    out = alice.ssh("save good", "fix").stdout
    assert re.search(r"^packages: 0 added, 1 removed", out, re.M) and re.search(r"^  - less ", out, re.M), out
    assert re.search(r"^system: ", out, re.M) and "/usr/local/share/mine" in out, out
    tree, packages = sh(alice, "fix", TREE), sh(alice, "fix", PACKAGES)
    assert "tool" in tree and " less " not in packages
    as_root(lab, alice, "fix", "sh", "-c", "rm -rf /usr/local/share/mine /usr/bin/python3* /var/lib/dpkg/info; dpkg --force-all -r sed grep >/dev/null 2>&1")
    sh(alice, "fix", "rm -rf /workspace/* ~/.local; echo rubbish > rubbish")
    assert alice.ssh("load good", "fix", check=False).returncode == 3, "asked for -y"
    p = alice.ssh("load good -y", "fix", timeout=200)
    after = sh(alice, "fix", TREE)
    assert after == tree.replace(" f 4755 ", " f 755 "), (tree, after)
    assert sh(alice, "fix", PACKAGES) == packages
    assert sh(alice, "fix", "cat /usr/local/share/mine") == "mine\n"
    assert sh(alice, "fix", "stat -c %y a/old").startswith("2001-02-03 04:05:06.789")
    # what was broken is there, too
    undo = [n for n, s in saves(alice, "fix").items() if s["undo"]]
    assert len(undo) == 1, undo
    alice.ssh(f"load {undo[0]} -y", "fix", timeout=200)
    assert sh(alice, "fix", "ls") == "rubbish\n"
    alice.ssh("load good -y", "fix", timeout=200)
    alice.ssh("restart --fresh", "fix", timeout=200)
    assert "less" in sh(alice, "fix", PACKAGES) and "blob" in sh(alice, "fix", TREE), "the stack's container, the save's files"
    alice.ssh("save again", "fix")
    again = saves(alice, "fix")
    assert again["again"]["tree"] == again["good"]["tree"]


def test_running_programs_and_people_go_on(lab, alice):
    """A file that grows while it is saved; terminals are told to end; the editor comes back."""
    make(lab, alice, "busy")
    p = subprocess.Popen([*alice.argv("busy"), "while :; do date >> log; echo x >> log2; done"], stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until("the log", lambda: "log" in sh(alice, "busy", "ls"))
        with alice.screen("busy", 30, 110) as s:
            s.expect("main.py")
            alice.ssh("save live", "busy")
            sh(alice, "busy", "touch only-now")
            s.expect("only-now")
            alice.ssh("load live -y", "busy", timeout=200)
            s.gone("only-now")
            s.expect("main.py")
            s.send("<F4>")
            s.expect(r"\$ ")
            s.send("echo back-$((6*7))<Enter>")
            s.expect("back-42")
        assert p.wait(20) != 0
    finally:
        p.kill()
        p.wait()
    lines = sh(alice, "busy", "wc -l < log; tail -c 1 log | od -c").split("\n")
    assert int(lines[0]) > 0


def test_what_a_save_refuses(lab, alice):
    make(lab, alice, "odd")
    before = saves(alice, "odd")
    sh(alice, "odd", "truncate -s 3T huge")
    p = alice.ssh("save", "odd", check=False)
    assert p.returncode == 6 and "huge" in p.stderr and "saves.size_mb" in p.stderr, p.stderr
    sh(alice, "odd", "rm huge; mkfifo pipe; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'")
    p = alice.ssh("save", "odd")
    assert "left out: pipe is a FIFO" in p.stderr and "left out: sock is a socket" in p.stderr, p.stderr
    sh(alice, "odd", "echo x > secret; chmod 0 secret")
    p = alice.ssh("save", "odd", check=False)
    assert p.returncode == 5 and "secret" in p.stderr and "chmod" in p.stderr, p.stderr
    sh(alice, "odd", "rm -f secret; i=0; while [ $i -lt 210 ]; do mkdir d; cd d; i=$((i+1)); done")
    p = alice.ssh("save", "odd", check=False)
    assert p.returncode == 3 and "folders deep" in p.stderr, p.stderr
    sh(alice, "odd", "rm -rf d")
    assert len(saves(alice, "odd")) == len(before) + 1, "what fails leaves no row"
    names = lab.podman("ps", "-a", "--format", "{{.Names}}", "--filter", f"label=codinglab.instance={lab.instance()}")
    assert "-op" not in names, names


def test_links_that_change_under_the_walk_lead_nowhere(lab, alice):
    make(lab, alice, "race")
    p = subprocess.Popen([*alice.argv("race"), "mkdir -p real; echo inside > real/f; while :; do ln -sfn /etc d; rm -f d; cp -r real d; rm -rf d; done"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until("the race", lambda: "real" in sh(alice, "race", "ls"))
        for i in range(6):
            alice.ssh(f"save r{i} -q", "race")
    finally:
        p.kill()
        p.wait()
    host = pathlib_bytes("/etc/passwd")
    for s in saves(alice, "race").values():
        assert host not in image_bytes(lab, s["workspace"])


def pathlib_bytes(path):
    with open(path, "rb") as f:
        return f.read()


def image_bytes(lab, digest, without=()):
    """The layers of an image, one after the other, and its configuration."""
    out = f"{lab.dir}/scan.tar"
    lab.podman("save", "-q", "--format", "docker-archive", "-o", out, digest.removeprefix("sha256:"))
    data = b""
    with tarfile.open(out) as t:
        for m in t:
            if m.isfile() and "sha256:" + m.name.removesuffix(".tar") not in without:
                data += t.extractfile(m).read()
    os.unlink(out)
    return data


def test_no_secret_in_a_layer(lab, alice):
    bob = lab.user("bob")
    make(lab, bob, "private")
    sh(bob, "private", "echo bobs-content-4711 > bobs-file-4711")
    make(lab, alice, "scan")
    sh(alice, "scan", "echo history-4712 > ~/.bash_history; mkdir -p ~/.ssh ~/.config; echo key-4713 > ~/.ssh/id_ed25519; echo token-4714 > ~/.config/token; "
       "echo token-4715 > ~/.netrc; echo kept-4716 > kept")
    as_root(lab, alice, "scan", "sh", "-c", "echo changed > /usr/local/share/x")
    alice.ssh("config set --secret --env dev TOKEN=dev-secret-4717", "scan")
    alice.ssh("save all", "scan")
    s = saves(alice, "scan")["all"]
    work = image_bytes(lab, s["workspace"])
    base = set(layers(lab, s["base"]))
    assert [l for l in layers(lab, s["container"]) if l not in base], "the container has a layer of its own"
    whole = work + image_bytes(lab, s["container"], base)
    state = lab.dir / "s"
    secrets = [b"bobs-content-4711", b"bobs-file-4711", b"history-4712", b"key-4713", b"token-4714", b"token-4715", b"dev-secret-4717",
               b"SQLite format 3", (state / "ssh/host_ed25519").read_bytes().split(b"\n")[1],
               (lab.dir / "key-alice").read_bytes().split(b"\n")[1], str(state).encode() + b"/engine"]
    for i, secret in enumerate(secrets):
        assert secret not in whole, f"secret {i} ({secret[:20]!r}) is in a layer"
    bundle = pathlib_bytes("/etc/ssl/certs/ca-certificates.crt").split(b"-----END")[0].split(b"\n")[5]
    assert bundle not in whole, "the host's certificates came in"
    assert b"kept-4716" in work


def test_into_another_project_with_rights_on_both_sides(lab, alice):
    teacher, student = lab.user("teacher", "teacher"), lab.user("student", "student")
    make(lab, teacher, "lesson")
    make(lab, student, "mine")
    sh(teacher, "lesson", "echo solved > answer.py")
    teacher.ssh("save lesson1 -m 'the first'", "lesson")
    into = "load lesson1 --into student.mine -y"
    assert teacher.ssh(into, "lesson", check=False).returncode == 4, "a project that is not theirs does not exist"
    student.ssh("project member add teacher viewer", "mine")
    assert teacher.ssh(into, "lesson", check=False).returncode == 5
    student.ssh("project member add teacher editor", "mine")
    teacher.ssh(into, "lesson", timeout=200)
    assert sh(student, "mine", "cat answer.py") == "solved\n"
    assert sh(student, "mine", "stat -c %U answer.py") == "student\n"
    assert saves(student, "mine")["lesson1"]["message"] == "the first"
    sh(student, "mine", "echo more >> answer.py")
    # the other way: who may not read the teacher's files gets none
    pull = "load lesson1 --into mine -y"
    assert student.ssh(pull, "teacher:lesson", check=False).returncode == 4
    teacher.ssh("project member add student viewer", "lesson")
    assert student.ssh(pull, "teacher:lesson", check=False).returncode == 5
    teacher.ssh("project member add student editor", "lesson")
    student.ssh(pull, "teacher:lesson", timeout=200)
    assert sh(student, "mine", "cat answer.py") == "solved\n"
    # it does not depend on where it came from
    teacher.ssh("project rm lesson -y", timeout=200)
    student.ssh("restart", "mine", timeout=200)
    student.ssh("load lesson1 -y", "mine", timeout=200)
    assert sh(student, "mine", "cat answer.py") == "solved\n"


def test_another_stack_is_refused(lab, alice):
    lab.admin.ssh("image build django", timeout=900)
    alice.ssh("project create web --stack django")
    p = alice.ssh("load first --into web -y", "shop", check=False)
    assert p.returncode == 3 and "stack" in p.stderr, p.stderr


def test_a_save_in_the_middle_goes_and_the_others_stay(lab, alice):
    rows = saves(alice, "ten")
    before = set(lab.podman("images", "--format", "{{.Repository}}").split())
    for name in ("s0", "s3", "s5"):
        alice.ssh(f"saves rm {name} -y", "ten", timeout=100)
    gone = before - set(lab.podman("images", "--format", "{{.Repository}}").split())
    assert len(gone) == 6, gone
    assert set(saves(alice, "ten")) == set(rows) - {"s0", "s3", "s5"}
    sh(alice, "ten", "rm -rf *")
    alice.ssh("load s9 -y", "ten", timeout=200)
    assert "big.bin" in sh(alice, "ten", "ls") and sh(alice, "ten", "cat small-9") == "9\n"
    assert alice.ssh("saves rm s9 -y", "ten", check=False).returncode == 7, "the container is made of it"


def test_quota(lab, alice):
    make(lab, alice, "many")
    for i in range(25):
        p = alice.ssh("save -q", "many", check=False)
        if p.returncode:
            break
    assert i == 20 and p.returncode == 6 and "saves.max" in p.stderr, (i, p.stderr)


def test_a_killed_engine_leaves_the_old_or_the_new(lab, alice):
    make(lab, alice, "crash")
    sh(alice, "crash", "rm -rf *; i=0; while [ $i -lt 300 ]; do echo old-$i > f$i; i=$((i+1)); done")
    alice.ssh("save old -q", "crash")
    old = sh(alice, "crash", TREE)
    sh(alice, "crash", "rm -rf *; i=0; while [ $i -lt 300 ]; do echo new-$i > g$i; i=$((i+1)); done")
    alice.ssh("save new -q", "crash")
    new = sh(alice, "crash", TREE)
    trees, want = {"old": old, "new": new}, "old"
    work = alice.json("project show", "crash")["workspace"]
    for daemon, pause in (("engine", 0.4), ("engine", 1.5), ("broker", 1.0), ("engine", 2.5), ("broker", 2.0), ("engine", 3.2)):
        alice.ssh(f"load {want} -y --no-wait", "crash")
        seen, stop = set(), threading.Event()

        def watch():
            while not stop.is_set():
                names = sorted(os.listdir(work))
                seen.add((len(names), names[-1][0] if names else ""))
                time.sleep(0.01)
        t = threading.Thread(target=watch)
        t.start()
        time.sleep(pause)
        lab.kill_daemon(daemon)
        wait_until("the operation's end", lambda: op_state(alice) in ("done", "failed"), 120)
        stop.set()
        t.join()
        got = sh(alice, "crash", TREE)
        assert got in (old, new), got[:300]
        assert got == trees[want] or op_state(alice) == "failed"
        assert seen <= {(301, "f"), (301, "g")}, seen
        want = "new" if want == "old" else "old"
    names = os.listdir(os.path.dirname(work))
    assert sorted(names) == ["home", "work"], names


def op_state(user):
    p = user.ssh("op ls -n 1 --json", check=False)
    return json.loads(p.stdout)["ops"][0]["state"] if p.returncode == 0 else ""


def test_a_removed_project_takes_its_saves_along(lab, alice):
    pid = alice.json("project show", "ten")["id"]
    alice.ssh("project rm ten -y", timeout=200)
    left = [n for n in lab.podman("images", "--format", "{{.Repository}}").split() if f"/p{pid}-s" in n]
    assert not left, left


def main():
    with Lab(up_args=("--no-images",)) as lab:
        lab.admin.ssh("image build python", timeout=900)
        return cases.main(globals(), lab, lab.user("alice"))


sys.exit(main())
