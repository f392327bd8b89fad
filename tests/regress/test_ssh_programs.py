#!/usr/bin/python3
"""Programs over ssh: what a script sees of exit statuses, signals, ends of input, streams, terminals, variables."""
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import asyncio  # noqa: E402

import asyncssh  # noqa: E402
import cases  # noqa: E402
import gateway  # noqa: E402
import lab  # noqa: E402


def master(g):
    """One connection that many commands share, so that 256 of them are quick."""
    path = f"{g.dir}/ctl"
    return ["-o", "ControlMaster=auto", "-o", f"ControlPath={path}", "-o", "ControlPersist=30"]


def test_every_exit_status_is_relayed(g):
    bad = []
    for n in range(256):
        r = g.ssh(f"exit {n}", options=master(g))
        if r.returncode != n:
            bad.append((n, r.returncode))
    subprocess.run(g.argv(options=[*master(g), "-O", "exit"]), capture_output=True)
    assert not bad, bad


def test_a_signal_is_told_by_name(g):
    async def main():
        async with connect(g) as c:
            for name in ("TERM", "KILL", "SEGV", "INT"):
                r = await c.run(f"kill -{name} $$")
                assert r.exit_signal and r.exit_signal[0] == name, (name, r.exit_signal, r.exit_status)
    asyncio.run(main())


def test_stdin_reaches_its_end(g):
    r = g.ssh("cat", input=b"hi\n")
    assert (r.returncode, r.stdout, r.stderr) == (0, b"hi\n", b""), r
    r = g.ssh("wc -c", input=b"")
    assert r.stdout.strip() == b"0", r


def test_output_after_the_end_of_input(g):
    r = g.ssh("cat >/dev/null; sleep 0.3; echo late; exit 5", input=b"x" * 100000)
    assert (r.returncode, r.stdout) == (5, b"late\n"), r


def test_output_end_before_exit(g):
    r = g.ssh("exec >&- 2>&-; sleep 0.4; exit 9")
    assert r.returncode == 9, r


def test_a_program_that_does_not_read(g):
    r = g.ssh("exec <&-; echo done", input=b"y" * 3_000_000)
    assert (r.returncode, r.stdout) == (0, b"done\n"), r


def test_stderr_is_apart(g):
    r = g.ssh("i=0; while [ $i -lt 300 ]; do echo out$i; echo err$i >&2; i=$((i+1)); done; exit 3")
    assert r.returncode == 3
    assert r.stdout == b"".join(b"out%d\n" % i for i in range(300))
    assert r.stderr == b"".join(b"err%d\n" % i for i in range(300))


