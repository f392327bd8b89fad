#!/usr/bin/python3
"""Projects in and out: archives and folders by stdin, git by http and ssh, hostile ones, exports."""
import gzip
import io
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import time
import zipfile

import yaml

import cases
from gitserver import HOSTILE_NAMES, GitServer, hostile_repository, repository
from lab import Lab, free_port, wait_until

PYTHON = {"main.py": b"print('imported hello')\n", "requirements.txt": b"", "lib/deep/a.txt": b"\0\1\2" * 1000, "run.sh": b"#!/bin/sh\necho hi\n"}


def tar(files, mode="w", dot=True, **more):
    """A tar of name -> bytes, None (folder), ("->", target), ("=>", hard link target) or a TarInfo."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, **more) as t:
        if dot:
            i = tarfile.TarInfo("./")
            i.type, i.mode = tarfile.DIRTYPE, 0o755
            t.addfile(i)
        for name, content in files.items():
            i, data = tarfile.TarInfo(name), None
            if isinstance(content, tarfile.TarInfo):
                i = content
            elif content is None:
                i.type, i.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, tuple):
                i.type = tarfile.SYMTYPE if content[0] == "->" else tarfile.LNKTYPE
                i.linkname = content[1]
            else:
                i.size, data = len(content), io.BytesIO(content)
                i.mode = 0o755 if name.endswith(".sh") else 0o644
            t.addfile(i, data)
    return out.getvalue()


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in files.items():
            z.writestr(name, content)
    return out.getvalue()


def special(name, kind, **more):
    i = tarfile.TarInfo(name)
    i.type = kind
    for k, v in more.items():
        setattr(i, k, v)
    return i


def tree(path):
    """name -> (kind, content, executable) of everything below."""
    out = {}
    for base, dirs, files in os.walk(path):
        for n in dirs + files:
            p = pathlib.Path(base, n)
            rel = str(p.relative_to(path))
            if p.is_symlink():
                out[rel] = ("link", os.readlink(p))
            elif p.is_dir():
                out[rel] = ("folder",)
            else:
                out[rel] = ("file", p.read_bytes(), bool(p.stat().st_mode & 0o100))
    return out


def leftovers(lab):
    """Folders of projects and uploads on disk, and projects that alice has."""
    s = lab.dir / "s"
    folders = sorted(p.name for p in (s / "projects").iterdir()) if (s / "projects").exists() else []
    uploads = sorted(p.name for p in (s / "uploads").iterdir()) if (s / "uploads").exists() else []
    staging = sorted(str(p) for p in (s / "projects").glob("*/import"))
    return folders, uploads, staging


def remove(who, name):
    who.ssh(f"project rm {name} -y")


def work(who, name):
    return pathlib.Path(who.json(f"project show {name}")["workspace"])


class Sshd:
    """OpenSSH's sshd on a loopback port of its own, in a folder of its own."""

    def __init__(self, folder):
        self.dir, self.port, self.process = folder, free_port(), None
        folder.mkdir()
        (folder / "authorized_keys").write_text("")
        os.makedirs("/run/sshd", exist_ok=True)

    def start(self):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.dir / "host"], check=True)
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-p", str(self.port), "-o", "ListenAddress=127.0.0.1",
                                         "-o", f"HostKey={self.dir}/host", "-o", f"AuthorizedKeysFile={self.dir}/authorized_keys", "-o", "StrictModes=no",
                                         "-o", "PermitRootLogin=yes", "-o", f"PidFile={self.dir}/pid"], stderr=subprocess.DEVNULL)
        wait_until("sshd", lambda: subprocess.run(["ss", "-Hltn", f"sport = :{self.port}"], capture_output=True).stdout)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        (self.dir / "host").unlink()

    def let_in(self, key):
        (self.dir / "authorized_keys").write_text(key + "\n")

    def another_key(self):
        self.stop()
        self.start()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()


# -- archives --

