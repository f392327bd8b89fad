#!/usr/bin/python3
"""Other people's clients against a dev container: PuTTY's, asyncssh, paramiko, what an editor's remote mode asks for, ten channels over
one connection, a jump, ssh-copy-id; and with each refusal its reason (C11, C12, C14)."""
import asyncio
import hashlib
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import asyncssh
import paramiko
import cases
from lab import *

BIG = int(os.environ.get("CODINGLAB_COPY_BYTES", 100 << 20))  # through one program's output and input
REKEY = os.environ.get("CODINGLAB_REKEY", f"{max(1, BIG >> 25)}M")  # at least; some 32 key exchanges unless told
SERVER = ("(setsid python3 -c \"import socket\ns=socket.create_server(('127.0.0.1',9100))\nwhile True:\n c=s.accept()[0]; f=c.makefile('rb'); q=f.read(); "
          "c.sendall(q[::-1]); f.close(); c.close()\" >/dev/null 2>&1 </dev/null &)")
BY_PATH = SERVER.replace("socket.create_server(('127.0.0.1',9100))", "socket.socket(socket.AF_UNIX); s.bind('/tmp/x.sock'); s.listen()")


class World:
    def __init__(self, lab):
        self.lab, self.alice = lab, lab.user("alice")
        self.dir = lab.dir / "clients"
        self.dir.mkdir()
        self.alice.ssh("project create shop --stack python")
        self.alice.ssh(SERVER, "shop")
        self.alice.ssh(BY_PATH, "shop")
        subprocess.run(["puttygen", self.alice.key, "-o", self.dir / "key.ppk"], check=True, capture_output=True)
        self.host_key = " ".join((lab.dir / "known_hosts").read_text().split("\n")[0].split()[1:3])
        self.finger = subprocess.run(["ssh-keygen", "-lf", lab.dir / "known_hosts"], capture_output=True, text=True, check=True).stdout.split()[1]

    def putty(self, tool, *args, who="alice+shop", **kw):
        return subprocess.run([tool, "-batch", "-P", str(self.lab.port), "-i", self.dir / "key.ppk", "-hostkey", self.finger,
                               *[a.replace("@@", f"{who}@127.0.0.1") for a in map(str, args)]], capture_output=True, timeout=120,
                              env={**os.environ, "HOME": str(self.dir)}, **kw)

    def paramiko(self, user="alice+shop"):
        c = paramiko.SSHClient()
        c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        c.connect("127.0.0.1", self.lab.port, user, key_filename=str(self.alice.key), allow_agent=False, look_for_keys=False, timeout=30)
        return c

    def asyncssh(self, job, user="alice+shop"):
        async def go():
            async with asyncssh.connect("127.0.0.1", self.lab.port, username=user, client_keys=[str(self.alice.key)], known_hosts=None) as c:
                return await asyncio.wait_for(job(c), 120)
        return asyncio.run(go())


def test_plink_runs_programs(w):
    r = w.putty("plink", "-ssh", "@@", "cat; echo oops >&2; exit 7", input=b"hello")
    assert (r.returncode, r.stdout) == (7, b"hello") and b"oops" in r.stderr, r
    r = w.putty("plink", "-ssh", "@@", "project ls", who="alice")
    assert r.returncode == 0 and b"shop" in r.stdout, r


def test_pscp_and_psftp_copy(w):
    data = w.dir / "data"
    data.write_bytes(os.urandom(3_000_001))
    for option in ("-scp", "-sftp"):
        assert w.putty("pscp", option, data, "@@:copy").returncode == 0
        assert w.putty("pscp", option, "@@:copy", w.dir / "back").returncode == 0
        assert (w.dir / "back").read_bytes() == data.read_bytes(), option
    r = w.putty("psftp", "@@", input=f"lcd {w.dir}\nput data d2\nget d2 d3\nrm d2\nrm copy\nquit\n".encode())
    assert r.returncode == 0 and (w.dir / "d3").read_bytes() == data.read_bytes(), r