def test_a_hundred_megabytes_each_way(g):
    block = hashlib.sha256(b"seed").digest() * 3277
    n = 1000
    want = hashlib.sha256()
    for _ in range(n):
        want.update(block)
    p = subprocess.Popen(g.argv("cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    def feed():
        for _ in range(n):
            p.stdin.write(block)
        p.stdin.close()
    feeder = threading.Thread(target=feed)
    feeder.start()
    got, size, worst = hashlib.sha256(), 0, 0
    while True:
        data = p.stdout.read(1 << 20)
        if not data:
            break
        got.update(data)
        size += len(data)
        worst = max(worst, *(rss(c) for c in g.children("codinglab-conn")), 0)
    feeder.join()
    assert p.wait() == 0 and size == n * len(block) and got.digest() == want.digest(), size
    limit = 40_000 if "dev" not in str(gateway.BIN) else 400_000
    assert worst < limit, f"connection process grew to {worst} KiB"


def rss(pid):
    try:
        return int(next(line for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS")).split()[1])
    except (OSError, StopIteration):
        return 0


def test_a_client_that_stops_reading(g):
    p = subprocess.Popen(g.argv("yes | head -c 300000000"), stdout=subprocess.PIPE)
    p.stdout.read(10)
    p.send_signal(signal.SIGSTOP)
    time.sleep(1)
    conn = g.children("codinglab-conn")[0]
    before = rss(conn)
    time.sleep(2)
    assert rss(conn) - before < 2048, (before, rss(conn))
    p.send_signal(signal.SIGCONT)
    total = 10
    while data := p.stdout.read(1 << 20):
        total += len(data)
    assert p.wait() == 0 and total == 300_000_000, total


def test_rekeying_in_the_middle(g):
    data = os.urandom(1 << 16) * 200
    r = g.ssh("cat", input=data, options=["-o", "RekeyLimit=1M"])
    assert r.returncode == 0 and hashlib.sha256(r.stdout).digest() == hashlib.sha256(data).digest()


def test_only_allowed_variables_pass(g):
    names = {"LANG": "ko_KR.UTF-8", "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "TZ": "Asia/Seoul", "COLORTERM": "truecolor",
             "CODINGLAB_TEST": "yes", "LD_PRELOAD": "/tmp/x.so", "TERMINFO": "/tmp", "PATH": "/tmp", "BASH_ENV": "/x",
             "CODINGLAB_SOCKET": "/tmp/evil", "CODINGLAB_STATE": "/tmp", "CODINGLAB_PROJECT": "other", "lc_x": "1"}
    argv = ["/usr/bin/ssh", *g.argv("env", options=["-o", "SendEnv=*"])[1:]]
    r = subprocess.run(argv, env={**names, "HOME": "/root"}, capture_output=True)
    got = dict(line.split("=", 1) for line in r.stdout.decode().splitlines())
    for name in ("LANG", "LC_ALL", "NO_COLOR", "TZ", "COLORTERM", "CODINGLAB_TEST"):
        assert got.get(name) == names[name], (name, got)
    for name in ("LD_PRELOAD", "TERMINFO", "BASH_ENV", "CODINGLAB_PROJECT", "lc_x"):
        assert name not in got, (name, got)
    assert got["PATH"] != "/tmp" and got["CODINGLAB_SOCKET"].startswith(str(g.dir)), got
    assert (got["USER"], got["HOME"]) == ("alice", f"{g.dir}/home-alice"), got


def test_ten_thousand_variables(g):
    async def main():
        async with connect(g) as c:
            env = {f"LC_{i}": "v" * (i % 400) for i in range(10000)}
            r = await c.run("env | grep -c ^LC_; env | grep ^LC_ | awk '{ if (length($0) > 256) print }'", env=env)
            count, *long = r.stdout.split("\n")
            assert 0 < int(count) <= 64 and not "".join(long), r.stdout
    asyncio.run(main())


def test_terminals_get_their_size_and_name(g):
    with lab.Screen(g.argv("stty size; echo $TERM; tty; cat", options=["-tt"]), 33, 101) as s:
        s.expect(r"^33 101$")
        s.expect("xterm-256color")
        s.expect("/dev/pts/")
        s.send("abc\r")
        s.expect("abc\nabc")
        s.send("\x04")
        lab.wait_until("closed", lambda: (s.pump(0.05), s.closed)[1], 10)


def test_a_terminal_follows_its_window(g):
    with lab.Screen(g.argv("trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done", options=["-tt"])) as s:
        s.expect("ready")
        s.resize(40, 120)
        s.expect("40 120")
        s.send("\x03")
        lab.wait_until("closed", lambda: (s.pump(0.05), s.closed)[1], 10)


def test_odd_terminal_sizes_are_clamped(g):
    async def main():
        async with connect(g) as c:
            for asked, want in (((0, 0), "24 80"), ((1, 1), "2 4"), ((0xffffffff, 0xffffffff), "2 4"),
                                ((100000, 100000), "500 1000")):
                r = await c.run("stty size", term_type="xterm", term_size=asked)
                assert r.stdout.strip() == want, (asked, r.stdout)
            for term in ("../x", "/etc/passwd", "x" * 5000, "a b", "xterm\n", "-x", "\x1b[2J", "가"):
                r = await c.run("echo $TERM", term_type=term, term_size=(80, 24))
                assert r.stdout.strip() == "xterm", (term[:20], r.stdout)
    asyncio.run(main())


def test_end_of_input_reaches_a_terminal(g):
    r = g.ssh("cat; echo over", input=b"line\n", options=["-tt"], timeout=20)
    assert b"over" in r.stdout and r.returncode == 0, r


def test_signals_are_passed_on(g):
    async def main():
        async with connect(g) as c:
            p = await c.create_process("trap 'echo got usr1; exit 4' USR1; echo ready; while :; do sleep 0.05; done")
            assert await p.stdout.readline() == "ready\n"
            p.send_signal("USR1")
            assert await p.stdout.readline() == "got usr1\n"
            assert (await p.wait()).exit_status == 4
    asyncio.run(main())


def test_a_closed_client_ends_its_program(g):
    p = subprocess.Popen(g.argv("echo $$; trap '' HUP; while :; do sleep 0.1; done"), stdout=subprocess.PIPE)
    pid = int(p.stdout.readline())
    p.kill()
    p.wait()
    lab.wait_until("the program ended", lambda: not os.path.exists(f"/proc/{pid}"), 12)


def test_no_terminal_no_screen(g):
    r = g.ssh()
    assert r.returncode == 2 and b"needs a terminal" in r.stderr and not r.stdout, r


def test_sftp_is_a_program_of_the_project(g):
    for name, row in (("passwd", "alice:x:200001:200001::/:/bin/sh"), ("group", "alice:x:200001:")):
        (g.dir / name).write_text(row + "\n")
        (g.dir / name).chmod(0o644)
    g.program("sftp-server", f"#!/bin/sh\nexport LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD={g.dir}/passwd "
              f"NSS_WRAPPER_GROUP={g.dir}/group\nexec /usr/lib/openssh/sftp-server\n")
    g.program("codinglab", gateway.VERBS.replace("exec /bin/sh", f"PATH={g.bin}:$PATH; exec /bin/sh"))
    try:
        with open(f"{g.dir}/here", "wb") as f:
            f.write(os.urandom(300_000))
        batch = f"put {g.dir}/here there\nget there {g.dir}/back\nls -l\n"
        argv = ["sftp", "-b", "-", *g.argv(user="alice+shop")[1:]]
        argv[argv.index("-p")] = "-P"
        r = subprocess.run(argv, input=batch.encode(), capture_output=True, timeout=60)
        assert r.returncode == 0 and b"300000" in r.stdout, r
        same = [open(f"{g.dir}/{n}", "rb").read() for n in ("here", "back", "work-shop/there")]
        assert same[0] == same[1] == same[2]
    finally:
        g.program("codinglab", gateway.VERBS)
    r = g.ssh("netconf", options=["-s"])
    assert r.returncode and not r.stdout, r


def test_forwardings_are_refused(g):
    async def main():
        async with connect(g) as c:
            for host, port in (("127.0.0.1", g.port), ("169.254.169.254", 80), ("localhost", 22)):
                try:
                    await c.open_connection(host, port)
                    raise AssertionError(f"-L to {host} was allowed")
                except asyncssh.ChannelOpenError:
                    pass
            for ask in (c.start_server(lambda *a: None, "", 0), c.open_unix_connection("/run/x")):
                try:
                    await ask
                    raise AssertionError("allowed")
                except (asyncssh.ChannelOpenError, asyncssh.ChannelListenError, OSError):
                    pass
            r = await c.run("echo still here")
            assert r.stdout == "still here\n", r
    asyncio.run(main())
    r = g.ssh("env | grep -c -e SSH_AUTH_SOCK -e DISPLAY", options=["-A", "-X"])
    assert r.stdout.strip() == b"0", r


FORWARD = """#!/bin/sh
# The other end of a connection to the project: an echo on port 7, endless bytes on 19, all else is away.
case "$1:$2" in
localhost:7) printf +; exec cat ;;
localhost:19) printf +; exec yes ;;
esac
echo "codinglab: forwarding to $1: it is not of this project. Say localhost" >&2; exit 5
"""


class Forwarding:
    """While it lasts, the verb program knows the line `forward HOST PORT`."""

    def __init__(self, g):
        self.g = g

    def __enter__(self):
        self.g.program("forward", FORWARD)
        self.g.program("codinglab", gateway.VERBS.replace("exec /bin/sh", f"PATH={self.g.bin}:$PATH; exec /bin/sh"))

    def __exit__(self, *exc):
        self.g.program("codinglab", gateway.VERBS)


def test_connections_into_the_project(g):
    data = os.urandom(3_000_000)
    with Forwarding(g):
        r = g.ssh(options=["-W", "localhost:7"], input=data)
        assert r.returncode == 0 and r.stdout == data, (r.returncode, len(r.stdout))
        for host, port in (("169.254.169.254", 80), ("127.0.0.1", g.port), ("$(id)", 7), ("-o", 7), ("x" * 200, 7)):
            r = g.ssh(options=["-v", "-W", f"{host}:{port}"])
            assert r.returncode and not r.stdout and b"open failed" in r.stderr, (host, r)
        r = g.ssh(options=["-v", "-o", "LogLevel=DEBUG1", "-W", "169.254.169.254:80"])
        assert b"not of this project. Say localhost" in r.stderr, r
    assert any("169.254.169.254: it is not of this project" in n[-1] for n in g.noted("protocol") or g.engine.notes), g.engine.notes


def test_connections_have_a_limit_of_their_own(g):
    async def main():
        async with connect(g) as c:
            opened, refused = [], 0
            for _ in range(30):
                try:
                    opened.append(await c.open_connection("localhost", 7))
                except asyncssh.ChannelOpenError:
                    refused += 1
            assert len(opened) == 22 and refused == 8, (len(opened), refused)
            for n, (reader, writer) in enumerate(opened):
                writer.write(f"hello {n}\n".encode())
                assert await reader.readline() == f"hello {n}\n".encode()
            assert (await c.run("echo a session still")).stdout == "a session still\n"
            for reader, writer in opened:
                writer.write_eof()
                assert await reader.read() == b""
                writer.close()
            reader, writer = await c.open_connection("localhost", 7)
            writer.close()
    with Forwarding(g):
        asyncio.run(main())


def test_a_connection_that_nobody_reads_stops_no_other(g):
    async def main():
        async with connect(g) as c:
            stuck = [await c.open_connection("localhost", 19) for _ in range(3)]
            for n in range(40):
                if n == 20:  # each has filled its window by now
                    before = rss(g.children("codinglab-conn")[0])
                assert (await c.run(f"echo {n}")).stdout == f"{n}\n"
            assert rss(g.children("codinglab-conn")[0]) - before < 4096
            for _, writer in stuck:
                writer.close()
    with Forwarding(g):
        asyncio.run(main())
    lab.wait_until("their programs ended", lambda: not subprocess.run(["pgrep", "-u", "200001", "-x", "yes"], capture_output=True).stdout, 15)


def test_paramiko_connects_too(g):
    import paramiko
    with Forwarding(g), paramiko.SSHClient() as c:
        c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        c.connect("127.0.0.1", g.port, "alice", key_filename=f"{g.dir}/id", allow_agent=False, look_for_keys=False)
        ch = c.get_transport().open_channel("direct-tcpip", ("localhost", 7), ("127.0.0.1", 1))
        ch.sendall(b"hello")
        ch.shutdown_write()
        assert ch.makefile().read() == b"hello"
        _, out, err = c.exec_command("echo out; echo err >&2; exit 3")
        assert (out.read(), err.read(), out.channel.recv_exit_status()) == (b"out\n", b"err\n", 3)


def test_ten_programs_share_one_connection(g):
    try:
        assert g.ssh("true", options=master(g)).returncode == 0
        running = [subprocess.Popen(g.argv(f"cat; exit {n}", options=master(g)), stdin=subprocess.PIPE, stdout=subprocess.PIPE) for n in range(10)]
        for n, p in enumerate(running):
            data = bytes([n]) * 200_000
            assert p.communicate(data, timeout=60)[0] == data and p.returncode == n
        assert len(g.children("codinglab-conn")) == 1
    finally:
        subprocess.run(g.argv(options=[*master(g), "-O", "exit"]), capture_output=True)


def test_at_most_ten_channels(g):
    async def main():
        async with connect(g) as c:
            opened, refused = [], 0
            for _ in range(40):
                try:
                    opened.append(await c.create_process("cat"))
                except asyncssh.ChannelOpenError:
                    refused += 1
            assert len(opened) == 10 and refused == 30, (len(opened), refused)
            for p in opened:
                p.stdin.write_eof()
                assert (await p.wait()).exit_status == 0
            for _ in range(30):
                assert (await c.run("echo again")).stdout == "again\n"
    asyncio.run(main())


def test_a_long_command_is_refused(g):
    async def main():
        async with connect(g) as c:
            r = await c.run("true " + "x" * 32000)
            assert r.exit_status == 0, r
            r = await c.run("true " + "x" * 60000)
            assert r.exit_status == 2 and "too long" in r.stderr, r
    asyncio.run(main())


def test_keepalives_are_answered(g):
    r = g.ssh("sleep 3; echo fine", options=["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1"])
    assert r.stdout == b"fine\n", r


def test_a_project_is_a_working_directory_and_a_group(g):
    r = g.ssh("pwd; id -G; echo $CODINGLAB_PROJECT", user="alice+shop")
    where, groups, project = r.stdout.decode().split("\n")[:3]
    assert where == f"{g.dir}/work-shop" and groups.split() == ["200001", "300007"] and project == "shop", r


def test_an_instance_is_a_shell_there(g):
    with lab.Screen(g.argv(user="alice+shop.was-2", options=["-tt"])) as s:
        s.expect("enter: .*not found|enter was-2")
    r = g.ssh("echo $CODINGLAB_TARGET_TIER-$CODINGLAB_TARGET_N", user="alice+shop.was-2")
    assert r.stdout == b"was-2\n", r


def test_a_project_that_is_not_there(g):
    r = g.ssh("true", user="alice+nothing")
    assert r.returncode == 4 and r.stderr == b"codinglab: project nothing: not found. See `project ls`\n", r


def connect(g):
    return asyncssh.connect("127.0.0.1", g.port, username="alice", client_keys=[f"{g.dir}/id"], known_hosts=None,
                            agent_path=None, config=[])


if __name__ == "__main__":
    with gateway.Gateway() as gw:
        failed = cases.main(globals(), gw)
    sys.exit(bool(failed))