def test_tar_from_stdin_and_its_program_runs(lab, alice, git):
    p = alice.ssh("project create one --from -", input=tar({**PYTHON, "empty": None, "go": ("->", "lib/deep")}))
    assert "stack python" in p.stderr and "requirements.txt" in p.stderr, p.stderr
    assert alice.json("project show one")["stack"] == "python"
    got = tree(work(alice, "one"))
    assert got["main.py"] == ("file", PYTHON["main.py"], False) and got["run.sh"][2], got
    assert got["empty"] == ("folder",) and got["go"] == ("link", "lib/deep")
    assert got["lib/deep/a.txt"][1] == PYTHON["lib/deep/a.txt"]
    st = os.stat(work(alice, "one") / "lib")
    assert st.st_uid == alice.uid and st.st_mode & 0o7777 == 0o2770 and st.st_gid == os.stat(work(alice, "one")).st_gid
    assert "imported hello" in alice.ssh("run", "one").stdout
    assert leftovers(lab)[1:] == ([], [])
    remove(alice, "one")


def test_every_kind_of_archive(lab, alice, git):
    plain = tar(PYTHON)
    kinds = {"gz": gzip.compress(plain), "xz": tar(PYTHON, "w:xz"), "bz2": tar(PYTHON, "w:bz2"),
             "zst": subprocess.run(["zstd", "-q", "-c"], input=plain, capture_output=True, check=True).stdout, "zip": zipped(PYTHON)}
    for kind, data in kinds.items():
        alice.ssh(f"project create k-{kind} --from -", input=data)
        assert tree(work(alice, f"k-{kind}"))["main.py"][1] == PYTHON["main.py"], kind
        remove(alice, f"k-{kind}")


def test_the_folder_around_a_project_goes(lab, alice, git):
    alice.ssh("project create wrapped --from -", input=tar({"repo-main/" + k: v for k, v in PYTHON.items()}, dot=False))
    assert "main.py" in tree(work(alice, "wrapped"))
    remove(alice, "wrapped")
    alice.ssh("project create inner --stack python --from -", input=tar({"src/" + k: v for k, v in PYTHON.items()}))
    assert "src/main.py" in tree(work(alice, "inner"))
    remove(alice, "inner")


def test_stack_said_found_and_changed(lab, alice, git):
    rows = {"django": {"manage.py": b"import django\n"}, "python": {"x.py": b"\n"}}
    for stack, files in rows.items():
        alice.ssh(f"project create s-{stack} --from -", input=tar(files))
        assert alice.json(f"project show s-{stack}")["stack"] == stack
    alice.ssh("project stack python", "s-django")
    assert alice.json("project show s-django")["stack"] == "python"
    assert alice.ssh("project stack nonsense", "s-django", check=False).returncode == 4
    p = alice.ssh("project create s-none --from -", input=tar({"README": b"words\n"}), check=False)
    assert p.returncode == 3 and "--stack ID" in p.stderr, (p.returncode, p.stderr)
    assert "s-none" not in alice.ssh("project ls").stdout
    alice.ssh("project create s-none --stack python --from -", input=tar({"README": b"words\n"}))
    for name in ("s-django", "s-python", "s-none"):
        remove(alice, name)


def test_import_into_a_project(lab, alice, git):
    alice.ssh("project create into --stack python")
    p = alice.ssh("project import -p into", input=tar(PYTHON), check=False)
    assert p.returncode == 7 and "--force" in p.stderr, (p.returncode, p.stderr)
    before = tree(work(alice, "into"))
    p = alice.ssh("project import -p into --force", input=tar({"../x": b""}), check=False)
    assert p.returncode == 5 and tree(work(alice, "into")) == before, p.stderr
    alice.ssh("project import -p into --force", input=tar(PYTHON))
    assert set(n for n in tree(work(alice, "into"))) == {"main.py", "requirements.txt", "lib", "lib/deep", "lib/deep/a.txt", "run.sh"}
    remove(alice, "into")


def test_local_files_for_the_program(lab, alice, git):
    """`codinglab` on the machine reads files and folders by itself; over ssh a file name is refused."""
    d = lab.dir / "folder"
    d.mkdir()
    for name in ("main.py", "b.py"):
        (d / name).write_bytes(b"print(1)\n")
    (lab.dir / "a.tar").write_bytes(tar(PYTHON))
    lab.dir.chmod(0o755)

    def run(*words):
        env = {**lab.env, "CODINGLAB_SOCKET": str(lab.dir / "s/run/engine.sock")}
        return subprocess.run(["setpriv", f"--reuid={alice.uid}", f"--regid={alice.uid}", "--clear-groups", lab.bin / "codinglab", *words],
                              env=env, capture_output=True, text=True)
    for name, source in (("l1", d), ("l2", lab.dir / "a.tar")):
        p = run("project", "create", name, "--from", str(source))
        assert p.returncode == 0, p.stderr
        assert "main.py" in tree(work(alice, name))
        remove(alice, name)
    p = alice.ssh(f"project create l3 --from {d}/a.tar", check=False)
    assert p.returncode == 2 and "--from -" in p.stderr, p.stderr


