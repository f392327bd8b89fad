#!/usr/bin/python3
"""People: accounts, keys, invitations, roles, members; two users who see nothing of each other; the listener's
socket (engine/api/auth_proto.h); the audit trail of it all."""
import base64
import pathlib
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

from engine import STRANGER, UID_BASE, Engine, Events, connect_as
import cases

engine = Engine("--user-register", "yes")
KEY, PASSWORD, TARGET, NOTE = 0x200, 0x201, 0x202, 0x203
REPLY, TARGET_REPLY, REVOKE = 0x280, 0x281, 0x282


def new_key(*args):
    """A real public key line, made now."""
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", "me@home", "-f", d + "/k", *(args or ("-t", "ed25519"))], check=True)
        return pathlib.Path(d + "/k.pub").read_text().strip()


def fingerprint(line):
    with tempfile.NamedTemporaryFile("w") as f:
        f.write(line + "\n")
        f.flush()
        return subprocess.run(["ssh-keygen", "-lf", f.name], capture_output=True, text=True, check=True).stdout.split()[1]


class Listener:
    """The gateway's side of auth.sock."""

    def __init__(self):
        self.s = connect_as(engine.auth, 0, socket.SOCK_SEQPACKET)
        self.ident = 0

    @staticmethod
    def text(s):
        b = s.encode() if isinstance(s, str) else s
        return struct.pack("<I", len(b)) + b

    def ask(self, kind, *fields):
        self.ident += 1
        self.s.send(struct.pack("<I", kind) + struct.pack("<q", self.ident) + b"".join(fields))
        return self.hear()

    def hear(self, seconds=20):
        self.s.settimeout(seconds)
        d = self.s.recv(70000)
        return (struct.unpack("<I", d[:4])[0], d[4:]) if d else (None, b"")

    def key(self, user, line):
        kind, d = self.ask(KEY, self.text(user), self.text("10.0.0.1"), self.text(line), struct.pack("<I", 1))
        assert kind == REPLY
        return struct.unpack("<I", d[8:12])[0] == 1 and d[12:]

    def password(self, user, word):
        kind, d = self.ask(PASSWORD, self.text(user), self.text("10.0.0.1"), self.text(word))
        while kind == REVOKE:  # of somebody, told to every listener
            kind, d = self.hear()
        assert kind == REPLY
        return struct.unpack("<I", d[8:12])[0] == 1 and d[12:]

    def target(self, user, owner, project):
        kind, d = self.ask(TARGET, struct.pack("<q", user), self.text(owner), self.text(project))
        assert kind == TARGET_REPLY
        return struct.unpack("<I", d[8:12])[0] == 1 and d[12:], d


keys = {name: new_key() for name in ("alice", "bob")}
ALICE = engine.user("alice", key=keys["alice"])
BOB = engine.user("bob", password="bobs own secret", key=keys["bob"])
CAROL = engine.user("carol", "student")
ADA = engine.user("ada", "admin")
shop = engine.project(ALICE, "shop", description="a shop")
engine.project(BOB, "shop")


def test_root_is_the_builtin_operator():
    r = engine.get("/v1/whoami")
    assert r.json["name"] == "root" and r.json["role"] == "admin", r
    r = engine.call("POST", "/v1/projects", {"name": "x", "stack": "python"})
    assert (r.status, r.code) == (412, "precondition") and "root" in r.json["error"]["message"], r


def test_uids_are_accounts():
    assert ALICE == UID_BASE + engine.get("/v1/whoami", ALICE).json["id"]
    for uid in (STRANGER, 65534, UID_BASE, UID_BASE + 999, 1):
        r = engine.get("/v1/whoami", uid)
        assert (r.status, r.code) == (401, "unauthenticated"), (uid, r)


def test_names_are_taken_once():
    for name in ("alice", "root"):
        r = engine.call("POST", "/v1/users", {"name": name})
        assert (r.status, r.code) == (409, "conflict"), r
    r = engine.call("POST", "/v1/users", {"name": "gus", "role": "king"})
    assert (r.status, r.code) == (400, "usage") and "student" in r.json["error"]["hint"], r
    assert "gus" not in [u["name"] for u in engine.get("/v1/users").json["users"]]


