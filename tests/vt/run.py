#!/usr/bin/python3
"""Run one screen script (*.test) against the real session program, with a fake engine and a pyte screen.

A script is lines of: a word and its arguments (shell quoting).  # starts a comment.

    user NAME                   who (default alice)           project NAME [OWNER]    a project's session (default: home)
    have project NAME STACK [owner=X] [dev=X] [url=X] [about=X] [role=X]              what the engine knows
    have file NAME TEXT         in the workspace              have serving            a release serves
    have load TIER...           decides how many there are
    have said USER TEXT         in the chat                   have databases STACK ID...
    start ROWSxCOLS [TERM] [NAME=VALUE...]                    start the session, attach a door
    door NAME ROWSxCOLS [TERM] [NAME=VALUE...]                attach another door; use NAME: goes on with it (first: main)
    restart ROWSxCOLS           end the session and start it anew; a new door
    lose NAME                   the file is removed from the workspace
    detach                      cut this door (as a killed ssh)        ack on|off    let frames be unanswered
    keys KEYS                   type: text, <F2>, <C-s>, <Enter>, <lt> ...          paste TEXT    a bracketed paste
    raw PYTHON-BYTES            exact bytes                   click ROW COL
    resize ROWSxCOLS            event TYPE TEXT [JSON]        said USER TEXT         someone says something now
    engine down|up|mute         mute: takes requests and answers none
    expect [row N] TEXT         appears within 10 s           absent TEXT            goes away within 10 s
    row N = TEXT                the row is exactly that (right end trimmed)
    same as NAME                this door's screen equals that door's, cell for cell
    called METHOD PATH [JSON]   the engine got that call (within 10 s)        uncalled METHOD PATH
    asked METHOD PATH JSON      as called, of whose body this is a part
    listened END                the newest event stream's query ends so
    environment NAME=VALUE      of the session (before start)          told TEXT     in what EXIT said
    exit CODE | switch TARGET   the door was told to leave    settle                 until nothing comes for 0.3 s
    terminate                   SIGTERM to the session process
    idle SECONDS                no byte comes for so long     dead | alive           the session process

--show prints the screen after each step; --bytes N fails when a step sends more than N bytes.
"""
import json
import os
import pathlib
import shlex
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from door import DEV, Session  # noqa: E402

os.environ.setdefault("LANG", "C.UTF-8")


def size(text):
    rows, cols = text.split("x")
    return int(rows), int(cols)