# -- hostile archives --

def hostile():
    big = special("zeros", tarfile.REGTYPE, size=10 << 30)
    head = big.tobuf(tarfile.PAX_FORMAT)
    setuid = special("su", tarfile.REGTYPE, mode=0o4755)
    return {
        "dots": (tar({"a/../../evil": b"x"}), 5, '".." leads out'),
        "absolute": (tar({"/etc/cron.d/evil": b"x"}), 5, "absolute"),
        "zip dots": (zipped({"../../evil": "x"}), 5, '".." leads out'),
        "zip absolute": (zipped({"/tmp/evil-import": "x"}), 5, "absolute"),
        "link out": (tar({"l": ("->", "/etc"), "l/evil": b"x"}), 5, "leads out of the project"),
        "link up": (tar({"d": None, "d/l": ("->", "../../..")}), 5, "leads out of the project"),
        "write through link": (tar({"d": None, "l": ("->", "d"), "l/evil": b"x"}), 5, "behind a link"),
        "link in the middle": (tar({"d": None, "l": ("->", "d/../..")}), 5, "leads out of the project"),
        "hard link out": (tar({"h": ("=>", "/etc/passwd")}), 5, "absolute"),
        "hard link through link": (tar({"l": ("->", "x"), "h": ("=>", "l")}), 5, "hard link"),
        "device": (tar({"dev": special("dev", tarfile.CHRTYPE, devmajor=1, devminor=3)}), 5, "device"),
        "block": (tar({"dev": special("dev", tarfile.BLKTYPE, devmajor=8)}), 5, "device"),
        "fifo": (tar({"f": special("f", tarfile.FIFOTYPE)}), 5, "device, pipe"),
        "setuid": (tar({"su": setuid}), 5, "set-user-id"),
        "twice": (tar({"./a.py": b"1", "a.py": b"2"}), 5, "there twice"),
        "long part": (tar({"x" * 300: b""}, format=tarfile.PAX_FORMAT), 5, "longer than 255"),
        "long name": (tar({"/".join(["d" * 200] * 40): b""}, format=tarfile.PAX_FORMAT), 5, "too long"),
        "deep": (tar({"/".join(["d"] * 300): b""}, format=tarfile.PAX_FORMAT), 5, "too deeply"),
        "said size": (gzip.compress(head + b"\0" * 4096), 6, "MB when unpacked"),
        "cut gzip": (gzip.compress(tar({"r": os.urandom(200000)}))[:100000], 2, "archive"),
        "cut tar": (tar({"a": b"x" * 5000, "b": b"y" * 5000})[:10240 - 1024], 2, "archive"),
        "cut zip": (zipped(PYTHON)[:-40], 2, "archive"),
        "empty": (b"", 2, "archive"),
        "no archive": (b"just some text\n" * 100, 2, "archive"),
        "nothing in it": (tar({}, dot=False), 2, "archive"),
    }


def test_hostile_archives_are_refused_and_leave_nothing(lab, alice, git):
    before = leftovers(lab)
    for name, (data, status, reason) in hostile().items():
        p = alice.ssh("project create evil --stack python --from -", input=data, check=False)
        assert p.returncode == status and reason in p.stderr, (name, p.returncode, p.stderr)
        wait_until(f"{name}: nothing left", lambda: leftovers(lab) == before, 10)
    assert "evil" not in alice.ssh("project ls").stdout
    assert not pathlib.Path("/tmp/evil-import").exists() and not pathlib.Path("/etc/cron.d/evil").exists()


