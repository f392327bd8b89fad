"""Tables of figures as Markdown: printed, kept between runs, and put into a document between marks of their own.

    <!-- bench NAME -->            everything up to the end mark is printed by `./lab bench ... --into FILE`
    <!-- end NAME -->
"""
import json
import os
import pathlib


def markdown(title, heads, lines):
    """The table under its title; columns padded, so that it reads on a terminal too; all but the first to the right."""
    rows = [[str(x) for x in line] for line in (heads, *lines)]
    widths = [max(3, *(len(r[i]) for r in rows)) for i in range(len(heads))]
    def line(row):
        return "| " + " | ".join(x.ljust(w) if i == 0 else x.rjust(w) for i, (x, w) in enumerate(zip(row, widths))) + " |"
    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([title, "", line(rows[0]), rule, *map(line, rows[1:])])


def into(path, name, text):
    """Between the marks NAME of a document; without them it is refused."""
    path = pathlib.Path(path)
    old = path.read_text()
    begin, end = f"<!-- bench {name} -->\n", f"<!-- end {name} -->\n"
    if old.count(begin) != 1 or old.count(end) != 1 or old.index(begin) > old.index(end):
        raise SystemExit(f"{path}: has no place for the table: write the lines {begin.strip()} and {end.strip()}")
    head, rest = old.split(begin)
    path.write_text(head + begin + "\n" + text.strip("\n") + "\n\n" + end + rest.split(end)[1])


class Figures:
    """What was measured of each thing (a stack, an image), in a file: {table: {thing: {figure: value}}}.  A run begins anew,
    or with --more adds to what the runs before it measured."""

    def __init__(self, path, more):
        self.path = pathlib.Path(path)
        self.all = json.loads(self.path.read_text()) if more and self.path.exists() else {}

    def put(self, table, thing, **figures):
        self.all.setdefault(table, {}).setdefault(thing, {}).update(figures)
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(json.dumps(self.all, indent=1, sort_keys=True))

    def of(self, table, order):
        """[(thing, figures)] in that order, those that were measured."""
        have = self.all.get(table, {})
        return [(t, have[t]) for t in order if t in have]


def circumstances(load, cores):
    """How the machine was when the measuring began, in words; load as the kernel averages it over a minute."""
    if load < cores * 0.5:
        return f"quiet machine, {cores} cores"
    return f"taken on a machine busy with other work: load {load:.0f} on {cores} cores, so the times are not to be relied on"


def now():
    return circumstances(os.getloadavg()[0], os.cpu_count() or 1)
