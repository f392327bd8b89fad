#!/usr/bin/python3
"""Privilege separation, asked for from inside: the release programs run as they are installed, and a live connection process
and a live session are made to ask the kernel for each thing that they must not have (lib/inject.py); then their memory is
searched for what is not theirs."""
import base64
import ctypes
import os
import pathlib
import socket
import struct
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/lib"))
RELEASE = pathlib.Path(os.environ.get("CODINGLAB_TEST_RELEASE", ROOT / "build/release/bin"))
os.environ["CODINGLAB_TEST_BIN"] = str(RELEASE)  # the sanitizers' builds allow themselves more
import cases  # noqa: E402
import fake_engine  # noqa: E402
import gateway  # noqa: E402
import inject  # noqa: E402
import lab  # noqa: E402

AT_FDCWD, RDWR, CREAT = -100, 2, 0o100
EPERM, EAGAIN, EACCES, EXDEV = 1, 11, 13, 18
SIGCHLD, NEWUSER, NEWNS = 17, 0x10000000, 0x20000
SECRET_A, SECRET_B, SECRET_DB = b"alice-keeps-this-quiet-7391", b"bob-keeps-this-quiet-4402", b"row-of-the-database-5518"


def sockaddr_un(path):
    return struct.pack("<H", socket.AF_UNIX) + str(path).encode() + b"\0"


def sockaddr_in(host, port):
    return struct.pack("<H", socket.AF_INET) + struct.pack(">H", port) + socket.inet_aton(host) + bytes(8)


# What neither may do at all, whatever the arguments: programs, processes, rights, mounts, others' memory, the kernel.
NEVER = {
    "a program": ("execve", "/bin/sh", 0, 0), "a program by descriptor": ("execveat", 0, "", 0, 0, 0x1000),
    "a process": ("clone", SIGCHLD), "fork": ("fork",), "vfork": ("vfork",), "tracing": ("ptrace", 16, 1), "root again": ("setuid", 0),
    "root's group": ("setgid", 0), "all identities": ("setresuid", 0, 0, 0), "groups": ("setgroups", 0, 0), "capabilities": ("capset", 0, 0),
    "another root": ("chroot", "/"), "a mount": ("mount", "none", "/", "tmpfs", 0, 0), "an unmount": ("umount2", "/", 0),
    "namespaces": ("unshare", NEWUSER | NEWNS), "others' namespaces": ("setns", 0, 0), "a signal": ("kill", 1, 0), "tkill": ("tkill", 1, 0),
    "others' memory": ("process_vm_readv", 1, 0, 0, 0, 0, 0), "writing others' memory": ("process_vm_writev", 1, 0, 0, 0, 0, 0),
    "others' descriptors": ("pidfd_getfd", 0, 0, 0), "a module": ("init_module", 0, 0, ""), "bpf": ("bpf", 0, 0, 0),
    "events": ("perf_event_open", 0, 0, 0, 0, 0), "io_uring": ("io_uring_setup", 8, 0), "userfaultfd": ("userfaultfd", 0),
    "kernel's keys": ("keyctl", 0, 0), "a key": ("add_key", "user", "x", 0, 0, 0), "a device": ("mknod", "/tmp/x", 0o20666, 0x103),
    "handles": ("open_by_handle_at", -100, 0, 0), "a reboot": ("reboot", 0, 0, 0, 0), "personality": ("personality", 0x0040000),
    "a listening port": ("listen", 3, 5), "a bound port": ("bind", 3, sockaddr_in("127.0.0.1", 0), 16),
}