def test_bombs_stop_at_the_quota(lab, alice, git):
    before = leftovers(lab)
    def zeros():
        p = subprocess.Popen(["sh", "-c", "(python3 -c 'import tarfile,sys; i=tarfile.TarInfo(\"z\"); i.size=10<<30; sys.stdout.buffer.write("
                              "i.tobuf(tarfile.PAX_FORMAT))'; head -c 3G /dev/zero) | gzip -1"], stdout=subprocess.PIPE)
        return p.stdout.read()
    big = io.BytesIO()
    with zipfile.ZipFile(big, "w", zipfile.ZIP_DEFLATED) as z, z.open("zeros", "w", force_zip64=True) as f:
        for _ in range(300):
            f.write(b"\0" * (1 << 20))
    many = io.BytesIO()
    with gzip.open(many, "wb", 1) as f:
        for i in range(120000):
            f.write(special(f"{i}", tarfile.REGTYPE).tobuf(tarfile.USTAR_FORMAT))
    for name, data, reason in (("zip of zeros", big.getvalue(), "MB when unpacked"), ("many entries", many.getvalue(), "files and folders")):
        p = alice.ssh("project create bomb --stack python --from -", input=data, check=False)
        assert p.returncode == 6 and reason in p.stderr, (name, p.returncode, p.stderr)
        wait_until(f"{name}: nothing left", lambda: leftovers(lab) == before, 10)


def test_an_endless_stream_stops_at_the_quota(lab, alice, git):
    before = leftovers(lab)
    with open("/dev/zero", "rb") as zero:
        p = subprocess.run([*alice.argv(), "project create endless --stack python --from -"], stdin=zero, capture_output=True, text=True)
    assert p.returncode == 6 and "larger than" in p.stderr, (p.returncode, p.stderr)
    assert leftovers(lab) == before


def test_a_cut_upload_leaves_nothing(lab, alice, git):
    before = leftovers(lab)
    p = subprocess.Popen([*alice.argv(), "project create cut --stack python --from -"], stdin=subprocess.PIPE)
    p.stdin.write(tar({"a.py": b"x" * 100000})[:50000])
    p.stdin.flush()
    wait_until("the upload began", lambda: leftovers(lab)[1], 10)
    p.kill()
    p.wait()
    # what came may look whole to the broker; then it waits, unseen, for an import, half an hour at most
    wait_until("no project, no part of an upload", lambda: leftovers(lab)[0::2] == before[0::2] and
               not [n for n in leftovers(lab)[1] if n.endswith(".part")], 15)
    assert "cut" not in alice.ssh("project ls").stdout
    for f in (lab.dir / "s/uploads").iterdir():
        f.unlink()


# -- git --

def test_clone_by_http(lab, alice, git):
    repository(git.root / "shop.git", {**PYTHON, "l": ("->", "main.py")}, commits=3)
    p = alice.ssh(f"project create cloned --from {git.url('shop.git')}")
    assert "stack python" in p.stderr, p.stderr
    w = work(alice, "cloned")
    assert tree(w)["l"] == ("link", "main.py") and tree(w)["run.sh"][2]
    log = subprocess.run(["git", "-c", "safe.directory=*", "-C", w, "log", "--oneline"], capture_output=True, text=True).stdout
    assert len(log.splitlines()) == 3, log
    assert (w / ".git").stat().st_uid == alice.uid
    assert f"url = {git.url('shop.git')}" in (w / ".git/config").read_text()
    assert "imported hello" in alice.ssh("run", "cloned").stdout
    remove(alice, "cloned")
    alice.ssh(f"project create shallow --depth 1 --branch main --from {git.url('shop.git')}")
    remove(alice, "shallow")


def test_clone_by_ssh(lab, alice, git):
    """By the user's own key for git servers, which the first refusal shows; a server whose own key changed is refused."""
    repository(git.root / "byssh.git", PYTHON)
    with Sshd(lab.dir / "gitd") as server:
        url = f"ssh://root@127.0.0.1:{server.port}{git.root}/byssh.git"
        p = alice.ssh(f"project create byssh --from {url}", check=False, timeout=200)
        assert p.returncode == 5 and "Let this key in there: ssh-ed25519 " in p.stderr, (p.returncode, p.stderr)
        server.let_in(re.search(r"ssh-ed25519 \S+", p.stderr).group(0))
        alice.ssh(f"project create byssh --from {url}", timeout=200)
        assert "main.py" in tree(work(alice, "byssh"))
        p = alice.ssh(f"project create byssh2 --from {url}.not", check=False, timeout=200)
        assert p.returncode not in (0, 10) and re.search("^codinglab: import: git: .* does not appear to be a git repository", p.stderr, re.M), p.stderr
        server.another_key()
        p = alice.ssh(f"project create byssh2 --from {url}", check=False, timeout=200)
        assert p.returncode not in (0, 10) and "ost key" in p.stderr, (p.returncode, p.stderr)
    remove(alice, "byssh")


