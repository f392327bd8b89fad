#!/usr/bin/python3
"""Saving while everything goes wrong: killed at each system call, or each call failing with ENOSPC, EDQUOT, EIO, EROFS.
The file holds the old or the new text, never anything else; a failure is told, the buffer is kept, no litter stays."""
import errno
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import cases  # noqa: E402
from lab import DEV, ROOT  # noqa: E402

OLD, MORE = "old text\n" * 50, "more\n"
NEW = OLD + MORE
PREFIX = ".codinglab-save-"
# What the saver asks of the kernel once it has begun; memory and exit are nobody's fault.
HARMLESS = {"brk", "mmap", "munmap", "mprotect", "exit_group", "madvise", "futex", "getrandom", "close", "clock_gettime",
            "prctl", "sched_yield", "gettid", "rt_sigaction", "sigaltstack", "getpid", "wait4", "clone"}


class Place:
    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cl-save-"))
        self.driver = self.dir / "driver"
        tree = DEV.parent
        flags = ["-fsanitize=address,undefined"] if "CL_SANITIZE:BOOL=ON" in (tree / "CMakeCache.txt").read_text() else []
        subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", f"-I{ROOT}", *flags, "-o", self.driver, ROOT / "tests/regress/save_driver.c",
                        tree / "editor/libcl_editor.a", tree / "base/libcl_base.a", "-lpcre2-8", "-lutf8proc"], check=True)
        self.work = self.dir / "work"

    def fresh(self):
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        self.file = self.work / "f.txt"
        self.file.write_text(OLD)
        self.file.chmod(0o640)

    def run(self, *strace):
        env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        argv = [self.driver, self.work, "f.txt", MORE]
        if strace:
            argv = ["strace", "-qq", "-o", self.dir / "trace", *strace, *argv]
        p = subprocess.run(list(map(str, argv)), capture_output=True, text=True, env=env)
        return p.returncode, p.stdout

    def calls(self):
        """[(name, which occurrence of it)] after the saver said that it begins."""
        self.fresh()
        assert self.run("-f", "-e", "trace=all")[1] == "begin\nsaved\n"
        seen, out, begun = {}, [], False
        for line in (self.dir / "trace").read_text().split("\n"):
            m = re.match(r"(?:\d+ +)?(\w+)\(", line)
            if not m:
                continue
            name = m.group(1)
            seen[name] = seen.get(name, 0) + 1
            if begun and name not in HARMLESS and "saved" not in line:
                out.append((name, seen[name]))
            begun = begun or '"begin' in line
        assert len(out) > 10, out
        return out

    def temps(self):
        return [p for p in self.work.iterdir() if p.name.startswith(PREFIX)]


def test_killed_at_every_call(p):
    calls, left = p.calls(), 0
    for name, n in calls:
        p.fresh()
        p.run("-f", "-e", f"trace={name}", "-e", f"inject={name}:signal=KILL:when={n}")
        text = p.file.read_text()
        assert text in (OLD, NEW), f"killed at {name} {n}: {text!r}"
        assert len(p.temps()) <= 1, f"killed at {name} {n}: {p.temps()}"
        left += len(p.temps())
        subprocess.run([p.driver, p.work, "f.txt", ""], capture_output=True)  # the next open cleans up
        assert not p.temps(), f"killed at {name} {n}: {p.temps()} stays"
    assert left > 0, "no kill fell between the temp file's birth and its renaming"
    print(f"  {len(calls)} places, {left} of them left a temp file")


def test_every_call_failing(p):
    calls = p.calls()
    for error in ("ENOSPC", "EDQUOT", "EIO", "EROFS"):
        told = 0
        for name, n in calls:
            p.fresh()
            code, out = p.run("-f", "-e", f"trace={name}", "-e", f"inject={name}:error={error}:when={n}")
            text, where = p.file.read_text(), f"{name} {n} failing with {error}: {out}"
            if "saved" in out:
                assert text == NEW, where
            elif "failed: " in out:
                assert text == OLD or name in ("fsync", "renameat", "rename"), where
                assert text == OLD, where
                assert f"kept {len(NEW)}" in out, where
                told += os.strerror(getattr(errno, error)) in out
            else:
                raise AssertionError(f"neither saved nor told why: {where}")
            if name not in ("unlinkat", "unlink"):
                assert not p.temps(), f"{where}: {p.temps()}"
        assert told > 3, f"{error} is named in {told} messages only"


def test_a_full_tmpfs(p):
    p.fresh()
    mount = p.dir / "full"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "none", mount], check=True)
    try:
        (mount / "f.txt").write_text("precious")
        run = subprocess.run([p.driver, mount, "f.txt", "x" * 9000], capture_output=True, text=True)
        assert "No space left on device" in run.stdout and "kept 9008" in run.stdout, run.stdout
        assert [x.name for x in mount.iterdir()] == ["f.txt"] and (mount / "f.txt").read_text() == "precious"
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def test_file_size_limit(p):
    p.fresh()
    run = subprocess.run(["prlimit", "--fsize=100", "--", "env", "--ignore-signal=XFSZ", p.driver, p.work, "f.txt", MORE],
                         capture_output=True, text=True)
    assert "failed" in run.stdout and p.file.read_text() == OLD and not p.temps(), run


def test_what_is_not_to_be_written(p):
    p.fresh()
    os.link(p.file, p.work / "other")  # perhaps another user's file
    assert "hard links" in p.run()[1] and (p.work / "other").read_text() == OLD
    p.fresh()
    p.file.rename(p.work / "real")
    os.symlink("real", p.file)
    assert "failed: " in p.run()[1] and (p.work / "real").read_text() == OLD
    p.fresh()
    p.file.chmod(0o4750)
    before = p.file.stat()
    assert "saved" in p.run()[1]
    assert p.file.stat().st_mode == before.st_mode and p.file.stat().st_uid == before.st_uid


def main():
    if os.geteuid() != 0 or not shutil.which("strace"):
        print("needs root and strace")
        return 77
    p = Place()
    try:
        return 1 if cases.main(globals(), p) else 0
    finally:
        shutil.rmtree(p.dir, ignore_errors=True)


sys.exit(main())
