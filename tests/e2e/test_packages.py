#!/usr/bin/python3
"""Packages and certificates: installs in dev containers and in builds through the lab's proxy, behind a school's proxy that re-signs
TLS (tests/lib/resigning.py), from the cache; builds reach nothing else; no authority is in a layer of an image.

One lab, brought up again with other options for each part; the parts build on each other, in order."""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import cases
from lab import *
from resigning import NAME, Resigning

CLASS = 4  # at once; the listener takes five from one address that are not logged in yet
PIP = "python3 -m pip install --no-input --no-cache-dir --disable-pip-version-check -q --target"
DOWNLOADS = "downloads.example"  # no registry of a stack: what CMake fetches comes from wherever a project says
C_LIBRARY = {"CMakeLists.txt": "add_library(word STATIC word.c)\ntarget_include_directories(word PUBLIC .)\n",
             "word.h": "const char *word(void);\n", "word.c": "#include \"word.h\"\nconst char *word(void)\n{\n\treturn \"installed\";\n}\n"}
C_PROJECT = ("cmake_minimum_required(VERSION 3.25)\\nproject(use C)\\ninclude(FetchContent)\\n"
             f"FetchContent_Declare(NAME URL https://{DOWNLOADS}/NAME-1.0.tar.gz)\\nFetchContent_MakeAvailable(NAME)\\n"
             "add_executable(use main.c)\\ntarget_link_libraries(use word)\\n")
C_PROGRAM = "#include <stdio.h>\\n#include <word.h>\\nint main(void)\\n{\\n\\tputs(word());\\n}\\n"
FORGED = {  # stack: (how to make the package, install it in an empty folder, use it)
    "python": (lambda s, n: s.python(n, "1.0", "WORD = 'installed'"), f"{PIP} . NAME", "python3 -c 'import NAME; print(NAME.WORD)'"),
    "node": (lambda s, n: s.npm(n, "1.0.0", "module.exports = 'installed'"), "npm install --no-fund --no-audit --cache ./cache NAME",
             "node -e 'console.log(require(\"NAME\"))'"),
    "go": (lambda s, n: s.go(f"{n}.example/it", "v1.0.0", "package it\n\nconst Word = \"installed\"\n"),
           "printf 'module x\\n' >go.mod && GOSUMDB=off GOMODCACHE=$PWD/c GOFLAGS='-mod=mod -modcacherw' go get NAME.example/it@v1.0.0",
           "cat c/NAME.example/it@v1.0.0/it.go"),
    "java": (lambda s, n: s.maven(n, "1.0", "installed"),
             """cp -r "$OLDPWD/." . && sed -i '0,/<dependencies>/s//&<dependency><groupId>com.forged<\\/groupId><artifactId>NAME<\\/artifactId><version>1.0<\\/version>"""
             """<\\/dependency>/' pom.xml && mvn -B -q -ntp -Dmaven.repo.local=$PWD/r compile""",
             "unzip -p r/com/forged/NAME/1.0/NAME-1.0.jar word.txt"),
    "ruby": (lambda s, n: s.gem(n, "1.0", "WORD = 'installed'"),
             "printf 'source Gem.sources.to_a.first\ngem \"NAME\"\n' >Gemfile && export BUNDLE_PATH=$PWD/v BUNDLE_USER_HOME=$PWD/b && bundle install --quiet",
             "bundle exec ruby -e 'require \"NAME\"; puts WORD'"),
    "php": (lambda s, n: s.composer(n, "1.0.0", "<?php const WORD = 'installed';"),
            "printf '{\"require\":{\"acme/NAME\":\"*\"}}' >composer.json && export COMPOSER_HOME=$PWD/h && composer update --no-interaction --no-progress --no-audit",
            "php -r 'require \"vendor/autoload.php\"; echo WORD;'"),
    "c": (lambda s, n: s.sources(n, "1.0", C_LIBRARY),
          f"printf '{C_PROJECT}' >CMakeLists.txt && printf '{C_PROGRAM}' >main.c && cmake -S . -B b --log-level=WARNING && cmake --build b", "b/use"),
}