def test_archive_by_http(lab, alice, git):
    git.files["/a/shop.tar.gz"] = gzip.compress(tar(PYTHON))
    alice.ssh(f"project create fetched --from {git.url('a/shop.tar.gz')}")
    assert "main.py" in tree(work(alice, "fetched"))
    remove(alice, "fetched")


def test_a_token_in_the_url_is_seen_nowhere(lab, alice, git):
    token = "s3cr3t-t0k3n-abc"
    repository(git.root / "private.git", PYTHON)
    git.password["/private.git"] = ("me", token)
    p = alice.ssh(f"project create private --from {git.url('private.git')}", check=False)
    assert p.returncode == 5 and "TOKEN" in p.stderr, p.stderr
    url = git.url("private.git").replace("http://", f"http://me:{token}@")
    seen = []
    p = subprocess.Popen([*alice.argv(), f"project create private --from {url}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while p.poll() is None:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if token.encode() in line and not line.startswith(b"ssh\0"):
                seen.append(line)
    text = (p.stdout.read() + p.stderr.read()).decode()
    assert p.returncode == 0 and token not in text, text
    assert not seen, seen
    w = work(alice, "private")
    assert token not in (w / ".git/config").read_text()
    for f in [*(lab.dir / "s").rglob("*.log"), *(lab.dir / "s").glob("*.db*"), *(lab.dir / "s").rglob("*.sqlite*"), *w.rglob("*")]:
        if f.is_file() and not f.is_symlink():
            assert token.encode() not in f.read_bytes(), f
    assert token not in lab.admin.ssh("audit -n 50").stdout + alice.ssh("events", "private").stdout + alice.ssh("op ls").stdout
    remove(alice, "private")


def test_a_redirect_to_another_host_gets_no_token(lab, alice, git):
    token = "t0k3n-for-one-host"
    with GitServer(git.root, "127.0.0.2") as other:
        git.redirect["/away.git"] = other.url("shop.git")
        url = git.url("away.git").replace("http://", f"http://me:{token}@")
        p = alice.ssh(f"project create away --from {url}", check=False)
        assert p.returncode == 5 and "another host" in p.stderr and token not in p.stderr, (p.returncode, p.stderr)
        assert not other.requests, other.requests
    git.redirect["/moved.git"] = git.url("shop.git")
    alice.ssh(f"project create moved --from {git.url('moved.git')}")
    remove(alice, "moved")


def test_bad_tls_is_refused(lab, alice, git):
    d = lab.dir
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", d / "k.pem",
                    "-out", d / "c.pem", "-days", "1", "-subj", "/CN=127.0.0.1"], check=True, capture_output=True)
    with GitServer(git.root, certificate=(d / "c.pem", d / "k.pem")) as s:
        p = alice.ssh(f"project create tls --from {s.url('shop.git').replace('://', '://me:tok@')}", check=False)
        assert p.returncode == 1 and "certificate" in p.stderr and "tok" not in p.stderr, (p.returncode, p.stderr)
        assert not s.requests


def test_addresses_that_are_not_public(lab, alice, git):
    for url in ("http://169.254.169.254/latest/meta-data.git", "http://[::1]:9/x.git", "http://10.1.2.3/x.git", "http://192.168.0.1/x.git",
                "http://0.0.0.0:9/x.git", "ssh://git@172.16.0.1/x.git", "http://[fe80::1]/x.git", "http://[::ffff:10.0.0.1]/x.git"):
        p = alice.ssh(f"project create inside --from {url}", check=False)
        assert p.returncode == 5 and "not on the public Internet" in p.stderr, (url, p.returncode, p.stderr)
    for url in ("ext::sh -c id", "git://example.org/x", "-oProxyCommand=id@h:x", "file:///etc", "http://a b/x", "https://"):
        p = alice.ssh(f"project create inside --from '{url}'", check=False)
        assert p.returncode in (2, 5), (url, p.returncode, p.stderr)


