#!/usr/bin/python3
"""People: accounts, keys, invitations, members; two users cannot see each other, a member can."""
import os
import pathlib
import re
import subprocess
import sys

import cases
from lab import Lab, User


def test_first_admin(lab, alice, bob):
    me = lab.admin.json("whoami")
    assert (me["name"], me["role"]) == ("admin", "admin"), me


def test_users_and_roles(lab, alice, bob):
    names = [u["name"] for u in lab.admin.json("user ls")["users"]]
    assert {"admin", "alice", "bob"} <= set(names), names
    lab.admin.ssh("user role bob teacher")
    assert bob.json("whoami")["role"] == "teacher"
    lab.admin.ssh("user role bob developer")
    assert alice.ssh("user add eve", check=False).returncode == 5
    assert alice.ssh("user role alice admin", check=False).returncode == 5
    assert alice.json("whoami")["role"] == "developer"


def test_key_from_stdin_then_removed(lab, alice, bob):
    key = lab.make_key("second")
    alice.ssh("key add", input=key.with_name(key.name + ".pub").read_bytes())
    second = User(lab, "alice", key)
    assert second.ssh("whoami").stdout.startswith("alice")
    keys = alice.json("key ls")["keys"]
    assert len(keys) == 2, keys
    alice.ssh(f"key rm {keys[-1]['fingerprint']} -y")
    assert second.ssh("whoami", check=False).returncode == 255
    assert alice.ssh("key add", input=b"ssh-ed25519 nonsense", check=False).returncode == 2


def test_invitation(lab, alice, bob):
    code = lab.admin.json("invite")["code"]
    assert len(code) >= 8
    assert alice.ssh("invite", check=False).returncode == 5


def test_two_users_do_not_see_each_other(lab, alice, bob):
    assert "secret" not in bob.ssh("project ls").stdout
    for command in ("project show alice.secret", "chat tail", "status", "url", "releases", "logs", "run", "cat app.py"):
        p = bob.ssh(command, "" if "alice" in command else "secret", check=False)
        assert p.returncode == 4, (command, p.returncode, p.stdout, p.stderr)
        assert "hush" not in p.stdout + p.stderr
    work = alice.json("project show secret")["workspace"]

    def as_bob(path):
        return subprocess.run(["setpriv", f"--reuid={bob.uid}", f"--regid={bob.uid}", "--clear-groups", "cat", path], capture_output=True)
    assert as_bob(f"{work}/main.py").returncode != 0
    assert "hush" not in bob.ssh("events", check=False).stdout


def test_links_planted_in_the_project_lead_nowhere(lab, alice, bob):
    """The host key and another project's file, by links made in the container: the IDE opens neither."""
    work = alice.json("project show secret")["workspace"]
    targets = {"hostkey": lab.dir / "s/ssh/host_ed25519", "passwords": "/etc/shadow", "environ": "/proc/self/environ"}
    for name, target in targets.items():
        alice.ssh(f"ln -s {target} /workspace/{name}", "secret")
    alice.ssh(f"ln -s {work}/../../1/work/app.py /workspace/sideways", "secret")
    with alice.screen("secret", 30, 110) as s:
        s.expect("main.py")
        for name in (*targets, "sideways"):
            at = [m.group(1) for r in s.rows() if (m := re.match(r"│ +(\S+)", r))].index(name)
            s.send("<C-]><F3>g" + "j" * at + "<Enter>")
            s.expect(f"{name}: .*(outside|link)")
            assert "PRIVATE KEY" not in s.text() and "root:" not in s.text()
    alice.ssh("rm hostkey passwords environ sideways", "secret")


def test_processes_of_another_are_not_seen_from_a_container(lab, alice, bob):
    bob.ssh("project create mine --stack python")
    seen = bob.ssh("sh -c 'cat /proc/[0-9]*/cmdline | tr \"\\0\" \" \"'", "mine").stdout
    assert "secret" not in seen and "codinglab-engine" not in seen, seen


def test_a_member_sees_and_talks(lab, alice, bob):
    alice.ssh("project member add bob editor", "secret")
    assert "secret" in bob.ssh("project ls").stdout
    assert "hush" in bob.ssh("chat tail", "secret").stdout
    assert bob.ssh("cat main.py", "secret").returncode == 0
    bob.ssh("sh -c 'echo from-bob > shared.txt'", "secret")
    assert alice.ssh("cat shared.txt", "secret").stdout == "from-bob\n"
    assert bob.ssh("project rm secret -y", check=False).returncode == 5
    with alice.screen("secret", 30, 110) as a, bob.screen("secret", 30, 110) as b:
        a.expect("main.py")
        b.expect("main.py")
        b.send("<F8>")
        b.expect("hush")
        b.send("재고 있어?<Enter>")
        b.expect("재고 있어")
        a.expect("bob.*재고 있어")
    assert alice.ssh("chat tail", "secret").stdout.count("재고 있어") == 1
    alice.ssh("project member rm bob -y", "secret")
    assert bob.ssh("chat tail", "secret", check=False).returncode == 4


def test_every_verb_left_an_audit_row(lab, alice, bob):
    rows = lab.admin.json("audit -n 1000")["audit"]
    verbs = {r["verb"] for r in rows}
    assert {"user add", "key add", "invite", "project create", "project member add", "chat say", "exec"} <= verbs, verbs
    assert [r for r in rows if r["user"] == "alice" and r["verb"] == "invite" and r["result"] != "ok"]


def test_bad_input_is_refused_with_reasons(lab, alice, bob):
    for command, code, word in (("project create x --stack cobol", 4, "stack"), ("project create Bad_Name --stack python", 2, "name"),
                                ("project create ../x --stack python", 2, "name"), ("project create " + "a" * 40 + " --stack python", 2, "name"),
                                ("nonsense", 2, "verb"), ("scale was=9999", 2, "was"), ("board ls", 10, "not implemented")):
        p = alice.ssh(command, "secret" if command.startswith("scale") else "", check=False)
        assert p.returncode == code, (command, p.returncode, p.stderr)
        assert word in p.stderr.lower() and p.stderr.startswith("codinglab: "), (command, p.stderr)


def main():
    with Lab() as lab:
        alice, bob = lab.user("alice"), lab.user("bob")
        alice.ssh("project create secret --stack python")
        alice.ssh("chat say hush-hush", "secret")
        return cases.main(globals(), lab, alice, bob)


sys.exit(main())
