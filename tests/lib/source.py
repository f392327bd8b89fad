"""What the lint tests share: the C sources of the house, their includes and functions."""
import json
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDERS = ("base", "editor", "images", "engine", "tui", "sshd", "web", "bench")


def files(*suffixes, folders=FOLDERS):
    for folder in folders:
        for d, dirs, names in os.walk(ROOT / folder):
            dirs[:] = [x for x in dirs if x not in ("template", "third_party")]
            for n in sorted(names):
                if n.endswith(suffixes):
                    yield pathlib.Path(d, n).relative_to(ROOT)


def text(path):
    return (ROOT / path).read_text(errors="replace")


def code(path):
    """The text without comments and string contents, line numbers kept."""
    blank = lambda m: re.sub(r"[^\n]", " ", m.group(0)) if m.group(0).startswith("/") else '""' + "\n" * m.group(0).count("\n")
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text(path), flags=re.S)


def functions(paths):
    """(path, name, first line, lines, static) of every function."""
    out = subprocess.run(["ctags", "--output-format=json", "--fields=+neS", "--kinds-C=f", "-f-", *map(str, paths)],
                         cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        j = json.loads(line)
        if "end" in j:
            yield j["path"], j["name"], j["line"], j["end"] - j["line"] + 1, "file" in j or bool(j.get("fileScope"))


def finish(problems, what):
    for p in problems:
        print(p)
    print(f"{len(problems)} {what}")
    raise SystemExit(bool(problems))
