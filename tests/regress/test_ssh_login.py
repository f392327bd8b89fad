#!/usr/bin/python3
"""Logging in, and not: keys, passwords, names, attempts, time, protocol abuse before authentication, penalties."""
import asyncio
import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import asyncssh  # noqa: E402
import cases  # noqa: E402
import gateway  # noqa: E402
import lab  # noqa: E402
import paramiko  # noqa: E402
from paramiko.message import Message  # noqa: E402


def transport(g):
    """A client after the key exchange, with nothing asked yet."""
    t = paramiko.Transport(socket.create_connection(("127.0.0.1", g.port), 10))
    t.start_client(timeout=15)
    return t


def raw(t, kind, *fields):
    m = Message()
    m.add_byte(bytes([kind]))
    for f in fields:
        (m.add_int if isinstance(f, int) else m.add_string)(f)
    try:
        t._send_message(m)
    except (EOFError, OSError):
        pass  # closed already: what came before was enough


def ended(t, seconds=10):
    lab.wait_until("the gateway closes the connection", lambda: not t.is_active(), seconds)


def quiet(g):
    """No penalty or half-open login of an earlier test is in the way."""
    lab.wait_until("connections of earlier tests end", lambda: not g.children("codinglab-conn"), 10)


def test_keys_of_every_kind(g):
    for i, kind in enumerate(("ed25519", "ecdsa", "rsa")):
        g.key(kind, kind)
        g.add_user(f"user{i}", 10 + i, key=kind)
        r = g.ssh("id -u", user=f"user{i}", key=kind)
        assert r.stdout.strip() == str(gateway.UID_BASE + 10 + i).encode(), (kind, r)


def test_a_wrong_key_is_refused(g):
    g.key("other")
    r = g.ssh("id", key="other")
    assert r.returncode == 255 and b"Permission denied (publickey,password)" in r.stderr, r
    assert g.noted("refused")


def test_an_offered_key_is_no_login(g):
    """The public half of somebody's key, offered but never signed with, opens nothing."""
    t = transport(g)
    pub = paramiko.Ed25519Key.from_private_key_file(f"{g.dir}/id")
    raw(t, 5, "ssh-userauth")
    m = Message()
    m.add_byte(b"\x32")
    for f in ("alice", "ssh-connection", "publickey"):
        m.add_string(f)
    m.add_boolean(False)
    m.add_string("ssh-ed25519")
    m.add_string(pub.asbytes())
    t._send_message(m)
    lab.wait_until("the engine is asked", lambda: ("alice", gateway.AUTH_KEY, 0) in g.engine.asked)
    logins = len([n for n in g.engine.notes if n[3] == "login"])
    raw(t, 90, "session", 0, 1 << 20, 1 << 15)
    ended(t)
    assert len([n for n in g.engine.notes if n[3] == "login"]) == logins


def test_passwords(g):
    async def main():
        async with connect(g, password="s3cret word") as c:
            assert (await c.run("id -u")).stdout.strip() == "200001"
        for wrong in ("", "s3cret", "s3cret word ", "x" * 5000, "\0"):
            try:
                async with connect(g, password=wrong):
                    raise AssertionError(f"let in with {wrong[:20]!r}")
            except (asyncssh.PermissionDenied, asyncssh.DisconnectError, ConnectionError):
                pass
    asyncio.run(main())


def test_keyboard_interactive_is_not_offered(g):
    r = g.ssh("id", options=["-o", "PreferredAuthentications=keyboard-interactive"])
    assert r.returncode == 255 and b"(publickey,password)" in r.stderr, r


def lines(g):
    return g.log.read_text(errors="replace").count("refused: user")


def test_malformed_names_are_refused_with_one_line(g):
    names = ["x" * 30000, "a\nb", "a\x1b[2Jb", "../etc", "-oProxyCommand=x", "alice+", "alice+shop.cache-1", "Alice",
             "alice+shop.was-0", "root", "", "alice+../x", "al\u202eice"]
    quiet(g)
    asked = len(g.engine.asked)
    for name in names:
        before = lines(g)
        t = transport(g)
        try:
            t.auth_password(name, "s3cret word")
            raise AssertionError(f"let in: {name[:20]!r}")
        except (paramiko.SSHException, EOFError, ConnectionError):
            pass
        t.close()
        quiet(g)
        lab.wait_until(f"a line about {name[:20]!r}", lambda: lines(g) > before, 5)
        assert lines(g) == before + 1, name[:20]
    assert all(user == "root" for user, _, _ in g.engine.asked[asked:])
    log = g.log.read_bytes()
    assert b"\x1b" not in log and "\u202e".encode() not in log


