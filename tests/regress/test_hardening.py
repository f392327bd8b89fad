#!/usr/bin/python3
"""The release programs as they lie on disk: position independent, RELRO with immediate binding, no executable stack, no text
relocations, stack protector, checked library calls, control flow marks; no search path for libraries of their own."""
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import cases  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = pathlib.Path(os.environ.get("CODINGLAB_TEST_RELEASE", ROOT / "build/release/bin"))
# Linked whole, for containers of any distribution: no loader checks or binds anything there.
STATIC = {"codinglab-pty", "codinglab-net", "codinglab-copy"}
NO_CHECKED_CALLS = {"codinglab-copy"}  # all that it calls has no size to check


def programs():
    found = sorted(p for p in RELEASE.glob("codinglab*") if p.is_file() and os.access(p, os.X_OK))
    assert len(found) >= 11, found
    return found


def elf(program, *options):
    return subprocess.run(["readelf", "-W", *options, program], capture_output=True, text=True, check=True).stdout


def test_position_independent(_):
    for p in programs():
        kind = re.search(r"Type:\s+(\w+)", elf(p, "-h")).group(1)
        assert kind == "DYN", (p.name, kind)


def test_relocations_are_read_only_and_bound_at_start(_):
    for p in programs():
        assert "GNU_RELRO" in elf(p, "-l"), p.name
        if p.name not in STATIC:
            dynamic = elf(p, "-d")
            assert re.search(r"\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*NOW", dynamic), p.name


def test_no_memory_is_writable_and_executable(_):
    for p in programs():
        headers = elf(p, "-l")
        stack = re.search(r"GNU_STACK\s.*?(R\w*)\s+0x", headers)
        assert stack and "E" not in stack.group(1), (p.name, stack)
        assert not re.search(r"LOAD\s.*RWE", headers), p.name
        assert "TEXTREL" not in elf(p, "-d"), p.name


def test_the_stack_is_guarded(_):
    for p in programs():
        assert "__stack_chk_fail" in elf(p, "-s", "--dyn-syms"), p.name


def test_library_calls_are_checked(_):
    for p in programs():
        if p.name not in NO_CHECKED_CALLS:
            assert re.search(r"__\w+_chk\b", elf(p, "-s", "--dyn-syms").replace("__stack_chk", "")), p.name


def test_jumps_and_returns_are_marked(_):
    """Where a call or a jump through a pointer may land; the file as a whole has no mark, since the C library's start code has none."""
    if os.uname().machine != "x86_64":
        raise cases.Skip("marks of this processor are not looked at")
    for p in programs():
        code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", p], capture_output=True, text=True, check=True).stdout
        assert code.count("endbr64") > 20, (p.name, code.count("endbr64"))


def test_no_library_path_of_our_own(_):
    for p in programs():
        assert not re.search(r"\((RPATH|RUNPATH)\)", elf(p, "-d")), p.name


def test_what_lives_as_long_as_a_user_loads_few_libraries(_):
    """Every private page of a library is paid for once for each live session; parsers of archives have no business near a screen."""
    for name in ("codinglab-tui", "codinglab-conn", "codinglab-pane", "codinglab-sshd"):
        needed = set(re.findall(r"NEEDED.*\[(lib\w+)", elf(RELEASE / name, "-d")))
        assert not needed & {"libarchive", "libsqlite3", "libwebsockets", "libyaml", "libgit2", "libcurl"}, (name, needed)
    assert not re.findall(r"NEEDED.*\[(libcurl)", elf(RELEASE / "codinglab", "-d"))
    for name, theirs in (("codinglab-tui", ("libcrypto", "libssl", "libgnutls", "libkrb5", "libp11-kit")), ("codinglab-conn", ("libgnutls", "libp11-kit"))):
        loaded = subprocess.run(["ldd", RELEASE / name], capture_output=True, text=True, check=True).stdout
        assert not [t for t in theirs if t in loaded], (name, loaded)


def test_no_setuid_program(_):
    for p in programs():
        assert p.stat().st_mode & 0o6000 == 0, p.name


sys.exit(cases.main(globals(), None))