def test_a_failed_user_leaves_nothing():
    r = engine.call("POST", "/v1/users", {"name": "gus", "key": keys["alice"]})
    assert (r.status, r.code) == (409, "conflict"), r
    r = engine.call("POST", "/v1/users", {"name": "gus", "key": "ssh-rsa nonsense"})
    assert (r.status, r.code) == (400, "usage"), r
    assert "gus" not in [u["name"] for u in engine.get("/v1/users").json["users"]]


def test_plain_users_see_names_only():
    for u in engine.get("/v1/users", ALICE).json["users"]:
        assert set(u) == {"id", "name", "role"}, u
    assert "uid" in engine.get("/v1/users", ADA).json["users"][0]


def test_keys_of_every_kind():
    for args in (("-t", "ecdsa", "-b", "256"), ("-t", "ecdsa", "-b", "384"), ("-t", "ecdsa", "-b", "521"),
                 ("-t", "rsa", "-b", "2048")):
        line = new_key(*args)
        r = engine.call("POST", "/v1/users/alice/keys", {"key": line}, uid=ALICE)
        assert r.status == 200 and r.json["fingerprint"] == fingerprint(line) and r.json["comment"] == "me@home", r
    weak = new_key("-t", "rsa", "-b", "1024")
    r = engine.call("POST", "/v1/users/alice/keys", {"key": weak}, uid=ALICE)
    assert (r.status, r.code) == (400, "usage") and "1024" in r.json["error"]["message"], r
    for bad in ('command="sh" ' + new_key(), "x", keys["alice"].replace("ssh-ed25519", "ssh-rsa"), keys["alice"][:60],
                keys["alice"] + "\n" + new_key()):
        r = engine.call("POST", "/v1/users/alice/keys", {"key": bad}, uid=ALICE)
        assert (r.status, r.code) == (400, "usage"), (bad, r)


def test_a_key_belongs_to_one_person():
    r = engine.call("POST", "/v1/users/bob/keys", {"key": keys["alice"]}, uid=BOB)
    assert (r.status, r.code) == (409, "conflict") and "another" in r.json["error"]["message"], r
    assert "alice" not in r.body.decode()


def test_keys_are_removed_by_fingerprint():
    for _ in range(12):  # some have a '/' or a '+' in it
        line = new_key()
        assert engine.call("POST", "/v1/users/carol/keys", {"key": line}, uid=CAROL).status == 200
        escaped = fingerprint(line).replace("/", "%2F").replace("+", "%2B").replace(":", "%3A")
        r = engine.call("DELETE", f"/v1/users/carol/keys/{escaped}", uid=CAROL)
        assert r.status == 200, (escaped, r)
    assert engine.get("/v1/users/carol/keys", CAROL).json["keys"] == []


def test_the_listener_asks_for_keys():
    li = Listener()
    who = li.key("alice", keys["alice"])
    assert who and struct.unpack("<q", who[:8])[0] == ALICE - UID_BASE
    assert li.key("alice", keys["alice"].rsplit(" ", 1)[0])
    for user, line in (("bob", keys["alice"]), ("alice", keys["bob"]), ("nobody", keys["alice"]), ("alice", new_key()),
                       ("", keys["alice"]), ("alice' OR 1=1 --", keys["alice"]), ("alice", ""), ("alice", "x" * 9000)):
        assert not li.key(user, line), (user, line[:30])


def test_the_listener_asks_for_passwords():
    li = Listener()
    who = li.password("bob", "bobs own secret")
    assert who and struct.unpack("<q", who[:8])[0] == BOB - UID_BASE
    for user, word in (("bob", "wrong"), ("bob", ""), ("alice", ""), ("alice", "bobs own secret"), ("nobody", "x"),
                       ("bob", "bobs own secret\0"), ("bob", "x" * 1024)):
        assert not li.password(user, word), (user, word)


def test_unknown_user_and_wrong_password_take_as_long():
    li = Listener()

    def mean(user):
        t0 = time.time()
        for _ in range(8):
            assert not li.password(user, "wrong word")
        return (time.time() - t0) / 8
    mean("bob")
    known, unknown, without = mean("bob"), mean("nobody"), mean("alice")
    # Under sanitizers on a shared machine: an order of magnitude is what would give it away.
    assert max(known, unknown, without) < 3 * min(known, unknown, without), (known, unknown, without)


