"""`lab bench stacks` and `images`: the paper's Tables 2 and 3 with its figures beside ours, each of ours beside its peer in
the same run: a run from the IDE beside a bare exec in the same container, an application through web -> was -> db beside the same
instance asked directly.

Its own tables are printed at the end as docs/PERFORMANCE.md has them; --into puts them there.  What broke for one stack is told and
the others go on; the run then ends with 1.  The paper's figures (its own 16 servers): compile and run 1.35 s on average; loading an application 78.27 ms on average (34 to 197);
requests/s at 300 threads: Spring 3177, Struts 2451, eGovFrame 3263.
"""
import http.client
import json
import os
import pathlib
import re
import subprocess
import time

import cores
import cost
import tables
from lab import ROOT, wait_until
from probe import Client

PAPER_RUN_S, PAPER_LOAD_MS = 1.35, 78.27
STACKS = {s["id"]: s for s in (json.loads(p.read_text()) for p in sorted(ROOT.glob("images/*/stack.json")))}
PAPER_TPS = {"spring": 3177, "struts": 2451}  # eGovFrame had 3263; what stands here for it is its layout on Spring
READY = r"key\s*for\s*the\s*IDE|F1\s*Help"
OUT = "\x1d"
WARM = 200  # loads by each way before any counts: an application of several processes has them all warm then


def unknown(words):
    return [w for w in words.split() if w != "all" and w not in STACKS]


def of_kind(kind, options):
    wanted = options.stacks.split()
    return [s for s in STACKS if STACKS[s]["kind"] == kind and ("all" in wanted or s in wanted)]


def needed(options):
    return " ".join([*of_kind("language", options), *of_kind("framework", options), "web", "postgresql"])


def reached(yes):
    return "reached" if yes else "NOT REACHED"


def mean(xs):
    return sum(xs) / len(xs)


def source_of(work, words):
    """The file below a workspace that has these words; the one that a person would edit."""
    skip = {"node_modules", "target", "build", "out", "vendor", "storage", ".git", "test", "tests"}
    for root, dirs, files in os.walk(work):
        dirs[:] = [d for d in dirs if d not in skip]
        for f in files:
            p = pathlib.Path(root) / f
            if "test" not in f.lower() and p.suffix not in (".md", ".pyc", ".class", ".txt") and p.stat().st_size < 1 << 20 and words in p.read_text(errors="replace"):
                return p
    raise SystemExit(f"no source with {words!r} in {work}")


def edit(path, old, new):
    st = path.stat()
    text = path.read_text().replace(old, new)
    path.write_text(text)
    os.chown(path, st.st_uid, st.st_gid)


# --- one stack after another ---------------------------------------------------------------------------------------------

def stacks(lab, user, row, options, figures, told):
    """All that is measured of each chosen stack, in one project of it; what broke or was left out: [(stack, why)].  The paper's tables first:
    every language in its dev container, every framework deployed; then the languages deployed.  told() after each: figures are written as
    they come.  Nothing is begun that would not end within options.minutes."""
    passes = [("language", language), ("framework", framework), ("language", deployed)]
    began, broken, longest = time.monotonic(), {}, 0
    for kind, measure in passes:
        for stack in of_kind(kind, options):
            spent = time.monotonic() - began
            if stack in broken:
                continue
            if spent + longest > options.minutes * 60:
                broken[stack] = f"left out, {spent / 60:.0f} minutes were over; `--stacks {stack} --more` measures it"
                continue
            seconds, why = timed(attempt, measure, lab, user, stack, row, options, figures)
            longest = max(longest, seconds)
            print(f"{stack}: {measure.__name__}: {seconds:.0f} s, {(spent + seconds) / 60:.1f} of {options.minutes} minutes", flush=True)
            if why:
                broken[stack] = why
            told()
    return list(broken.items())


def attempt(measure, lab, user, stack, *rest):
    """None, or why it broke off; its project is gone then."""
    try:
        measure(lab, user, stack, *rest)
    except (Exception, SystemExit) as e:  # whatever it was, the others go on
        print(f"{stack}: BROKE OFF: {type(e).__name__}: {str(e)[:600]}", flush=True)
        try:
            user.ssh(f"project rm {stack} -y", check=False, timeout=300)
        except subprocess.SubprocessError as gone:
            print(f"{stack}: {gone}", flush=True)
        return (str(e).strip() or type(e).__name__).split("\n")[0][:100]
    return None