def test_paramiko(w):
    with w.paramiko() as c:
        stdin, out, err = c.exec_command("cat; echo oops >&2; exit 9")
        stdin.write("hello")
        stdin.channel.shutdown_write()
        assert out.read() == b"hello" and err.read() == b"oops\n" and out.channel.recv_exit_status() == 9
        with c.open_sftp() as sftp:
            with sftp.open("made", "wb") as f:
                f.write(b"x" * 500_000)
            assert sftp.stat("made").st_size == 500_000
            sftp.remove("made")
        t = c.get_transport()
        ch = t.open_channel("direct-tcpip", ("localhost", 9100), ("127.0.0.1", 1))
        ch.settimeout(30)
        ch.sendall(b"abc")
        ch.shutdown_write()
        assert ch.recv(10) == b"cba" and ch.recv(10) == b""
        for kind in ("x11", "tun@openssh.com", "direct-streamlocal@openssh.com"):
            try:
                t.open_channel(kind, None, ("127.0.0.1", 1), timeout=20)
                raise AssertionError(kind)
            except paramiko.ChannelException:
                pass
        try:
            t.request_port_forward("10.0.0.1", 0)  # what may: test_backwards.py
            raise AssertionError("-R")
        except paramiko.SSHException as e:
            assert "denied" in str(e), e
        assert c.exec_command("echo still here")[1].read() == b"still here\n"


def test_asyncssh_ten_programs_and_connections_at_once(w):
    async def job(c):
        runs = [c.run(f"cat; exit {n}", input=f"in {n}") for n in range(10)]
        got = await asyncio.gather(*runs)
        assert [(r.exit_status, r.stdout) for r in got] == [(n, f"in {n}") for n in range(10)], got

        async def reverse(n):
            reader, writer = await c.open_connection("localhost", 9100)
            writer.write(b"%d%d" % (n, n + 1))
            writer.write_eof()
            return await reader.read()
        assert await asyncio.gather(*[reverse(n) for n in range(1, 9)]) == [b"%d%d" % (n + 1, n) for n in range(1, 9)]
        assert (await c.run("kill -TERM $$")).exit_status == 143  # one that we did not send looks like `exit 143`
        p = await c.create_process("echo ready; exec sleep 60")
        assert await p.stdout.readline() == "ready\n"
        p.send_signal("TERM")
        await p.wait()
        assert p.exit_signal and p.exit_signal[0] == "TERM", (p.exit_signal, p.exit_status)
    w.asyncssh(job)


def test_what_an_editors_remote_mode_asks_for(w):
    """A script on the stdin of sh, a server of its own on a port or at a socket by its path, files by sftp."""
    script = b"set -e\nmkdir -p ~/.remote\necho listening=9100\nuname -s\ncat /etc/os-release | head -1\nrm -r ~/.remote\n"
    p = subprocess.run(w.alice.argv("shop", "-T", "-D", str(free_port())) + ["sh", "-s"], input=script, capture_output=True, timeout=60)
    assert p.returncode == 0 and p.stdout.startswith(b"listening=9100\nLinux\n"), p

    async def job(c):
        async with c.start_sftp_client() as sftp:
            await sftp.makedirs("deep/er")
            async with sftp.open("deep/er/file", "wb") as f:
                await f.write(b"hello")
            assert await sftp.getsize("deep/er/file") == 5
            await sftp.rmtree("deep")
        reader, writer = await c.open_unix_connection("/tmp/x.sock")
        writer.write(b"abc" * 1_000_000)
        writer.write_eof()
        assert await reader.read() == b"cba" * 1_000_000
        for path in ("/tmp/none.sock", "/etc/passwd", "/tmp/a b", "relative", "/tmp/" + "x" * 200):
            try:
                await c.open_unix_connection(path)
                raise AssertionError(path)
            except asyncssh.ChannelOpenError:
                pass
    w.asyncssh(job)
    port, other = free_port(), free_port()
    p = subprocess.Popen([a if a != "LogLevel=ERROR" else "LogLevel=DEBUG1" for a in w.alice.argv("shop", "-N", "-v", "-L", f"{port}:/tmp/x.sock", "-L", f"{other}:/tmp/none.sock")],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(w.dir / "v", "wb"))
    try:
        wait_until("the port", lambda: subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True).stdout, 30)
        with socket.create_connection(("127.0.0.1", port), 20) as s:
            s.sendall(b"hello")
            s.shutdown(socket.SHUT_WR)
            assert s.recv(10) == b"olleh"
        with socket.create_connection(("127.0.0.1", other), 20) as s:
            assert s.recv(1) == b""
        assert b"/tmp/none.sock: No such file or directory" in (w.dir / "v").read_bytes()
    finally:
        p.kill()
        p.wait()


