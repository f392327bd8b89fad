#!/usr/bin/python3
"""Run the tests: build what they need, run each label's tests one after another, count honestly.

run.py [LABEL...]     labels: lint unit contract regress vt migrate fuzz e2e (none named: these, in that order) and long: the
                      end-to-end scripts that take long (LONG), test_stacks among them: all fourteen stacks, of which e2e tries
                      SOME_STACKS; and e2e-kube: those of tests/e2e-kube on a real cluster, KUBECONFIG's or the one that tests/cluster/up makes
run.py LABEL/NAME...  only tests whose name contains NAME

A test is an executable in tests/LABEL/ (test_*, or *.test run by that folder's run.py).  Exit 0 passed, 77
skipped with the reason on its last line, anything else failed.  A test may count its own cases: its last line
is then "N passed, N failed" with an optional ", N skipped".  Unit tests (cmocka) count each case.
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/lib"))
import store  # noqa: E402

LABELS = ("lint", "unit", "contract", "regress", "vt", "migrate", "fuzz", "e2e", "long", "e2e-kube")
LONG = ("test_stacks", "test_packages", "test_maven_repositories", "test_php_ruby", "test_databases", "test_repository",
        "test_runtime_faults", "test_limits", "test_build_service")  # each with all that its stacks need built first; e2e tries test_stacks in part
SOME_STACKS = "go django"  # of test_stacks e2e tries these, unless CODINGLAB_STACKS says others ("all")
PROGRAMS = "codinglab codinglab-engine codinglab-broker codinglab-pty codinglab-net codinglab-copy codinglab-unpack codinglab-sshd codinglab-conn codinglab-tui codinglab-pane".split()
LANES = 2
LONGEST = ("test_stacks", "test_packages", "test_backup", "test_import", "test_saves", "test_runtime", "test_maven_repositories")
AGAIN_BELOW = 300  # seconds: a longer script is not run a second time
TIMEOUT = {"e2e": 2400, "e2e-kube": 2400, "long": 10800, "regress": 600, "vt": 600, "contract": 600}
FUZZ_SECONDS = int(os.environ.get("CODINGLAB_FUZZ_SECONDS", "30"))
LOGS = ROOT / "build" / "test-logs"
COUNT = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$")


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.bad = []
        self.last = {}  # of each failed one: its last lines
        self.again = []  # failed at the first try

    def add(self, name, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        if failed:
            self.bad.append(name)


def run(argv, log, timeout, env=None):
    """Run one test in its own process group; everything it left behind in that group is ended."""
    with open(log, "wb") as out:
        p = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=ROOT,
                             env={**os.environ, **(env or {})}, start_new_session=True)
        try:
            code = p.wait(timeout)
        except subprocess.TimeoutExpired:
            out.write(f"\ntimed out after {timeout} s\n".encode())
            code = 124
        try:
            os.killpg(p.pid, 15 if code == 0 else 9)
        except ProcessLookupError:
            pass
        p.wait()
    return code, log.read_text(errors="replace")


def build(preset, targets=()):
    tree = ROOT / "build" / preset
    for argv in ([["cmake", "-S", ROOT, "--preset", preset]] if not (tree / "build.ninja").exists() else []) + [
            ["cmake", "--build", tree, "--", *targets]]:
        p = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if p.returncode:
            print(p.stdout[-6000:], p.stderr[-3000:])
            print(f"FAILED build/{preset}")
            return False
    return True


def indented(text, n):
    return "\n".join("    " + x for x in text.rstrip().split("\n")[-n:])


def tried_once(tally, name, text):
    """Real programs on a loaded machine: once more, and the first failure stays visible; only a final one says FAILED."""
    print(f"again   {name}: failed once:\n" + indented(text.replace("FAILED", "failed"), 40), flush=True)
    tally.again.append(name)


def report(tally, name, code, text, seconds):
    m = COUNT.match(text.rstrip().rsplit("\n", 1)[-1]) if text.strip() else None
    passed, failed, skipped = (int(x or 0) for x in m.groups()) if m else (code == 0, code not in (0, 77), code == 77)
    if code not in (0, 77) and not failed:
        failed = 1
    tally.add(name, passed, failed, skipped)
    word = "FAILED" if failed else "skipped" if skipped and not passed else "ok"
    print(f"{word:7} {name} ({seconds:.1f} s{f', {passed} cases' if passed > 1 else ''})", flush=True)
    if failed:
        tally.last[name] = indented(text, 25)
        print(indented(text, 60), flush=True)
    elif skipped and not passed:
        print("    " + text.rstrip().rsplit("\n", 1)[-1], flush=True)


def scripts(label, match):
    """(argv, file) of a label's tests, by name; those of LONGEST first."""
    out = []
    folder = "e2e" if label == "long" else label
    for f in sorted((ROOT / "tests" / folder).glob("*"), key=lambda f: (f.stem not in LONGEST, f)):
        if label == "long" and not match and f.stem not in LONG:
            continue
        if label == "e2e" and not match and f.stem in LONG and f.stem != "test_stacks":
            continue
        if f.suffix == ".test":
            argv = [f.parent / "run.py", f]
        elif f.name.startswith("test_") and f.suffix == ".py":
            argv = ["/usr/bin/python3", f]  # whatever its mode: none is left out in silence
        elif (f.name.startswith("test_") or label == "lint") and os.access(f, os.X_OK) and f.is_file():
            argv = [f]
        else:
            continue
        if not match or match in f.name:
            out.append((argv, f))
    return out


