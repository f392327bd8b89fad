#!/usr/bin/python3
"""What comes back from a dev container to its client: ports of `ssh -R`, the agent of `ssh -A`; by stock clients, with limits and reasons (C12)."""
import asyncio
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import asyncssh
import paramiko
import cases
from lab import *

ASK = ("import socket,sys,hashlib; s=socket.create_connection(('127.0.0.1',int(sys.argv[1])),30); q=sys.stdin.buffer.read(); s.sendall(q); "
       "s.shutdown(1); h=hashlib.sha256(); n=0\nwhile b:=s.recv(1<<16): h.update(b); n+=len(b)\n"
       "sys.stdout.write(f'{n} {h.hexdigest()}\\n')")  # one write: several of them share their standard output
LIST = ("import socket,os,struct; s=socket.socket(socket.AF_UNIX); s.connect(os.environ['SSH_AUTH_SOCK']); s.sendall(struct.pack('>IB',1,11)); "
        "f=s.makefile('rb'); n,=struct.unpack('>I',f.read(4)); b=f.read(n); print(b[0],struct.unpack('>I',b[1:5])[0],oct(os.stat(os.environ['SSH_AUTH_SOCK']).st_mode))")


class Echo:
    """A server of the client's machine: says what it heard backwards, once the other side is done."""

    def __init__(self):
        self.s = socket.create_server(("127.0.0.1", 0))
        self.port, self.served = self.s.getsockname()[1], 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            c = self.s.accept()[0]
            self.served += 1
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        with c, c.makefile("rb") as f:
            c.sendall(f.read()[::-1])


class World:
    def __init__(self, lab):
        self.lab, self.alice, self.bob, self.echo = lab, lab.user("alice"), lab.user("bob"), Echo()
        self.alice.ssh("project create shop --stack python")
        self.alice.ssh("project member add bob editor -p shop")
        self.alice.ssh("cat >/tmp/ask.py", "shop", input=ASK.encode())
        self.alice.ssh("cat >/tmp/list.py; chmod 755 /tmp/*.py", "shop", input=LIST.encode())

    def ask(self, port, data):
        r = subprocess.run([*self.alice.argv("shop"), f"python3 /tmp/ask.py {port}"], input=data, capture_output=True, timeout=120)
        return r.stdout.decode().split(), r.stderr.decode()

    def listens(self, port):
        return f":{port:04X} 00000000:0000 0A " in self.alice.ssh("cat /proc/net/tcp", "shop").stdout


class Client:
    """A client that stays, and what it says."""

    def __init__(self, w, *options, project="shop", who=None, line=None):
        argv = (who or w.alice).argv(project, "-v", *(["-N"] if not line else []), *options)
        self.argv = [a if a != "LogLevel=ERROR" else "LogLevel=DEBUG1" for a in argv] + ([line] if line else [])

    def __enter__(self):
        self.said = open(pathlib.Path("/var/tmp") / f"codinglab-client-{os.getpid()}", "w+b")
        os.unlink(self.said.name)
        self.p = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=self.said, stderr=self.said)
        return self

    def text(self):
        return os.pread(self.said.fileno(), 1 << 20, 0).decode(errors="replace")

    def wait(self, pattern):
        wait_until(pattern, lambda: re.search(pattern, self.text()), 30)
        return re.search(pattern, self.text())

    def __exit__(self, *exc):
        self.p.kill()
        self.p.wait()
        self.said.close()


def same(answer, data):
    assert answer[0] == [str(len(data)), hashlib.sha256(data[::-1]).hexdigest()], answer


def test_a_port_comes_back_to_the_client(w):
    with Client(w, "-R", f"7001:127.0.0.1:{w.echo.port}") as c:
        c.wait("remote forward success")
        same(w.ask(7001, b"hello"), b"hello")
        data = os.urandom(20_000_000)
        same(w.ask(7001, data), data)
        for n in range(12):  # one after another: places are given back
            same(w.ask(7001, b"%d" % n), b"%d" % n)
    wait_until("nobody listens any more", lambda: not w.listens(7001), 20)


