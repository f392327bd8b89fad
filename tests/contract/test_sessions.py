#!/usr/bin/python3
"""Live sessions over REST: the gateway is asked for them, and what it answers is what the caller may see."""
import json
import socket
import struct
import sys
import threading

import cases
from engine import STRANGER, UID_BASE, Engine, connect_as

engine = Engine()
ROW, DONE, ROLL, KICK = 0x204, 0x205, 0x283, 0x284
NOT_FOUND = 4
doc = json.loads(engine.get("/v1/openapi.json").body)


def u32(n):
    return struct.pack("<I", n)


def text(s):
    b = s.encode() if isinstance(s, str) else s
    return u32(len(b)) + b


class Gateway(threading.Thread):
    """The listener's side of auth.sock: says what it was told to say and keeps what it was asked."""

    def __init__(self, answer):
        super().__init__(daemon=True)
        self.s = connect_as(engine.auth, 0, socket.SOCK_SEQPACKET)
        self.s.settimeout(None)
        self.answer, self.asked = answer, []
        self.start()

    def run(self):
        while True:
            try:
                m = self.s.recv(65536)
            except OSError:
                return
            if not m:
                return
            kind, ident = struct.unpack_from("<Iq", m)
            self.asked.append((kind, m[12:]))
            for reply in self.answer(kind, struct.pack("<q", ident), m[12:]):
                self.s.send(reply)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.s.shutdown(socket.SHUT_RDWR)
        self.join()
        self.s.close()


def door(number, user="alice", address="192.0.2.7", rows=24, cols=80, mode=0):
    return u32(number) + text(user) + u32(mode) + text(address) + u32(rows) + u32(cols) + struct.pack("<qq", 60000, 7000)


def row(ident, uid, owner="", project="", doors=(), answers=1):
    return (u32(ROW) + ident + u32(uid) + text(owner) + text(project) + u32(answers) + struct.pack("<qq", 90000, 7000) +
            u32(len(doors)) + b"".join(doors))


def done(ident, n=0):
    return u32(DONE) + ident + u32(1) + u32(n)


def failed(ident, code, message):
    return u32(DONE) + ident + u32(0) + u32(code) + text(message) + text("")


ALICE, ADA = engine.user("alice"), engine.user("ada", "admin")
BOB = engine.user("bob")


def audit(verb):
    return [r for r in engine.get("/v1/audit?limit=100").json["audit"] if r["verb"] == verb]


def everyone(kind, ident, rest):
    rows = [row(ident, ALICE), row(ident, ALICE, "alice", "shop", [door(1), door(2, rows=40, cols=120)]),
            row(ident, BOB, "alice", "shop", [door(1, "bob", "2001:db8::1")]), row(ident, BOB, answers=0)]
    uid = struct.unpack_from("<I", rest)[0]
    return [r for r in rows if uid in (0, struct.unpack_from("<I", r, 12)[0])] + [done(ident)]


def test_without_a_gateway():
    r = engine.get("/v1/sessions", uid=ALICE)
    assert (r.status, r.code) == (503, "unavailable"), r
    r = engine.call("DELETE", "/v1/sessions/alice", uid=ALICE)
    assert (r.status, r.code) == (503, "unavailable"), r


def test_a_user_sees_their_own_and_an_admin_all():
    with Gateway(everyone) as g:
        mine = engine.get("/v1/sessions", uid=ALICE).json["sessions"]
        assert [s["id"] for s in mine] == ["alice", "alice+shop"], mine
        assert g.asked[-1] == (ROLL, u32(ALICE)), g.asked
        assert [(d["door"], d["rows"], d["cols"], d["from"], d["mode"], d["idle"]) for d in mine[1]["doors"]] == \
            [(1, 24, 80, "192.0.2.7", "owner", 7), (2, 40, 120, "192.0.2.7", "owner", 7)], mine
        all_of_them = engine.get("/v1/sessions", uid=ADA).json["sessions"]
        assert [s["id"] for s in all_of_them] == ["alice", "alice+shop", "bob+alice:shop", "bob"], all_of_them
        assert [s["answers"] for s in all_of_them] == [True, True, True, False]
        assert g.asked[-1] == (ROLL, u32(0))
        assert engine.get("/v1/sessions", uid=STRANGER).status == 401


