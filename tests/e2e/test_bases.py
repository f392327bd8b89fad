#!/usr/bin/python3
"""Bases that this machine has no mirror of, from repositories of the test's own: packages made here, signed by a key made here, served on
the loopback address.  What is not tested: Ubuntu's and Rocky's own packages and keys.

    tests/e2e/test_bases.py [WORD]
"""
import contextlib
import functools
import hashlib
import http.server
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading

import cases
from lab import ROOT, Lab, wait_until

HERE = pathlib.Path(tempfile.mkdtemp(prefix="codinglab-bases-", dir="/var/tmp"))
HERE.chmod(0o755)
CACHE = pathlib.Path(os.environ.get("CODINGLAB_CACHE", "/var/cache/codinglab"))
DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
ARCH = os.uname().machine


def sh(*argv, check=True, env=None, cwd=None):
    p = subprocess.run(list(map(str, argv)), capture_output=True, text=True, env=env, cwd=cwd, stdin=subprocess.DEVNULL)
    assert not check or p.returncode == 0, f"{argv}: {p.stdout[-2000:]}{p.stderr[-3000:]}"
    return p


class Key:
    """A signing key of the test's own."""

    def __init__(self, name):
        self.name, self.home = name, HERE / f"gpg-{name}"
        self.home.mkdir(mode=0o700)
        self.env = {**os.environ, "GNUPGHOME": str(self.home)}
        sh("gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", "", "--quick-gen-key", f"{name} <{name}@example.org>", "rsa2048",
           "sign", "never", env=self.env)
        self.ring, self.armored = HERE / f"{name}.gpg", HERE / f"{name}.asc"
        sh("gpg", "--export", "-o", self.ring, env=self.env)
        sh("gpg", "--armor", "--export", "-o", self.armored, env=self.env)

    def stop(self):
        sh("gpgconf", "--kill", "all", env=self.env, check=False)

    def clearsign(self, source, target):
        sh("gpg", "--batch", "--yes", "--clearsign", "-o", target, source, env=self.env)


def floor(os_release):
    """A Debian's files as what they are not: small, and everything a bootstrap runs in its chroot is there."""
    root = HERE / "floor"
    if not root.exists():
        sh(ROOT / "images/base-rootfs", CACHE / "base-debian-13.tar")
        root.mkdir()
        sh("tar", "xf", CACHE / "base-debian-13.tar", "-C", root, "--exclude=./dev/*", "--exclude=./usr/share/doc/*")
        shutil.rmtree(root / "usr/share/codinglab", ignore_errors=True)
    (root / "usr/lib/os-release").write_text(os_release)
    return root


def deb(pool, name, files, control=""):
    tree = HERE / f"deb-{name}"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: Test <t@example.org>\n{control}"
                                         f"Description: made by a test\n")
    files(tree)
    sh("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", tree, pool / f"{name}_1.0_all.deb")
    shutil.rmtree(tree)