def test_any_port_and_several(w):
    ports = [x for n, host in ((0, "127.0.0.1"), (7003, "127.0.0.1"), (0, "localhost")) for x in ("-R", f"{n}:{host}:{w.echo.port}")]
    with Client(w, *ports) as c:
        c.wait(r"(?s)(Allocated port.*){2}")
        c.wait("listen 7003")
        found = [int(p) for p in re.findall(r"Allocated port (\d+) for remote forward", c.text())]
        assert len(set(found)) == 2, c.text()
        for port in (*found, 7003):
            same(w.ask(port, b"x" * port), b"x" * port)


def test_connections_at_once(w):
    with Client(w, "-R", f"7004:127.0.0.1:{w.echo.port}") as c:
        c.wait("remote forward success")
        line = "for i in 1 2 3 4 5 6 7 8; do head -c 300000 /dev/zero | python3 /tmp/ask.py 7004 & done; wait"
        out = w.alice.ssh(line, "shop").stdout.split("\n")
        assert out.count(f"300000 {hashlib.sha256(bytes(300000)).hexdigest()}") == 8, out


def test_nobody_at_the_far_end(w):
    with Client(w, "-R", f"7005:127.0.0.1:{free_port()}") as c:
        c.wait("remote forward success")
        answer = w.ask(7005, b"hello")
        assert answer[0][:1] in ([], ["0"]), answer  # closed or reset, and not held open
        assert c.p.poll() is None


def test_it_can_be_given_up(w):
    control = ["-o", f"ControlPath={w.lab.dir}/back"]
    with Client(w, "-M", *control) as c:
        c.wait("Entering interactive session")
        forward = ["-R", f"7006:127.0.0.1:{w.echo.port}"]
        for _ in range(2):
            assert subprocess.run([*w.alice.argv("shop", *control, "-O", "forward", *forward)], capture_output=True, timeout=30).returncode == 0
            same(w.ask(7006, b"abc"), b"abc")
            assert subprocess.run([*w.alice.argv("shop", *control, "-O", "cancel", *forward)], capture_output=True, timeout=30).returncode == 0
            wait_until("it is given up", lambda: not w.listens(7006), 20)


def test_refusals_of_ports(w):
    with Client(w, "-R", f"7007:127.0.0.1:{w.echo.port}") as first:
        first.wait("remote forward success")
        for project, spec, why in (("shop", "7007", "port 7007: Address already in use"), ("shop", "80", "port 80: Permission denied"),
                                   ("shop", "10.1.2.3:7008", "only the loopback of the dev container"), ("", "7009", "no project is named"),
                                   ("nothing", "7010", "not found|no such project"), ("shop.web-1", "7011", "not into an instance|no such instance")):
            with Client(w, "-R", f"{spec}:127.0.0.1:{w.echo.port}", project=project) as c:
                c.wait("remote port forwarding failed for listen port")
                wait_until(f"the reason: {why}", lambda: re.search(why, c.text()), 20)  # it may come just behind
        same(w.ask(7007, b"still"), b"still")
    with Client(w, *[x for n in range(12) for x in ("-R", f"{7020 + n}:127.0.0.1:{w.echo.port}")]) as c:
        wait_until("all are answered", lambda: len(re.findall("remote (forward success|port forwarding failed)", c.text())) == 12, 60)
        assert c.text().count("remote forward success") == 8 and "too many at once" in c.text(), c.text()[-2000:]