def test_invalid_utf8_and_nul_in_a_name(g):
    """libssh cuts a name at NUL before we see it: what is left is judged like any other name."""
    for name, left in ((b"al\xff\xfeice", None), (b"\0", None), (b"root\0alice", None), (b"alice\0root", "alice")):
        quiet(g)
        g.engine.notes.clear()
        t = transport(g)
        raw(t, 5, "ssh-userauth")
        m = Message()
        m.add_byte(b"\x32")
        for f in (name, "ssh-connection", "password"):
            m.add_string(f)
        m.add_boolean(False)
        m.add_string("s3cret word")
        t._send_message(m)
        rows = g.noted("login" if left else "refused")
        assert rows and (not left or rows[0][1] == left), (name, g.engine.notes)
        assert left or not [n for n in g.engine.notes if n[3] == "login"], name
        t.close()


def test_attempts_are_counted(g):
    quiet(g)
    t = transport(g)
    asked = len(g.engine.asked)
    for tries in range(1, 200):
        try:
            t.auth_password("alice", f"wrong {tries}")
            raise AssertionError("let in")
        except (paramiko.SSHException, EOFError, ConnectionError):  # the last refusal may be overtaken by the closing
            if not t.is_active():
                break
    ended(t)
    assert len(g.engine.asked) - asked == 6, len(g.engine.asked) - asked


def test_success_claimed_by_the_client(g):
    """A10: USERAUTH_SUCCESS, INFO_RESPONSE, SERVICE_ACCEPT and others sent by the client authenticate nobody."""
    for kind, fields in ((52, ()), (61, (0,)), (6, ("ssh-userauth",)), (60, ("x", b"y")), (51, ("password",)),
                         (81, ()), (91, (0, 0, 0, 0))):
        t = transport(g)
        raw(t, kind, *fields)
        raw(t, 90, "session", 0, 1 << 20, 1 << 15)
        ended(t)
    assert g.ssh("echo fine").stdout == b"fine\n"


def test_channels_before_authentication(g):
    """A11: nothing opens and nothing runs before the login, and the audit log says that it was tried."""
    attempts = {90: ("session", 0, 1 << 20, 1 << 15), 98: (0, "exec", 1, "touch /tmp/evil"), 80: ("tcpip-forward", 1)}
    for kind, fields in attempts.items():
        g.engine.notes.clear()
        t = transport(g)
        raw(t, 5, "ssh-userauth")
        raw(t, kind, *fields)
        ended(t)
        rows = g.noted("refused")
        assert rows and "rejected packet" in rows[0][4], (kind, rows)
    assert not g.children("codinglab")


def test_junk_before_authentication_is_cut(g):
    quiet(g)
    t = transport(g)
    sent = 0
    try:
        while t.is_active() and sent < 20_000_000:
            raw(t, 2, b"x" * 20000)
            sent += 20000
    except (OSError, EOFError):
        pass
    ended(t)
    # What the kernel's buffers held was sent too; what matters is that it ended early.
    assert sent < 10_000_000, sent
    with socket.create_connection(("127.0.0.1", g.port)) as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        s.settimeout(15)
        while s.recv(4096):
            pass


def test_silence_ends(g):
    with gateway.Gateway(["--sshd-login-grace-s", "2"]) as slow:
        s = [socket.create_connection(("127.0.0.1", slow.port)) for _ in range(3)]
        s[1].sendall(b"SSH-2.0-x\r\n")
        t = transport(slow)
        t0 = time.time()
        for c in s:
            c.settimeout(15)
            while c.recv(4096):
                pass
        ended(t)
        assert time.time() - t0 < 10
        assert any("not authenticated in time" in n[4] for n in slow.noted("refused"))
        assert slow.ssh("echo fine").stdout == b"fine\n"