def deb_repository(key, os_release='ID=ubuntu\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\nPRETTY_NAME="A test\'s Ubuntu"\n'):
    top = HERE / "ubuntu"
    if not (top / "pool").exists():
        (top / "pool").mkdir(parents=True)

        def everything(tree):
            sh("cp", "-a", f"{floor(os_release)}/.", tree)
            for gone in ("var/lib/dpkg", "var/lib/apt", "etc/apt", "etc/dpkg/dpkg.cfg.d", "usr/bin/tini"):
                sh("rm", "-rf", tree / gone)
        deb(top / "pool", "base-files", everything, "Essential: yes\nPriority: required\n")
        deb(top / "pool", "apt", lambda t: (t / "etc/apt/apt.conf.d").mkdir(parents=True), "Priority: required\n")
        deb(top / "pool", "ca-certificates", lambda t: None)

        def tini(tree):
            (tree / "usr/bin").mkdir(parents=True)
            shutil.copy(HERE / "floor/usr/bin/tini", tree / "usr/bin/tini")
        deb(top / "pool", "tini", tini)
    for suite in ("noble", "noble-updates", "noble-security"):
        for component in ("main", "universe"):
            index = top / f"dists/{suite}/{component}/binary-amd64/Packages"
            index.parent.mkdir(parents=True, exist_ok=True)
            full = suite == "noble" and component == "main"
            index.write_text(sh("dpkg-scanpackages", "-m", "pool", cwd=top).stdout if full else "")
        release = top / f"dists/{suite}/Release"
        sums = "".join(f" {hashlib.sha256(f.read_bytes()).hexdigest()} {f.stat().st_size} {f.relative_to(release.parent)}\n"
                       for f in sorted(release.parent.rglob("Packages")))
        release.write_text(f"Origin: Test\nLabel: Test\nSuite: {suite}\nCodename: {suite}\nArchitectures: amd64\nComponents: main universe\n"
                           f"Date: {sh('date', '-Ru').stdout.replace('+0000', 'UTC').strip()}\nSHA256:\n{sums}")
        key.clearsign(release, release.with_name("InRelease"))
    return top


def rpm_repository(key):
    top, build = HERE / "rocky", HERE / "rpmbuild"
    if top.exists():
        shutil.rmtree(top)
    root = HERE / "rocky-files"
    (root / "usr/lib").mkdir(parents=True, exist_ok=True)
    (root / "usr/lib/os-release").write_text('ID="rocky"\nVERSION_ID="9.9"\nPRETTY_NAME="A Rocky of a test"\n')
    (root / "usr/bin").mkdir(exist_ok=True)
    (root / "usr/bin/catatonit").write_text("#!/bin/sh\n")
    (root / "etc").mkdir(exist_ok=True)
    if not (root / "etc/os-release").is_symlink():
        (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    macros = HERE / "home/.rpmmacros"
    macros.parent.mkdir(exist_ok=True)
    macros.write_text(f"%_topdir {build}\n%__gpg /usr/bin/gpg\n%_gpg_name {key.name}@example.org\n%_binary_payload w1.gzdio\n%__os_install_post %{{nil}}\n"
                      f"%_build_id_links none\n%_dbpath {HERE}/rpmdb\n")
    env = {**key.env, "HOME": str(macros.parent)}
    others = "ca-certificates catatonit coreutils-single findutils glibc-minimal-langpack grep gzip microdnf rocky-release sed shadow-utils tar"
    spec = HERE / "all.spec"
    subpackages = "".join(f"%package -n {n}\nSummary: t\n%description -n {n}\nt\n%files -n {n}\n" for n in others.split())
    spec.write_text("Name: bash\nVersion: 5\nRelease: 1\nSummary: t\nLicense: none\nBuildArch: noarch\nAutoReqProv: no\n%description\nt\n"
                    f"{subpackages}%prep\n%build\n%install\ncp -a {root}/. %{{buildroot}}\n"
                    "%files\n%defattr(-,root,root,-)\n/*\n")
    sh("rpmbuild", "-bb", "--quiet", spec, env=env)
    for part in ("BaseOS", "AppStream"):
        folder = top / part / ARCH / "os"
        folder.mkdir(parents=True)
        if part == "BaseOS":
            for f in (build / "RPMS/noarch").glob("*.rpm"):
                shutil.move(f, folder)
            sh("rpmsign", "--addsign", *folder.glob("*.rpm"), env=env)
        sh("createrepo_c", "-q", folder)
    shutil.rmtree(build, ignore_errors=True)
    return top


@contextlib.contextmanager
def served(folder):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *a):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def bootstrap(name, check=True, **words):
    tar = HERE / f"{name}.tar"
    p = sh(ROOT / "images/base-rootfs", tar, *(f"{k}={v}" for k, v in words.items()), check=check)
    return tar, p