def test_other_peoples_clients(w):
    async def job():
        async with asyncssh.connect("127.0.0.1", w.lab.port, username="alice+shop", client_keys=[str(w.alice.key)], known_hosts=None) as c:
            l = await c.forward_remote_port("", 0, "127.0.0.1", w.echo.port)
            r = await c.run(f"python3 /tmp/ask.py {l.get_port()}", input="abc")
            assert r.stdout.split()[0] == "3", r
            l.close()
            await l.wait_closed()
            assert (await c.run("echo on")).stdout == "on\n"
    asyncio.run(asyncio.wait_for(job(), 120))
    with paramiko.SSHClient() as c:
        c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        c.connect("127.0.0.1", w.lab.port, "alice+shop", key_filename=str(w.alice.key), allow_agent=False, look_for_keys=False, timeout=30)
        t = c.get_transport()
        port = t.request_port_forward("127.0.0.1", 0)
        stdin, out, err = c.exec_command(f"python3 /tmp/ask.py {port}")
        stdin.write("ping")
        stdin.channel.shutdown_write()
        ch = t.accept(30)
        assert ch.recv(10) == b"ping" and ch.recv(10) == b""
        ch.sendall(b"pong!")
        ch.close()
        assert out.read().split()[0] == b"5"
        t.cancel_port_forward("127.0.0.1", port)


def ask_socket(w, path, data, who=None):
    line = f"python3 -c 'import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(sys.stdin.buffer.read()); s.shutdown(1); sys.stdout.buffer.write(s.makefile(\"rb\").read())' {path}"
    return subprocess.run([*(who or w.alice).argv("alice:shop" if who else "shop"), line], input=data, capture_output=True, timeout=60)


def test_a_socket_comes_back_to_the_client(w):
    """-R /path of the dev container to a port, and to a socket, of the client's machine; as OpenSSH's sshd, it is the user's alone and takes no name that is there."""
    far = w.lab.dir / "far.sock"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(far))
        s.listen()
        with Client(w, "-R", f"/tmp/back:127.0.0.1:{w.echo.port}", "-R", f"/tmp/far:{far}") as c:
            c.wait(r"(?s)(remote forward success.*){2}")
            data = os.urandom(3_000_000)
            assert ask_socket(w, "/tmp/back", data).stdout == data[::-1]
            for n in range(12):
                assert ask_socket(w, "/tmp/back", b"%d-" % n).stdout == (b"%d-" % n)[::-1]
            t = threading.Thread(target=lambda: (lambda p: (p.sendall(p.recv(99) + b" heard"), p.close()))(s.accept()[0]))
            t.start()
            assert ask_socket(w, "/tmp/far", b"a word").stdout == b"a word heard"
            t.join()
            r = ask_socket(w, "/tmp/back", b"x", who=w.bob)
            assert r.returncode and b"Permission" in r.stderr, r
            for path, why in (("/tmp/back", "Address already in use"), ("/nowhere/x", "No such file"), ("/proc/x", "denied|No such|not permitted"),
                              ("/tmp/" + "x" * 90 + "yz'", "not a path")):
                with Client(w, "-R", f"{path}:127.0.0.1:{w.echo.port}") as d:
                    d.wait("remote port forwarding failed|remote forward failure")
                    wait_until(f"the reason: {why}", lambda: re.search(why, d.text()), 20)
            assert ask_socket(w, "/tmp/back", b"still").stdout == b"llits"
    wait_until("nothing is left", lambda: w.alice.ssh("ls /tmp/back /tmp/far 2>/dev/null | wc -l", "shop").stdout == "0\n", 20)


def test_a_socket_can_be_given_up(w):
    control = ["-o", f"ControlPath={w.lab.dir}/back2"]
    with Client(w, "-M", *control) as c:
        c.wait("Entering interactive session")
        forward = ["-R", f"/tmp/up:127.0.0.1:{w.echo.port}", "-R", f"7060:127.0.0.1:{w.echo.port}"]
        for _ in range(2):
            assert subprocess.run([*w.alice.argv("shop", *control, "-O", "forward", *forward)], capture_output=True, timeout=30).returncode == 0
            assert ask_socket(w, "/tmp/up", b"abc").stdout == b"cba"
            same(w.ask(7060, b"abc"), b"abc")
            assert subprocess.run([*w.alice.argv("shop", *control, "-O", "cancel", *forward)], capture_output=True, timeout=30).returncode == 0
            wait_until("it is given up", lambda: w.alice.ssh("test -e /tmp/up", "shop", check=False).returncode and not w.listens(7060), 20)