def test_bad_signatures_are_bounded(g):
    t = transport(g)
    key = paramiko.Ed25519Key.from_private_key_file(f"{g.dir}/id")
    raw(t, 5, "ssh-userauth")
    m = Message()
    m.add_byte(b"\x32")
    for f in ("alice", "ssh-connection", "publickey"):
        m.add_string(f)
    m.add_boolean(True)
    m.add_string("ssh-ed25519")
    m.add_string(key.asbytes())
    sig = Message()
    sig.add_string("ssh-ed25519")
    sig.add_string(b"\x07" * 64)
    m.add_string(sig.asbytes())
    sent = 0
    try:
        for sent in range(5000):
            t._send_message(m)
            if not t.is_active():
                break
    except (OSError, EOFError):
        pass
    ended(t, 35)
    assert not t.is_authenticated()


def test_penalties_and_limits_of_a_source(g):
    with gateway.Gateway(exempt=False) as strict:
        assert strict.ssh("echo fine").stdout == b"fine\n"
        t = transport(strict)
        for i in range(6):
            try:
                t.auth_password("alice", f"wrong {i}")
            except (paramiko.SSHException, EOFError, ConnectionError):
                pass
        ended(t)
        rows = strict.noted("penalty")
        assert rows and "refused for 1" in rows[0][4], rows
        r = strict.ssh("echo fine")
        assert r.returncode == 255 and not r.stdout, r
        with socket.create_connection(("127.0.0.1", strict.port)) as s:
            s.settimeout(5)
            assert s.recv(100).startswith(b"Not allowed at this time")
    with gateway.Gateway(exempt=False) as strict:
        open_logins = [socket.create_connection(("127.0.0.1", strict.port)) for _ in range(5)]
        for s in open_logins:
            s.settimeout(10)
            assert s.recv(8) == b"SSH-2.0-"
        with socket.create_connection(("127.0.0.1", strict.port)) as s:
            s.settimeout(5)
            assert s.recv(100).startswith(b"Too many")
        for s in open_logins:
            s.close()


def test_offered_algorithms(g):
    s = socket.create_connection(("127.0.0.1", g.port))
    t = paramiko.Transport(s)
    seen = {}
    parse = t._parse_kex_init

    def spy(m):
        data = m.asbytes()
        msg = Message(data)
        msg.get_bytes(17 if data[0] == 20 else 16)
        for field in ("kex", "hostkey", "c2s", "s2c", "mac", "mac2", "comp", "comp2"):
            seen[field] = msg.get_list()
        m.rewind()
        return parse(m)
    t._parse_kex_init = spy
    t._handler_table = {**t._handler_table, 20: lambda self, m: spy(m)}
    try:
        t.start_client(timeout=1)
    except Exception:
        pass
    t.close()
    assert seen, "no KEXINIT seen"
    assert all(k.startswith(("curve25519", "ecdh-", "ext-info", "kex-strict")) for k in seen["kex"]), seen["kex"]
    assert "kex-strict-s-v00@openssh.com" in seen["kex"], seen["kex"]
    assert seen["comp"] == seen["comp2"] == ["none"], seen
    assert not any("gcm" in c or "cbc" in c for c in seen["c2s"]), seen["c2s"]
    assert seen["hostkey"] == ["ssh-ed25519"], seen["hostkey"]


def test_an_engine_that_vouches_for_root_is_not_believed(g):
    g.engine.users["mallory"] = {**g.engine.users["alice"], "id": 66, "uid": 0}
    r = g.ssh("id", user="mallory")
    assert r.returncode == 255 and b"Permission denied" in r.stderr, r
    g.engine.users["mallory"]["uid"] = 200001
    assert g.ssh("id", user="mallory").returncode == 255


def test_logins_wait_out_an_engine_restart(g):
    with gateway.Gateway() as own:
        users, targets = own.engine.users, own.engine.targets
        own.engine.stop()
        p = subprocess.Popen(own.argv("echo after"), stdout=subprocess.PIPE)
        time.sleep(1.5)
        assert p.poll() is None
        own.engine = gateway.Engine(own.run / "auth.sock")
        own.engine.users, own.engine.targets = users, targets
        own.engine.start()
        assert p.communicate(timeout=20)[0] == b"after\n"