def language(lab, user, stack, row, options, figures):
    begin(user, stack, figures)
    ours, bare = compile_and_run(lab, user, stack, options.runs)
    row(f"compile and run, {stack}", mean(ours), mean(bare), "s", "podman exec", ("over", 0.05))
    figures.put("run", stack, ours=ours, bare=bare)
    user.ssh("stop", stack)


def deployed(lab, user, stack, row, options, figures):
    finish(lab, user, stack, ship(user, stack, figures), row, figures)


def framework(lab, user, stack, row, options, figures):
    begin(user, stack, figures)
    user.ssh("stop", stack)
    host = ship(user, stack, figures)
    loaded(lab, user, stack, host, row, options, figures)
    finish(lab, user, stack, host, row, figures)


def timed(fn, *args, **kw):
    """(seconds, what fn returned)"""
    t0 = time.perf_counter()
    out = fn(*args, **kw)
    return time.perf_counter() - t0, out


def begin(user, stack, figures):
    user.ssh(f"project create {stack} --stack {stack}")
    up, _ = timed(user.ssh, "up", stack, timeout=300)
    figures.put("start", stack, up=up)


def ship(user, stack, figures):
    """The host of the fresh project's production URL."""
    seconds, p = timed(user.ssh, "ship", stack, timeout=900)
    figures.put("start", stack, ship=seconds)
    return p.stdout.strip().split("\n")[-1].split("/")[2]


def finish(lab, user, stack, host, row, figures):
    """One more instance until it is ready; an edit until its release serves; the project goes."""
    def ready():
        return {t["tier"]: t["ready"] for t in user.json("status", stack)["tiers"]}["was"] == 2

    def grow():
        user.ssh("scale was=2", stack, timeout=300)
        wait_until(f"a second instance of {stack}", ready, 180)
    more, _ = timed(grow)
    user.ssh("scale was=1", stack, timeout=300)
    show = user.json(f"project show {stack}")
    edited = edit_to_release(lab, user, stack, show, host)
    row(f"edit to new release, {stack}", edited, None, "s", "", ("none", 0))
    figures.put("start", stack, instance=more, edited=edited)
    user.ssh(f"project rm {stack} -y", timeout=300)


# --- Table 2: compile and run -------------------------------------------------------------------------------------------

def compile_and_run(lab, user, stack, runs):
    """(seconds by the IDE's key, seconds by a bare exec in the same container), an edit before each."""
    user.ssh("run", stack, timeout=300)  # what is built once is built
    show = user.json(f"project show {stack}")
    source = source_of(pathlib.Path(show["workspace"]), "Hello, ")
    container = [c for c in lab.podman("ps", "--filter", f"label=codinglab.instance={lab.instance()}", "--format", "{{.Names}}").split() if
                 c.endswith(f"p{show['id']}-dev")][0]
    ours, bare = [], []
    c = Client(user.argv(stack, "-tt"))
    c.need(READY)
    c.settle(1.0)
    for i in range(runs):
        edit(source, f"Hello, {i}" if i else "Hello, ", f"Hello, {i + 1}")
        t0 = c.send(OUT + "\x1b[15~")
        ours.append(c.need(f"Hello, {i + 1}", 60) - t0)
        c.settle(0.7)
        edit(source, f"Hello, {i + 1}", f"Hello, {i + 1} ")
        bare.append(exec_seconds(lab, user, container, STACKS[stack]["commands"]["run"]))
        edit(source, f"Hello, {i + 1} ", f"Hello, {i + 1}")
    c.close()
    return ours, bare


def exec_seconds(lab, user, container, argv):
    """The same command by the container engine's own client, to the end of its output."""
    env = ["-e", "HOME=/home/dev", "-e", "PORT=8000"]
    gid = subprocess.run(lab.podman_argv("exec", container, "stat", "-c", "%g", "/workspace"), env=lab.podman_env(), capture_output=True, text=True).stdout.strip()
    t0 = time.perf_counter()
    p = subprocess.run(lab.podman_argv("exec", "-u", f"{user.uid}:{gid}", "-w", "/workspace", *env, container, *argv), env=lab.podman_env(), capture_output=True)
    t = time.perf_counter() - t0
    if p.returncode:
        raise SystemExit(f"bare exec: {p.stderr.decode()}")
    return t


