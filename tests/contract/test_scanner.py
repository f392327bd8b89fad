#!/usr/bin/python3
"""SQL injection (G1) by a scanner that is not ours: sqlmap against the REST interface of a live engine, one kind of
place at a time: a path, a query, a field of a body, free text.  It speaks TCP only, so a relay carries its connections
to the unix socket, as root, to whom every route is open.  That it would find something is tried on a server of the
test's own that pastes its parameter into a query."""
import http.server
import json
import os
import shutil
import socket
import socketserver
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import parse_qs, urlparse

from engine import Engine
import cases
from relay import pump

if not shutil.which("sqlmap"):
    print("sqlmap is not installed")
    sys.exit(77)
engine = Engine()
ALICE = engine.user("alice")
engine.project(ALICE, "shop")
LIMIT = 240  # seconds for one run, which takes ten


class Relay(socketserver.ThreadingTCPServer):
    """127.0.0.1:PORT to the engine's socket; counts what passed."""
    allow_reuse_address = daemon_threads = True
    request_queue_size = 64

    def __init__(self, path):
        super().__init__(("127.0.0.1", 0), None)
        self.path, self.requests = path, 0
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def finish_request(self, client, address):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.path))
            back = threading.Thread(target=pump, args=(s, client), daemon=True)
            back.start()
            self.requests += 1
            pump(client, s)
            back.join(30)


class Pasting(http.server.BaseHTTPRequestHandler):
    """What must never be: ?name= goes into the text of a query."""

    def do_GET(self):
        name = parse_qs(urlparse(self.path).query).get("name", [""])[0]
        db = sqlite3.connect(":memory:")
        db.execute("CREATE TABLE user (name TEXT)")
        db.execute("INSERT INTO user VALUES ('alice')")
        try:
            rows = db.execute(f"SELECT name FROM user WHERE name = '{name}'").fetchall()
            self.send_response(200 if rows else 404)
        except sqlite3.Error:
            rows = "error"
            self.send_response(500)
        self.end_headers()
        self.wfile.write(json.dumps(rows).encode())

    def log_message(self, *args):
        pass


def scan(url, *more):
    """sqlmap's own words about this one place.  It keeps its files in a folder that goes with the run."""
    with tempfile.TemporaryDirectory(prefix="cl-sqlmap-") as home:
        argv = ["sqlmap", "-u", url, "--batch", "--disable-coloring", "--flush-session", "--level", "1", "--risk", "1",
                "--technique", "BEUS", "--dbms", "sqlite", "--timeout", "20", "--retries", "1", "--output-dir", home, *more]
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT, text=True,
                           errors="replace", cwd=home, env={**os.environ, "HOME": home, "XDG_DATA_HOME": home})
    return p.stdout


def found(text):
    return "identified the following injection point" in text or "is vulnerable" in text


def test_the_scanner_finds_what_is_there():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pasting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        text = scan(f"http://127.0.0.1:{server.server_port}/?name=alice", "-p", "name")
    finally:
        server.shutdown()
        server.server_close()
    assert found(text), text[-3000:]


PLACES = [
    ("path", "/v1/users/alice*/keys", ()),
    ("path", "/v1/projects/alice.shop*", ()),
    ("query", "/v1/audit?limit=5&user=alice&verb=ship", ("-p", "user,verb,limit")),
    ("query", "/v1/ops?project=shop&limit=5", ("-p", "project,limit")),
    ("body", "/v1/projects", ("--data", '{"name":"shop","stack":"python","description":"plain words"}')),
    ("free text", "/v1/projects/alice.shop/chat", ("--data", '{"text":"plain words"}')),
    ("body", "/v1/users", ("--data", '{"name":"alice","role":"student"}')),
]


def test_it_finds_nothing_in_the_interface():
    relay = Relay(engine.socket)
    users, projects = engine.get("/v1/users").json, engine.get("/v1/projects").json
    try:
        for kind, path, more in PLACES:
            before, start = relay.requests, time.monotonic()
            if "--data" in more:
                more = ("--headers", "Content-Type: application/json", *more)
            text = scan(f"http://127.0.0.1:{relay.server_address[1]}{path}", *more)
            asked = relay.requests - before
            print(f"{kind:9} {path:40} {asked:4} requests in {time.monotonic() - start:.0f} s")
            assert not found(text), text[-3000:]
            assert "do not appear to be injectable" in text, text[-3000:]
            assert asked >= 10, (asked, text[-3000:])
    finally:
        relay.shutdown()
        relay.server_close()
    assert engine.get("/v1/users").json == users
    assert engine.get("/v1/projects").json == projects
    engine.healthy()


def test_it_stops_cleanly():
    assert engine.stop() == 0, engine.tail()
    assert "ERROR" not in engine.tail() and "SQL" not in engine.tail(), engine.tail()


sys.exit(cases.main(globals()))