def test_kicks_go_where_they_should():
    with Gateway(lambda kind, ident, rest: [done(ident, 1)]) as g:
        for uid, path, wanted in (
                (ALICE, "alice", u32(ALICE) + text("") * 2 + u32(0) * 2),
                (ALICE, "alice+shop", u32(ALICE) + text("alice") + text("shop") + u32(0) * 2),
                (ALICE, "alice+shop?door=3", u32(ALICE) + text("alice") + text("shop") + u32(1) + u32(3)),
                (ALICE, "alice+bob:shop?doors=1", u32(ALICE) + text("bob") + text("shop") + u32(1) + u32(0)),
                (ADA, "bob", u32(BOB) + text("") * 2 + u32(0) * 2), (0, "bob", u32(BOB) + text("") * 2 + u32(0) * 2)):
            r = engine.call("DELETE", f"/v1/sessions/{path}", uid=uid)
            assert (r.status, r.json) == (200, {"ok": True}), (path, r)
            kind, asked = g.asked[-1]
            assert kind == KICK and asked.startswith(wanted), (path, asked)
            assert b"closed this window" in asked
    rows = audit("session kick")
    assert [(r["user"], r["object"], r["detail"], r["result"]) for r in rows[:3]] == \
        [("root", "bob", "", "ok"), ("ada", "bob", "", "ok"), ("alice", "alice+bob:shop", "all doors", "ok")], rows[:3]
    assert rows[3]["detail"] == "door 3", rows[3]


def test_nobody_elses_session_can_be_kicked():
    with Gateway(lambda kind, ident, rest: [done(ident, 1)]) as g:
        for path in ("bob", "bob+shop", "bob+alice:shop", "ada", "no-such", "root"):
            r = engine.call("DELETE", f"/v1/sessions/{path}", uid=ALICE)
            assert (r.status, r.code) == (404, "not_found"), (path, r)
        for path in ("alice+shop.web-1", "alice+", "%2e%2e%2fx", "alice+shop%2f2", "-"):
            r = engine.call("DELETE", f"/v1/sessions/{path}", uid=ALICE)
            assert r.status in (400, 404), (path, r)
        for query in ("door=0", "door=65", "door=x", "doors=maybe"):
            r = engine.call("DELETE", f"/v1/sessions/alice?{query}", uid=ALICE)
            assert (r.status, r.code) == (400, "usage"), (query, r)
        assert g.asked == []
    assert audit("session kick")[0]["result"] != "ok"


def test_what_the_gateway_refuses_is_told():
    with Gateway(lambda kind, ident, rest: [failed(ident, NOT_FOUND, "session: there is no such session")]):
        r = engine.call("DELETE", "/v1/sessions/alice", uid=ALICE)
        assert (r.status, r.json["error"]["message"]) == (404, "session: there is no such session"), r
    assert audit("session kick")[0]["result"] == "not_found"


def test_malformed_rows_cut_the_gateway_off():
    for bad in (lambda i: row(i, ALICE, doors=[door(0)]), lambda i: row(i, ALICE, doors=[door(1, rows=70000)]),
                lambda i: row(i, ALICE) + b"x", lambda i: row(i, ALICE, doors=[door(1)])[:-1],
                lambda i: row(i, ALICE, doors=[door(1, address=b"\xff\xfe")]), lambda i: row(i, ALICE, doors=[door(1, "A B")])):
        with Gateway(lambda kind, ident, rest: [bad(ident)]) as g:
            answer = []
            asking = threading.Thread(target=lambda: answer.append(engine.get("/v1/sessions", uid=ALICE)))
            asking.start()
            g.join(10)
            assert not g.is_alive(), "the malformed row was taken"
            asking.join(20)
            assert answer and answer[0].status == 503, answer
    assert engine.get("/v1/whoami", uid=ALICE).status == 200


def test_a_gateway_that_says_nothing():
    with Gateway(lambda kind, ident, rest: []):
        r = engine.get("/v1/sessions", uid=ALICE)
        assert (r.status, r.code) == (503, "unavailable"), r


def test_stray_answers_are_dropped():
    with Gateway(lambda kind, ident, rest: [row(struct.pack("<q", 5), ALICE), done(struct.pack("<q", 5)), row(ident, ALICE), done(ident),
                                            done(ident)]):
        assert len(engine.get("/v1/sessions", uid=ALICE).json["sessions"]) == 1
        assert len(engine.get("/v1/sessions", uid=ALICE).json["sessions"]) == 1


if __name__ == "__main__":
    assert UID_BASE
    sys.exit(cases.main(globals()) != 0)