class World:
    def __init__(self, lab, school):
        self.lab, self.school = lab, school
        self.alice = lab.user("alice")
        self.serial = 0

    def again(self, **options):
        """The lab, down and up with these variables and no others of this test's."""
        subprocess.run([ROOT / "lab", "down", "--keep-apps"], env=self.lab.env, capture_output=True, check=True)
        for k in [k for k in self.lab.env if k in ("HTTPS_PROXY", "CODINGLAB_TRUST_BUNDLE", "CODINGLAB_PROXY_ENABLED", "CODINGLAB_BUILD_NETWORK",
                                                     "CODINGLAB_BUILD_REGISTRIES")]:
            del self.lab.env[k]
        self.lab.env.update({k: str(v) for k, v in options.items()})
        self.lab.up("--no-images")

    def behind_school(self):
        self.again(HTTPS_PROXY=self.school.url, CODINGLAB_TRUST_BUNDLE=self.school.bundle, CODINGLAB_BUILD_REGISTRIES=DOWNLOADS)

    def project(self, stack="python"):
        self.serial += 1
        name = f"p{self.serial}"
        self.alice.ssh(f"project create {name} --stack {stack}")
        return name

    def build(self, project, script):
        """Deploy with this build command, which always fails in the end: the log of the build."""
        self.alice.ssh("cat >.codinglab.json", project, input=json.dumps({"build": ["sh", "-c", script + "\nexit 9"]}).encode())
        p = self.alice.ssh("deploy", project, check=False, timeout=300)
        assert p.returncode, p.stdout
        return p.stdout + p.stderr


def has_image(w, stack):
    states = wait_until("the images are known", lambda: (lambda d: d if d.get("python") == "ready" else None)(
        {i["id"]: i["state"] for i in w.alice.json("image ls")["images"]}))
    return states.get(stack) == "ready"


# -- the machine's own network

def test_a_real_install_through_the_real_registry(w):
    name = w.project()
    p = w.alice.ssh(f"{PIP} /tmp/real six && ls /tmp/real", name, check=False, timeout=300)
    if p.returncode and re.search(r"resolv|timed out|unreachable|50[234]", p.stdout + p.stderr):
        raise cases.Skip("the package registry of pip is not reached from this machine")
    assert p.returncode == 0 and "six.py" in p.stdout, p.stdout + p.stderr


def test_a_build_reaches_registries_only_and_says_so(w):
    name = w.project()
    out = w.build(name, """
        id -u; grep -E 'Cap(Eff|Bnd)|NoNewPrivs' /proc/self/status; ls /sys/class/net
        for url in https://www.example.com http://169.254.169.254/ http://10.0.0.1/ http://127.0.0.1:%d/; do
            echo "by the proxy $url: $(curl -s -m 10 --noproxy '' $url 2>&1 | tr -d '\\n' || true)"
            echo "directly $url: $(curl -sS -m 10 --noproxy '*' $url 2>&1)"
        done
        echo "by POST: $(curl -s -m 20 -X POST -d x -o /dev/null -w '%%{http_code}' \
            $(python3 -c 'from pip._internal.models.index import PyPI; print(PyPI.simple_url)'))"
        ls /run/codinglab/ /var/run/*.sock 2>&1; ls -d /run/edge/*; touch /src/x""" % w.lab.edge_port)
    assert "network: package registries only" in out, out
    assert re.search(r"^\s*lo$", out, re.M) and "eth0" not in out, out
    assert len(re.findall(r"Cap(?:Eff|Bnd):\s*0+$", out, re.M)) == 2 and re.search(r"NoNewPrivs:\s*1", out), out
    assert len(re.findall(r"by the proxy \S+: .*not reached from here", out)) == 4, out
    assert len(re.findall(r"directly \S+: curl: \(\d+\)", out)) == 4, out
    assert "by POST: 403" in out, out
    assert "Read-only file system" in out, out
    # the reason stands at the end too, where the person looks
    assert "ended with status 9" in out and out.rstrip().endswith("an operator changes it"), out[-400:]


def test_a_build_does_not_reach_another_projects_container(w):
    other, name = w.project(), w.project()
    w.alice.ssh("nohup python3 -m http.server 9999 >/dev/null 2>&1 & sleep 1; echo $!", other)
    address = w.alice.ssh("hostname -i", other).stdout.split()[0]
    assert w.alice.ssh(f"curl -s -o /dev/null -w '%{{http_code}}' --noproxy '*' http://{address}:9999/", other).stdout == "200"
    out = w.build(name, f"curl -sS -m 5 --noproxy '*' http://{address}:9999/ 2>&1; curl -s -m 5 http://{address}:9999/")
    assert "curl: (7)" in out and "not reached from here" in out and "Directory listing" not in out, out
    # nor does the other project's dev container, by the proxy
    p = w.alice.ssh(f"curl -s -m 5 http://{address}:9999/; curl -s -m 5 http://169.254.169.254/", name, check=False)
    assert p.stdout.count("not reached from here") == 2, p.stdout


