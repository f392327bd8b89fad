#!/usr/bin/python3
"""A project's own Containerfile: built and shipped, what COPY means, and hostile ones (battery row H8)."""
import http.server
import pathlib
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import cases
from lab import *

APP = '''import http.server, os, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{open('greeting').read().strip()} uid={os.getuid()} word={os.environ.get('WORD')} cwd={os.getcwd()} db={os.environ.get('DATABASE_URL', '')[:8]}"
        self.send_response(200); self.end_headers(); self.wfile.write(body.encode())
    def log_message(self, *a): pass
print("argv", sys.argv[1:], flush=True)
http.server.HTTPServer(("0.0.0.0", int(os.environ["PORT"])), H).serve_forever()
'''
WHOLE = '''# syntax=docker/dockerfile:1
ARG BASE=python
FROM base AS assets
WORKDIR /out
RUN echo "made in a stage" > greeting && mkdir -p deep/er && echo x > deep/er/file
FROM ${BASE}
ENV WORD="two words and $HOME \\$5" \\
    OTHER=x
WORKDIR /srv/app
COPY --from=assets /out/ ./
COPY --chown=10102:10102 *.py ./
COPY src/ lib/
RUN id -u > built-by && test -f lib/one.txt && test ! -e lib/skipped.log && chmod 644 greeting
EXPOSE 9123
USER 0
ENTRYPOINT ["python3", "app.py"]
CMD ["first", "second word"]
'''


def put(who, project, files):
    for name, content in files.items():
        if "/" in name:
            who.ssh(f"mkdir -p '{name.rpartition('/')[0]}'", project)
        who.ssh(f"cat > '{name}'", project, input=content.encode() if isinstance(content, str) else content)


def project(who, name, files, stack="python"):
    who.ssh(f"project create {name} --stack {stack}")
    who.ssh("up", name)
    who.ssh("sh -c 'rm -rf /workspace/* /workspace/.[a-z]*'", name)
    put(who, name, files)


def deploy(who, name, containerfile, check=False):
    put(who, name, {"Containerfile": containerfile})
    p = who.ssh("deploy", name, check=check, timeout=400)
    return p.returncode, p.stdout + p.stderr


def leftovers(lab, op=None):
    """Containers and volumes of builds that still exist, and names of stages' images."""
    label = f"label=codinglab.instance={lab.instance()}"
    boxes = lab.podman("ps", "-a", "--format", "{{.Names}}", "--filter", label).split()
    volumes = lab.podman("volume", "ls", "-q", "--filter", label).split()
    images = lab.podman("images", "--format", "{{.Repository}}:{{.Tag}}", check=False).split()  # fails while one of them goes
    return [n for n in boxes if "-op" in n], [n for n in volumes if "share" in n], [n for n in images if lab.instance()[:8] in n and re.search(r":op\d+-s\d", n)]


def clean(lab):
    wait_until(lambda: f"builds left {leftovers(lab)}", lambda: leftovers(lab) == ([], [], []), 20)


def test_a_whole_one_is_shipped(lab, alice):
    project(alice, "whole", {"app.py": APP, "src/one.txt": "1", "src/skipped.log": "no", ".dockerignore": "*.tmp\n**/*.log\n", "Containerfile": WHOLE})
    p = alice.ssh("ship", "whole", timeout=400)
    url = re.search(r"http://\S+", p.stdout + p.stderr).group(0)
    code, body = lab.get(url)
    assert code == 200 and body.startswith("made in a stage uid=10102"), (code, body)
    assert "word=two words and " in body and "$5" in body and "cwd=/srv/app" in body and "db=postgres" in body, body
    assert "argv ['first', 'second word']" in alice.ssh("logs -t was", "whole").stdout
    box = lab.podman("ps", "--format", "{{.Names}}", "--filter", f"label=codinglab.instance={lab.instance()}", "--filter", "label=codinglab.tier=was").split()[0]
    env = lab.podman("inspect", "--format", "{{.Config.Env}} {{.Config.User}} {{.HostConfig.Privileged}} {{.EffectiveCaps}}", box)
    assert "PROXY" not in env.upper() and "10102:10102 false []" in env, env
    assert "HTTP" not in env and lab.podman("exec", box, "cat", "/srv/app/built-by").strip() == "0"
    clean(lab)


def test_a_second_ship_replaces_it(lab, alice):
    put(alice, "whole", {"app.py": APP.replace("uid=", "again uid=")})
    p = alice.ssh("ship", "whole", timeout=400)
    url = re.search(r"http://\S+", p.stdout + p.stderr).group(0)
    assert "again uid=10102" in lab.get(url)[1]
    alice.ssh("scale was=2", "whole")
    alice.ssh("rollback", "whole", timeout=200)
    assert "again" not in lab.get(url)[1]
    alice.ssh("project rm whole -y", timeout=200)


