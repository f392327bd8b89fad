#!/usr/bin/python3
"""Files by stock clients - sftp, scp in both protocols, rsync, git - into a project's dev container: byte-exact, with modes and times,
with names that shells would take apart, and with a reason where it is refused (C15)."""
import filecmp
import hashlib
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import cases
from gitserver import HOSTILE_NAMES, hostile_repository
from lab import *

BIG = int(os.environ.get("CODINGLAB_COPY_BYTES", 64 << 20))  # bytes of the big file; 2 GB takes minutes
FILES = int(os.environ.get("CODINGLAB_COPY_FILES", 10_000))


class World:
    def __init__(self, lab):
        self.lab, self.alice, self.bob = lab, lab.user("alice"), lab.user("bob")
        self.dir = lab.dir / "copies"
        self.dir.mkdir()
        self.alice.ssh("project create shop --stack python")
        self.alice.ssh("project member add bob viewer -p shop")
        config = "\n".join(
            f"Host {who.name}{dash}{project.replace(':', '-')}\n HostName 127.0.0.1\n User {who.name}{'+' + project if project else ''}\n IdentityFile {who.key}\n"
            for who in (self.alice, self.bob) for dash, project in (("", ""), ("-", "shop"), ("-of-", "alice:shop"), ("-", "nothing")))
        (self.dir / "config").write_text(config + f"Host *\n Port {lab.port}\n IdentitiesOnly yes\n IdentityAgent none\n BatchMode yes\n"
                                         f" LogLevel ERROR\n StrictHostKeyChecking accept-new\n UserKnownHostsFile {lab.dir}/known_hosts\n")
        self.ssh = f"ssh -F {self.dir}/config"

    def run(self, *argv, check=True, input=b"", timeout=170 + (BIG >> 22)):
        p = subprocess.run([str(a) for a in argv], input=input, capture_output=True, timeout=timeout, cwd=self.dir,
                           env={**os.environ, "GIT_SSH_COMMAND": self.ssh, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "a",
                                "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"})
        if check and p.returncode:
            raise AssertionError(f"{argv}: exit {p.returncode}\n{p.stdout.decode()}{p.stderr.decode()}")
        return p

    def copy(self, tool, *args, **kw):
        return self.run(tool, "-F", f"{self.dir}/config", *args, **kw)


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            h.update(block)
    return h.hexdigest()


def test_scp_is_exact_in_both_protocols(w):
    big = w.dir / "big"
    with open(big, "wb") as f:
        for _ in range(BIG >> 20):
            f.write(os.urandom(1 << 20))
    want = digest(big)
    for option in ((), ("-O",)):
        w.copy("scp", *option, big, "alice-shop:copy")
        assert w.alice.ssh("sha256sum copy", "shop").stdout.split()[0] == want, option
        w.copy("scp", *option, "alice-shop:copy", w.dir / "back")
        assert digest(w.dir / "back") == want, option
    w.alice.ssh("rm copy", "shop")


def test_modes_times_and_folders(w):
    tree = w.dir / "tree"
    (tree / "in ner").mkdir(parents=True)
    for name, mode in (("in ner/$(touch oops) 'x'", 0o640), ("run;me", 0o755), ("-n", 0o600), ("높임\u00e9", 0o444)):
        (tree / name).write_text(name)
        os.utime(tree / name, (1_000_000_000, 1_000_000_000))
        (tree / name).chmod(mode)
    for n, option in enumerate(((), ("-O",))):
        w.copy("scp", "-rp", *option, tree, f"alice-shop:t{n}")
        w.copy("scp", "-rp", *option, f"alice-shop:t{n}", w.dir / f"back{n}")
        for p in tree.rglob("*"):
            q = w.dir / f"back{n}" / p.relative_to(tree)
            assert p.is_dir() or (q.read_bytes() == p.read_bytes() and q.stat().st_mode == p.stat().st_mode and
                                  q.stat().st_mtime == p.stat().st_mtime), q
    assert w.alice.ssh("find . -name oops", "shop").stdout == ""


def test_sftp_begins_in_the_project(w):
    batch = b"pwd\nmkdir s\ncd s\nput config here\nrename here there\nln -s there link\nls -l\nget there back-s\nrm there\nrm link\ncd ..\nrmdir s\n"
    out = w.copy("sftp", "-b", "-", "alice-shop", input=batch).stdout.decode()
    assert "/workspace" in out and "there" in out
    assert filecmp.cmp(w.dir / "config", w.dir / "back-s", shallow=False)
    r = w.copy("sftp", "-b", "-", "alice-shop", input=b"get /etc/shadow x\n", check=False)
    assert r.returncode and b"ermission denied" in r.stderr


def test_a_project_is_a_folder_without_plus(w):
    w.copy("scp", "-O", w.dir / "config", "alice:shop/c1")
    w.copy("scp", "-O", "alice:shop/c*", w.dir / "c-back")
    assert filecmp.cmp(w.dir / "config", w.dir / "c-back", shallow=False)
    w.run("rsync", "-e", w.ssh, w.dir / "config", "alice:shop/c2")
    assert w.alice.ssh("cmp c1 c2 && rm c1 c2", "shop").returncode == 0


def test_rsync_of_many_files(w):
    many = w.dir / "many"
    for i in range(FILES):
        d = many / str(i % 100)
        d.mkdir(parents=True, exist_ok=True)
        (d / f"f{i}").write_bytes(f"{i}\n".encode() * (i % 50))
    w.run("rsync", "-a", "-e", w.ssh, f"{many}/", "alice-shop:many/")
    w.run("rsync", "-a", "-e", w.ssh, "alice-shop:many/", w.dir / "many-back")
    assert subprocess.run(["diff", "-r", many, w.dir / "many-back"]).returncode == 0
    r = w.run("rsync", "-ain", "-e", w.ssh, f"{many}/", "alice-shop:many/")
    assert not [l for l in r.stdout.decode().split("\n") if l.startswith("<f") and "s" in l[2:5]], r.stdout[:500]
    w.alice.ssh("rm -r many", "shop")


