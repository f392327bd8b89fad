#!/usr/bin/python3
"""A teacher brings a stack of her own: as a tar over ssh, seen at once, built, a project made from it and run; what is
wrong is refused by file and field; removed again it leaves nothing."""
import io
import json
import pathlib
import subprocess
import sys
import tarfile

import cases
from lab import Lab, wait_until

ID = "shellt"
STACK = {
    "id": ID, "title": "Shell", "kind": "language", "summary": "Plain sh, for the first lesson", "parent": "python",
    "images": {"dev": {"id": ID, "file": "Containerfile", "parent": "python"},
               "run": {"id": ID + "-run", "file": "Containerfile.run", "parent": "python-run"}},
    "commands": {"run": ["sh", "main.sh"], "serve": ["sh", "-c", "exec python3 -m http.server \"$PORT\""],
                 "test": ["sh", "test.sh"], "repl": ["sh", "-c", "echo this is the prompt"]},
    "port": 8000, "health": "/", "template": "template"}
FILES = {"Containerfile": "FROM localhost/codinglab/python\nRUN echo lesson=1 >/usr/share/lesson\n",
         "Containerfile.run": "FROM localhost/codinglab/python-run\n",
         "template/main.sh": "echo Hello from {{project}}\ncat /usr/share/lesson\n",
         "template/test.sh": "sh main.sh | grep -q Hello && echo 1 passed\n"}


