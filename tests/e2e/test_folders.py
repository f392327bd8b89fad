#!/usr/bin/python3
"""sftp without a project: the person's projects as folders, by OpenSSH's sftp and scp, paramiko and asyncssh; what crosses projects or is none
is refused with the reason (CONTRACT 2: "the user's projects as folders")."""
import asyncio
import filecmp
import pathlib
import stat
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import asyncssh
import paramiko
import cases
from lab import *

NAMES = ["-rf", "a b", "'q'\"d\"", "new\nline", "\x1b[31mred", "$(touch oops)", "한글\u00e9", "*", "x" * 255, "\u202eevil", "..x", "tab\t"]


class World:
    def __init__(self, lab):
        self.lab, self.alice, self.bob = lab, lab.user("alice"), lab.user("bob")
        self.dir = lab.dir / "folders"
        self.dir.mkdir()
        for who, project in ((self.alice, "shop"), (self.alice, "site"), (self.bob, "theirs"), (self.bob, "seen"), (self.bob, "hidden")):
            who.ssh(f"project create {project} --stack python")
        self.bob.ssh("project member add alice editor -p theirs")
        self.bob.ssh("project member add alice viewer -p seen")

    def argv(self, program, who=None):
        """As ssh's, without the target."""
        return [program, *[{"-p": "-P"}.get(a, a) for a in (who or self.alice).argv()[1:-1]]]

    def sftp(self, batch, who=None, check=True):
        who = who or self.alice
        r = subprocess.run([*self.argv("sftp", who), "-q", "-b", "-", f"{who.name}@127.0.0.1"], input=batch.encode(), capture_output=True, timeout=120, cwd=self.dir)
        r.stdout, r.stderr = r.stdout.decode(), r.stderr.decode()
        if check and r.returncode:
            raise AssertionError(f"sftp {batch!r}: {r.stdout}{r.stderr}")
        return r

    def scp(self, *args, check=True):
        r = subprocess.run([*self.argv("scp"), *map(str, args)], capture_output=True, text=True, timeout=120, cwd=self.dir)
        if check and r.returncode:
            raise AssertionError(f"scp {args}: {r.stdout}{r.stderr}")
        return r

    def paramiko(self):
        c = paramiko.SSHClient()
        c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        c.connect("127.0.0.1", self.lab.port, "alice", key_filename=str(self.alice.key), allow_agent=False, look_for_keys=False, timeout=30)
        return c


def test_projects_are_listed_and_none_is_woken(w):
    w.alice.ssh("stop -y", "site", check=False)
    stopped = w.alice.json("project show", "site")["dev"]
    assert stopped != "running", stopped
    r = w.sftp("pwd\nls -1\nls -l\n")
    assert "Remote working directory: /\n" in r.stdout, r
    listed = [l for l in r.stdout.split("\n") if re.fullmatch(r"[a-z.]+ *", l)]
    assert [l.strip() for l in listed] == ["bob.seen", "bob.theirs", "shop", "site"], r.stdout
    assert re.search(r"^drwxrwx--- .* alice .* shop$", r.stdout, re.M) and "hidden" not in r.stdout, r.stdout
    assert w.alice.json("project show", "site")["dev"] == stopped


def test_into_each_and_back(w):
    (w.dir / "f").write_bytes(os.urandom(300_000))
    w.sftp("cd shop\npwd\nput f g\ncd ../site\nput f g\nmkdir d\nrename g d/g\nls -l d\nln -s d/g l\nget l back\ncd /bob.theirs\nput f g\nls\n")
    assert filecmp.cmp(w.dir / "f", w.dir / "back", shallow=False)
    for project in ("shop", "bob:theirs"):
        assert w.alice.ssh("stat -c '%s %U' g", project).stdout.split()[0] == "300000"
    assert w.alice.ssh("[ ! -e g ] && cmp l d/g && readlink l", "site").stdout == "d/g\n"
    r = w.sftp("cd /shop/../site/./d/../d\npwd\n")
    assert "/site/d\n" in r.stdout, r


def test_scp_by_its_newer_protocol(w):
    (w.dir / "tree/in").mkdir(parents=True)
    for name in ("one", "in/two"):
        (w.dir / "tree" / name).write_text(name)
    w.scp("-rp", "tree", "alice@127.0.0.1:shop/")
    w.scp("-r", "alice@127.0.0.1:/shop/tree", "tree-back")
    assert (w.dir / "tree-back/in/two").read_text() == "in/two"
    w.scp("f", "alice@127.0.0.1:site/scp")
    w.scp("alice@127.0.0.1:site/scp", "scp-back")
    assert filecmp.cmp(w.dir / "f", w.dir / "scp-back", shallow=False)
    w.scp("-3", "alice@127.0.0.1:site/scp", "alice@127.0.0.1:shop/from-site")
    assert w.alice.ssh("stat -c %s from-site", "shop").stdout == "300000\n"
    r = w.scp("f", "alice@127.0.0.1:", check=False)
    assert r.returncode and "projects" in r.stderr, r