class Script:
    def __init__(self):
        self.how, self.session, self.doors, self.now, self.files, self.have = {}, None, {}, None, {}, []

    @property
    def door(self):
        return self.doors[self.now]

    def run(self, path, show):
        try:
            for n, line in enumerate(path.read_text().split("\n"), 1):
                words = shlex.split(line, comments=True)
                if not words:
                    continue
                try:
                    getattr(self, "do_" + words[0])(*words[1:])
                except AssertionError as e:
                    print(f"{path.name}:{n}: {line.strip()}\n{e}")
                    if self.session:
                        print(self.session.log())
                    return 1
                if show and self.doors:
                    self.door.settle()
                    print(f"--- {line}\n{self.door.text()}")
            return 0
        finally:
            if self.session:
                self.session.stop()

    def do_user(self, name):
        self.how["user"] = name

    def do_project(self, name, owner=None):
        self.how.update(project=name, owner=owner)

    def do_have(self, what, *args):
        if what == "file":
            self.files[args[0]] = args[1].encode().decode("unicode_escape").encode("latin-1").decode("utf-8") + "\n"
        else:
            self.have.append((what, args))

    def prepare(self):
        e = self.session.engine
        for what, args in self.have:
            if what == "project":
                e.add_project(args[0], args[1], **dict(a.split("=", 1) for a in args[2:]))
            elif what == "databases":
                next(s for s in e.stacks if s["id"] == args[0])["dbs"] = list(args[1:])
            elif what == "serving":
                e.serving = True
            elif what == "load":
                e.by_load.update(args)
            elif what == "said":
                e.say(*args)
            else:
                raise AssertionError(f"have {what}?")

    def do_start(self, geometry, *more):
        self.session = Session(files=self.files, **self.how)
        self.prepare()
        self.session.start()
        self.do_door("main", geometry, *more)

    def do_door(self, name, geometry, *more):
        term = more[0] if more and "=" not in more[0] else "xterm-256color"
        env = [m for m in more if "=" in m] or ["LANG=C.UTF-8"]
        self.doors[name] = self.session.door(*size(geometry), term=term, env=env)
        self.now = name

    def do_use(self, name):
        self.now = name

    def do_detach(self):
        self.door.close()

    def do_restart(self, geometry):
        """The session is ended and started anew, with the same folders; the door is a new one."""
        self.session.process.terminate()
        self.session.process.wait(10)
        self.session.launch()
        self.do_door("main", geometry)

    def do_lose(self, name):
        (self.session.dir / "work" / name).unlink()

    def do_ack(self, word):
        self.door.ack = word == "on"
        if self.door.ack:
            self.door.acknowledge()

    def do_keys(self, *keys):
        self.door.type(" ".join(keys))

    def do_paste(self, text):
        self.door.raw_input(b"\x1b[200~" + text.encode().decode("unicode_escape").encode() + b"\x1b[201~")

    def do_raw(self, text):
        self.door.raw_input(text.encode().decode("unicode_escape").encode("latin-1"))

    def do_click(self, row, col):
        for end in "Mm":
            self.door.raw_input(f"\x1b[<0;{col};{row}{end}".encode())

    def do_resize(self, geometry):
        self.door.resize(*size(geometry))

    def do_event(self, kind, text, data="{}"):
        self.session.engine.event(kind, 1, text, json.loads(data))

    def do_said(self, user, text):
        self.session.engine.say(user, text.replace("\\x1b", "\x1b"))

    def do_engine(self, word):
        if word == "down":
            self.session.engine.stop()
        elif word == "mute":
            self.session.engine.speaking.clear()
        else:
            self.session.engine.start()

    def do_expect(self, *words):
        row = None
        if words[0] == "row":
            row, words = int(words[1]), words[2:]
        self.door.expect(" ".join(words), row)

    def do_absent(self, *words):
        self.door.expect_not(" ".join(words))

    def do_row(self, n, equals, text):
        self.door.until(f"row {n} is not {text!r}", lambda: self.door.row(int(n)) == text.rstrip(), 5)

    def do_same(self, word, name):
        other = self.doors[name]
        for d in (self.door, other, self.door):
            d.settle()
        cells = [[[(c.data, c.fg, c.bg, c.bold, c.reverse) for c in (d.screen.buffer[y][x] for x in range(min(self.door.cols, other.cols)))]
                  for y in range(min(self.door.rows, other.rows))] for d in (self.door, other)]
        for y, (a, b) in enumerate(zip(*cells)):
            assert a == b, f"row {y + 1} differs:\n{self.door.row(y + 1)}\n{other.row(y + 1)}"
        assert (self.door.screen.cursor.y, self.door.screen.cursor.x) == (other.screen.cursor.y, other.screen.cursor.x), "cursor differs"

    def calls(self, method, path):
        return [c for c in self.session.engine.calls if c[0] == method and c[1] == path]

    def do_called(self, method, path, body=None):
        wanted = json.loads(body) if body else None
        self.door.until(f"no call {method} {path} {body or ''}, only {self.session.engine.calls}",
                        lambda: any(wanted is None or c[2] == wanted for c in self.calls(method, path)))

    def do_asked(self, method, path, part):
        wanted = json.loads(part).items()
        self.door.until(f"no call {method} {path} with {part}, only {self.session.engine.calls}",
                        lambda: any(wanted <= {k: v for k, v in (c[2] or {}).items() if isinstance(v, str)}.items()
                                    for c in self.calls(method, path)))

    def do_uncalled(self, method, path):
        self.door.settle()
        assert not self.calls(method, path), f"there was a call {method} {path}"

    def do_exit(self, code):
        self.door.until("no EXIT came", lambda: self.door.exit is not None, 10) if self.door.exit is None else None
        assert self.door.exit[0] == int(code), self.door.exit

    def do_switch(self, target):
        self.door.until("no SWITCH came", lambda: self.door.switch is not None, 10) if self.door.switch is None else None
        assert self.door.switch == target, self.door.switch

    def do_listened(self, how):
        """The newest event stream was asked for with just these words at its end."""
        end = time.monotonic() + 10
        while not (self.session.engine.streams and self.session.engine.streams[-1].endswith(how)):
            assert time.monotonic() < end, f"the event streams were {self.session.engine.streams}"
            time.sleep(0.05)

    def do_environment(self, setting):
        self.how.setdefault("env", {}).update([setting.split("=", 1)])

    def do_told(self, text):
        assert text in self.door.exit[1], self.door.exit

    def do_settle(self):
        self.door.settle(0.3)

    def do_idle(self, seconds):
        self.door.settle(0.3)
        before = self.door.bytes
        end = time.monotonic() + float(seconds)
        while time.monotonic() < end:
            self.door.pump(0.1)
        assert self.door.bytes == before, f"{self.door.bytes - before} bytes came in an idle session"

    def do_terminate(self):
        self.session.process.terminate()

    def do_dead(self):
        end = time.monotonic() + 10
        while self.session.alive():
            assert time.monotonic() < end, "the session lives on"
            time.sleep(0.05)

    def do_alive(self):
        time.sleep(0.2)
        assert self.session.alive(), "the session died"


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: the session runs as another uid than its listener")
        sys.exit(77)
    if not (DEV / "codinglab-tui").exists():
        print(f"{DEV}/codinglab-tui is not built")
        sys.exit(1)
    bad = sum(Script().run(pathlib.Path(a), "--show" in sys.argv) for a in sys.argv[1:] if not a.startswith("-"))
    sys.exit(1 if bad else 0)