def test_revoking_ends_what_is_open(g):
    p = subprocess.Popen(g.argv("echo up; sleep 60"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.stdout.readline() == b"up\n"
    g.engine.revoke(1, "your key was removed")
    out, err = p.communicate(timeout=10)
    assert p.returncode == 255 and b"your key was removed" in err, (p.returncode, err)


def test_a_killed_connection_process_harms_nobody_else(g):
    quiet(g)
    keep = subprocess.Popen(g.argv("cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    keep.stdin.write(b"one\n")
    keep.stdin.flush()
    assert keep.stdout.readline() == b"one\n"
    first = set(g.children("codinglab-conn"))
    victim = subprocess.Popen(g.argv("echo up; sleep 60"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert victim.stdout.readline() == b"up\n"
    (pid,) = set(g.children("codinglab-conn")) - first
    os.kill(pid, signal.SIGSEGV)
    assert victim.wait(10) == 255
    assert any("process died" in n[4] for n in g.noted("crash"))
    keep.stdin.write(b"two\n")
    keep.stdin.close()
    assert keep.stdout.read() == b"two\n" and keep.wait(10) == 0


def test_a_process_that_hangs_is_ended(g):
    """0.8: a client that opens its channel with a largest packet of 10 makes libssh loop for ever."""
    quiet(g)
    t = transport(g)
    t.auth_publickey("alice", paramiko.Ed25519Key.from_private_key_file(f"{g.dir}/id"))
    raw(t, 90, "session", 0, 1 << 20, 10)
    time.sleep(0.3)
    for channel in range(40, 48):
        m = Message()
        m.add_byte(b"\x62")
        m.add_int(channel)
        m.add_string("exec")
        m.add_boolean(False)
        m.add_string("yes")
        t._send_message(m)
    lab.wait_until("it is noticed", lambda: any("hangs" in n[4] for n in g.engine.notes), 15)
    lab.wait_until("it is gone", lambda: not g.children("codinglab-conn"), 5)
    t.close()


def test_the_connection_process_has_no_rights(g):
    p = subprocess.Popen(g.argv("echo up; sleep 60"), stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"up\n"
    pid = g.children("codinglab-conn")[0]
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
    assert status["Uid"].split()[0] != "0" and status["Groups"].strip() == "", status
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2" and int(status["CapEff"], 16) == 0
    assert os.readlink(f"/proc/{pid}/root") == f"{g.run}/empty" and not os.listdir(f"{g.run}/empty")
    limits = open(f"/proc/{pid}/limits").read()
    assert "Max processes             0" in limits, limits
    p.kill()
    p.wait()


def test_broken_first_messages(g):
    before = [n for n in g.engine.notes if n[3] == "crash"]
    for first in (b"\0" * 100, b"SSH-1.0-x\r\n", b"SSH-2.0-" + b"x" * 70000, b"SSH-2.0-x\r\n" + os.urandom(3000),
                  b"SSH-2.0-x\r\n\xff\xff\xff\xff", b"\r\n" * 5000):
        with socket.create_connection(("127.0.0.1", g.port)) as s:
            s.settimeout(20)
            try:
                s.sendall(first)
                s.shutdown(socket.SHUT_WR)
                while s.recv(4096):
                    pass
            except OSError:
                pass
    assert g.ssh("echo fine").stdout == b"fine\n"
    assert [n for n in g.engine.notes if n[3] == "crash"] == before


def connect(g, **kw):
    return asyncssh.connect("127.0.0.1", g.port, username="alice", client_keys=None, known_hosts=None, agent_path=None,
                            config=[], **kw)


if __name__ == "__main__":
    with gateway.Gateway() as gw:
        failed = cases.main(globals(), gw)
        text = gw.log.read_text(errors="replace")
        # The one that the test itself killed excepted.
        if text.count("ERROR: AddressSanitizer") > 1 or "runtime error" in text:
            print(text[-5000:])
            failed = 1
    sys.exit(bool(failed))