def ubuntu(url, ring, **more):
    return {"BASE": "ubuntu-24.04", "FAMILY": "debian", "SUITE": "noble", "COMPONENTS": "main universe", "MIRROR": url, "KEYRING": ring, **more}


def rocky(url, ring):
    return {"BASE": "rocky-9", "FAMILY": "rpm", "SUITE": "9", "COMPONENTS": "BaseOS AppStream", "MIRROR": url, "KEYRING": ring}


def read(tar, name):
    with tarfile.open(tar) as t:
        return t.extractfile(name).read().decode()


def refused(p, tar, *says):
    last = p.stderr.strip().split("\n")[-1]
    assert p.returncode == 1 and last.startswith("base-rootfs: ") and all(s in last for s in says), p.stderr[-1500:]
    left = [f.name for f in tar.parent.glob(f"{tar.name}*")]
    assert not left, f"left behind: {left}"


def test_a_file_system_from_an_apt_mirror_says_what_it_is():
    with served(deb_repository(GOOD)) as url:
        tar, _ = bootstrap("ubuntu", **ubuntu(url, GOOD.ring))
        assert read(tar, "./usr/share/codinglab/labels") == f"base=ubuntu-24.04\nbase.suite=noble\nbase.mirror={url}\n"
        assert f"[signed-by=/etc/apt/keyrings/codinglab.gpg] {url} noble main universe" in read(tar, "./etc/apt/sources.list")
        with tarfile.open(tar) as t:
            assert t.extractfile("./etc/apt/keyrings/codinglab.gpg").read() == GOOD.ring.read_bytes()
            assert t.getmember("./usr/bin/tini") and t.getmember("./app").mode == 0o1777


def test_an_apt_mirror_signed_by_another_key_is_refused():
    with served(deb_repository(BAD)) as url:
        tar, p = bootstrap("wrong", check=False, **ubuntu(url, GOOD.ring))
        refused(p, tar, f"not signed by a key of {GOOD.ring}", "NO_PUBKEY", "images.keyring")
        tar, p = bootstrap("wrong", check=False, **ubuntu(url, DEBIAN_KEYS))
        refused(p, tar, "not signed by a key")


def test_what_is_not_there_is_said_before_anything_is_fetched():
    tar, p = bootstrap("none", check=False, **ubuntu("http://127.0.0.1:9", HERE / "nokeys.gpg"))
    refused(p, tar, "nokeys.gpg: not there", "images.keyring")
    tar, p = bootstrap("none", check=False, **rocky("http://127.0.0.1:9", ""))
    refused(p, tar, "rocky-9: no keys are known", "images.keyring")


def test_a_mirror_of_another_distribution_is_refused():
    with served(deb_repository(GOOD)) as url:
        tar, p = bootstrap("other", check=False, **ubuntu(url, GOOD.ring, BASE="debian-12"))
        refused(p, tar, "is ubuntu 24.04, not debian-12", "images.base")


def test_a_file_system_from_an_rpm_mirror():
    with served(rpm_repository(GOOD)) as url:
        tar, _ = bootstrap("rocky", **rocky(url, GOOD.armored))
        assert read(tar, "./usr/share/codinglab/labels") == f"base=rocky-9\nbase.suite=9\nbase.mirror={url}\n"
        assert f"baseurl={url}/BaseOS/{ARCH}/os/" in read(tar, "./etc/yum.repos.d/codinglab.repo")
        assert read(tar, "./etc/pki/rpm-gpg/codinglab") == GOOD.armored.read_text()
        with tarfile.open(tar) as t:
            assert t.getmember("./usr/bin/tini") and any(n.startswith("./var/lib/rpm/") for n in t.getnames())


def test_an_rpm_mirror_signed_by_another_key_is_refused():
    with served(rpm_repository(BAD)) as url:
        tar, p = bootstrap("wrong", check=False, **rocky(url, GOOD.armored))
        refused(p, tar, f"not signed by a key of {GOOD.armored}", "images.keyring")