def test_the_build_network_is_an_option(w):
    w.again(CODINGLAB_BUILD_NETWORK="none")
    out = w.build(w.project(), "ls /run/codinglab-proxy; env | grep -i _proxy; ls /sys/class/net")
    assert "network: none" in out and "proxy.sock" not in out and "HTTPS_PROXY" not in out and "eth0" not in out, out
    w.again(CODINGLAB_BUILD_NETWORK="open")
    out = w.build(w.project(), "ls /sys/class/net")
    assert "network: open" in out and "eth0" in out, out


# -- behind a proxy that re-signs

def install(w, stack, name, builds):
    """Install the forged package in a dev container or in a build, and use it."""
    _, get, use = FORGED[stack]
    script = f"rm -rf /tmp/i && mkdir /tmp/i && cd /tmp/i && {get} && {use}".replace("NAME", name)
    project = w.project(stack)
    out = w.build(project, script) if builds else w.alice.ssh(script, project, timeout=300).stdout
    assert "installed" in out, out


def test_installs_behind_a_resigning_proxy_come_once(w):
    w.behind_school()
    tried = []
    for stack, (make, _, _) in FORGED.items():
        if not has_image(w, stack):
            print(f"    {stack}: no image here")
            continue
        path = make(w.school, f"forged{stack}")
        # a build first: it waits until the stack's registries are known; a dev container of a lab just started passes unread till then
        install(w, stack, f"forged{stack}", builds=True)
        assert w.school.count[path] == 1, w.school.count
        install(w, stack, f"forged{stack}", builds=False)
        install(w, stack, f"forged{stack}", builds=True)
        assert w.school.count[path] == 1, w.school.count
        tried.append(stack)
    assert "python" in tried


def test_a_class_at_once_fetches_it_once(w):
    """Everybody follows the same instructions at the same time, each with a project and a cache of the tool's own."""
    path = w.school.python("forgedclass", "1.0", "WORD = 'installed'")
    projects = [w.project() for _ in range(CLASS)]
    with concurrent.futures.ThreadPoolExecutor(CLASS) as pool:
        said = list(pool.map(lambda p: w.alice.ssh(f"{PIP} /tmp/c forgedclass && cat /tmp/c/forgedclass.py", p, timeout=300).stdout, projects))
    assert all("installed" in s for s in said), said
    assert w.school.count[path] == 1, w.school.count
    for p in projects:
        w.alice.ssh(f"project rm {p} -y")


def test_a_long_connection_is_cached_to_its_end(w):
    """Tools keep a connection for all that they fetch, which may take minutes."""
    paths = [w.school.python("forgedlong", version, "WORD = 'installed'") for version in ("1.0", "1.1")]
    script = ("import http.client, ssl, sys, time, urllib.parse\n"
              "from pip._internal.models.index import PyPI\n"
              "context = ssl.create_default_context()\n"
              "context.verify_flags &= ~ssl.VERIFY_X509_STRICT\n"  # squid's certificates do not name their authority's key
              "c = http.client.HTTPSConnection('127.0.0.1', 3128, context=context)\n"
              "c.set_tunnel(urllib.parse.urlparse(PyPI.simple_url).hostname, 443)\n"
              f"for n, path in enumerate({paths!r}):\n"
              "    time.sleep(15 * n)\n"
              "    c.request('GET', path)\n"
              "    r = c.getresponse()\n"
              "    print(r.status, len(r.read()))\n")
    for _ in range(2):
        said = w.alice.ssh("python3 -", w.project(), input=script.encode(), timeout=120).stdout.split("\n")
        assert [s[:4] for s in said[:2]] == ["200 ", "200 "], said
    assert [w.school.count[p] for p in paths] == [1, 1], w.school.count


def test_what_cmake_fetches_in_a_build_is_an_operators_word(w):
    """A host that no operator named is fetched from in the dev container, unread by the proxy; a build is refused it by name."""
    if not has_image(w, "c"):
        raise cases.Skip("no image of c here")
    w.school.sources("elsewhere", "1.0", C_LIBRARY)
    name = w.project("c")
    out = w.build(name, FORGED["c"][1].replace("NAME", "elsewhere").replace(DOWNLOADS, "elsewhere.example"))
    assert "Build step for elsewhere failed" in out, out
    assert not w.school.count["/elsewhere-1.0.tar.gz"], w.school.count
    assert "build.registries" in out, out


def test_the_cache_serves_when_the_registry_is_away(w):
    w.school.stop()
    try:
        install(w, "python", "forgedpython", builds=True)
    finally:
        w.school.start(w.school.port)


def test_a_new_version_is_seen_at_once(w):
    path = w.school.python("forgedpython", "2.0", "WORD = 'installed, the second'")
    p = w.alice.ssh(f"{PIP} /tmp/second forgedpython && cat /tmp/second/forgedpython.py", w.project())
    assert "the second" in p.stdout and w.school.count[path] == 1, (p.stdout, w.school.count)