def test_a_hostile_repository(lab, alice, git):
    repository(git.root / "out.git", {"main.py": b"", "l": ("->", "/etc/passwd")})
    p = alice.ssh(f"project create out --from {git.url('out.git')}", check=False)
    assert p.returncode == 5 and "leads out" in p.stderr, p.stderr
    repository(git.root / "big.git", {"main.py": b"", "zeros": b"\0" * (300 << 20)})
    p = alice.ssh(f"project create big --from {git.url('big.git')}", check=False)
    assert p.returncode == 6 and "MB" in p.stderr, p.stderr
    repository(git.root / "filter.git", {"main.py": b"", ".gitattributes": b"* filter=evil\n",
                                         ".gitmodules": b'[submodule "x"]\n\tpath = x\n\turl = file:///etc\n'})
    alice.ssh(f"project create filter --from {git.url('filter.git')}")
    remove(alice, "filter")
    p = alice.ssh(f"project create gone --from {git.url('nothing.git')}", check=False)
    assert p.returncode in (1, 4), (p.returncode, p.stderr)


def test_trees_that_lead_out_or_into_git(lab, alice, git):
    before = leftovers(lab)
    for n, name in enumerate(HOSTILE_NAMES):
        hostile_repository(git.root / f"tree{n}.git", name)
        p = alice.ssh(f"project create tree{n} --stack python --from {git.url(f'tree{n}.git')}", check=False)
        assert p.returncode == 5 and re.search(r"^codinglab: import: git does not let this repository in: object \w+: (hasDot|fullPath)", p.stderr, re.M), \
            (name, p.returncode, p.stderr)
        assert f"tree{n}" not in alice.ssh("project ls").stdout, name
    wait_until(lambda: (before, leftovers(lab)), lambda: leftovers(lab) == before, 15)
    assert not pathlib.Path("/tmp/owned").exists()


def test_admin_imports_from_a_path(lab, alice, git):
    assert alice.ssh(f"project create path --from file://{git.root}/shop.git", check=False).returncode == 5
    lab.admin.ssh(f"project create path --from file://{git.root}/shop.git")
    assert "main.py" in tree(work(lab.admin, "path"))
    remove(lab.admin, "path")


# -- a Procfile --

SERVER = b"""import http.server, os, psycopg
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with psycopg.connect(os.environ["DATABASE_URL"]) as db:
            body = b"releases: %d" % db.execute("SELECT count(*) FROM releases").fetchone()[0]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
"""
RELEASE = b"""import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as db:
    db.execute("CREATE TABLE IF NOT EXISTS releases (version text)")
    db.execute("INSERT INTO releases VALUES (%s)", (os.environ["CODINGLAB_RELEASE"],))
print("the release command ran")
"""


def test_a_procfile_is_honoured_and_its_release_runs_once(lab, alice, git):
    """An imported project is served by its own lines; the migration runs once for each release, however many instances serve."""
    alice.ssh("project create proc --stack python --from -", input=tar({"Procfile": b"web: python3 served.py\nrelease: python3 migrate.py\nrun: echo by the Procfile\n",
                                                                       "served.py": SERVER, "migrate.py": RELEASE, "requirements.txt": b""}))
    assert alice.ssh("run", "proc").stdout == "by the Procfile\n"
    url = alice.ssh("ship", "proc", timeout=600).stdout.strip().split("\n")[-1]
    assert lab.get(url) == (200, "releases: 1"), lab.get(url)
    alice.ssh("scale was=3", "proc", timeout=300)
    wait_until("three instances", lambda: {t["tier"]: t["ready"] for t in alice.json("status", "proc")["tiers"]}["was"] == 3, 120)
    assert {lab.get(url)[1] for _ in range(9)} == {"releases: 1"}
    alice.ssh("ship", "proc", timeout=600)
    assert {lab.get(url)[1] for _ in range(9)} == {"releases: 2"}
    remove(alice, "proc")


# -- interrupted --

def slow(git):
    """A repository whose server answers after some seconds."""
    git.files["/slow.tar"] = tar(PYTHON)