# --- Table 3: applications ----------------------------------------------------------------------------------------------

class Direct:
    """One way to an application: an address, and the Host header to use there."""

    def __init__(self, address, port, host):
        self.address, self.port, self.host = address, port, host
        self.conn = http.client.HTTPConnection(address, port, timeout=30)

    def load(self):
        t0 = time.perf_counter()
        self.conn.request("GET", "/", headers={"Host": self.host})
        r = self.conn.getresponse()
        r.read()
        if r.status != 200:
            raise SystemExit(f"{self.address}:{self.port}: status {r.status}")
        return (time.perf_counter() - t0) * 1000

    def rps(self, seconds, connections):
        """Answers a second, and how many; what went wrong meanwhile is told."""
        p = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-H", f"Host: {self.host}", f"http://{self.address}:{self.port}/"],
                           capture_output=True, text=True, timeout=seconds + 60)
        rate, answers = (re.search(x, p.stdout) for x in (r"Requests/sec:\s+([\d.]+)", r"(\d+) requests in"))
        if not rate or not answers:
            raise SystemExit(f"wrk: {p.stderr.strip() or p.stdout.strip()}")
        for wrong in re.findall(r"(?:Non-2xx|Socket errors).*", p.stdout):
            print(f"{'':34} {self.address}: {wrong}", flush=True)
        return float(rate.group(1)), int(answers.group(1))


def instance_address(lab, project, tier):
    name = [c for c in lab.podman("ps", "--filter", f"label=codinglab.instance={lab.instance()}", "--format", "{{.Names}}").split()
            if re.search(rf"p{project}-prod-{tier}-1\b", c)][0]
    networks = json.loads(lab.podman("inspect", name))[0]["NetworkSettings"]["Networks"]
    return next(iter(networks.values()))["IPAddress"]


def loaded(lab, user, stack, host, row, options, figures):
    """One framework, shipped: loads and rates through web, and of its WAS asked directly; they take turns."""
    show = user.json(f"project show {stack}")
    ways = [Direct("127.0.0.1", lab.edge_port, host), Direct(instance_address(lab, show["id"], "was"), STACKS[stack]["port"], host)]
    for w in ways:
        for _ in range(WARM):
            w.load()
    times = [[], []]
    for k in range(options.runs):
        for i in (0, 1) if k % 2 else (1, 0):  # who comes second finds the database's pages warm
            times[i].append(ways[i].load())
    row(f"app load, {stack}", mean(times[0]), mean(times[1]), "ms", "WAS asked", ("ratio", 1.15))
    figures.put("app", stack, web=times[0], was=times[1])
    for w in ways:
        w.rps(options.warm, options.connections)  # what compiles while it runs
    meter = cost.Meter(lab, show["id"])
    rates, costs = by_turns(ways, meter, options, options.seconds)
    figures.put("app", stack, rate=rates[0], bare=rates[1], cost=cost.mean_of(costs[0]), bare_cost=cost.mean_of(costs[1]))
    row(f"requests/s at c{options.connections}, {stack}", mean(rates[0]), mean(rates[1]) or 0.01, "/s", "WAS asked", ("at least", 0.95))
    if cores.halves():
        with cores.Apart(meter.pids):
            rates, costs = by_turns(ways, meter, options, options.seconds)
        figures.put("app", stack, apart=rates[0], bare_apart=rates[1])
        row("  application on its own cores", mean(rates[0]), mean(rates[1]) or 0.01, "/s", "WAS asked", ("at least", 0.95))


