#!/usr/bin/python3
"""Building images: parents first and each once, the log while it comes, cancelled, too greedy, too long, cut by the engine's
end and by its container engine's; nothing of it goes on afterwards, and the next build is whole."""
import io
import json
import os
import subprocess
import sys
import tarfile
import time

import cases
from lab import Lab, wait_until


RUN = f"{os.getpid()}-{time.time():.0f}"  # images of an earlier run that was killed are not these


def stack(teacher, id, recipe, parent="python"):
    """Add the stack (or replace it) whose dev image has this recipe."""
    row = {"id": id, "title": id, "kind": "language", "summary": "of a test", "parent": parent, "port": 8000, "health": "/",
           "images": {"dev": {"id": id, "file": "Containerfile", "parent": parent},
                      "run": {"id": id + "-run", "file": "Containerfile.run", "parent": "python-run"}},
           "commands": {"run": ["true"], "serve": ["true"]}}
    files = {"stack.json": json.dumps(row), "Containerfile": f"FROM localhost/codinglab/{parent}\nENV RUN_OF_THE_TEST={RUN}\n{recipe}\n",
             "Containerfile.run": "FROM localhost/codinglab/python-run\n"}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for name, text in files.items():
            info = tarfile.TarInfo(f"{id}/{name}")
            info.size = len(text)
            t.addfile(info, io.BytesIO(text.encode()))
    teacher.ssh("stack add - --force", input=out.getvalue())


def state(teacher, image):
    return next(i["state"] for i in teacher.json("image ls")["images"] if i["id"] == image)


def build(teacher, *words, check=True):
    p = teacher.ssh("image build " + " ".join(words), check=check, timeout=400)
    return p.returncode, p.stdout + p.stderr


def running(words):
    """Processes whose command line has these words: steps of builds are seen from outside."""
    return [l for l in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout.split("\n") if words in l]


class Building:
    """`image build ID` under way, up to the words that its recipe says."""

    def __init__(self, teacher, id, words):
        self.box = subprocess.Popen([*teacher.argv(), f"image build {id}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = ""
        for line in self.box.stdout:
            self.said += line
            if words in line and "STEP" not in line and "RUN" not in line:
                return
        raise AssertionError(f"{words!r} was never said: {self.said[-1500:]}")

    def end(self):
        self.said += self.box.stdout.read()
        return self.box.wait(300)


def test_parents_first_and_each_once(lab, teacher):
    stack(teacher, "lower", "RUN echo lower >/usr/share/lower")
    stack(teacher, "upper", "RUN cat /usr/share/lower && echo upper >/usr/share/upper", "lower")
    _, said = build(teacher, "upper")
    at = [said.index(w) for w in ("== lower: building", "== lower: built", "== upper: building", "== upper: built")]
    assert at == sorted(at), said
    _, said = build(teacher, "upper")
    assert "building" not in said, said
    stack(teacher, "lower", "RUN echo lower and more >/usr/share/lower")  # a changed recipe is built, and what stands upon it
    _, said = build(teacher, "upper")
    assert said.index("== lower: built") < said.index("== upper: built"), said


def test_the_log_comes_while_it_builds_and_cancel_ends_it(lab, teacher):
    stack(teacher, "slow", "RUN echo it has begun; sleep 90001")
    b = Building(teacher, "slow", "it has begun")
    assert b.box.poll() is None and state(teacher, "slow") == "building"
    op = next(o["id"] for o in teacher.json("op ls")["ops"] if o["kind"] == "image build" and o["state"] == "running")
    teacher.ssh(f"cancel {op}")
    assert b.end() != 0, b.said
    wait_until("its step is gone", lambda: not running("sleep 90001"), 30)
    assert state(teacher, "slow") != "ready" and "cancel" in b.said, b.said
    stack(teacher, "slow", "RUN true")
    build(teacher, "slow")
    wait_until("the image", lambda: state(teacher, "slow") == "ready")


def test_a_greedy_step_ends_alone(lab, teacher):
    stack(teacher, "greedy", "RUN python3 -c 'x = b\"x\" * (900 << 20)' && echo it had room")
    stack(teacher, "modest", "RUN sleep 5; echo it was left alone")
    b = Building(teacher, "modest", "building")
    code, said = build(teacher, "greedy", check=False)
    assert code == 1 and "exit status 137" in said.split("codinglab: ")[-1] and "== greedy: failed" in said, (code, said)
    assert b.end() == 0 and "it was left alone" in b.said, b.said
    assert state(teacher, "greedy") == "failed"


def test_a_step_without_an_end_is_ended(lab, teacher):
    stack(teacher, "endless", "RUN sleep 90002")
    code, said = build(teacher, "endless", check=False)
    assert code == 124 and "== endless: failed" in said and "in time" in said, (code, said)
    wait_until("its step is gone", lambda: not running("sleep 90002"), 30)


def test_the_engines_end_is_survived(lab, teacher):
    """It goes on by itself with what is missing, or says that it failed; then asking again is enough."""
    stack(teacher, "first", "RUN echo first is begun; sleep 8")
    stack(teacher, "second", "RUN echo second is begun; sleep 8", "first")
    b = Building(teacher, "second", "second is begun")
    lab.kill_daemon("engine")
    b.end()
    wait_until("the engine is back", lambda: teacher.ssh("whoami", check=False).returncode == 0, 30)
    wait_until(lambda: teacher.json("image ls"), lambda: state(teacher, "second") in ("ready", "failed", "absent"), 120)
    _, said = build(teacher, "second")
    assert "first: building" not in said, said  # what was whole is left alone
    wait_until("the image", lambda: state(teacher, "second") == "ready")


def test_the_container_engines_end_is_told(lab, teacher):
    stack(teacher, "cut", "RUN echo cut is begun; sleep 20")
    b = Building(teacher, "cut", "cut is begun")
    lab.kill_daemon("podman-build")
    code = b.end()
    assert code == 0 or "codinglab: " in b.said, b.said
    build(teacher, "cut")
    wait_until("the image", lambda: state(teacher, "cut") == "ready")


def test_what_was_added_goes(lab, teacher):
    for id in ("upper", "lower", "slow", "greedy", "modest", "endless", "second", "first", "cut"):
        # the one before is gone once it says so, its images a moment later
        wait_until(f"{id} is removed", lambda id=id: teacher.ssh(f"stack rm {id} -y", check=False).returncode == 0, 60)
        assert teacher.ssh(f"stack show {id}", check=False).returncode == 4
    names = lab.podman("images", "--format", "{{.Repository}}").split()
    assert not [n for n in names if n.rsplit("/", 1)[-1] in ("upper", "slow", "second", "cut")], names


if __name__ == "__main__":
    os.environ.update(CODINGLAB_IMAGES_BUILD_MEMORY_MB="512", CODINGLAB_IMAGES_BUILD_TIMEOUT_S="60")
    with Lab(images="python") as lab:
        sys.exit(cases.main(globals(), lab, lab.user("tess", "teacher")) > 0)