@contextlib.contextmanager
def lab(store, **options):
    """A lab on a store of its own: these images have the names of everybody's."""
    old = dict(os.environ)
    os.environ.update({"CODINGLAB_STORAGE": str(store), "CODINGLAB_CACHE": str(HERE / "cache"), "CODINGLAB_PROXY_ENABLED": "no", **options})
    try:
        with Lab(images="base") as it:
            yield it
            it.podman("rmi", "-af", check=False)
    finally:
        os.environ.clear()
        os.environ.update(old)


def test_a_lab_on_a_base_of_the_operators():
    with served(deb_repository(GOOD)) as url, lab(HERE / "store", CODINGLAB_IMAGES_BASE="ubuntu-24.04", CODINGLAB_IMAGES_MIRROR=url,
                                                  CODINGLAB_IMAGES_KEYRING=str(GOOD.ring)) as it:
        def known():
            return it.admin.json("stack show base")["images"][0].get("labels")
        labels = wait_until("the labels are known", known)
        assert labels["base"] == "ubuntu-24.04" and labels["base.suite"] == "noble" and labels["base.mirror"] == url, labels
        assert labels["base.digest"].startswith("sha256:") and labels["packages"] == "4", labels
        shown = it.admin.ssh("stack show base").stdout
        assert "ubuntu-24.04" in shown and labels["base.digest"] in shown, shown
        for line in ("image build php", "project create shop --stack php"):
            p = it.admin.ssh(line, check=False)
            assert p.returncode == 3 and "stack php: it does not build on Ubuntu 24.04 (noble)" in p.stderr and "images.base" in p.stderr, p.stderr
        stacks = {s["id"]: s["state"] for s in it.admin.json("stack ls")["stacks"]}
        assert stacks["php"] == "refused" and stacks["python"] == "absent", stacks


def test_an_image_instead_of_a_file_system():
    """One that is in the store already; no registry is asked successfully here."""
    tar, name = HERE / "ubuntu.tar", "localhost/hub/ubuntu:24.04"
    if not tar.exists():
        with served(deb_repository(GOOD)) as url:
            bootstrap("ubuntu", **ubuntu(url, GOOD.ring))
    os.environ["CODINGLAB_STORAGE"], old = str(HERE / "store2"), os.environ["CODINGLAB_STORAGE"]
    sh(*Lab.podman_argv(None, "import", tar, name))
    os.environ["CODINGLAB_STORAGE"] = old
    with lab(HERE / "store2", CODINGLAB_IMAGES_BASE="ubuntu-24.04", CODINGLAB_IMAGES_FROM=name) as it:
        labels = wait_until("the labels are known", lambda: it.admin.json("stack show base")["images"][0].get("labels"))
        assert labels["base"] == "ubuntu-24.04" and labels["base.from"] == name and labels["base.digest"].startswith("sha256:"), labels
        assert "base.mirror" not in labels and labels["base.suite"] == "noble", labels
        log = (it.dir / "s/log/images.log").read_text()
        assert "not pulled (" in log and "one that is here is used" in log, log[-2000:]
        assert not list((HERE / "cache").glob("base-ubuntu-24.04.tar")), "a file system was made"


def test_an_image_of_another_distribution_is_refused():
    p = sh("sh", ROOT / "images/base-from", "nosuch-1", check=False)
    assert p.returncode == 1 and "not nosuch-1. Set images.base" in p.stderr, p.stderr


def main():
    global GOOD, BAD
    GOOD, BAD = Key("good"), Key("bad")
    try:
        return cases.main({k: v for k, v in globals().items() if k.startswith("test_")})
    finally:
        GOOD.stop()
        BAD.stop()
        sh("sh", "-c", f"for m in $(sed -n 's|^[^ ]* \\({HERE}[^ ]*\\) .*|\\1|p' /proc/mounts | sort -r); do umount -l $m; done", check=False)
        shutil.rmtree(HERE, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main() != 0)