def by_turns(ways, meter, options, seconds):
    """Requests/s of each way, and what an answer costs by it: so many seconds each, in two turns."""
    rates, costs = [[], []], [[], []]
    each = seconds if options.quick else max(1, seconds // 2)
    for i in (1, 0) if options.quick else (1, 0, 0, 1):
        rate, spent = meter.of(lambda way=ways[i]: way.rps(each, options.connections))
        rates[i].append(rate)
        costs[i].append(spent)
    return rates, costs


def edit_to_release(lab, user, stack, show, host):
    source = source_of(pathlib.Path(show["workspace"]), "Hello from ")
    edit(source, "Hello from ", "Greetings from ")
    t0 = time.perf_counter()
    user.ssh("ship", stack, timeout=900)
    c = http.client.HTTPConnection("127.0.0.1", lab.edge_port, timeout=30)
    c.request("GET", "/", headers={"Host": host})
    if b"Greetings from" not in c.getresponse().read():
        raise SystemExit(f"{stack}: the new release does not serve")
    return time.perf_counter() - t0


# --- images --------------------------------------------------------------------------------------------------------------

def sizes(lab, figures):
    for i in lab.admin.json("image ls")["images"]:
        if i.get("size"):
            figures.put("image", i["id"], mb=i["size"] / 1e6)


def build_times(said):
    """{image: seconds} of what `image build` said while it went; an operation's own log keeps the last lines only."""
    return {image: float(seconds) for image, seconds in re.findall(r"^\s*== (\S+): built in ([\d.]+) s", said, re.M)}


def images(lab, user, row, options, figures):
    """Images from nothing, in a store of this run's own: all, or those of some stacks."""
    wanted = "" if "all" in options.stacks.split() else " " + options.stacks
    total, p = timed(lab.admin.ssh, f"image build{wanted} --timeout 3600s", timeout=7300)
    times = build_times(p.stdout + p.stderr)
    sizes(lab, figures)
    for image, seconds in times.items():
        figures.put("image", image, seconds=seconds)
        row(f"image {image}: built in", seconds, None, "s", "", ("none", 0))
        row(f"image {image}: size", figures.all["image"][image]["mb"], None, "MB", "", ("none", 0))
    row(f"{len(times)} images built from nothing", total, None, "s", "", ("none", 0))
    figures.put("built", "all", images=len(times), seconds=total)


# --- the tables ----------------------------------------------------------------------------------------------------------

def ids(kind):
    return [s for s in STACKS if STACKS[s]["kind"] == kind]


def run_table(figures, options, note):
    lines, means = [], []
    for stack, f in figures.of("run", ids("language")):
        ours, over = mean(f["ours"]), mean(f["ours"]) - mean(f["bare"])
        means.append(ours)
        lines.append((STACKS[stack]["title"], "", f"{ours:.3f}", f"{min(f['ours']):.3f} to {max(f['ours']):.3f}", f"{mean(f['bare']):.3f}",
                      f"{over * 1000:+.0f} ms", reached(over <= 0.05)))
    if means:
        lines.append(("average", PAPER_RUN_S, f"{mean(means):.3f}", "", "", "", reached(mean(means) <= 0.5)))
    return lines and tables.markdown(
        f"**The paper's Table 2: compile and run**, seconds, F5 to the line on the screen, {options.runs} times each, an edit before each ({note}). "
        "Goals: at most 50 ms over a bare exec in the same container, 0.5 s on average.",
        ("language", "paper", "ours", "from, to", "bare exec", "over it", "goal"), lines)


def app_table(figures, options, note):
    lines, means = [], []
    for stack, f in figures.of("app", ids("framework")):
        web, was = mean(f["web"]), mean(f["was"])
        rate, bare = (mean(f[k]) if f.get(k) else 0 for k in ("rate", "bare"))
        means.append(web)
        rates = (f"{rate:.0f}", f"{bare:.0f}", f"{rate / bare:.2f}", reached(rate >= 0.95 * bare)) if bare else ("", "no answers", "", "NOT REACHED")
        lines.append((title_of(stack), "", f"{web:.2f}", f"{was:.2f}", f"{web / was:.2f}", reached(web <= 1.15 * was), PAPER_TPS.get(stack, ""), *rates))
    if means:
        lines.append(("average", PAPER_LOAD_MS, f"{mean(means):.2f}", "", "", reached(mean(means) <= 10), *[""] * 5))
    return lines and tables.markdown(
        f"**The paper's Table 3: an application through web, was and db**, a page with a row of the database: ms to load it, {options.runs} times; requests/s at "
        f"{options.connections} connections for {options.seconds} s ({note}; the paper: 300 threads, its own 16 servers). Beside it the same WAS instance asked directly. "
        "Goals: at most 1.15 x, 10 ms on average; at least 0.95 x.",
        ("framework", "paper ms", "ours ms", "WAS ms", "ratio", "goal", "paper /s", "ours /s", "WAS /s", "ratio", "goal"), lines)


def apart_table(figures, options, note):
    """The ways, where neither takes the application's cores."""
    lines = []
    for stack, f in figures.of("app", ids("framework")):
        rate, bare = (mean(f[k]) if f.get(k) else 0 for k in ("apart", "bare_apart"))
        if bare:
            lines.append((title_of(stack), f"{rate:.0f}", f"{bare:.0f}", f"{rate / bare:.2f}", reached(rate >= 0.95 * bare)))
    return lines and tables.markdown(
        f"**The same with the application and its database on half of the cores**, edge, web and load generator on the others ({note}): requests/s at "
        f"{options.connections} connections for {options.seconds} s. What the way takes is then not taken from the application. Goal: at least 0.95 x.",
        ("framework", "ours /s", "WAS /s", "ratio", "goal"), lines)


def cost_table(figures, options, note):
    """Where the processor goes, by both ways."""
    lines = []
    for stack, f in figures.of("app", ids("framework")):
        if "cost" in f:
            ours, bare = f["cost"], f["bare_cost"]
            between = ours["edge"] + ours["web"]
            lines.append((title_of(stack), *(f"{ours[p]:.0f}" for p in cost.PARTS), f"{sum(ours.values()):.0f}", *(f"{bare[p]:.0f}" for p in ("load", "was", "db")),
                          f"{sum(bare.values()):.0f}", f"{between / sum(ours.values()) * 100 if between else 0:.0f} %"))
    return lines and tables.markdown(
        f"**What an answer costs**, microseconds of processor, of all cores, at {options.connections} connections ({note}): by web -> was -> db, then the WAS asked directly. "
        "The load generator and all tiers share the cores: what edge and web take the application does not get.",
        ("framework", "load", "edge", "web", "was", "db", "sum", "load, direct", "was, direct", "db, direct", "sum, direct", "edge and web"), lines)


def start_table(figures, options, note):
    def told(f, key):
        return f"{f[key]:.1f}" if key in f else ""
    lines = [(title_of(stack), *(told(f, k) for k in ("up", "ship", "instance", "edited")))
             for stack, f in figures.of("start", ids("language") + ids("framework"))]
    return lines and tables.markdown(
        f"**Starting**, seconds, once each ({note}): a new project's dev container by `up`; `ship` of the fresh project, build and three tiers; `scale was=2` until "
        "the second instance is ready; an edit, shipped, until its release serves.", ("stack", "up", "ship", "one more WAS", "edit to release"), lines)


def image_table(figures, options, note):
    """Of each folder of images/: what its images weigh with all below them, and how long each took."""
    lines = []
    for stack in STACKS:
        cells = [figures.all.get("image", {}).get(STACKS[stack]["images"].get(which, {}).get("id"), {}) for which in ("dev", "run")]
        if any(cells):
            lines.append((stack, *(f"{c['mb']:.0f}" if "mb" in c else "" for c in cells), *(f"{c['seconds']:.0f}" if "seconds" in c else "" for c in cells)))
    built = figures.all.get("built", {}).get("all")
    whole = f" {built['images']} images built from nothing, two at once: {built['seconds']:.0f} s." if built else ""
    return lines and tables.markdown(f"**Images**: MB with the layers they share; seconds to build ({note}).{whole}",
                                     ("stack", "dev MB", "run MB", "dev s", "run s"), lines)


def title_of(stack):
    """eGovFrame is called so only when its runtime ran: what this measures otherwise is its layout on Spring."""
    return "eGov layout on Spring" if stack == "egov" else STACKS[stack]["title"]


TABLES = {"stacks": (("table-2", run_table), ("table-3", app_table), ("apart", apart_table), ("cost", cost_table), ("starting", start_table)), "images": (("images", image_table),)}


def write_tables(case, figures, options, note, say=print):
    for name, make in TABLES[case]:
        text = make(figures, options, note)
        if text:
            say(f"\n{text}\n", flush=True)
            if options.into:
                tables.into(options.into, name, text)