def run_script(tally, label, argv, f, env):
    name, t0 = f"{label}/{f.stem}", time.time()
    code, text = run(argv, LOGS / f"{label}-{f.stem}.log", TIMEOUT.get(label, 300), env)
    if code not in (0, 77) and label != "lint" and time.time() - t0 < AGAIN_BELOW:
        tried_once(tally, name, text)
        code, text = run(argv, LOGS / f"{label}-{f.stem}-again.log", TIMEOUT.get(label, 300), env)
    report(tally, name, code, text, time.time() - t0)


def prepare_images(env):
    """The images that most end-to-end scripts need, once, before two of them would build the same ones side by side."""
    t0 = time.time()
    gone = store.clean(os.environ["CODINGLAB_STORAGE"])
    if gone:
        print(f"removed from the store: {gone} ({time.time() - t0:.0f} s)", flush=True)
    code, text = run(["/usr/bin/python3", "-c", "from lab import Lab\nwith Lab(): pass"], LOGS / "images.log", 2400,
                     {**env, "PYTHONPATH": str(ROOT / "tests/lib")})
    print(f"{'images are there' if code == 0 else 'images were not built'} ({time.time() - t0:.0f} s)" + ("" if code == 0 else "\n" + text[-3000:]), flush=True)


def run_scripts(tally, label, match, env):
    """One after the other; of the e2e tests, which wait for containers most of the time, LANES at once."""
    if label == "e2e":
        prepare_images(env)
        if "CODINGLAB_STACKS" not in os.environ:
            env = {**env, "CODINGLAB_STACKS": SOME_STACKS, "CODINGLAB_STACKS_MARIADB": SOME_STACKS.split()[1]}
            print(f"skipped: the stacks other than {SOME_STACKS} (CODINGLAB_STACKS chooses others), {' '.join(LONG[1:])}: run `./lab test long`", flush=True)
    with concurrent.futures.ThreadPoolExecutor(LANES if label == "e2e" else 1) as lanes:
        for done in [lanes.submit(run_script, tally, label, argv, f, env) for argv, f in scripts(label, match)]:
            done.result()