def test_git_clone_and_push(w):
    w.run("git", "clone", "-q", f"ssh://alice/shop", w.dir / "g1")
    assert (w.dir / "g1/main.py").exists()
    (w.dir / "g1/new").write_text("new\n")
    w.run("git", "-C", w.dir / "g1", "add", "new")
    w.run("git", "-C", w.dir / "g1", "commit", "-qm", "new")
    w.run("git", "-C", w.dir / "g1", "push", "-q")
    assert w.alice.ssh("cat new", "shop").stdout == "new\n"  # the workspace follows
    for url in ("ssh://alice/shop.git", "alice:alice/shop", "ssh://alice-shop/"):
        assert w.run("git", "ls-remote", url, "HEAD").stdout.split()[0] == w.run("git", "-C", w.dir / "g1", "rev-parse", "HEAD").stdout.split()[0]
    w.alice.ssh("echo mine >> new", "shop")  # what is not committed is not overwritten
    (w.dir / "g1/new").write_text("newer\n")
    w.run("git", "-C", w.dir / "g1", "commit", "-qam", "newer")
    r = w.run("git", "-C", w.dir / "g1", "push", check=False)
    assert r.returncode and b"unstaged changes" in r.stderr, r
    assert w.alice.ssh("cat new; git checkout -q new", "shop").stdout == "new\nmine\n"


def test_a_push_to_deploy_deploys(w):
    r = w.run("git", "-C", w.dir / "g1", "push", "origin", "HEAD:deploy")
    said = r.stderr.decode()
    assert re.search(r"^remote: http://shop-dev\.alice\.", said, re.M) and "new branch" in said, said
    status, body = w.lab.get(re.search(r"remote: (http://\S+)", said).group(1))
    assert status == 200, body
    r = w.run("git", "-C", w.dir / "g1", "push", "origin", "HEAD:deploy")
    assert b"remote:" not in r.stderr, r  # nothing new, nothing deployed


def test_a_push_of_hostile_trees_reaches_nothing_else(w):
    """Into the checked-out branch, and into another one that is checked out then: what git in the project's container does not refuse
    is an ordinary folder of the workspace (`.git` of other file systems, a/b)."""
    files = "git status --porcelain; find . -path ./.git -prune -o -type f -print0 | sort -z | xargs -0 sha256sum"
    kept = w.alice.ssh(files, "shop").stdout
    about = "ls -A ..; sha256sum .git/config; ls -A .git | grep -v -e ORIG_HEAD -e FETCH_HEAD"
    before = w.alice.ssh(about, "shop").stdout
    here, head = w.alice.ssh("git symbolic-ref --short HEAD; git rev-parse HEAD", "shop").stdout.split()
    for n, name in enumerate(HOSTILE_NAMES):
        repo = hostile_repository(w.dir / f"tree{n}.git", name)
        there = w.run("git", "-C", repo, "push", "-f", "ssh://alice/shop", f"main:{here}", f"main:side{n}", check=False).returncode == 0
        there |= w.alice.ssh(f"git checkout -q side{n}", "shop", check=False).returncode == 0
        assert not there or name in (b"a/b", b".g\xe2\x80\x8cit"), name
        assert w.alice.ssh(about, "shop").stdout == before, name
        w.alice.ssh(f"git checkout -q -f {here} && git reset -q --hard {head} && git clean -qfd; git branch -q -D side{n}", "shop", check=False)
    assert w.alice.ssh(files, "shop").stdout == kept


def test_refusals_say_why(w):
    for host in ("bob-of-alice-shop", "bob-shop", "alice-nothing"):
        for tool, args in (("scp", (w.dir / "config", f"{host}:x")), ("sftp", ("-b", "-", host))):
            r = w.copy(tool, *args, check=False)
            assert r.returncode and re.search(rb"codinglab: .*(not found|no such project|viewer|editor|may|not permitted)", r.stderr), (host, r)
    r = w.copy("sftp", "-b", "-", "alice", input=b"ls -1\n")
    assert b"\nshop" in r.stdout, r  # projects are folders: test_folders.py
    r = w.copy("sftp", "-b", "-", "bob", input=b"ls alice.shop\n", check=False)
    assert r.returncode and re.search(rb"codinglab: .*(viewer|editor|may|not permitted)", r.stderr), r
    for url in ("ssh://alice/nothing", "ssh://bob/alice/shop", "ssh://alice/"):
        r = w.run("git", "ls-remote", url, check=False)
        assert r.returncode and b"codinglab: " in r.stderr, (url, r)


def test_a_killed_client_leaves_no_server(w):
    p = subprocess.Popen(["sftp", "-F", f"{w.dir}/config", "alice-shop"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    p.stdin.write(b"ls\n")
    p.stdin.flush()
    count = lambda: w.alice.ssh("pgrep -c sftp-server", "shop", check=False).stdout.strip()
    wait_until("the server runs", lambda: count() != "0", 20)
    subprocess.run(["pkill", "-KILL", "-P", str(p.pid)])
    p.kill()
    p.wait()
    wait_until("the server ended", lambda: count() == "0", 20)


if __name__ == "__main__":
    with Lab() as lab:
        failed = cases.main(globals(), World(lab))
    sys.exit(bool(failed))