def test_a_flood_of_passwords_does_not_stop_the_rest():
    uid = engine.user("fay")
    li = Listener()
    for i in range(60):
        li.s.send(struct.pack("<Iq", PASSWORD, 1000 + i) + li.text("bob") + li.text("10.0.0.2") + li.text("wrong"))
    assert engine.get("/v1/info").status == 200
    engine.project(uid, "meanwhile")  # needs a worker thread
    answered = 0
    li.s.settimeout(0)
    try:
        while li.s.recv(1000):
            answered += 1
    except BlockingIOError:
        pass
    assert answered < 60, "the project was made after all passwords"
    left = [struct.unpack("<qI", li.hear(60)[1][:12]) for _ in range(60 - answered)]
    assert not any(ok for _, ok in left)


def test_the_listener_asks_for_targets():
    li = Listener()
    a, b, c = (u - UID_BASE for u in (ALICE, BOB, CAROL))
    ok, _ = li.target(a, "", "")
    assert ok and b"/users/%d" % ALICE in ok
    ok, _ = li.target(a, "", "shop")
    assert ok and struct.unpack("<q", ok[:8])[0] == shop["id"] and b"/projects/%d/work" % shop["id"] in ok
    assert struct.unpack("<II", ok[-8:]) == (1, 300000 + shop["id"])
    _, hidden = li.target(b, "alice", "shop")
    _, absent = li.target(b, "alice", "nope")
    assert not _ and hidden[12:].replace(b"shop", b"nope") == absent[12:]
    assert not li.target(c, "", "shop")[0] and not li.target(999, "", "")[0]
    assert not li.target(a, "", "../etc")[0]


def test_a_malformed_message_ends_the_connection():
    for data in (b"", b"\x00", struct.pack("<I", 0x999), struct.pack("<Iq", KEY, 1),
                 struct.pack("<Iq", KEY, 1) + struct.pack("<I", 0xffffffff) + b"abc",
                 struct.pack("<Iqq", TARGET, 1, 1) + Listener.text("") + Listener.text("") + b"left over"):
        li = Listener()
        li.s.send(data) if data else li.s.shutdown(socket.SHUT_WR)
        try:
            assert li.s.recv(100) == b"", data
        except ConnectionResetError:
            pass
    engine.healthy()


def test_only_root_reaches_the_listeners_socket():
    for uid in (ALICE, STRANGER):
        try:
            connect_as(engine.auth, uid, socket.SOCK_SEQPACKET)
            raise AssertionError("connected")
        except PermissionError:
            pass


def test_a_removed_key_revokes():
    li = Listener()
    line = new_key()
    r = engine.call("POST", "/v1/users/carol/keys", {"key": line}, uid=CAROL)
    assert li.key("carol", line)
    assert engine.call("DELETE", f"/v1/users/carol/keys/{r.json['id']}", uid=CAROL).status == 200
    kind, d = li.hear(5)
    assert kind == REVOKE and struct.unpack("<q", d[:8])[0] == CAROL - UID_BASE
    assert not li.key("carol", line)


def test_notes_reach_the_audit_trail():
    li = Listener()
    kind, _ = li.ask(NOTE, struct.pack("<q", 0), li.text("eve\n\x1b[31m"), li.text("10.9.8.7"), li.text("refused"),
                     li.text("no such key"))
    row = engine.audit(verb="refused")[0]
    assert row["object"] == "10.9.8.7" and row["result"] == "forbidden" and row["user"].startswith("eve"), row


def test_invitations():
    r = engine.call("POST", "/v1/invites", {"role": "student", "uses": 2, "days": 1})
    code = r.json["code"]
    assert r.json["role"] == "student" and r.json["uses"] == 2

    def register(name, c=code, **more):
        return engine.call("POST", "/v1/register", {"code": c, "name": name, "password": "long enough", **more}, uid=STRANGER)
    assert register("ian", "wrong-code").code == "forbidden"
    assert register("alice").code == "conflict"  # a taken name does not use the code up
    r = register("ian")
    assert r.status == 200 and r.json["role"] == "student", r
    assert register("joe", code.replace("-", "").upper()).status == 200
    assert register("kim").code == "forbidden"
    assert Listener().password("ian", "long enough")
    db = sqlite3.connect(engine.state / "engine/codinglab.db")
    assert code not in "".join(map(str, db.execute("SELECT * FROM invite").fetchall()))
    db.close()
    assert code not in str(engine.audit())


