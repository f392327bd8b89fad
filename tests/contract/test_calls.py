#!/usr/bin/python3
"""The socket for calls of our own programs: the same routes, rights and limits as over HTTP (the scripts about routes, people
and events once more over it), and what comes on it that is no call."""
import os
import socket
import struct
import subprocess
import sys
import time

from engine import ROOT, STRANGER, Engine, connect_as
import calls
import cases

engine = Engine()
ALICE = engine.user("alice")
BOB = engine.user("bob")
engine.project(ALICE, "shop")
WHOAMI = calls.begin("GET", "/v1/whoami")


def call(method, path, body=None, uid=0, **headers):
    return engine.call(method, path, body, uid, {k.replace("_", "-"): v for k, v in headers.items()}, wire="call")


def dropped(*messages, uid=ALICE, seconds=20):
    """The engine ends the connection without an answer."""
    with engine.connect_call(uid) as s:
        s.settimeout(seconds)
        for m in messages:
            try:
                s.send(m)
            except (BrokenPipeError, ConnectionResetError):
                break
        try:
            return s.recv(65536) == b""
        except ConnectionResetError:
            return s.recv(65536) == b""


def again(script):
    env = {**os.environ, "CODINGLAB_TEST_WIRE": "call"}
    r = subprocess.run([sys.executable, ROOT / "tests/contract" / script], env=env, capture_output=True, text=True)
    assert r.returncode == 0, r.stdout[-3000:] + r.stderr[-2000:]


def test_every_route_answers_as_over_http():
    again("test_routes.py")


def test_people_see_the_same():
    again("test_people.py")


def test_events_are_the_same():
    again("test_events.py")


def test_the_peer_is_who_the_kernel_says():
    for uid, name in ((ALICE, "alice"), (BOB, "bob"), (0, "root")):
        assert call("GET", "/v1/whoami", uid=uid).json["name"] == name
    assert call("GET", "/v1/whoami", uid=STRANGER).status == 401
    assert call("GET", "/v1/projects/alice.shop", uid=BOB).status == 404


def test_answers_are_byte_for_byte_those_of_http():
    for path in ("/v1/projects", "/v1/projects/shop", "/v1/nothing", "/v1/projects?x=1&x=2", "/v1/openapi.json"):
        a, b = call("GET", path, uid=ALICE), engine.call("GET", path, uid=ALICE, wire="http")
        assert (a.status, a.body) == (b.status, b.body), path
    a, b = call("DELETE", "/v1/whoami", uid=ALICE), engine.call("DELETE", "/v1/whoami", uid=ALICE, wire="http")
    assert a.status == b.status == 405 and a.headers["allow"] == b.headers["allow"]


def test_a_key_is_kept_across_both_ways():
    body = {"name": "twice", "stack": "python"}
    a = call("POST", "/v1/projects", body, uid=ALICE, Idempotency_Key="k1")
    b = engine.call("POST", "/v1/projects", body, uid=ALICE, headers={"Idempotency-Key": "k1"}, wire="http")
    assert a.status == b.status == 200 and a.body == b.body, (a, b)
    assert call("POST", "/v1/projects", {**body, "name": "other"}, uid=ALICE, Idempotency_Key="k1").status == 409
    assert call("POST", "/v1/projects", body, uid=ALICE, Idempotency_Key="k" * 129).status == 400


def test_a_long_body_comes_in_pieces():
    text = "한" * 1300
    assert call("POST", "/v1/projects/shop/chat", {"text": text}, uid=ALICE).status == 200
    assert engine.get("/v1/projects/shop/chat", ALICE).json["messages"][-1]["text"] == text
    data = b'{"name":"x","stack":"python","description":"' + b"x" * 200000 + b'"}'
    r = engine.message("POST", "/v1/projects", data, ALICE, {})
    assert r.status == 400 and r.code == "usage", r  # whole, and judged by its schema
    with engine.connect_call(ALICE) as s:  # in very small ones
        body = b'{"text":"slowly"}'
        s.send(calls.begin("POST", "/v1/projects/shop/chat", body, first=0))
        for b in body:
            s.send(calls.u32(calls.BODY) + calls.text(bytes([b])))
        assert calls.Answer(s).status == 200


def test_a_body_over_the_ceiling_is_refused():
    for length in (256 * 1024 + 1, 2**31 - 1):
        with engine.connect_call(ALICE) as s:
            s.send(calls.begin("POST", "/v1/projects", length=length))
            assert calls.Answer(s).status == 413
    r = engine.message("POST", "/v1/projects", b"x" * 300000, ALICE, {})
    assert r.status == 413 and r.code == "too_large", r  # sent without asking: the answer comes all the same
    assert dropped(calls.begin("POST", "/v1/projects", length=2**31))
    engine.healthy()