def test_an_import_says_so(lab, alice):
    import io, tarfile
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for name, text in {"Dockerfile": 'FROM python\nCMD ["python3", "main.py"]\n', "requirements.txt": "", "main.py": "print(1)\n"}.items():
            i = tarfile.TarInfo(name)
            i.size = len(text)
            t.addfile(i, io.BytesIO(text.encode()))
    p = alice.ssh("project create taken --from -", input=out.getvalue())
    assert "Containerfile" in p.stderr and "ship" in p.stderr, p.stderr
    alice.ssh("project rm taken -y")


def test_what_fails_says_where(lab, alice):
    project(alice, "wrong", {"app.py": APP, "greeting": "hi"})
    for text, said in [("FROM python\nRUN exit 7\n", "line 2: RUN ended with status 7"),
                       ("FROM python\nRUNN x\n", "line 2: RUNN"),
                       ("FROM python\nCOPY nothing /x\n", "nothing: No such file"),
                       ("FROM python\nCOPY ../x /x\n", "leads out"),
                       ("FROM base\nENTRYPOINT []\nCMD []\n", "neither CMD nor ENTRYPOINT"),
                       ("RUN x\n", "before the first FROM"), ("# nothing\n", "no FROM"),
                       ("FROM python\nRUN <<EOF\necho\nEOF\n", "here-documents")]:
        code, out = deploy(alice, "wrong", text)
        assert code != 0 and said in out, (text, out)
    clean(lab)


def test_without_it_the_stack_builds(lab, alice):
    put(alice, "wrong", {".codinglab.json": '{"containerfile": false, "serve": ["python3", "app.py"], "health": "/", "build": ["true"], "migrate": ["true"]}'})
    code, out = deploy(alice, "wrong", "FROM nowhere\n")
    alice.ssh("rm .codinglab.json", "wrong")
    assert code == 0, out


def test_from_names_only_images_of_the_lab(lab, alice):
    other = lab.podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    app = next(n for n in other if "/app/p" in n and lab.instance()[:8] in n)
    digest = lab.podman("inspect", "--format", "{{.Id}}", app).strip()
    for name in ["debian:trixie", "user:secret@127.0.0.1:5000/x", "127.0.0.1:5000/x", "../../etc", "/etc/passwd", "oci:/tmp/x", "dir:/etc", app,
                 f"sha256:{digest}", "localhost/codinglab/../x", "docker-archive:/x"]:
        code, out = deploy(alice, "wrong", f"FROM {name}\nCMD x\n")
        assert code != 0 and ("not an image of this lab" in out or "FROM is:" in out), (name, out)
    clean(lab)


def test_no_more_rights_for_the_asking(lab, alice):
    for line in ["RUN --privileged id", "RUN --security=insecure id", "RUN --network=host id", "RUN --mount=type=bind,from=host,target=/x ls /x",
                 "RUN --mount=type=bind,source=/,target=/x ls /x", "RUN --mount=type=secret,id=x cat /run/secrets/x", "RUN --mount=type=ssh id", "RUN --device=/dev/kmsg id",
                 "ADD http://127.0.0.1:1/x /x", "ADD https://127.0.0.1/x /x", "ADD git@127.0.0.1:x /x", "ADD x.tar /x", "ONBUILD RUN id", "COPY --from=python --parents /x /y"]:
        code, out = deploy(alice, "wrong", f"FROM python\n{line}\nCMD x\n")
        assert code != 0 and "Containerfile line 2" in out, (line, out)
    clean(lab)


INSIDE = r'''FROM python
USER 0
RUN echo "uid $(id -u)"; grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status
RUN for d in /dev/kmsg /dev/mem /dev/sda /dev/vda; do test -e $d && echo "device $d"; done; ls /sys/class/net; true
RUN mount -t tmpfs none /mnt 2>&1; mknod /tmp/d b 8 0 2>&1; chroot / true 2>&1; unshare -m true 2>&1; true
RUN touch /run/codinglab-src/planted 2>&1; echo x > /proc/sys/kernel/core_pattern; echo x > /proc/sysrq-trigger; true
RUN find / -xdev \( -name "*.sock" -o -name "docker*sock" -o -name "podman*" \) 2>/dev/null | grep -v -e ^/proc -e ^/usr/lib | sed "s/^/found /"; env | grep -i -e secret -e token -e password; true
VOLUME /data
HEALTHCHECK CMD id
CMD ["true"]
RUN exit 1
'''


