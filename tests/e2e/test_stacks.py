#!/usr/bin/python3
"""Every stack that can be chosen, the same way: its smoke test, a project from its template, run, test, three tiers, rows
written and read, its prompt and its debugger, sessions that any instance knows, a second release and fewer instances under
load, and MariaDB in place of PostgreSQL.  Several stacks at once on one lab.

test_stacks.py [PART-OF-A-NAME]    CODINGLAB_STACKS="python go" takes only these, "all" every one;
                                   CODINGLAB_STACKS_MARIADB likewise for MariaDB; CODINGLAB_LANES: how many at once;
                                   CODINGLAB_PATIENCE=4: every limit four times as long, on a busy machine
"""
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import cases
from language import LanguageServer
from lab import PATIENCE, Lab, ROOT, Screen, wait_until
from load import Load
from web import Browser

STACKS = {s["id"]: s for s in (json.loads(p.read_text()) for p in sorted(ROOT.glob("images/*/stack.json")))}
EVERY = [s for s in STACKS if STACKS[s]["kind"] in ("language", "framework")]
SERVICES = [s for s in STACKS if STACKS[s]["kind"] in ("service", "base") and (ROOT / "images" / s / "smoke").exists()]


def chosen(variable):
    words = os.environ.get(variable, "all").split()
    return [s for s in EVERY if words == ["all"] or s in words]


CHOICES = chosen("CODINGLAB_STACKS")
MARIADB = [s for s in chosen("CODINGLAB_STACKS_MARIADB") if s in CHOICES and "mariadb" in STACKS[s].get("dbs", [])]
LANES = int(os.environ.get("CODINGLAB_LANES", "2"))

# What is typed at a prompt: (what shows that it is there, keys, what shows that they were understood).
REPL = {
    "python": (">>>", "print(6*7)", "42"), "django": (">>>|In \\[1\\]", "print(6*7)", "42"), "php": ("php >", "echo 6*7;", "42"),
    "laravel": ("php >", "echo 6*7;", "42"), "ruby": ("irb", "puts 6*7", "42"), "rails": (r"\)>|irb|:001", "puts 6*7", "42"),
    "node": ("^> ?", "console.log(6*7)", "42"), "express": ("^> ?", "console.log(6*7)", "42"), "java": ("jshell>", "6*7", "42"),
    "spring": ("jshell>", "6*7", "42"), "struts": ("jshell>", "6*7", "42"), "egov": ("jshell>", "6*7", "42")}
DEBUG = {
    "python": (r"\(Pdb\)", "c", "Hello, "), "c": (r"\(gdb\)", "run", "Hello, "), "java": ("^> |Initializing jdb", "run", "Hello, "),
    "go": (r"\(dlv\)", "continue", "Hello, "), "ruby": (r"\(rdbg\)", "c", "Hello, "), "node": (r"Break on start[\s\S]*debug>", "c", "Hello, "),
    "php": ("prompt>", "run", "Hello, "), "laravel": ("prompt>", "help", "phpdbg"), "express": (r"Break on start[\s\S]*debug>", "version", r"\d+\.\d+"),
    "django": (r"\(Pdb\)", "c", "development server"), "rails": (r"\(rdbg", "c", "Listening|Puma"),
    "spring": ("dt_socket at address: 5005", "", ""), "struts": ("dt_socket at address: 5005", "", ""), "egov": ("dt_socket at address: 5005", "", "")}


JAVA = "\nclass Broken {\n\tint n = nosuch;\n}\n"
RUBY = "\ndef broken\n  nosuch(1)\nend\nbroken\n"
SCRIPT = "\nfunction broken( {\n"
# What a language server is asked: (language, file, what is put at its end, what it says).  Whole lines are a mistake that it finds;
# else the last word is being typed, and it offers how that goes on.
LSP = {
    "python": ("python", "main.py", "\nimport os\nos.getc", "getcwd"),
    "django": ("python", "config/urls.py", "\nfrom django.shortcuts import rend", "render"),
    "ruby": ("ruby", "main.rb", RUBY, "nosuch"), "rails": ("ruby", "app/models/item.rb", RUBY, "nosuch"),
    "node": ("javascript", "main.js", SCRIPT, "expected"), "express": ("javascript", "app.js", SCRIPT, "expected"),
    "c": ("c", "main.c", "\nint broken(void)\n{\n\treturn nosuch;\n}\n", "nosuch"),
    "go": ("go", "main.go", "\nfunc broken() int { return nosuch }\n", "nosuch"),
    "java": ("java", "src/main/java/app/Main.java", JAVA, "nosuch"), "spring": ("java", "src/main/java/app/HomeController.java", JAVA, "nosuch"),
    "struts": ("java", "src/main/java/app/LoginAction.java", JAVA, "nosuch"),
    "egov": ("java", "src/main/java/app/item/web/ItemController.java", JAVA, "nosuch")}
WITHOUT_SERVER = ("php", "laravel")  # docs/STACKS.md says why