def test_what_is_no_call_ends_the_connection():
    field = calls.text
    for m in (b"G", b"GET / HTTP/1.1\r\n\r\n", calls.u32(0), calls.u32(calls.BODY) + field("x"), calls.u32(calls.REPLY),
              WHOAMI + b"x", WHOAMI[:-1], WHOAMI[:9], calls.u32(calls.BEGIN) + b"\xff" * 60, b"\0" * 65536,
              calls.begin("GETGETGE", "/"), calls.begin("GET", "/" + "x" * 4096), calls.begin("GET\0", "/v1/info"),
              calls.begin("POST", "/v1/projects", b"{}", length=1),
              calls.begin("GET", "/v1/info", last="1" * 24)):
        assert dropped(m), m[:80]
    body = calls.begin("POST", "/v1/projects", b"", length=2)
    for m in (WHOAMI, calls.u32(calls.BODY) + field(""), calls.u32(calls.BODY) + field("{}x"), calls.u32(calls.BODY) + b"\x09"):
        assert dropped(body, m), m
    engine.healthy()


def test_descriptors_are_not_taken():
    before = engine.files()
    for _ in range(20):
        with engine.connect_call(ALICE) as s, open("/dev/null") as null:
            socket.send_fds(s, [WHOAMI], [null.fileno()] * 3)
            assert s.recv(65536) == b""
    time.sleep(0.3)
    assert engine.files() <= before, (before, engine.files())


def test_the_gate_is_the_same():
    for method, target in (("FOO", "/v1/info"), ("get", "/v1/info"), ("GET", "v1/info"), ("GET", ""), ("GET", "/v1/in fo"),
                           ("GET", "/v1/info%2"), ("GET", "/v1/info#x"), ("GET", "/v1/\u00e9")):
        r = call(method, target, uid=ALICE)
        assert r.status == 400 and r.code == "usage", (method, target, r)
    assert call("POST", "/v1/projects", {}, uid=ALICE, Idempotency_Key="a\nb").status == 400
    assert call("GET", "/v1/events", uid=ALICE, Last_Event_ID="-1").status == 400


def test_one_request_for_each_connection():
    with engine.connect_call(ALICE) as s:
        s.send(WHOAMI)
        try:
            s.send(calls.begin("POST", "/v1/projects/shop/chat", b'{"text":"second"}'))
        except BrokenPipeError:
            pass
        time.sleep(0.3)
    assert all(m["text"] != "second" for m in engine.get("/v1/projects/shop/chat", ALICE).json["messages"])


def test_who_is_slow_is_cut():
    start = time.time()
    silent = [engine.connect_call(ALICE) for _ in range(10)]
    for s in silent[5:]:
        s.send(calls.begin("POST", "/v1/projects", length=100))
    assert call("GET", "/v1/info", uid=ALICE).status == 200
    for s in silent:
        s.settimeout(25)
        assert s.recv(10) == b""
        s.close()
    assert 9 < time.time() - start < 25


def test_connections_are_counted_with_those_of_http():
    held = [engine.connect(BOB) for _ in range(64)] + [engine.connect_call(BOB) for _ in range(64)]
    time.sleep(0.2)
    assert dropped(WHOAMI, uid=BOB)
    assert call("GET", "/v1/whoami", uid=ALICE).status == 200
    for s in held:
        s.close()
    time.sleep(0.3)
    assert call("GET", "/v1/whoami", uid=BOB).status == 200


def test_connections_leave_nothing_behind():
    call("GET", "/v1/info")
    before = engine.files()
    for i in range(300):
        with engine.connect_call(ALICE) as s:
            if i % 3:
                s.send(WHOAMI if i % 2 else calls.begin("GET", "/v1/events"))
            if i % 5 == 0:
                s.recv(65536 if i % 3 else 0)
    until = time.time() + 15
    while engine.files() > before and time.time() < until:
        time.sleep(0.1)
    assert engine.files() <= before, (before, engine.files())
    engine.healthy()


def test_anybody_may_connect_and_nobody_else_is_listened_to():
    path = str(engine.socket) + calls.SUFFIX
    assert os.stat(path).st_mode & 0o777 == 0o666
    with connect_as(path, STRANGER, socket.SOCK_SEQPACKET) as s:
        s.send(calls.begin("GET", "/v1/users"))
        assert calls.Answer(s).status == 401
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(path)
            raise AssertionError("a stream on a socket of messages")
        except OSError:
            pass


def test_it_stops_cleanly():
    with engine.connect_call(ALICE) as s:
        calls.send(s, "GET", "/v1/events")
        a = calls.Answer(s)
        assert a.status == 200 and struct.pack("<I", a.length) == b"\xff" * 4
        a.recv()
        assert engine.stop() == 0
        s.settimeout(5)
        while a.recv():
            pass
    text = engine.log.read_text(errors="replace")
    assert "AddressSanitizer" not in text and "runtime error:" not in text, text[-3000:]


sys.exit(cases.main(globals()))