def test_root_in_a_build_is_root_of_nothing_else(lab, alice):
    code, out = deploy(alice, "wrong", INSIDE)
    log = alice.ssh("events -n 400", "wrong", check=False).stdout + out
    assert code != 0
    assert "uid 0" in out, out
    caps = int(re.search(r"CapBnd:\s*([0-9a-f]+)", out).group(1), 16)
    assert caps == sum(1 << n for n in (0, 1, 3, 4, 6, 7)), hex(caps)  # CHOWN DAC_OVERRIDE FOWNER FSETID SETGID SETUID
    assert re.search(r"NoNewPrivs:\s*1", out) and re.search(r"Seccomp:\s*2", out), out
    lines = [x.strip() for x in out.split("\n")]
    assert not [x for x in lines if x.startswith(("device ", "eth"))] and "lo" in lines, out
    for what in ("mount: ", "mknod: ", "unshare: "):
        assert re.search(re.escape(what) + r".*(ermitted|denied|only)", out), (what, out)
    assert not [x for x in lines if x.startswith("found ") and "codinglab-proxy/proxy.sock" not in x], out
    assert not pathlib.Path(alice.json("project show wrong")["workspace"], "planted").exists()
    assert "VOLUME is left out" in out and "HEALTHCHECK is left out" in out, log
    clean(lab)


def test_no_way_to_the_host_or_out(lab, alice):
    class Hit(http.server.BaseHTTPRequestHandler):
        hits = []

        def do_GET(self):
            Hit.hits.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *a):
            pass

    server = http.server.HTTPServer(("0.0.0.0", 0), Hit)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_port
    code, out = deploy(alice, "wrong", f'''FROM python
RUN python3 -c 'import urllib.request as u; u.build_opener(u.ProxyHandler({{}})).open("http://127.0.0.1:{port}/direct", timeout=3)' 2>&1 | tail -1
RUN python3 -c 'import urllib.request as u; u.urlopen(u.Request("http://127.0.0.1:{port}/proxied"), timeout=5)' 2>&1 | tail -1
RUN python3 -c 'import socket; s = socket.create_connection(("127.0.0.1", 3128)); s.sendall(b"GET http://127.0.0.1:{port}/asked HTTP/1.0\\r\\n\\r\\n"); print("proxy says", s.recv(64)[:12])' 2>&1
RUN exit 1
''')
    server.shutdown()
    assert code != 0 and Hit.hits == [], Hit.hits
    assert "proxy says" in out and "403" in out, out


def test_links_of_the_project_lead_nowhere(lab, alice):
    alice.ssh("sh -c 'ln -s /etc/shadow a; ln -s /proc/1/environ b; ln -s / c; mkdir -p d; ln -s ../../../../../../etc d/e; mkfifo f; ln -s app.py good'", "wrong")
    code, out = deploy(alice, "wrong", "FROM python\nCOPY a /x\n")
    assert code != 0 and "No such file" in out and "root:" not in out, out
    code, out = deploy(alice, "wrong", "FROM python\nCOPY c/etc/hostname /x\n")
    assert code != 0, out
    code, out = deploy(alice, "wrong", "FROM python\nCOPY f /x\n")
    assert code != 0 and "no file" in out, out
    code, out = deploy(alice, "wrong", "FROM python\nCOPY d /d\nCOPY good /one.py\nCOPY . /all/\nRUN readlink /d/e /all/c; test ! -e /all/f; head -c 20 /one.py; exit 1\n")
    assert "../../../../../../etc" in out and "import http" in out, out
    clean(lab)


def test_endless_and_greedy(lab, alice):
    put(alice, "wrong", {"Containerfile": "FROM python\nRUN echo begun; sleep 100000\n"})
    box = subprocess.Popen(alice.argv("wrong") + ["deploy"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until("the endless RUN runs", lambda: any("s0" in n for n in leftovers(lab)[0]), 60)
    op = alice.json("op ls", "wrong")
    ops = op["ops"] if isinstance(op, dict) else op
    alice.ssh(f"cancel {next(o['id'] for o in ops if o['state'] in ('running', 'queued'))}", "wrong")
    assert box.wait(60) != 0
    clean(lab)
    code, out = deploy(alice, "wrong", "FROM python\nRUN python3 -c 'x = bytearray(64 << 30)'\n")
    assert code != 0, out
    code, out = deploy(alice, "wrong", "FROM python\nRUN : $(for i in $(seq 2000); do sleep 5 & done 2>&1) ; echo forks; exit 1\n")
    assert code != 0, out
    code, out = deploy(alice, "wrong", "FROM python\n" + "RUN true\n" * 600)
    assert code != 0 and "500 instructions" in out, out
    code, out = deploy(alice, "wrong", "FROM python\n" + "# x" * 30000)
    assert code != 0 and ("64 KiB" in out or "larger" in out), out
    clean(lab)


def test_time_is_limited(lab, alice):
    subprocess.run([ROOT / "lab", "down", "--keep-apps"], env=lab.env, capture_output=True, check=True)
    lab.env["CODINGLAB_BUILD_TIMEOUT_S"] = "8"
    lab.up("--no-images")
    code, out = deploy(alice, "wrong", "FROM python\nRUN sleep 100000\n")
    assert code != 0 and "not done" in out, out
    clean(lab)


if __name__ == "__main__":
    with Lab(images="python web postgresql") as the_lab:
        sys.exit(1 if cases.main(globals(), the_lab, the_lab.user("alice")) else 0)