def test_applications_get_neither_proxy_nor_certificates(w):
    name = w.project()
    w.alice.ssh("cat >requirements.txt", name, input=b"forgedpython\n")
    p = w.alice.ssh("deploy", name, check=False, timeout=300)
    assert p.returncode == 0, p.stdout + p.stderr
    instances = w.lab.podman("ps", "-q", "--filter", f"label=codinglab.instance={w.lab.instance()}", "--filter", "label=codinglab.env=dev").split()
    assert len(instances) >= 3, instances
    for i in instances:
        seen = w.lab.podman("exec", i, "sh", "-c", "env; cat /proc/mounts; ls /run/codinglab-proxy /run/codinglab-trust; "
                            "cat /etc/ssl/certs/ca-certificates.crt", check=False)
        assert not re.search(r"_proxy=", seen, re.I) and "/etc/ssl/certs/" not in re.sub(r"BEGIN.*", "", seen) and "proxy.sock" not in seen, seen[:2000]
        assert pem_line(w.school.bundle) not in seen and pem_line(w.lab.dir / "s/proxy/ca/ca.pem") not in seen


def pem_line(path):
    """A line of a certificate that no other has: from its middle, where the key is."""
    lines = path.read_text().split("\n")
    return lines[len(lines) // 2]


def test_no_authority_is_in_any_layer(w):
    marks = [NAME, "CodingLab package proxy", pem_line(w.school.bundle), pem_line(w.lab.dir / "s/proxy/ca/ca.pem")]
    assert subprocess.run(["grep", "-cF", marks[2], w.lab.dir / "s/run/trust/ca-certificates.crt"], capture_output=True).returncode == 0
    assert subprocess.run(["grep", "-caF", marks[0], w.lab.dir / "s/run/trust/cacerts"], capture_output=True).returncode == 0
    layers = set()
    for d in ("UpperDir", "LowerDir"):  # steps of builds are below these; an image that another test removes meanwhile is left out
        found = w.lab.podman("image", "inspect", "--format", "{{with .GraphDriver.Data}}{{.%s}}{{end}}" % d, *set(w.lab.podman("images", "-q").split()),
                             check=False)
        layers |= {p for p in re.split(r"[:\n]", found) if p.startswith("/") and os.path.isdir(p)}
    assert len(layers) > 5, layers
    patterns = [x for m in marks for x in ("-e", m)]
    p = subprocess.run(["nice", "grep", "-rlaF", *patterns, "--exclude=*.so*", "--exclude=*.deb", *sorted(layers)], capture_output=True, text=True)
    # this lab's own applications and every image of the store, whoever built it; one may go while it is read
    assert p.stdout == "", p.stdout


def test_without_the_bundle_it_says_what_is_missing(w):
    w.school.python("unseen", "1.0", "WORD = 'installed'")
    w.again(HTTPS_PROXY=w.school.url)
    name = w.project()
    p = w.alice.ssh(f"{PIP} /tmp/u unseen", name, check=False, timeout=300)
    assert p.returncode and "installed" not in p.stdout, p.stdout
    index = "$(python3 -c 'from pip._internal.models.index import PyPI; print(PyPI.simple_url)')/unseen/"
    p = w.alice.ssh(f"curl -s -w ' %{{http_code}}' {index}", name)
    assert "could not be reached safely" in p.stdout and "trust.bundle" in p.stdout and p.stdout.endswith("503"), p.stdout
    assert not any("unseen" in path and path.startswith("/packages") for path in w.school.count)


def test_without_a_proxy_the_network_is_direct(w):
    w.again(CODINGLAB_PROXY_ENABLED="no", CODINGLAB_TRUST_BUNDLE=w.school.bundle)
    name = w.project()
    assert "PROXY" not in w.alice.ssh("env", name).stdout
    assert pem_line(w.school.bundle) in w.alice.ssh("cat /etc/ssl/certs/ca-certificates.crt", name).stdout
    out = w.build(name, "ls /sys/class/net; grep -cF '%s' /etc/ssl/certs/ca-certificates.crt" % pem_line(w.school.bundle))
    assert "network: open, since there is no package proxy" in out and "eth0" in out and re.search(r"^\s*1$", out, re.M), out


if __name__ == "__main__":
    if not os.path.exists("/usr/lib/squid/security_file_certgen"):
        print("squid-openssl is not installed")
        sys.exit(77)
    with Lab() as lab, Resigning(lab.dir / "school") as school:
        sys.exit(cases.main(globals(), World(lab, school)) != 0)