def ready(alice, project, **want):
    wait_until(lambda: alice.ssh("status", project).stdout,
               lambda: {t["tier"]: t["ready"] for t in alice.json("status", project)["tiers"]}.items() >= want.items(), 180)


def smoke_passes(lab, alice, stack):
    """images/ID/smoke in the project's own fresh container, as its user."""
    script = (ROOT / "images" / stack / "smoke").read_bytes()
    p = alice.ssh("sh -s", stack, input=script, check=False, timeout=600)
    assert p.returncode == 0, f"smoke of {stack}: status {p.returncode}\n{p.stdout[-1500:]}\n{p.stderr[-1500:]}"


def run_and_test_work(lab, alice, stack):
    if STACKS[stack]["kind"] == "language":
        p = alice.ssh("run", stack, timeout=300)
        assert "hello" in p.stdout.lower(), p.stdout + p.stderr
    else:
        serves_while_developing(alice, stack)
    p = alice.ssh("test", stack, check=False, timeout=600)
    assert p.returncode == 0, f"test: status {p.returncode}\n{p.stdout[-2000:]}\n{p.stderr[-2000:]}"


def serves_while_developing(alice, stack):
    """F5 of a framework: a development server, asked from a second program in the same container, ended as by Ctrl-C."""
    port = STACKS[stack]["port"]
    server = subprocess.Popen([*alice.argv(stack, "-tt"), "run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        ask = f"curl -sS -m 10 --noproxy '*' http://127.0.0.1:{port}/healthz"
        wait_until(lambda: f"development server of {stack}", lambda: alice.ssh(ask, stack, check=False).stdout.strip() == "ok", 240, 1)
        page = alice.ssh(f"curl -sS -m 30 --noproxy '*' http://127.0.0.1:{port}/", stack).stdout
        assert f"Hello from {stack}" in page, page[:1500]
    finally:
        server.stdin.write(b"\x03")
        server.stdin.flush()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    wait_until("the port is free again", lambda: alice.ssh(ask, stack, check=False).returncode != 0, 20)


def prompts_answer(alice, stack):
    """`repl` and `debug` on a terminal, as a person has them."""
    for verb, table in (("repl", REPL), ("debug", DEBUG)):
        assert (stack in table) == (verb in STACKS[stack]["commands"]), (stack, verb)
        if stack not in table:
            continue
        prompt, typed, answer = table[stack]
        with Screen([*alice.argv(stack, "-tt"), verb], 50, 120) as screen:
            screen.expect(prompt, 180)
            if typed:
                screen.send(typed + "<Enter>")
                screen.expect(answer, 60)
            elif "dt_socket" in prompt:
                a_debugger_joins(alice, stack)


def a_debugger_joins(alice, stack):
    """`debug` of a framework that waits for a debugger on a port: one of the same container asks it what runs."""
    p = alice.ssh("printf 'version\\nquit\\n' | jdb -attach 127.0.0.1:5005", stack, timeout=120)
    assert "Java Debug Wire Protocol" in p.stdout, p.stdout + p.stderr


def language_server_answers(lab, alice, stack):
    """As an editor asks it: a file of the template with a mistake put at its end.  The server finds that mistake and no other, or
    offers the word that is being typed."""
    argv = STACKS[stack]["commands"].get("lsp")
    if not argv:
        assert stack in WITHOUT_SERVER, stack
        return
    name = f"{stack}-words"
    alice.ssh(f"project create {name} --stack {stack}")
    language, path, more, want = LSP[stack]
    text, uri = alice.ssh(f"cat {path}", name).stdout + more, f"file:///workspace/{path}"
    with LanguageServer([*alice.argv(name), shlex.join(argv)], "file:///workspace", 240 * PATIENCE) as server:
        server.open(uri, language, text)
        if more.endswith("\n"):
            said = server.mistakes(uri, want)
            assert not [m for m in said if re.search("cannot be resolved|not found|could not import", m) and not re.search(want, m)], said
        else:
            said = server.words(uri, text.count("\n"), len(text.rsplit("\n", 1)[1]))
            assert any(re.match(want, w) for w in said), said
    alice.ssh(f"project rm {name} -y", timeout=200)


def rows_are_written_and_read(browser, url, name):
    assert browser.get("/healthz").text.strip() == "ok"
    page = browser.get("/")
    assert page.status == 200 and "Hello from" in page.text, (page.status, page.text[:1500])
    p = browser.submit("/items", name=name)
    assert p.status in (302, 303), (p.status, p.text[:1500])
    assert any(name in i for i in browser.get("/").items()), browser.get("/").text[:1500]


def sessions_survive_scaling(lab, alice, stack, browser):
    p = browser.submit("/login", user="kim")
    assert p.status in (200, 302, 303), (p.status, p.text[:1500])
    assert browser.get("/whoami").text.strip() == "kim"
    alice.ssh("scale web=2 was=3", stack, timeout=300)
    ready(alice, stack, web=2, was=3)
    said = {browser.get("/whoami").text.strip() for _ in range(24)}
    assert said == {"kim"}, said
    assert Browser(lab.edge_port, f"http://{browser.host}/").get("/whoami").text.strip() == "anonymous"


def second_release_loses_no_request(lab, alice, stack, url, browser):
    """The words stand in one source file; they are changed as its user would and shipped while people ask.  Then instances
    go while people ask: what they were answering is answered."""
    found = alice.ssh("grep -rIl --exclude-dir=node_modules --exclude-dir=target --exclude-dir=vendor --exclude-dir=storage --exclude-dir=.git 'Hello from ' .",
                      stack).stdout.split()
    sources = [f for f in found if "test" not in f.lower() and not f.endswith((".md", ".pyc"))]
    assert len(sources) == 1, found
    alice.ssh(f"sed -i 's/Hello from /Greetings from /' {sources[0]}", stack)
    with Load(lab.edge_port, url, threads=3, seconds=900) as load:
        alice.ssh("ship", stack, timeout=600)
        shipped = load.ok
        wait_until("answers of the new release", lambda: load.ok > shipped + 20 or load.failures, 60)
        alice.ssh("scale web=1 was=1", stack, timeout=300)
        ready(alice, stack, web=1, was=1)
        fewer = load.ok
        wait_until("answers of those that are left", lambda: load.ok > fewer + 20 or load.failures, 60)
    assert not load.failures, (load.ok, len(load.failures), load.failures[:5], alice.ssh("logs -n 60", stack, check=False).stdout[-3000:])
    assert "Greetings from" in browser.get("/").text


def stack_works(lab, alice, stack):
    alice.ssh(f"project create {stack} --stack {stack}")
    smoke_passes(lab, alice, stack)
    run_and_test_work(lab, alice, stack)
    prompts_answer(alice, stack)
    alice.ssh("stop", stack)
    url = alice.ssh("ship", stack, timeout=600).stdout.strip().split("\n")[-1]
    browser = Browser(lab.edge_port, url)
    rows_are_written_and_read(browser, url, "milk and 한글")
    wait_until("what it prints is in its log", lambda: alice.ssh("logs -t was", stack).stdout.strip(), 20)
    if STACKS[stack]["kind"] == "framework":
        sessions_survive_scaling(lab, alice, stack, browser)
    else:
        alice.ssh("scale web=2 was=3", stack, timeout=300)
        ready(alice, stack, web=2, was=3)
    second_release_loses_no_request(lab, alice, stack, url, browser)
    alice.ssh(f"project rm {stack} -y", timeout=200)


def mariadb_works(lab, alice, stack):
    name = f"{stack}-maria"
    alice.ssh(f"project create {name} --stack {stack} --db mariadb")
    url = alice.ssh("ship", name, timeout=600).stdout.strip().split("\n")[-1]
    rows_are_written_and_read(Browser(lab.edge_port, url), url, "bread")
    dbs = alice.json("project show " + name)
    assert dbs["db"] == "mariadb", dbs
    alice.ssh(f"project rm {name} -y", timeout=200)


def service_smoke_passes(lab, alice, service):
    """In a container of the service's own image, with nothing mounted and no network."""
    image, uid = STACKS[service]["images"]["run"]["id"], STACKS[service].get("uid", 0)
    p = subprocess.run([*lab.podman_argv("run", "--rm", "-i", "--network", "none", "--user", f"{uid}:{uid}", "--entrypoint", "sh",
                                         f"localhost/codinglab/{image}"), "-s"],
                       input=(ROOT / "images" / service / "smoke").read_bytes(), capture_output=True, timeout=300, env=lab.podman_env())
    assert p.returncode == 0, (p.stdout[-1500:], p.stderr[-1500:])


def case(fn, what, stack):
    def run(lab, alice):
        fn(lab, alice, stack)
    run.__name__ = f"test_{stack}_{what}"
    return run.__name__, run


CASES = dict([case(stack_works, "serves_scales_and_is_released_again", s) for s in CHOICES]
             + [case(language_server_answers, "language_server", s) for s in CHOICES]
             + [case(mariadb_works, "on_mariadb", s) for s in MARIADB]
             + [case(service_smoke_passes, "smoke", s) for s in SERVICES])


def not_chosen(stack):
    def run(lab, alice):
        raise cases.Skip("run `./lab test long`")
    run.__name__ = f"test_{stack}"
    return run.__name__, run


CASES.update(not_chosen(s) for s in EVERY if s not in CHOICES)


def main():
    os.environ.setdefault("CODINGLAB_DEPLOY_HEALTH_TIMEOUT_S", str(min(int(300 * PATIENCE), 3600)))  # several starting at once on a small machine
    with Lab(images=" ".join([*CHOICES, "web", "postgresql", "mariadb", *SERVICES])) as lab:
        alice = lab.user("alice")
        return cases.main(CASES, lab, alice, lanes=LANES)


sys.exit(main())