def tar(stack=STACK, files=FILES, top="mystack/", more=()):
    """more: TarInfo to add as they are, for what a shell's tar would not make."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for name, text in {**({"stack.json": json.dumps(stack)} if stack else {}), **files}.items():
            data = text if isinstance(text, bytes) else text.encode()
            info = tarfile.TarInfo(top + name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
        for info in more:
            t.addfile(info)
    return out.getvalue()


def special(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def refused(teacher, data, status, *words, args=""):
    p = teacher.ssh("stack add -" + args, input=data, check=False)
    assert p.returncode == status, (p.returncode, p.stdout, p.stderr)
    for w in words:
        assert w in p.stderr, (w, p.stderr)
    assert ID not in [s["id"] for s in teacher.json("stack ls")["stacks"]]


def left(lab):
    return sorted(p.name for p in (lab.dir / "s/stacks").iterdir())


def test_only_a_teacher_adds_one(lab, teacher, student):
    p = student.ssh("stack add -", input=tar(), check=False)
    assert p.returncode == 5, (p.returncode, p.stderr)
    assert left(lab) == []


def test_what_is_wrong_is_said_by_file_and_field(lab, teacher, student):
    def changed(**fields):
        return {k: v for k, v in {**STACK, **fields}.items() if v is not None}
    refused(teacher, tar(changed(port="80")), 2, "stack.json: port: must be a number from 1 to 65535")
    refused(teacher, tar(changed(prot=1)), 2, "stack.json: prot: no such field")
    refused(teacher, tar(changed(title=None)), 2, "stack.json: title: is missing")
    refused(teacher, tar(changed(db="nodb")), 2, "db: there is no service nodb")
    refused(teacher, tar(changed(dbs=["web"])), 2, "service web is no database")
    refused(teacher, tar(changed(parent="nobody")), 2, "parent: there is no stack nobody")
    refused(teacher, tar(changed(commands={"run": ["a"]})), 2, "stack.json: commands:")
    refused(teacher, tar(changed(commands={"run": "sh main.sh", "serve": ["x"]})), 2, "stack.json: run:")
    refused(teacher, tar(changed(id="../etc")), 2, "stack.json: id:")
    refused(teacher, tar(files={k: v for k, v in FILES.items() if k != "Containerfile.run"}), 2,
            "images.file: Containerfile.run is not in the folder")
    refused(teacher, tar(changed(images={**STACK["images"], "run": {"id": "web", "file": "Containerfile.run", "parent": "base"}})), 2,
            "images: web is made by stack")
    refused(teacher, tar(stack=None), 2, "stack.json is missing")
    refused(teacher, tar(stack=None, files={"stack.json": "{\n\"id\": \"x\",,}"}), 2, "stack.json: line 2")
    refused(teacher, tar(changed(id="python")), 5, "came with the platform")
    refused(teacher, tar(changed(id="python")), 5, "came with the platform", args=" --force")
    assert left(lab) == []


def test_hostile_tars_are_refused(lab, teacher, student):
    refused(teacher, tar(files={**FILES, "../../evil": "x"}), 2, "the path leads elsewhere")
    refused(teacher, tar(top="/etc/"), 2, "the path leads elsewhere")
    refused(teacher, tar(more=[special("mystack/template/l", tarfile.SYMTYPE, "/etc/shadow")]), 2, "template/l: is a link")
    refused(teacher, tar(more=[special("mystack/h", tarfile.LNKTYPE, "mystack/stack.json")]), 2, "mystack/h: is a link")
    refused(teacher, tar(more=[special("mystack/d", tarfile.CHRTYPE)]), 2, "special file")
    refused(teacher, tar(more=[special("mystack/f", tarfile.FIFOTYPE)]), 2, "special file")
    refused(teacher, tar(files={**FILES, **{f"template/{i}": "" for i in range(600)}}), 2, "more than 500 files")
    refused(teacher, tar(files={**FILES, "template/big": b"x" * (1 << 20) + b"x"}), 2, "larger than 1 MiB")
    refused(teacher, tar(files={**FILES, **{f"template/{i}": b"x" * 900_000 for i in range(6)}}), 2, "more than 4 MiB")
    refused(teacher, tar(files={**FILES, "template/" + "d/" * 12 + "x": "deep"}), 2, "too deep")
    refused(teacher, tar(files={**FILES, "stack.json/x": "a file below a file"}), 2, "stack.json is a file")
    refused(teacher, b"no tar at all" * 100, 2, "tar")
    refused(teacher, tar()[:700], 2, "damaged")
    refused(teacher, b"", 2, "stack")
    refused(teacher, b"\0" * (9 << 20), 2, "more than 8 MiB")
    assert left(lab) == []


def test_added_built_used(lab, teacher, student):
    assert "stack shellt: added" in teacher.ssh("stack add -", input=tar()).stdout
    assert left(lab) == [ID]
    assert ID in [s["id"] for s in student.json("stack ls")["stacks"]]
    s = student.json(f"stack show {ID}")
    assert (s["added"], s["state"], s["parent"], s["dbs"]) == (True, "absent", "python", []), s
    assert "sh main.sh" in student.ssh(f"stack show {ID}").stdout
    p = teacher.ssh("stack add -", input=tar(), check=False)
    assert p.returncode == 7 and "--force" in p.stderr, p.stderr
    teacher.ssh(f"image build {ID}", timeout=300)
    assert student.json(f"stack show {ID}")["ready"]
    with student.screen() as screen:  # the picker of an IDE that knows nothing of it yet
        screen.expect("Projects")
        screen.send("n")
        screen.expect("< ")
        screen.send("lesson<Tab>")
        for _ in range(40):
            if any(f"< {ID} >" in r for r in screen.rows()):
                break
            screen.send("s")
            screen.pump(0.3)
        screen.expect(f"< {ID} >")
    student.ssh(f"project create lesson --stack {ID}")
    out = student.ssh("run", "lesson").stdout
    assert out == "Hello from lesson\nlesson=1\n", out
    assert student.ssh("test", "lesson").stdout == "1 passed\n"
    assert "this is the prompt" in student.ssh("repl", "lesson").stdout
    p = student.ssh("debug", "lesson", check=False)
    assert p.returncode == 3 and "stack shellt has no such command" in p.stderr, (p.returncode, p.stderr)
    assert student.ssh("test -f main.sh", "lesson", check=False).returncode == 0
    assert student.ssh("test -f nothing", "lesson", check=False).returncode == 1


def test_it_is_there_after_a_restart_and_can_be_replaced(lab, teacher, student):
    lab.kill_daemon("engine")
    wait_until("the engine is back", lambda: student.ssh("whoami", check=False).returncode == 0)
    assert student.json(f"stack show {ID}")["added"]
    newer = {**STACK, "summary": "The second lesson"}
    teacher.ssh("stack add - --force", input=tar(newer, top=""))
    assert student.json(f"stack show {ID}")["summary"] == "The second lesson"
    assert left(lab) == [ID]


def test_the_program_on_the_machine_takes_a_folder(lab, teacher, student):
    folder = lab.dir / "folder"
    (folder / "template").mkdir(parents=True)
    (folder / "stack.json").write_text(json.dumps({**STACK, "summary": "From a folder"}))
    for name, text in FILES.items():
        (folder / name).write_text(text)
    cli = [str(lab.dir / "s/lib/bin/codinglab")]
    subprocess.run([*cli, "stack", "add", str(folder), "--force"], check=True, env=lab.env, capture_output=True)
    assert student.json(f"stack show {ID}")["summary"] == "From a folder"
    (folder / "template/out").symlink_to("/etc")
    p = subprocess.run([*cli, "stack", "add", str(folder), "--force"], env=lab.env, capture_output=True, text=True)
    assert p.returncode == 2 and "template/out: is a link" in p.stderr, p


def test_removed_it_leaves_nothing(lab, teacher, student):
    p = teacher.ssh(f"stack rm {ID} -y", check=False)
    assert p.returncode == 7 and "1 project uses it" in p.stderr, p.stderr
    assert student.ssh(f"stack rm {ID} -y", check=False).returncode == 5
    assert teacher.ssh("stack rm python -y", check=False).returncode == 5
    student.ssh("project rm lesson -y")
    teacher.ssh(f"stack rm {ID} -y")
    assert ID not in [s["id"] for s in student.json("stack ls")["stacks"]]
    p = student.ssh(f"project create again --stack {ID}", check=False)
    assert p.returncode == 4, (p.returncode, p.stderr)
    wait_until("its folder and images go", lambda: left(lab) == [] and
               ID not in lab.podman("images", "--format", "{{.Repository}}"))
    rows = [(a["verb"], a["object"], a["result"]) for a in lab.admin.json("audit -n 200")["audit"] if a["verb"].startswith("stack")]
    assert ("stack rm", ID, "ok") in rows and ("stack add", ID, "ok") in rows, rows
    assert any(r[0] == "stack add" and r[2] == "forbidden" for r in rows), rows


def main():
    with Lab(images="python") as lab:
        return cases.main(globals(), lab, lab.user("tess", role="teacher"), lab.user("stu", role="student"))


sys.exit(main())