def test_two_users_see_nothing_of_each_other():
    assert [p["owner"] for p in engine.get("/v1/projects", BOB).json["projects"]] == ["bob"]
    for path in ("", "/members", "/chat", "/events", "/status", "/releases", "/logs", "/config"):
        r = engine.get(f"/v1/projects/alice.shop{path}", BOB)
        assert (r.status, r.code) == (404, "not_found"), (path, r)
    assert engine.call("POST", f"/v1/projects/{shop['id']}/chat", {"text": "hi"}, uid=BOB).status == 404
    events = Events(engine, uid=BOB)
    r = engine.get("/v1/events?project=alice.shop", BOB)
    assert r.status == 404, r
    assert engine.call("POST", "/v1/projects/shop/chat", {"text": "secret"}, uid=ALICE).status == 200
    assert engine.call("POST", "/v1/projects/shop/chat", {"text": "own"}, uid=BOB).status == 200
    e = events.wait("chat.message")
    assert e[2]["data"]["text"] == "own", e
    assert "secret" not in engine.get("/v1/projects/shop/chat", BOB).body.decode()
    past = Events(engine, "?since=0", uid=BOB)
    while (e := past.next(1)):
        assert e[2]["actor"] != "alice" or e[2]["project"] is None, e


def test_members_see_what_their_role_allows():
    put = lambda role: engine.call("PUT", "/v1/projects/shop/members/carol", {"role": role}, uid=ALICE)
    assert put("viewer").json == {"user": "carol", "role": "viewer"}
    p = engine.get("/v1/projects/shop", CAROL).json
    assert p["role"] == "viewer" and p["owner"] == "alice" and "workspace" not in p, p
    assert engine.call("POST", "/v1/projects/shop/chat", {"text": "hello"}, uid=CAROL).status == 200
    assert engine.call("DELETE", "/v1/projects/shop", uid=CAROL).code == "forbidden"
    assert engine.call("PUT", "/v1/projects/shop/members/bob", {"role": "viewer"}, uid=CAROL).code == "forbidden"
    li = Listener()
    ok, _ = li.target(CAROL - UID_BASE, "", "shop")
    assert struct.unpack("<I", ok[-4:])[0] == 0  # no group: a viewer writes no files
    assert put("editor").status == 200
    ok, _ = li.target(CAROL - UID_BASE, "alice", "shop")
    assert struct.unpack("<II", ok[-8:]) == (1, 300000 + shop["id"])
    assert "workspace" in engine.get("/v1/projects/shop", CAROL).json
    for role in ("owner", "none", "king", ""):
        assert put(role).code == "usage", role
    r = engine.call("PUT", "/v1/projects/shop/members/alice", {"role": "viewer"}, uid=ALICE)
    assert r.code == "conflict", r


def test_a_removed_member_is_cut_off():
    li = Listener()
    events = Events(engine, "?project=alice.shop", uid=CAROL)
    assert engine.call("DELETE", "/v1/projects/shop/members/carol", uid=ALICE).status == 200
    kind, d = li.hear(5)
    assert kind == REVOKE and struct.unpack("<q", d[:8])[0] == CAROL - UID_BASE
    assert events.wait("project.members")[2]["data"] == {"user": "carol", "role": None}
    assert events.next(3) is None and events.ended
    assert engine.get("/v1/projects/alice.shop", CAROL).status == 404
    assert engine.call("DELETE", "/v1/projects/shop/members/carol", uid=ALICE).status == 404