def test_what_crosses_projects_says_why(w):
    for batch, why in (("rename shop/g site/h", "rename: shop and site are two projects"), ("ln site/d/g shop/h", "link: site and shop are two projects"),
                       ("ln -s /site/d/g shop/h", "link: shop and site are two projects"), ("rename shop market", "projects keep their names"),
                       ("rename shop/g g", "the folders of / are projects"), ("mkdir other", "project create"), ("rmdir shop", "project rm"),
                       ("rm shop", "project rm"), ("put f plain", "projects"), ("put f bob.seen/x", "viewer|editor|permitted|may")):
        r = w.sftp(batch + "\n", check=False)
        assert r.returncode and re.search(rf"codinglab: .*({why})", r.stderr), (batch, r)
    for batch in ("cd nowhere", "ls bob.hidden", "get bob.hidden/main.py x", "rename hidden/a shop/b", "cd shop.."):
        r = w.sftp(batch + "\n", check=False)
        assert r.returncode and ("not found" in r.stderr or "No such" in r.stderr), (batch, r)
    assert w.alice.ssh("[ -e g ] && [ ! -e h ]", "shop").returncode == 0


def test_odd_names(w):
    with w.paramiko() as c:
        f = c.open_sftp()
        f.mkdir("/shop/odd")
        for i, name in enumerate(NAMES):
            with f.open(f"/shop/odd/{name}", "w") as h:
                h.write(str(i))
            f.rename(f"/shop/odd/{name}", f"/shop/odd/{name}"[:258] + "_")
            f.posix_rename(f"/shop/odd/{name}"[:258] + "_", f"/shop/odd/{name}")
        assert sorted(f.listdir("/shop/odd")) == sorted(NAMES)
        for i, name in enumerate(NAMES):
            assert f.open(f"/shop/odd/{name}").read() == str(i).encode()
            f.remove(f"/shop/odd/{name}")
        f.rmdir("/shop/odd")
        for path in ("/shop/" + "p/" * 3000, "/shop/a\0b", "/" + "x" * 5000, "\udcff\udcfe".encode("utf8", "surrogateescape").decode("latin1")):
            try:
                f.stat(path)
                raise AssertionError(path[:40])
            except FileNotFoundError:
                pass
    assert w.alice.ssh("ls; find . -name oops", "shop").stdout.count("oops") == 0


def test_other_peoples_clients(w):
    with w.paramiko() as c:
        f = c.open_sftp()
        assert f.normalize(".") == "/" and f.normalize("shop/../site/x") == "/site/x"
        assert stat.S_ISDIR(f.stat("/shop").st_mode) and f.stat("/shop").st_mtime > 1e9 and stat.S_ISDIR(f.lstat("/").st_mode)
        f.chdir("site")
        with f.open("p", "w+") as h:
            h.set_pipelined(True)
            h.write(b"z" * 3_000_000)
        assert f.stat("p").st_size == 3_000_000
        try:
            f.rename("p", "/shop/p")
            raise AssertionError("a rename across projects")
        except OSError as e:
            assert "two projects" in str(e), e
        hs = [f.open(f"/{d}/{i}", "w") for i in range(6) for d in ("shop", "site", "bob.theirs")]
        for i, h in enumerate(hs):
            h.write(str(i))
        for h in hs:
            h.close()
        assert f.open("/bob.theirs/5").read() == b"17"

    async def job():
        async with asyncssh.connect("127.0.0.1", w.lab.port, username="alice", client_keys=[str(w.alice.key)], known_hosts=None) as c, c.start_sftp_client() as f:
            assert {"shop", "site"} <= set(await f.listdir("/"))
            assert (await f.stat("/site/p")).size == 3_000_000
            await f.get("/site/p", str(w.dir / "p"))
            assert (await f.statvfs("/shop")).bsize > 0
            await asyncio.gather(*[f.put(str(w.dir / "p"), f"/{d}/p{i}") for i in range(3) for d in ("shop", "site")])
            assert (await f.stat("/shop/p2")).size == 3_000_000
    asyncio.run(asyncio.wait_for(job(), 120))


def test_a_container_that_stops_is_told_and_comes_again(w):
    with w.paramiko() as c:
        f = c.open_sftp()
        h = f.open("/shop/stays", "w")
        h.write("x")
        w.alice.ssh("restart", "shop")
        for op in (lambda: h.write("y"), lambda: h.stat()):
            try:
                op()
                raise AssertionError("a handle of a server that is gone")
            except OSError:
                pass
        assert f.stat("/shop/stays").st_size == 1
        assert "main.py" in f.listdir("/site")


def test_a_client_that_talks_nonsense(w):
    for bytes_ in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\1\1", b"\0\0\0\5\1\0\0\0\3\0\0\0\6\3\0\0\0\1\0"):
        r = subprocess.run([*w.alice.argv(), "-s", "sftp"], input=bytes_ + b"x" * 300, capture_output=True, timeout=60)
        assert r.returncode == 1 and b"nonsense" in r.stderr, (bytes_, r)
    r = subprocess.run([*w.alice.argv(), "-s", "sftp"], input=b"\0\0\0\5\1\0\0\0\3", capture_output=True, timeout=60)
    assert r.returncode == 0 and b"posix-rename@openssh.com" in r.stdout, r


if __name__ == "__main__":
    with Lab(images="python") as lab:
        failed = cases.main(globals(), World(lab))
    sys.exit(bool(failed))