def with_cluster(tally, match, env):
    """The scripts of e2e-kube on the cluster that KUBECONFIG names, or on one that is there for them only."""
    made = not os.environ.get("KUBECONFIG")
    if made:
        p = subprocess.run([ROOT / "tests/cluster/up"], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        print(p.stdout, end="", flush=True)
        if p.returncode:
            tally.add("e2e-kube/cluster", 0, 1)
            return
        env = {**env, "KUBECONFIG": p.stdout.rstrip().rsplit("\n", 1)[-1], "CODINGLAB_TEST_CLUSTER": "own"}
    try:
        run_scripts(tally, "e2e-kube", match, env)
    finally:
        if made:
            subprocess.run([ROOT / "tests/cluster/down"], stdin=subprocess.DEVNULL)


def run_unit(tally, match):
    for f in sorted((ROOT / "build/dev/bin").glob("unit_*")):
        if match and match not in f.name:
            continue
        t0 = time.time()
        code, text = run([f], LOGS / f"{f.name}.log", 300)
        if code:
            tried_once(tally, f"unit/{f.name[5:]}", text)
            code, text = run([f], LOGS / f"{f.name}-again.log", 300)
        ok, bad = text.count("[       OK ]"), len(set(re.findall(r"^\[  FAILED  \] (\w+)$", text, re.M)))
        if code and not bad:
            bad = 1
        report(tally, f"unit/{f.name[5:]}", code, text + f"\n{ok} passed, {bad} failed", time.time() - t0)


def run_fuzz(tally, match):
    if not build("fuzz"):
        tally.add("fuzz/build", 0, 1)
        return
    for f in sorted((ROOT / "build/fuzz/bin").glob("fuzz_*")):
        if match and match not in f.name:
            continue
        name = f.name[5:]
        work = ROOT / "tests/fuzz/work" / name
        work.mkdir(parents=True, exist_ok=True)
        corpus = ROOT / "tests/fuzz/corpus" / name
        t0 = time.time()
        argv = [f, f"-max_total_time={FUZZ_SECONDS}", "-timeout=10", "-rss_limit_mb=2048", "-error_exitcode=1", "-print_final_stats=1",
                f"-artifact_prefix={work}/", work] + ([corpus] if corpus.is_dir() else [])
        code, text = run(argv, LOGS / f"fuzz-{name}.log", FUZZ_SECONDS + 120)
        report(tally, f"fuzz/{name}", code, text, time.time() - t0)
        if code == 0 and os.environ.get("CODINGLAB_FUZZ_MERGE"):
            merge_corpus(f, name, work, corpus)


def merge_corpus(target, name, work, corpus):
    """Of all inputs that were found the least that reach as much: what stays in tests/fuzz/work."""
    merged = work.with_name(f"{name}.merged")
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir()
    code, text = run([target, "-merge=1", "-timeout=10", "-rss_limit_mb=2048", merged, work] + ([corpus] if corpus.is_dir() else []),
                     LOGS / f"fuzz-{name}-merge.log", 1800)
    if code:
        shutil.rmtree(merged)
        print(f"    not merged: exit {code}\n" + indented(text, 5), flush=True)
        return
    before, after = len(list(work.iterdir())), len(list(merged.iterdir()))
    shutil.rmtree(work)
    merged.rename(work)
    print(f"    merged: {before} inputs became {after}", flush=True)


def main():
    os.environ["PYTHONPATH"] = str(ROOT / "tests/lib")
    os.environ.setdefault("LANG", "C.UTF-8")
    os.environ.setdefault("CODINGLAB_STORAGE", os.environ.get("CODINGLAB_CACHE", "/var/cache/codinglab") + "/store")
    LOGS.mkdir(parents=True, exist_ok=True)
    wanted = [(w.split("/", 1) + [""])[:2] for w in sys.argv[1:]] or [[label, ""] for label in LABELS if label not in ("long", "e2e-kube")]
    for label, _ in wanted:
        if label not in LABELS:
            sys.exit(f"no such label: {label}. Labels: {' '.join(LABELS)}")
    tally, t0 = Tally(), time.time()
    scripted = {"contract", "regress", "vt", "migrate", "e2e", "long", "e2e-kube"}
    if any(label in scripted | {"unit", "lint"} for label, _ in wanted):
        print("building (dev: sanitizers, -Werror) ...", flush=True)
        if not build("dev"):
            tally.add("build/dev", 0, 1)
    if any(label in scripted for label, _ in wanted):
        print("building (release: hardened) ...", flush=True)
        if not build("release", PROGRAMS):
            tally.add("build/release", 0, 1)
    print(f"built in {time.time() - t0:.0f} s", flush=True)
    env = {"CODINGLAB_TEST_BIN": str(ROOT / "build/dev/bin"), "CODINGLAB_TEST_RELEASE": str(ROOT / "build/release/bin")}
    for label, match in wanted:
        if label == "unit":
            run_unit(tally, match)
        elif label == "fuzz":
            run_fuzz(tally, match)
        elif label == "e2e-kube":
            with_cluster(tally, match, env)
        else:
            run_scripts(tally, label, match, env)
    for name, text in tally.last.items():
        print(f"\n{name} failed; its last lines:\n{text}")
    if tally.bad:
        print("failed: " + " ".join(tally.bad))
    if tally.again:
        print("run twice: " + " ".join(tally.again))
    print(f"took {time.time() - t0:.0f} s")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped", flush=True)
    sys.exit(bool(tally.failed or not tally.passed))


main()