def test_chat_has_limits():
    time.sleep(1.1)
    r = engine.call("POST", "/v1/projects/shop/chat", {"text": "x" * 4097}, uid=ALICE)
    assert r.code == "usage", r
    r = engine.call("POST", "/v1/projects/shop/chat", raw=b'{"text":"\xff"}', uid=ALICE)
    assert r.code == "usage", r
    codes = [engine.call("POST", "/v1/projects/shop/chat", {"text": f"n{i}"}, uid=ALICE).status for i in range(30)]
    assert 5 <= codes.count(200) <= 15 and set(codes) == {200, 429}, codes
    assert engine.call("POST", "/v1/projects/shop/chat", {"text": "bob"}, uid=BOB).status == 200
    time.sleep(1.1)
    assert engine.call("POST", "/v1/projects/shop/chat", {"text": "x" * 4096}, uid=ALICE).status == 200


def test_chat_history_comes_in_pages():
    page = engine.get("/v1/projects/shop/chat?limit=3", ALICE).json["messages"]
    older = engine.get(f"/v1/projects/shop/chat?limit=3&before={page[0]['id']}", ALICE).json["messages"]
    ids = [m["id"] for m in older + page]
    assert len(ids) == 6 and ids == sorted(ids)


def test_the_last_admin_stays():
    r = engine.call("PUT", "/v1/users/ada/role", {"role": "student"}, uid=ADA)
    assert (r.status, r.code) == (412, "precondition"), r
    assert engine.call("DELETE", "/v1/users/ada", uid=ADA).code == "precondition"
    assert engine.call("PUT", "/v1/users/bob/role", {"role": "admin"}, uid=ADA).status == 200
    assert engine.get("/v1/audit", BOB).status == 200
    assert engine.call("PUT", "/v1/users/bob/role", {"role": "developer"}, uid=ADA).status == 200
    assert engine.get("/v1/audit", BOB).status == 403


def test_users_with_projects_are_kept():
    r = engine.call("DELETE", "/v1/users/alice", uid=ADA)
    assert (r.status, r.code) == (409, "conflict") and r.json["error"]["hint"], r
    uid = engine.user("temp")
    assert engine.call("DELETE", "/v1/users/temp", uid=ADA).status == 200
    assert engine.get("/v1/whoami", uid).status == 401
    assert engine.user("temp") > uid  # a uid is never given again


def test_force_removes_a_user_with_everything():
    li = Listener()
    uid = engine.user("doomed", password="doomed secret")
    engine.project(uid, "one")
    assert engine.call("DELETE", "/v1/users/doomed?force=1", uid=ADA).status in (200, 202)
    assert li.hear(5)[0] == REVOKE
    assert engine.get("/v1/whoami", uid).status == 401
    assert not Listener().password("doomed", "doomed secret")
    deadline = time.time() + 30
    while time.time() < deadline:
        if "doomed" not in [u["name"] for u in engine.get("/v1/users").json["users"]]:
            return
        time.sleep(0.3)
    raise AssertionError("the account stays: " + engine.tail())


def test_everything_was_written_down():
    rows = engine.audit()
    seen = {(a["verb"], a["result"]) for a in rows}
    for want in (("user add", "ok"), ("user add", "conflict"), ("key add", "ok"), ("key rm", "ok"), ("invite", "ok"),
                 ("register", "ok"), ("register", "forbidden"), ("project create", "ok"), ("chat say", "ok"),
                 ("chat say", "not_found"), ("chat say", "quota"), ("project member add", "ok"), ("project rm", "forbidden"),
                 ("project member rm", "ok"), ("user role", "precondition"), ("user rm", "ok"), ("AUDIT", "forbidden")):
        assert want in seen, (want, sorted(seen))
    text = str(rows)
    for secret in ("bobs own secret", "long enough", "doomed secret"):
        assert secret not in text and secret not in engine.tail()


def test_the_chain_of_the_audit_trail_holds():
    import hashlib
    engine.stop()
    db = sqlite3.connect(engine.state / "engine/codinglab.db")
    before = ""
    for at, user, name, verb, obj, result, detail, chain in db.execute(
            "SELECT at, coalesce(user, 0), name, verb, object, result, detail, chain FROM audit ORDER BY id"):
        h = hashlib.sha256()
        for field in (before, f"{at} {user}", name, verb, obj, result, detail):
            h.update(f"{len(field.encode())}:".encode() + field.encode())
        assert h.hexdigest() == chain
        before = chain
    assert before


sys.exit(cases.main(globals()))
