#!/usr/bin/python3
"""The tables that `./lab bench stacks` and `images` print: every stack has its row, goals are told as they were met, what was not
measured is left out, and a table lands between its marks of a document and nowhere else."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/lib"), str(ROOT / "bench")]
import cases
import cores
import stacks
import tables

OPTIONS = types.SimpleNamespace(runs=10, connections=300, seconds=30, stacks="all", into=None)


def figures(folder):
    f = tables.Figures(folder / "f.json", False)
    for s in stacks.ids("language"):
        f.put("run", s, ours=[0.2, 0.3], bare=[0.21, 0.22])
    for s in stacks.ids("framework"):
        f.put("app", s, web=[4.0, 6.0], was=[4.9, 5.0], rate=[900.0], bare=[1000.0], apart=[980.0, 960.0], bare_apart=[1000.0],
              cost=dict(load=50, edge=100, web=60.4, was=700, db=90), bare_cost=dict(load=50, edge=0, web=0, was=650, db=100))
    for s in stacks.ids("language") + stacks.ids("framework"):
        f.put("start", s, up=0.4, ship=9.0, instance=2.5, edited=6.04)
    return f


def rows(text):
    return [[c.strip() for c in line.strip("|").split("|")] for line in text.split("\n") if line.startswith("|")]


def test_the_papers_fourteen_each_have_a_row(folder):
    f = figures(folder)
    run, app, apart, spent, start = (rows(make(f, OPTIONS, "quiet"))[2:] for _, make in stacks.TABLES["stacks"])
    assert len(run) == 7 + 1 and len(app) == 7 + 1 and len(start) == 14, (run, app, start)
    assert run[0][2:] == ["0.250", "0.200 to 0.300", "0.215", "+35 ms", "reached"]
    assert run[-1][:3] == ["average", "1.35", "0.250"] and run[-1][-1] == "reached"
    assert app[0][2:] == ["5.00", "4.95", "1.01", "reached", app[0][6], "900", "1000", "0.90", "NOT REACHED"]
    assert len(apart) == 7 and apart[0][1:] == ["970", "1000", "0.97", "reached"]
    assert len(spent) == 7 and spent[0][1:] == ["50", "100", "60", "700", "90", "1000", "50", "650", "100", "800", "16 %"]
    assert start[0][1:] == ["0.4", "9.0", "2.5", "6.0"]
    assert all(len(r) == len(run[0]) for r in run) and all(len(r) == len(app[0]) for r in app)


def test_a_layout_is_not_called_egovframe(folder):
    for _, make in stacks.TABLES["stacks"][1:]:
        names = [r[0] for r in rows(make(figures(folder), OPTIONS, "quiet"))]
        assert "eGov layout on Spring" in names and "eGovFrame" not in names, names


def test_what_was_not_measured_is_left_out(folder):
    f = tables.Figures(folder / "f.json", False)
    f.put("start", "go", up=0.4)
    assert not stacks.run_table(f, OPTIONS, "") and not stacks.cost_table(f, OPTIONS, "") and not stacks.apart_table(f, OPTIONS, "") and not stacks.app_table(f, OPTIONS, "") and not stacks.image_table(f, OPTIONS, "")
    assert [r for r in rows(stacks.start_table(f, OPTIONS, ""))[2:]] == [["Go", "0.4", "", "", ""]]


def test_an_application_that_did_not_answer_has_its_row(folder):
    f = tables.Figures(folder / "f.json", False)
    f.put("app", "django", web=[4.0], was=[5.0], rate=[0.0], bare=[0.0])
    f.put("app", "rails", web=[4.0], was=[5.0])
    lines = rows(stacks.app_table(f, OPTIONS, ""))
    assert not stacks.apart_table(f, OPTIONS, "")
    assert all(r[-4:] == ["", "no answers", "", "NOT REACHED"] for r in lines[2:4]) and len({len(r) for r in lines}) == 1, lines


def test_the_applications_cores_are_put_back(_):
    both = cores.halves()
    if not both:
        return
    before = os.sched_getaffinity(0)
    p = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL)
    try:
        with cores.Apart({"was": [p.pid], "db": [], "edge": [], "web": [2**22 - 1]}):  # one of them has ended
            assert os.sched_getaffinity(p.pid) | os.sched_getaffinity(0) == before and not os.sched_getaffinity(p.pid) & os.sched_getaffinity(0)
            assert (os.sched_getaffinity(p.pid), os.sched_getaffinity(0)) == both
        assert os.sched_getaffinity(p.pid) == os.sched_getaffinity(0) == before
    finally:
        p.kill()
        p.wait()


class Measuring:
    """stacks.stacks() with measures of the test's own: which began, and what was told after each."""

    def __init__(self, fails=(), takes=0, minutes=28):
        self.begun, self.told, self.fails, self.takes = [], 0, fails, takes
        self.options = types.SimpleNamespace(stacks="all", minutes=minutes)
        self.user = types.SimpleNamespace(ssh=lambda *args, **kw: None)

    def measure(self, name):
        def one(lab, user, stack, row, options, figures):
            self.begun.append((name, stack))
            self.now += self.takes
            if stack in self.fails:
                raise AttributeError("'NoneType' object has no attribute 'group'")
        one.__name__ = name
        return one

    def note(self):
        self.told += 1

    def run(self):
        kept, self.now = {n: getattr(stacks, n) for n in ("language", "framework", "deployed", "time")}, 0.0
        clock = types.SimpleNamespace(monotonic=lambda: self.now, perf_counter=lambda: self.now)
        try:
            for n in ("language", "framework", "deployed"):
                setattr(stacks, n, self.measure(n))
            stacks.time = clock
            return dict(stacks.stacks(None, self.user, None, self.options, None, self.note))
        finally:
            for n, v in kept.items():
                setattr(stacks, n, v)


