#!/usr/bin/python3
"""Hostile requests: injection strings on every parameter (G1), JSON that hurts parsers (G3), requests with two
meanings (G6), names (G7), one idempotency key used at once (G8), ceilings on connections and memory."""
import json
import sys
import threading
import time
from urllib.parse import quote

from engine import STRANGER, Engine, read_all
import cases

engine = Engine("--user-register", "yes")
doc = engine.get("/v1/openapi.json").json
ALICE = engine.user("alice")
BOB = engine.user("bob")
shop = engine.project(ALICE, "shop")

EVIL = ["' OR '1'='1", "'; DROP TABLE user; --", '" OR ""="', "1) UNION SELECT password FROM user --", "1;PRAGMA x",
        "%s%s%n", "../../etc/passwd", "..", "$(id)", "`id`", "a\nb", "a\r\nSet-Cookie: x", "\x1b[31m", "\u202e", "{{x}}",
        "a" * 255, "0", "-1", "1e9", "shop' --", "shop\"", "shop;", "*", "%", "_", "\\", "NULL", "true", "[]", "{}"]


def tables():
    """What must not change: users and their rows, as the interface shows them."""
    users = engine.get("/v1/users").json["users"]
    return [(u["id"], u["name"], u["role"]) for u in users], len(engine.get("/v1/projects").json["projects"])


def test_injection_strings_in_paths():
    before = tables()
    for path, ops in doc["paths"].items():
        if "{" not in path:
            continue
        for method in ops:
            for evil in EVIL:
                filled = path
                for name in ("project", "user", "key", "op", "stack"):
                    filled = filled.replace("{%s}" % name, quote(evil, safe=""))
                r = engine.call(method.upper(), filled, {} if method != "get" else None, uid=0, raw=None)
                assert r.status in (400, 404), (method, filled, r)
                assert r.code in ("usage", "not_found"), r
    assert tables() == before
    engine.healthy()


def test_injection_strings_in_queries():
    before = tables()
    for path, ops in doc["paths"].items():
        for method, op in ops.items():
            for p in op["parameters"]:
                if p["in"] != "query" or p["name"] == "follow":
                    continue
                filled = path.replace("{project}", str(shop["id"])).replace("{op}", "1").replace("{user}", "nobody")
                for evil in EVIL:
                    if path == "/v1/events":
                        if evil in ("0", "true", "[]", "1e9"):
                            continue
                    r = engine.call(method.upper(), f"{filled}?{p['name']}={quote(evil, safe='')}", uid=0) \
                        if path != "/v1/events" or p["name"] != "since" or evil != "0" else None
                    assert r is None or r.status in (200, 400, 404, 409, 412, 501), (method, filled, evil, r)
    assert tables() == before
    engine.healthy()