class Agent:
    def __init__(self, w):
        self.dir = pathlib.Path(tempfile.mkdtemp(dir=w.lab.dir))
        self.sock = self.dir / "sock"

    def __enter__(self):
        self.p = subprocess.Popen(["ssh-agent", "-D", "-a", self.sock], stdout=subprocess.DEVNULL)
        wait_until("the agent", self.sock.exists, 20)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.dir / "key"], check=True)
        subprocess.run(["ssh-add", "-q", self.dir / "key"], check=True, env={**os.environ, "SSH_AUTH_SOCK": str(self.sock)})
        return self

    def run(self, who, project, line, *options):
        argv = [f"IdentityAgent={self.sock}" if a == "IdentityAgent=none" else a for a in who.argv(project, "-A", *options)]
        return subprocess.run([*argv, line], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def screen(self, who, project, *options):
        argv = [f"IdentityAgent={self.sock}" if a == "IdentityAgent=none" else a for a in who.argv(project, "-tt", "-A", *options)]
        return Screen(argv, 30, 110)

    def __exit__(self, *exc):
        self.p.kill()
        self.p.wait()


def test_the_agent_comes_along(w):
    with Agent(w) as a:
        for options in ((), ("-tt",)):
            r = a.run(w.alice, "shop", "python3 /tmp/list.py", *options)
            assert r.stdout.strip().endswith("12 1 0o140600"), r  # one key; nobody else may open it
        r = a.run(w.alice, "shop", "for i in 1 2 3 4 5; do python3 /tmp/list.py & done; wait")
        assert r.stdout.count("12 1 0o140600") == 5, r
        r = a.run(w.bob, "alice:shop", "python3 /tmp/list.py")  # each to their own
        assert r.stdout.split() == ["12", "1", "0o140600"], r
        wait_until("nothing is left", lambda: w.alice.ssh("ls /tmp | grep -c codinglab-agent", "shop", check=False).stdout.strip() == "0", 20)
        r = a.run(w.alice, "", "whoami")
        assert r.returncode == 0 and r.stdout.startswith("alice"), r  # where there is no container it changes nothing
    assert "SSH_AUTH_SOCK" not in w.alice.ssh("env", "shop").stdout


def test_another_member_cannot_use_it(w):
    with Agent(w) as a:
        path = "$(ls -d /tmp/codinglab-agent-* | head -1)"
        holder = threading.Thread(target=a.run, args=(w.alice, "shop", "touch /tmp/agent-here; sleep 15"))
        holder.start()
        try:
            wait_until("it is there", lambda: w.alice.ssh("test -e /tmp/agent-here", "shop", check=False).returncode == 0, 20)
            r = w.bob.ssh(f"SSH_AUTH_SOCK={path} python3 /tmp/list.py", "alice:shop", check=False)
            assert r.returncode and "Permission" in r.stderr, r
            assert w.alice.ssh(f"SSH_AUTH_SOCK={path} python3 /tmp/list.py", "shop").stdout.startswith("12 1")
        finally:
            holder.join()


def keys_in(screen, word):
    """What a terminal of the IDE gets of its agent: "12 1 0o140600", or how it failed."""
    screen.send(f"clear; python3 /tmp/list.py 2>&1 | tail -n 1 | sed s/^/{word[0]}''{word[1:]}=/<Enter>")
    return screen.expect(rf"{word}=([^\u2502]+)").group(1).strip()


def terminal(screen):
    screen.expect("main.py")
    screen.send("<F4>")
    screen.expect(r"\$ ")


def test_terminals_of_the_ide_have_it(w):
    with Agent(w) as a, a.screen(w.alice, "shop") as s:
        terminal(s)
        wait_until("the agent is there", lambda: keys_in(s, "first") == "12 1 0o140600", 20)
        s.kill()  # without the client nobody answers
        with w.alice.screen("shop", 30, 110) as t:
            t.expect(r"\$ ")
            assert "No such file" in keys_in(t, "alone") or "refused" in keys_in(t, "again")
            with a.screen(w.alice, "shop") as u:  # the same terminal, another client with one: it is back
                u.expect(r"\$ ")
                wait_until("the agent is back", lambda: keys_in(t, "back") == "12 1 0o140600", 20)
            wait_until("it went with the client", lambda: "12 1" not in keys_in(t, "gone"), 20)
            w.alice.ssh("rm -f /tmp/codinglab-agent-*/agent", "shop")
            t.send("clear; exit<Enter>")
    assert "SSH_AUTH_SOCK" not in w.alice.ssh("env", "shop").stdout


def test_the_newest_client_has_it(w):
    with Agent(w) as a, Agent(w) as b, a.screen(w.alice, "shop") as s:
        subprocess.run(["ssh-add", "-q", "-D"], check=True, env={**os.environ, "SSH_AUTH_SOCK": str(b.sock)}, capture_output=True)
        terminal(s)
        wait_until("the first's", lambda: keys_in(s, "one") == "12 1 0o140600", 20)
        with b.screen(w.alice, "shop") as t:
            t.expect(r"\$ ")
            wait_until("the second's, which has no key", lambda: keys_in(s, "two") == "12 0 0o140600", 20)
        wait_until("the first's again", lambda: keys_in(s, "three") == "12 1 0o140600", 20)


def test_no_other_member_has_a_terminals_agent(w):
    with Agent(w) as a, a.screen(w.alice, "shop") as s:
        terminal(s)
        wait_until("the agent is there", lambda: keys_in(s, "mine") == "12 1 0o140600", 20)
        for line in ("ls /tmp/codinglab-agent-*/", "for p in /tmp/codinglab-agent-*; do SSH_AUTH_SOCK=$p/agent python3 /tmp/list.py; rm -rf $p; done",
                     "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep SSH_AUTH_SOCK; false"):
            r = w.bob.ssh(line, "alice:shop", check=False)
            assert r.returncode and "12 " not in r.stdout and "SSH_AUTH_SOCK" not in r.stdout, r
        with w.bob.screen("alice:shop", 30, 110) as t:
            terminal(t)
            t.send("clear; echo agent=${SSH_AUTH_SOCK:-none}<Enter>")
            t.expect("agent=none")
        assert keys_in(s, "still") == "12 1 0o140600"


def test_git_over_ssh_with_ones_own_key(w):
    """From a terminal of the dev container to a server that knows the key which only the client's machine has: here this lab itself."""
    w.alice.ssh("project create far --stack python")
    with Agent(w) as a:
        subprocess.run(["ssh-add", "-q", w.alice.key], check=True, env={**os.environ, "SSH_AUTH_SOCK": str(a.sock)}, capture_output=True)
        with a.screen(w.alice, "shop", "-R", f"7040:127.0.0.1:{w.lab.port}") as s:
            terminal(s)
            wait_until("the agent is there", lambda: keys_in(s, "git").startswith("12 2"), 20)
            for line in ("export GIT_SSH_COMMAND='ssh -p 7040 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes'",
                         "git clone -q alice@127.0.0.1:far /tmp/far; cd /tmp/far; echo pushed > new; git add new",
                         "git -c user.name=a -c user.email=a@b commit -qm new; git push -q; echo pu''sh=$?"):
                s.send(line + "<Enter>")
            s.expect("push=0")
    assert w.alice.ssh("cat new", "far").stdout == "pushed\n"


def test_a_stopped_container_ends_it(w):
    with Client(w, "-R", f"7012:127.0.0.1:{w.echo.port}") as c:
        c.wait("remote forward success")
        w.alice.ssh("restart", "shop")
        assert not w.listens(7012)
        assert c.p.poll() is None  # the connection goes on


if __name__ == "__main__":
    with Lab(images="python") as lab:
        failed = cases.main(globals(), World(lab))
    sys.exit(bool(failed))
