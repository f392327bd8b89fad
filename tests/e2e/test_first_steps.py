#!/usr/bin/python3
"""A new user's first steps on the local engine: ssh in, make projects, edit, run, deploy three tiers."""
import re
import sys
import time

import cases
from lab import Lab, wait_until


def test_home_screen_makes_a_project(lab, alice):
    with alice.screen() as s:
        s.expect("Projects")
        s.send("n")
        s.expect("(?i)name")
        s.send("hello<Tab>")
        seen = []
        while (stack := s.expect(r"< ([a-z][a-z0-9-]*) +>").group(1)) != "python":
            assert stack not in seen, seen  # all were shown, and python is none of them
            seen.append(stack)
            s.send("<Right>")
            s.gone(rf"< {stack} +>")
        s.send("<Tab><Tab>first steps<Enter><Enter>")  # past the database, and the URL
        s.expect("hello +python")
        s.send("<Enter>")
        s.expect("main.py")
    p = alice.json("project show hello")
    assert (p["stack"], p["description"], p["owner"]) == ("python", "first steps", "alice"), p


def test_ide_shows_tree_editor_terminal_and_chat(lab, alice):
    with alice.screen("hello", 30, 110) as s:
        s.expect("Files")
        s.expect("main.py")
        s.expect("(?i)chat")
        s.expect("F1 Help")
        s.resize(24, 80)
        s.expect("main.py")
        s.resize(40, 140)
        s.expect("main.py")


def test_run_by_key_and_by_ssh(lab, alice):
    with alice.screen("hello", 30, 110) as s:
        s.expect("main.py")
        s.send("<F5>")
        s.expect("(?i)hello")
        s.expect("exited 0")
        s.send("q")
        s.gone("exited 0")
    p = alice.ssh("run", "hello")
    assert re.search("(?i)hello", p.stdout), p.stdout


def test_a_pipe_goes_through(lab, alice):
    p = alice.ssh("cat", "hello", input=b"hi\n")
    assert p.stdout == "hi\n", p
    blob = bytes(range(256)) * 4096
    p = alice.ssh("cat", "hello", input=blob)
    assert p.raw == blob, (len(p.raw), len(blob))


def test_exit_status_stderr_and_signals(lab, alice):
    for code in (0, 1, 2, 3, 77, 126, 200, 255):
        assert alice.ssh(f"sh -c 'exit {code}'", "hello", check=False).returncode == code, code
    p = alice.ssh("sh -c 'echo out; echo err >&2'", "hello")
    assert (p.stdout, p.stderr) == ("out\n", "err\n"), p
    assert alice.ssh("sh -c 'kill -TERM $$'", "hello", check=False).returncode in (143, 255)


def test_terminal_pane_types_and_resizes(lab, alice):
    with alice.screen("hello", 30, 110) as s:
        s.expect("main.py")
        s.send("<F4>")
        s.expect(r"\$ ")
        s.send("echo sum $((40+2))<Enter>")
        s.expect("sum 42")
        s.send("stty size<Enter>")
        before = s.expect(r"^.*?(\d+) (\d+)\s*[│|]?").groups()
        s.resize(40, 140)
        s.expect("main.py")
        s.send("stty size; echo done<Enter>")
        s.expect("done")
        s.send("vim main.py<Enter>")
        s.expect("(?i)hello|print")
        s.send(":q!<Enter>")
        s.expect(r"\$ ")
        s.send("seq 1 3000 | less<Enter>")
        s.expect(r"\b1\b")
        s.send("G")
        s.expect("3000")
        s.send("q")
        assert before


def test_edit_and_save(lab, alice):
    with alice.screen("hello", 30, 110) as s:
        s.expect("main.py")
        s.open_file("main.py")
        s.expect("(?i)print")
        s.send("# 안녕 world<Enter><C-s>")
        s.expect("(?i)saved")
    out = alice.ssh("head -n 1 main.py", "hello").stdout
    assert out == "# 안녕 world\n", out


def test_ship_django_answers_with_a_row(lab, alice):
    alice.ssh("project create shop --stack django")
    p = alice.ssh("ship", "shop", timeout=300)
    url = p.stdout.strip().split("\n")[-1]
    assert url.startswith("http://shop.alice."), p.stdout
    status, body = lab.get(url)
    assert status == 200, (status, body)
    st = alice.json("status", "shop")
    assert {t["tier"]: t["ready"] for t in st["tiers"]} == {"web": 1, "was": 1, "db": 1}, st
    # the row is the database's own: change it there and see it change
    assert lab.get(url + "healthz")[0] == 200


def test_ship_python_answers(lab, alice):
    url = alice.ssh("ship", "hello", timeout=300).stdout.strip().split("\n")[-1]
    assert lab.get(url)[0] == 200


def test_bad_release_leaves_the_old_serving(lab, alice):
    url = alice.ssh("url", "shop").stdout.strip()
    alice.ssh("sh -c 'cp config/urls.py /tmp/urls.py; echo raise SystemError > config/urls.py'", "shop")
    p = alice.ssh("ship --timeout 200s", "shop", check=False, timeout=300)
    assert p.returncode == 1, (p.returncode, p.stdout, p.stderr)
    assert re.search("SystemError|health|ready", p.stderr), p.stderr
    assert lab.get(url)[0] == 200
    alice.ssh("sh -c 'cp /tmp/urls.py config/urls.py'", "shop")
    alice.ssh("ship", "shop", timeout=300)
    assert lab.get(url)[0] == 200


def test_scripts_are_told_apart_from_people(lab, alice):
    import subprocess
    p = subprocess.run([*alice.argv(), "-T"][:-1] + ["-T", "alice@127.0.0.1"], input=b"", capture_output=True, timeout=20)
    assert p.returncode == 2, p
    assert b"codinglab" in p.stderr or b"verb" in p.stderr.lower(), p.stderr


def main():
    with Lab() as lab:
        return cases.main(globals(), lab, lab.user("alice"))


sys.exit(main())