def test_injection_strings_in_bodies():
    before = tables()
    for path, ops in doc["paths"].items():
        for method, op in ops.items():
            if "requestBody" not in op or op["operationId"] in ("CHAT_SAY",):
                continue
            name = op["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
            fields = doc["components"]["schemas"][name]["properties"]
            for field, kind in fields.items():
                if kind["type"] not in ("string", "array") or field in ("description", "message", "password", "argv", "command"):
                    continue
                for evil in EVIL[:20]:
                    body = {"name": "zed", "stack": "python", "role": "viewer", "key": "x", "code": "x",
                            "action": "up", "text": "x", "set": {}}
                    body = {k: v for k, v in body.items() if k in fields}
                    body[field] = [evil] if kind["type"] == "array" else evil
                    filled = path.replace("{project}", "alice.shop").replace("{user}", "bob")
                    r = engine.call(method.upper(), filled, body, uid=0)
                    if op["operationId"] in ("SAVE_NEW", "LOAD") and evil.isalnum() and r.status == 202:
                        continue  # "0" is a name for a save
                    assert r.status in (400, 401, 403, 404, 409, 412, 501), (op["operationId"], body, r)
    assert tables() == before
    engine.healthy()


def test_evil_text_in_chat_is_kept_as_it_is():
    for text in ("'; DROP TABLE message; --", "\x1b]0;x\x07", "\u202eabc", "a\r\nb", "𝕏 한글"):
        time.sleep(0.25)
        r = engine.call("POST", "/v1/projects/shop/chat", {"text": text}, uid=ALICE)
        assert r.status == 200 and r.json["text"] == text, r
    got = [m["text"] for m in engine.get("/v1/projects/shop/chat", ALICE).json["messages"]]
    assert got[-1] == "𝕏 한글"


def test_free_text_is_kept_as_it_is():
    """What may be any text is neither read as something else nor changed, wherever it is shown."""
    before = tables()
    for i, evil in enumerate(e for e in EVIL if not any(ord(c) < 32 for c in e)):
        made = engine.call("POST", "/v1/projects", {"name": f"text{i}", "stack": "python", "description": evil}, uid=ALICE)
        assert made.status == 200 and made.json["description"] == evil, (evil, made)
        assert engine.get(f"/v1/projects/text{i}", ALICE).json["description"] == evil
        r = engine.call("PUT", f"/v1/projects/text{i}/config", {"set": {"TEXT": evil}}, uid=ALICE)
        assert r.status in (200, 202), (evil, r)
        rows = {v["name"]: v["value"] for v in engine.get(f"/v1/projects/text{i}/config", ALICE).json["config"]}
        assert rows["TEXT"] == evil, (evil, rows)
        r = engine.call("POST", "/v1/users", {"name": f"text{i}", "password": evil + "longer than eight"}, uid=0)
        assert r.status in (200, 201), (evil, r)
        assert evil + "longer" not in engine.log.read_text(errors="replace")
        assert engine.call("DELETE", f"/v1/users/text{i}", uid=0).status == 200
        assert engine.call("DELETE", f"/v1/projects/text{i}", uid=ALICE).status in (200, 202)
    until = time.monotonic() + 60

    def left():
        return [p["name"] for p in engine.get("/v1/projects", ALICE).json["projects"] if p["name"].startswith("text")]

    while left() and time.monotonic() < until:
        time.sleep(0.2)  # removals are operations
    assert not left() and tables() == before
    engine.healthy()


def test_json_that_hurts_parsers():
    rss = engine.rss_kib()
    bad = [b"[" * 100000 + b"]" * 100000, b'{"name":"a","name":"b"}', b'{"name":1e999}', b'{"name":"\\ud800"}',
           b'{"name":"\\u0000"}', b'{"name":"a"', b'{"name":"a"}}', b'{"name":"\xff"}', b'{"name":NaN}', b"\xef\xbb\xbf{}",
           b'{"name":"' + b"a" * 200000 + b'"}', b"[]", b"null", b"1", b'"x"', b"{" + b'"a":{' * 5000, b"\x00" * 100,
           b'{"name":"bob2","role":"developer","uses":99999999999999999999999999}',
           b"{" + b",".join(b'"k%d":1' % i for i in range(20000)) + b"}"]
    for raw in bad:
        r = engine.call("POST", "/v1/users", raw=raw)
        assert (r.status, r.code) == (400, "usage"), (raw[:40], r)
    assert engine.rss_kib() - rss < 16 * 1024, (rss, engine.rss_kib())
    engine.healthy()


def test_bodies_have_a_ceiling():
    rss = engine.rss_kib()
    r = engine.call("POST", "/v1/users", raw=b"x" * (256 * 1024 + 1))
    assert (r.status, r.code) == (413, "too_large"), r
    r = engine.send(b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n" + b"x" * 500000)
    assert r.status == 413 or r.raw == b"", r
    r = engine.call("POST", "/v1/users", raw=b"x" * (256 * 1024))
    assert r.status == 400, r
    assert engine.rss_kib() - rss < 16 * 1024
    engine.healthy()


OK = b"GET /v1/whoami HTTP/1.1\r\nHost: x\r\n"
BODY = b'{"name":"smuggled"}'
SECOND = b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
TWO_MEANINGS = [
    b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
    b"POST /v1/users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
    b"POST /v1/users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    b"POST /v1/users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 19\r\n\r\n" + BODY,
    b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 19\r\n\r\n" + BODY,
    b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 2 19\r\n\r\n" + BODY,
    b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: +19\r\n\r\n" + BODY,
    b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 0x13\r\n\r\n" + BODY,
    b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n 19\r\n\r\n" + BODY,
    b"POST /v1/users HTTP/1.1\r\nHost: x\r\nX-Fold: a\r\n\tContent-Length: 19\r\n\r\n" + BODY,
    b"POST /v1/users HTTP/1.1\r\nHost: x\r\nNoColon\r\nContent-Length: 19\r\n\r\n" + BODY,
    b"POST /v1/users HTTP/1.1\nHost: x\nContent-Length: 19\n\n" + BODY,
    b"POST /v1/users HTTP/1.1\r\nHost: x\rContent-Length: 19\r\n\r\n" + BODY,
    OK + b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"GET /v1/whoami HTTP/9.9\r\n\r\n", b"GET /v1/whoami\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET http://other/v1/whoami HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\n\r\n",
    OK + b"X: " + b"a" * 20000 + b"\r\n\r\n", OK + b"".join(b"X%d: y\r\n" % i for i in range(100)) + b"\r\n",
    OK + b"\r\n" + SECOND,
]


def test_requests_with_two_meanings_are_refused():
    names = {u["name"] for u in engine.get("/v1/users").json["users"]}
    for data in TWO_MEANINGS:
        with engine.connect() as s:
            s.settimeout(3)
            try:
                s.sendall(data)
                s.shutdown(1)
                raw = read_all(s)
            except (BrokenPipeError, ConnectionResetError):
                raw = b""
            except TimeoutError:
                raise AssertionError(("it waits", data[:80]))
        assert raw == b"" or raw.startswith(b"HTTP/1.1 400 "), (data[:120], raw[:200])
        assert raw.count(b"HTTP/1.1 ") <= 1, (data[:80], raw)
    assert {u["name"] for u in engine.get("/v1/users").json["users"]} == names
    engine.healthy()


def test_what_follows_a_request_is_never_a_request():
    for first in (OK + b"\r\n", b"POST /v1/invites HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
                  b"POST /v1/invites HTTP/1.1\r\nHost: x\r\n\r\n"):
        for pause in (0, 0.001, 0.05):
            with engine.connect() as s:
                s.settimeout(5)
                s.sendall(first)
                time.sleep(pause)
                try:
                    s.sendall(SECOND)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                raw = read_all(s)
            assert raw.count(b"HTTP/1.1 ") <= 1, raw
    assert "smuggled" not in [u["name"] for u in engine.get("/v1/users").json["users"]]


def test_slow_heads_and_bodies_are_cut():
    start = time.time()
    silent = [engine.connect() for _ in range(20)]
    for s in silent[:10]:
        s.sendall(b"GET /v1/info HTTP/1.1\r\nHo")
    for s in silent[10:15]:
        s.sendall(b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    t0 = time.time()
    assert engine.get("/v1/info").status == 200
    assert time.time() - t0 < 2
    for s in silent[:15]:
        s.settimeout(25)
        assert read_all(s) == b""
    assert time.time() - start < 25
    for s in silent:
        s.close()
    engine.healthy()


def test_one_user_cannot_take_all_connections():
    held = []
    for _ in range(200):
        held.append(engine.connect(BOB))
    assert engine.get("/v1/whoami", ALICE).status == 200
    for s in held:
        s.close()
    time.sleep(0.3)
    assert engine.get("/v1/whoami", BOB).status == 200


def test_connections_leave_nothing_behind():
    for _ in range(30):
        engine.get("/v1/info")
    before = engine.files()
    for i in range(300):
        with engine.connect() as s:
            s.sendall((OK + b"\r\n")[: i % 40 + 1] if i % 3 else OK + b"\r\n")
    deadline = time.time() + 15
    while engine.files() > before and time.time() < deadline:
        time.sleep(0.2)
    assert engine.files() <= before, (before, engine.files())


def test_names_that_are_no_names():
    for name in ("Shop", "a b", "-x", "x-", "1a", "", "a" * 32, "a'b", 'a"b', "a: b", "a\nb", "caf\u00e9", "a.b", "a/b", "..",
                 "a\u0000b", "ａ", "a%20b", "&x", "*y", "!z", "|", "~"):
        for path, body in (("/v1/projects", {"name": name, "stack": "python"}), ("/v1/users", {"name": name})):
            r = engine.call("POST", path, body, uid=ALICE if "proj" in path else 0)
            assert (r.status, r.code) == (400, "usage"), (name, r)
    for stack in ("no-such", "", "../python", "Python", "base", "python\u0000"):
        r = engine.call("POST", "/v1/projects", {"name": "fine", "stack": stack}, uid=ALICE)
        assert r.status in (400, 404), (stack, r)


def at_once(n, fn):
    out = []
    threads = [threading.Thread(target=lambda: out.append(fn())) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return out


def test_one_key_one_project():
    replies = at_once(10, lambda: engine.call("POST", "/v1/projects", {"name": "once", "stack": "python"}, uid=ALICE,
                                              headers={"Idempotency-Key": "k-1"}))
    assert {r.status for r in replies} == {200}, replies
    assert len({r.json["id"] for r in replies}) == 1, replies
    again = engine.call("POST", "/v1/projects", {"name": "once", "stack": "python"}, uid=ALICE,
                        headers={"Idempotency-Key": "k-1"})
    assert again.json == replies[0].json, again
    names = [p["name"] for p in engine.get("/v1/projects", ALICE).json["projects"]]
    assert names.count("once") == 1
    rows = [a["object"] for a in engine.audit(verb="project create", user="alice") if a["result"] == "ok"]
    assert rows.count("once") == 1, rows


def test_a_key_is_for_one_request_of_one_user():
    r = engine.call("POST", "/v1/projects", {"name": "other", "stack": "python"}, uid=ALICE,
                    headers={"Idempotency-Key": "k-1"})
    assert (r.status, r.code) == (409, "conflict"), r
    r = engine.call("POST", "/v1/projects", {"name": "bobs", "stack": "python"}, uid=BOB,
                    headers={"Idempotency-Key": "k-1"})
    assert r.status == 200, r
    r = engine.call("POST", "/v1/invites", {}, headers={"Idempotency-Key": "inv"})
    assert r.status == 200, r
    r2 = engine.call("POST", "/v1/invites", {}, headers={"Idempotency-Key": "inv"})
    assert r2.status == 409 and r.json["code"] not in r2.body.decode(), r2
    r = engine.call("POST", "/v1/invites", {}, headers={"Idempotency-Key": "k" * 129})
    assert r.status == 400, r


def test_a_failed_request_may_be_tried_again():
    key = {"Idempotency-Key": "retry"}
    r = engine.call("POST", "/v1/projects", {"name": "later", "stack": "no-such"}, uid=ALICE, headers=key)
    assert r.status in (400, 404), r
    r = engine.call("POST", "/v1/projects", {"name": "later", "stack": "python"}, uid=ALICE, headers=key)
    assert r.status == 200, r


def test_strangers_cannot_fill_the_audit_trail():
    before = len(engine.audit())
    for _ in range(300):
        engine.call("DELETE", "/v1/projects/shop", uid=STRANGER)
    assert len(engine.audit()) - before < 200
    engine.healthy()


def test_it_stops_cleanly():
    assert engine.stop() == 0, engine.tail()
    assert "ERROR" not in engine.tail(), engine.tail()


sys.exit(cases.main(globals()))