def test_one_that_breaks_is_told_and_the_others_go_on(folder):
    m = Measuring(fails=("go", "rails"))
    broken = m.run()
    assert set(broken) == {"go", "rails"} and all("NoneType" in why for why in broken.values()), broken
    assert m.told == len(m.begun) == 7 + 7 + 6, (m.told, m.begun)
    assert [n for n, _ in m.begun] == ["language"] * 7 + ["framework"] * 7 + ["deployed"] * 6 and ("deployed", "go") not in m.begun


def test_nothing_begins_that_would_not_end_in_time(folder):
    m = Measuring(takes=120, minutes=21)
    left = m.run()
    assert m.now <= 21 * 60 and [n for n, _ in m.begun] == ["language"] * 7 + ["framework"] * 3, m.begun
    assert len(left) == 4 + 7 and all("left out" in why for why in left.values()), left


def test_images_are_told_by_folder(folder):
    f = tables.Figures(folder / "f.json", False)
    for image, mb, s in (("base", 84.1, 8.6), ("go", 794.4, 40.2), ("go-run", 84.1, None)):
        f.put("image", image, mb=mb, **({"seconds": s} if s else {}))
    f.put("built", "all", images=2, seconds=48.0)
    text = stacks.image_table(f, OPTIONS, "quiet")
    assert "2 images built from nothing, two at once: 48 s" in text, text
    assert rows(text)[2:] == [["base", "", "84", "", "9"], ["go", "794", "84", "40", ""]], text


def test_every_image_s_time_is_read(folder):
    said = "  go: STEP 1/4\n== go: built in 40.2 s\n  == go-run: built in 0.9 s\nx == no: built in 1.0 s\n== broken: failed\n"
    assert stacks.build_times(said) == {"go": 40.2, "go-run": 0.9}


def test_the_source_that_a_person_would_edit_is_found(folder):
    want = {"c": "main.c", "go": "main.go", "java": "Main.java", "node": "main.js", "php": "main.php", "python": "main.py", "ruby": "main.rb"}
    assert {s: stacks.source_of(ROOT / "images" / s / "template", "Hello, ").name for s in stacks.ids("language")} == want
    for s in stacks.ids("language") + stacks.ids("framework"):
        assert "Hello from " in stacks.source_of(ROOT / "images" / s / "template", "Hello from ").read_text()


def test_a_run_begins_anew_or_adds(folder):
    figures(folder)
    more = tables.Figures(folder / "f.json", True)
    more.put("run", "go", ours=[0.1], bare=[0.1])
    assert len(more.of("run", stacks.ids("language"))) == 7
    assert json.loads((folder / "f.json").read_text())["run"]["go"] == {"ours": [0.1], "bare": [0.1]}
    assert tables.Figures(folder / "f.json", False).all == {}


def test_a_table_lands_between_its_marks(folder):
    doc = folder / "d.md"
    doc.write_text("before\n<!-- bench table-2 -->\nold\n<!-- end table-2 -->\nafter\n")
    for _ in range(2):
        tables.into(doc, "table-2", "| new |\n")
        assert doc.read_text() == "before\n<!-- bench table-2 -->\n\n| new |\n\n<!-- end table-2 -->\nafter\n"
    kept = doc.read_text()
    for name in ("table-3", "table"):
        try:
            tables.into(doc, name, "| new |\n")
        except SystemExit as e:
            assert "no place" in str(e)
        else:
            raise AssertionError("it was written without a place")
    assert doc.read_text() == kept


def test_the_document_has_every_place(folder):
    text = (ROOT / "docs/PERFORMANCE.md").read_text()
    for names in stacks.TABLES.values():
        for name, _ in names:
            assert text.count(f"<!-- bench {name} -->\n") == text.count(f"<!-- end {name} -->\n") == 1, name


def test_a_busy_machine_is_told(folder):
    assert "busy" in tables.circumstances(7.2, 2) and "load 7 on 2 cores" in tables.circumstances(7.2, 2)
    assert tables.circumstances(0.3, 2) == "quiet machine, 2 cores"


def main():
    with tempfile.TemporaryDirectory(prefix="codinglab-test-") as folder:
        return cases.main(globals(), pathlib.Path(folder))


if __name__ == "__main__":
    sys.exit(main())