class World:
    """A gateway of release programs with real sessions, a stand-in for the engine's REST, and files that are nobody's business."""

    def __enter__(self):
        self.g = gateway.Gateway().__enter__()
        self.g.add_user("bob", 2)
        for name in ("codinglab-tui", "codinglab-pane"):
            (self.g.bin / name).unlink()
            (self.g.bin / name).symlink_to(RELEASE / name)
        self.engine = fake_engine.FakeEngine(str(self.g.run / "engine.sock")).start()
        self.database = self.g.dir / "engine.db"
        self.database.write_bytes(SECRET_DB)
        self.database.chmod(0o600)
        self.theirs = self.g.dir / "home-bob" / "private"
        self.theirs.write_bytes(SECRET_B)
        self.theirs.chmod(0o600)
        os.chown(self.theirs, gateway.UID_BASE + 2, gateway.UID_BASE + 2)
        self.open = []
        return self

    def __exit__(self, *exc):
        for p in self.open:
            p.kill()
            p.wait()
        self.engine.stop()
        self.g.__exit__(*exc)

    def connection(self, user="alice", key="id"):
        """A process of a fresh, logged in connection, at rest: (client, pid)."""
        before = set(self.g.children("codinglab-conn"))
        p = subprocess.Popen(self.g.argv("echo up; cat", user=user, key=key), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
        self.open.append(p)
        assert p.stdout.readline() == b"up\n"
        pid = (set(self.g.children("codinglab-conn")) - before).pop()
        at_rest(pid)
        return p, pid

    def session(self, user="alice"):
        s = lab.Screen(self.g.argv(user=user, options=["-tt"]), 30, 100)
        s.expect("CodingLab", 20)
        s.pump(0.5)
        pid = next(p for p in self.g.children("codinglab-tui")
                   if f"\0--user\0{user}\0".encode() in pathlib.Path(f"/proc/{p}/cmdline").read_bytes())
        at_rest(pid)
        return s, pid


def at_rest(pid):
    """It waits for something to happen."""
    def waits():
        return pathlib.Path(f"/proc/{pid}/wchan").read_text() in ("do_sys_poll", "poll_schedule_timeout.constprop.0", "ep_poll", "0",
                                                                 "do_epoll_wait") \
            and pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "S"
    lab.wait_until("the process rests", waits, 10)


def ask(pid, *call):
    with inject.Inside(pid) as inside:
        return inside.call(*call)


def test_the_asking_itself_works(w):
    """What is allowed is done and answered: otherwise every refusal below would prove nothing."""
    _, pid = w.connection()
    assert ask(pid, "getpid") == pid
    client, pid = w.connection()
    assert ask(pid, "dup", 1) == inject.KILLED
    lab.wait_until("its client is told", lambda: client.poll() is not None, 10)
    assert any("signal 31" in n[4] for n in w.g.noted("crash")), w.g.engine.notes
    s, pid = w.session()
    assert ask(pid, "getpid") == pid
    s.close()


def test_a_connection_gets_nothing(w):
    host_key = next(w.g.dir.rglob("host_ed25519"))
    asked = {**NEVER, "the host key": ("openat", AT_FDCWD, str(host_key), 0), "the root": ("open", "/", 0), "any file": ("openat2", AT_FDCWD, "/", 0, 0),
             "the database": ("openat", AT_FDCWD, str(w.database), 0), "a user's file": ("openat", AT_FDCWD, str(w.theirs), 0),
             "its own memory": ("openat", AT_FDCWD, "/proc/self/mem", RDWR), "the network": ("socket", socket.AF_INET, 1, 0),
             "datagrams": ("socket", socket.AF_INET, 2, 0), "unix sockets": ("socket", socket.AF_UNIX, 1, 0), "netlink": ("socket", 16, 3, 0),
             "a connection": ("connect", 0, sockaddr_in("127.0.0.1", w.g.port), 16), "engine": ("connect", 0, sockaddr_un(w.g.run / "engine.sock"), 110),
             "memory files": ("memfd_create", "x", 0), "executable memory": ("mprotect", 0x10000, 4096, 7), "a thread": ("clone3", 0, 0),
             "modes": ("chmod", "/", 0o777), "owners": ("chown", "/", 0, 0), "a link": ("link", "/a", "/b"), "a folder": ("mkdir", "/x", 0o777),
             "another's signal": ("tgkill", os.getpid(), os.getpid(), 0), "another's limits": ("prlimit64", os.getpid(), 0, 0, 0),
             "prctl": ("prctl", 4, 1, 0, 0, 0)}
    bad = []
    for what, call in asked.items():
        client, pid = w.connection()
        got = ask(pid, *call)
        if got != inject.KILLED:
            bad.append((what, got))
        client.kill()
    assert not bad, bad


def test_a_connections_limits_cannot_be_raised(w):
    _, pid = w.connection()
    with inject.Inside(pid) as inside:
        for resource in (6, 7, 9):  # processes, files, memory
            assert inside.call("prlimit64", 0, resource, struct.pack("<QQ", 1 << 40, 1 << 40), 0) == -EPERM, resource
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    assert "Max processes             0" in limits and "Max open files            128" in limits, limits


def test_what_a_connection_is(w):
    _, pid = w.connection()
    status = dict(x.split(":\t", 1) for x in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in x)
    assert status["Uid"].split() == status["Uid"].split()[:1] * 4 and status["Uid"].split()[0] not in ("0", str(gateway.UID_BASE + 1)), status
    assert status["Groups"].split() == [] and status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
    assert {status[c] for c in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {"0" * 16}, status
    assert os.readlink(f"/proc/{pid}/root") == str(w.g.run / "empty") and os.listdir(f"/proc/{pid}/root") == []
    kinds = {os.readlink(f"/proc/{pid}/fd/{n}").split(":")[0] for n in os.listdir(f"/proc/{pid}/fd")}
    assert kinds <= {"socket", "pipe", "/dev/null", "anon_inode", str(w.g.log)}, kinds


def nobody_left(w):
    """The next session is a fresh one.  While its connection lives, a session that died is started again."""
    for p in w.open:
        p.kill()
        p.wait()
    w.open.clear()
    lab.wait_until("connections end", lambda: not w.g.children("codinglab-conn"), 10)
    lab.wait_until("sessions end", lambda: not killed(w.g.children("codinglab-tui")), 20)


def killed(pids):
    """One that the listener was just starting again is met the next time."""
    for pid in pids:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass
    return pids


def test_a_session_gets_nothing_that_is_not_its_users(w):
    nobody_left(w)
    host_key = next(w.g.dir.rglob("host_ed25519"))
    bad = []
    for what, call in NEVER.items():
        s, pid = w.session()
        got = ask(pid, *call)
        if got != inject.KILLED:
            bad.append((what, got))
        s.close()
        nobody_left(w)
    assert not bad, bad
    s, pid = w.session()
    refused = {"the host key": ("openat", AT_FDCWD, str(host_key), 0), "the database": ("openat", AT_FDCWD, str(w.database), 0),
               "another's file": ("openat", AT_FDCWD, str(w.theirs), 0), "the machine's accounts": ("openat", AT_FDCWD, "/etc/passwd", 0),
               "passwords": ("openat", AT_FDCWD, "/etc/shadow", 0), "root's folder": ("openat", AT_FDCWD, "/root", 0),
               "another's process": ("openat", AT_FDCWD, "/proc/1/environ", 0), "a new file of the system": ("openat", AT_FDCWD, "/usr/x", RDWR | CREAT, 0o644),
               "a program's text": ("openat", AT_FDCWD, "/usr/bin/true", RDWR), "temporary files": ("openat", AT_FDCWD, "/tmp/x", RDWR | CREAT, 0o600),
               "another's folder": ("openat", AT_FDCWD, str(w.theirs.parent / "new"), RDWR | CREAT, 0o600)}
    with inject.Inside(pid) as inside:
        for what, call in refused.items():
            got = inside.call(*call)
            if got >= 0 or -got not in (EPERM, EACCES, EXDEV):
                bad.append((what, got))
        for path in (w.g.run / "auth.sock", w.g.run / "sessions" / f"{gateway.UID_BASE + 2}.-.-.sock"):
            fd = inside.call("socket", socket.AF_UNIX, socket.SOCK_SEQPACKET, 0)
            got = inside.call("connect", fd, sockaddr_un(path), len(sockaddr_un(path)))
            inside.call("close", fd)
            if got >= 0:
                bad.append((path, got))
        assert inside.call("getpid") == pid
    s.pump(0.3)
    assert not bad, bad
    s.close()


def test_what_a_session_is(w):
    s, pid = w.session()
    status = dict(x.split(":\t", 1) for x in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in x)
    assert set(status["Uid"].split()) == {str(gateway.UID_BASE + 1)} and status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
    assert {status[c] for c in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {"0" * 16}, status
    s.close()


def seed_of(path):
    """The secret half of an ed25519 key file, as any program that signs must hold it."""
    text = path.read_text().split("-----")[2]
    raw = base64.b64decode("".join(text.split()))
    at = raw.index(b"ssh-ed25519", raw.index(b"ssh-ed25519") + 11)  # the second: inside the private part
    public = raw[at + 15:at + 47]
    assert raw[at + 47:at + 51] == struct.pack(">I", 64) and raw[at + 83:at + 115] == public
    return raw[at + 51:at + 83]


def test_memory_holds_only_what_is_its_own(w):
    seed = seed_of(next(w.g.dir.rglob("host_ed25519")))
    a, conn_a = w.connection("alice")
    b, conn_b = w.connection("bob")
    for p, secret in ((a, SECRET_A), (b, SECRET_B)):
        p.stdin.write(secret + b"\n")
        p.stdin.flush()
        assert p.stdout.readline() == secret + b"\n"
    at_rest(conn_a)
    at_rest(conn_b)
    tui_a, session_a = w.session("alice")
    tui_b, session_b = w.session("bob")
    listener = w.g.proc.pid
    everyone = {"connection of alice": conn_a, "connection of bob": conn_b, "session of alice": session_a, "session of bob": session_b,
                "listener": listener, **{f"pane {p}": p for p in w.g.children("codinglab-pane")}}
    found = {what: {name for name, pid in everyone.items() if inject.holds(pid, secret)}
             for what, secret in (("host key", seed), ("alice's text", SECRET_A), ("bob's text", SECRET_B), ("database", SECRET_DB))}
    # libssh signs with the key in memory: see docs/SECURITY.md.  The listener keeps it in a sealed file, not in memory.
    # The screens have connections of their own, so every connection may be named here, and nothing else.
    assert found["host key"] == {"connection of alice", "connection of bob"}, found
    assert found["alice's text"] <= {"connection of alice"}, found
    assert found["bob's text"] <= {"connection of bob"}, found
    assert found["database"] == set(), found
    for s in (tui_a, tui_b):
        s.close()


def main():
    if not inject.SUPPORTED:
        print("0 passed, 0 failed, 1 skipped: asking from inside is written for x86-64")
        return 0
    with World() as w:
        return cases.main(globals(), w)


if __name__ == "__main__":
    assert ctypes and time
    sys.exit(main() != 0)