def test_ten_channels_over_one_connection(w):
    master = ["-o", f"ControlPath={w.dir}/m", "-o", "ControlMaster=auto", "-o", "ControlPersist=60"]
    w.alice.ssh("true", "shop")
    run = lambda n: subprocess.Popen([*w.alice.argv("shop", *master), f"cat; echo e{n} >&2; exit {n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE)
    first = run(0)
    assert first.communicate(b"x", 60) == (b"x", b"e0\n")
    try:
        all = [run(n) for n in range(10)]
        for n, p in enumerate(all):
            assert p.communicate(b"%d" % n * 100_000, 60) == (b"%d" % n * 100_000, b"e%d\n" % n) and p.wait() == n, n
    finally:
        subprocess.run([*w.alice.argv("shop", *master, "-O", "exit")], capture_output=True)


def test_a_jump_to_a_program_of_the_container(w):
    """-J asks the gateway for a connection to the container's own port, whatever listens there: here something that answers at once."""
    r = subprocess.run(w.alice.argv("shop", "-W", "shop:9100"), input=b"tip", capture_output=True, timeout=60)
    assert r.stdout == b"pit", r
    jump = " ".join(w.alice.argv("shop", "-W", "%h:%p"))
    r = subprocess.run(["ssh", "-F", "none", "-o", f"ProxyCommand={jump}", "-p", "9100", "-o", "ConnectTimeout=5", "-o", "BatchMode=yes", "x@localhost"],
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert r.returncode == 255 and b"banner exchange" in r.stderr, r  # it was reached, and is no ssh server


def test_output_and_input_are_exact_with_many_rekeys(w):
    data = w.dir / "big"
    with open(data, "wb") as f:
        for _ in range(BIG >> 20):
            f.write(os.urandom(1 << 20))
    want = hashlib.sha256(data.read_bytes()).hexdigest()
    argv = w.alice.argv("shop", "-o", f"RekeyLimit={REKEY}")
    with open(data, "rb") as f:
        subprocess.run([*argv, "cat >/tmp/big"], stdin=f, check=True, timeout=170 + (BIG >> 20))
    assert w.alice.ssh("sha256sum /tmp/big", "shop").stdout.split()[0] == want
    out = subprocess.Popen([*argv, "cat /tmp/big"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert hashlib.file_digest(out.stdout, "sha256").hexdigest() == want and out.wait() == 0
    w.alice.ssh("rm /tmp/big", "shop")


def test_standard_streams_by_their_names(w):
    r = w.alice.ssh("echo out >/dev/stdout; echo err >/dev/stderr; cat /dev/stdin; readlink /proc/self/fd/1 | cut -d: -f1", "shop", input=b"in\n")
    assert r.stdout == "out\nin\npipe\n" and r.stderr == "err\n", r
    assert "CODINGLAB_PIPES" not in w.alice.ssh("env", "shop").stdout


def test_a_program_that_closes_early(w):
    r = w.alice.ssh("exec <&-; sleep 1; echo done", "shop", input=b"x" * 3_000_000)
    assert r.stdout == "done\n", r
    p = subprocess.Popen([*w.alice.argv("shop"), "yes"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    p.stdout.read(1000)
    p.kill()
    p.wait()
    wait_until("it ended with its client", lambda: w.alice.ssh("pgrep -c yes", "shop", check=False).stdout.strip() == "0", 20)


def test_ssh_copy_id_adds_a_key(w):
    home = w.dir / "home/.ssh"
    home.mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "second", "-f", w.dir / "second"], check=True)
    shutil.copy(w.lab.dir / "known_hosts", home / "known_hosts")
    r = subprocess.run(["ssh-copy-id", "-f", "-i", w.dir / "second.pub", "-p", str(w.lab.port), "-o", f"IdentityFile={w.alice.key}", "-o", "IdentityAgent=none",
                        "-o", f"UserKnownHostsFile={w.lab.dir}/known_hosts", "-o", "BatchMode=yes", "alice@127.0.0.1"],
                       capture_output=True, timeout=60, env={**os.environ, "HOME": str(w.dir / "home")})
    assert r.returncode == 0 and b"key(s) added: 1" in r.stdout, r
    again = User(w.lab, "alice", w.dir / "second")
    assert again.ssh("whoami").stdout.startswith("alice")
    line = "exec sh -c 'cd; cat >> \".ssh/authorized_keys\"'"
    for text, why in ((b"", "no public key came"), (b"rubbish\n", "codinglab: ")):
        r = w.alice.ssh(line, input=text, check=False)
        assert r.returncode and why in r.stderr, r


if __name__ == "__main__":
    with Lab(images="python") as lab:
        failed = cases.main(globals(), World(lab))
    sys.exit(bool(failed))