def test_killed_engine_broker_and_helper(lab, alice, git):
    data = tar({f"d{i}/f{j}.py": b"x" * 50 for i in range(200) for j in range(100)})
    before = leftovers(lab)
    for victim in ("engine", "broker", "helper"):
        p = subprocess.Popen([*alice.argv(), f"project create k-{victim} --from -"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdin.write(data)
        p.stdin.close()
        wait_until("unpacking began", lambda: leftovers(lab)[2], 20, every=0.01)
        if victim == "helper":
            out = subprocess.run(["pgrep", "-U", str(alice.uid), "-x", "codinglab-unpac"], capture_output=True, text=True).stdout.split()
            for pid in out:
                os.kill(int(pid), 9)
            assert out
        else:
            lab.kill_daemon(victim)
        text = p.stderr.read().decode()
        p.wait(60)
        if victim == "helper":
            assert p.returncode == 1 and "helper" in text, (p.returncode, text)
            wait_until("nothing left", lambda: leftovers(lab) == before, 15)
            continue
        wait_until(f"{victim}: the project is whole or gone", lambda: f"k-{victim}" in alice.ssh("project ls").stdout or
                   leftovers(lab)[0] == before[0], 60)
        assert not leftovers(lab)[2]
        if f"k-{victim}" in alice.ssh("project ls").stdout:
            assert len(tree(work(alice, f"k-{victim}"))) == 200 * 101
            remove(alice, f"k-{victim}")
    wait_until("nothing left", lambda: leftovers(lab)[0] == before[0], 30)


def test_removed_while_it_imports(lab, alice, git):
    data = tar({f"d{i}/f{j}.py": b"x" * 50 for i in range(200) for j in range(100)})
    p = subprocess.Popen([*alice.argv(), "project create going --from -"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdin.write(data)
    p.stdin.close()
    wait_until("unpacking began", lambda: leftovers(lab)[2], 20, every=0.01)
    q = alice.ssh("project rm going -y", check=False)
    assert q.returncode in (0, 4), q.stderr
    p.wait(60)
    if p.returncode == 0:
        remove(alice, "going")
    wait_until("nothing left", lambda: not leftovers(lab)[2] and "going" not in alice.ssh("project ls").stdout, 15)


def test_export_and_import_give_the_same_tree(lab, alice, git):
    files = {**PYTHON, "empty": None, "l": ("->", "lib/deep/a.txt"), ".hidden/x": b"1", "한글.txt": "글".encode(), "sp ace\n.txt": b"2"}
    alice.ssh("project create away --from -", input=tar(files, format=tarfile.PAX_FORMAT))
    w = work(alice, "away")
    for options, kind in (("", "tar.gz"), (" --plain", "tar.gz"), (" --format zip", "zip"), (" --format tar.xz", "tar.xz")):
        data = alice.ssh(f"project export - -p away{options}").raw
        name = "back-" + kind.replace(".", "") + ("p" if "plain" in options else "")
        alice.ssh(f"project create {name} --from -", input=data)
        assert tree(work(alice, name)) == tree(w), options
        assert alice.json(f"project show {name}")["stack"] == "python"
        remove(alice, name)
    os.symlink("/etc/passwd", w / "out")
    p = alice.ssh("project export - -p away --plain")
    assert "left out" in p.stderr and "out" in p.stderr, p.stderr
    remove(alice, "away")


def unpacked(lab, data, name):
    d = lab.dir / f"out-{name}"
    d.mkdir()
    with tarfile.open(fileobj=io.BytesIO(data)) as t:
        t.extractall(d)
    return d / name


def test_an_export_builds_and_runs_without_codinglab(lab, alice, git):
    """The archive alone: its image builds by plain podman, its three tiers run as compose.yaml says."""
    alice.ssh("project create shop --stack django")
    alice.ssh("config set -p shop --env dev TOKEN=hush-hush", check=False)
    d = unpacked(lab, alice.ssh("project export - -p shop").raw, "shop")
    names = {str(p.relative_to(d)) for p in d.rglob("*") if p.is_file()}
    assert {"Containerfile", "compose.yaml", ".env", "README.md", "images/build", "images/base-rootfs", "web/Containerfile",
            "images/django/Containerfile.run", "app/manage.py", "web/nginx.conf", "kubernetes/00-namespace.yaml"} <= names, names
    assert tree(d / "app") == tree(work(alice, "shop"))
    assert not any(b"hush-hush" in (d / n).read_bytes() for n in names)
    assert os.access(d / "images/build", os.X_OK)
    subprocess.run(["sh", "-n", d / "images/build"], check=True)
    compose = yaml.safe_load((d / "compose.yaml").read_text())
    tag = f"localhost/codinglab/export-{os.getpid()}"
    made, secrets = [], dict(line.split("=", 1) for line in (d / ".env").read_text().splitlines() if "=" in line and line[0] != "#")

    def fill(text):
        for k, v in secrets.items():
            text = text.replace("${" + k + "}", v)
        return text.replace("$$", "$")
    try:
        for name in ("was", "web"):
            b = compose["services"][name]["build"]
            lab.podman("build", "-q", "-t", f"{tag}-{name}", "-f", f"{d}/{b['context']}/{b['dockerfile']}", f"{d}/{b['context']}")
        net = f"export-{os.getpid()}"
        lab.podman("network", "create", net)
        made.append(("network", "rm", "-f", net))

        def run(name, *more, command=()):
            s = compose["services"][name]
            image = f"{tag}-{'web' if name == 'web' else 'was'}" if "build" in s else s["image"]
            args = ["--user", s["user"], "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", net, "--network-alias", name]
            args += [x for k, v in s.get("environment", {}).items() for x in ("-e", f"{k}={fill(v)}")]
            args += [x for t in s["tmpfs"] for x in ("--tmpfs", t)] if isinstance(s["tmpfs"], list) else ["--tmpfs", s["tmpfs"]]
            args += ["--read-only"] if s.get("read_only") else []
            args += [x for v in s.get("volumes", []) for x in ("-v", v.replace("db:", f"{net}-db:", 1))]
            full = f"{net}-{name}"
            made.insert(0, ("rm", "-f", "-t", "0", full))
            return full, lab.podman("run", "--name", full, *args, *more, image, *[fill(w) for w in s.get("command", command)])

        def healthy(full, name):
            test = [fill(w) for w in compose["services"][name]["healthcheck"]["test"][1:]]
            wait_until(f"{name} healthy", lambda: "yes" in lab.podman("exec", full, "sh", "-c", '"$@" && echo yes', "sh", *test, check=False), 60, every=1)
        made.insert(0, ("volume", "rm", "-f", f"{net}-db"))
        full = run("db", "-d")[0]
        try:
            healthy(full, "db")
        except AssertionError:
            print(lab.podman("logs", full, check=False), lab.podman("ps", "-a"))
            raise
        run("migrate")
        healthy(run("was", "-d")[0], "was")
        full = run("web", "-d")[0]
        healthy(full, "web")
        address = lab.podman("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", full).strip()
        page = subprocess.run(["curl", "-sS", "--noproxy", "*", "-m", "20", f"http://{address}:8080/"], capture_output=True, text=True)
        assert "Hello from shop" in page.stdout or "shop" in page.stdout, page
        assert lab.podman("exec", full, "id", "-u").strip() == "10101"
    finally:
        for words in [m for m in made if m[0] != "network" and m[0] != "volume"] + [m for m in made if m[0] in ("network", "volume")]:
            lab.podman(*words, check=False)
        lab.podman("rmi", "-f", f"{tag}-was", f"{tag}-web", check=False)
    remove(alice, "shop")


def test_exported_manifests_are_valid(lab, alice, git):
    """Each against the strict schemas of several Kubernetes versions, by kubernetes-validate from PyPI."""
    alice.ssh("project create kube --stack django")
    d = unpacked(lab, alice.ssh("project export - -p kube").raw, "kube")
    venv = lab.dir / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True, capture_output=True)
    p = subprocess.run([venv / "bin/pip", "install", "-q", "kubernetes-validate"], capture_output=True, text=True)
    if p.returncode:
        raise cases.Skip(f"kubernetes-validate is not to be had: {p.stderr.strip().splitlines()[-1][:200]}")
    files = sorted((d / "kubernetes").iterdir())
    assert len(files) == 9, files
    for version in ("1.25.0", "1.31.0"):
        p = subprocess.run([venv / "bin/kubernetes-validate", "--strict", "-k", version, *files], capture_output=True, text=True)
        assert p.returncode == 0, (version, p.stdout, p.stderr)
    kinds = {o["kind"]: o for o in (yaml.safe_load(f.read_text()) for f in files)}
    assert {"Namespace", "Secret", "Deployment", "Service", "StatefulSet", "Ingress"} == set(kinds), set(kinds)
    assert kinds["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert all(v.startswith("change-me") for v in kinds["Secret"]["stringData"].values())
    remove(alice, "kube")


if __name__ == "__main__":
    os.environ.update(CODINGLAB_IMPORT_MAX_MB="256", CODINGLAB_IMPORT_MAX_FILES="100000", CODINGLAB_IMPORT_PRIVATE="127.0.0.0/8")
    with Lab() as lab, GitServer(lab.dir / "git") as git:
        (lab.dir / "git").mkdir()
        sys.exit(cases.main(globals(), lab, lab.user("alice"), git) > 0)
