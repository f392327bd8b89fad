#!/usr/bin/python3
"""Every route of GET /v1/openapi.json with good, missing and forbidden input, as different uids, against a live
engine; replies are compared with the file's schemas.  A route that is not in GOOD here fails the test."""
import base64
import json
import struct
import sys
import time

from engine import STRANGER, Engine
from schema import fits
import cases

engine = Engine("--user-register", "yes")
doc = engine.get("/v1/openapi.json").json


def ssh_key(seed):
    blob = b"".join(struct.pack(">I", len(x)) + x for x in (b"ssh-ed25519", bytes([seed]) * 32))
    return "ssh-ed25519 " + base64.b64encode(blob).decode() + " test"


ADMIN = engine.user("ada", "admin")


def wait_for_op(op):
    for _ in range(200):
        if engine.get(f"/v1/ops/{op}").json["state"] not in ("queued", "running"):
            return
        time.sleep(0.05)
    raise AssertionError("the operation does not end")


ALICE = engine.user("alice", password="correct horse")
BOB = engine.user("bob")
CAROL = engine.user("carol", "student")
shop = engine.project(ALICE, "shop")
for who, role in (("carol", "viewer"),):
    r = engine.call("PUT", f"/v1/projects/shop/members/{who}", {"role": role}, uid=ALICE)
    assert r.status == 200, r
saved = engine.call("POST", "/v1/projects/shop/saves", {"name": "kept"}, uid=ALICE)
assert saved.status == 202, saved
wait_for_op(saved.json["id"])
KEY = engine.call("POST", "/v1/users/alice/keys", {"key": ssh_key(1)}, uid=ALICE).json["id"]
CODE = engine.call("POST", "/v1/invites", {"role": "student", "uses": 5}).json["code"]
counter = iter(range(1000))



def stack_files(id):
    """The smallest stack that can be added, as the interface takes it."""
    made = {"id": id, "title": "Small", "kind": "language", "summary": "", "parent": "python", "port": 8000, "health": "",
            "images": {"dev": {"id": id, "file": "Containerfile", "parent": "python"},
                       "run": {"id": f"{id}-run", "file": "Containerfile", "parent": "python-run"}},
            "commands": {"run": ["true"], "serve": ["true"]}}
    files = {"stack.json": json.dumps(made), "Containerfile": "FROM localhost/codinglab/python\n"}
    return {"files": [{"path": n, "data": base64.b64encode(t.encode()).decode()} for n, t in files.items()]}


engine.call("POST", "/v1/stacks", stack_files("goes"))
# operationId: (path parameters, body, uid, accepted statuses)
P = {"project": "shop"}
GOOD = {
    "INFO": ({}, None, STRANGER, {200}),
    "OPENAPI": ({}, None, STRANGER, {200}),
    "EVENTS": ({}, None, ALICE, {200}),
    "WHOAMI": ({}, None, ALICE, {200}),
    "USER_LS": ({}, None, ALICE, {200}),
    "USER_ADD": ({}, {"name": "dave", "role": "student", "key": ssh_key(2)}, ADMIN, {200}),
    "USER_RM": ({"user": "dave"}, None, ADMIN, {200}),
    "USER_ROLE": ({"user": "bob"}, {"role": "teacher"}, ADMIN, {200}),
    "USER_PASSWD": ({"user": "alice"}, {"password": "battery staple"}, ALICE, {200}),
    "KEY_LS": ({"user": "alice"}, None, ALICE, {200}),
    "KEY_ADD": ({"user": "alice"}, {"key": ssh_key(3)}, ALICE, {200}),
    "KEY_RM": ({"user": "alice", "key": str(KEY)}, None, ALICE, {200}),
    "INVITE": ({}, {"role": "student"}, ADMIN, {200}),
    "REGISTER": ({}, {"code": CODE, "name": "erin", "password": "long enough"}, STRANGER, {200}),
    "AUDIT": ({}, None, ADMIN, {200}),
    "SESSION_LS": ({}, None, ALICE, {503}),  # no gateway runs beside this engine: test_sessions.py
    "SESSION_KICK": ({"session": "alice"}, None, ALICE, {503}),
    "BACKUP": ({}, None, ADMIN, {501}),  # the sim backend has no files
    "HOST_LS": ({}, None, ADMIN, {200}),
    "TARGET_LS": ({}, None, ALICE, {200}),
    "TARGET_ADD": ({}, {"name": "west", "kubeconfig": "{}"}, ADMIN, {412}),  # the sim backend has no clusters
    "TARGET_RM": ({"target": "west"}, None, ADMIN, {412}),
    "STACK_LS": ({}, None, ALICE, {200}),
    "STACK_SHOW": ({"stack": "python"}, None, ALICE, {200}),
    "STACK_ADD": ({}, stack_files("small"), ADMIN, {200}),
    "STACK_RM": ({"stack": "goes"}, None, ADMIN, {200}),
    "IMAGE_LS": ({}, None, ALICE, {200}),
    "IMAGE_BUILD": ({}, {"ids": ["python"]}, ADMIN, {202}),
    "PROJECT_LS": ({}, None, ALICE, {200}),
    "PROJECT_CREATE": ({}, {"name": "second", "stack": "python", "description": "재고"}, ALICE, {200}),
    "UPLOAD": ({}, None, ALICE, {501}),
    "PROJECT_IMPORT_NEW": ({}, {"name": "fromgit", "url": "https://example.org/x.git", "depth": 1}, ALICE, {202}),
    "PROJECT_IMPORT": (P, {"url": "https://example.org/x.git", "force": True}, ALICE, {202}),
    "PROJECT_EXPORT": (P, {"format": "zip"}, ALICE, {501}),
    "PROJECT_STACK": (P, {"stack": "python"}, ALICE, {200, 409}),
    "PROJECT_SHOW": (P, None, CAROL, {200}),
    "MEMBER_LS": (P, None, CAROL, {200}),
    "MEMBER_PUT": ({**P, "user": "bob"}, {"role": "editor"}, ALICE, {200}),
    "MEMBER_RM": ({**P, "user": "bob"}, None, ALICE, {200}),
    "DEV": (P, {"action": "up"}, ALICE, {202}),
    "EXEC": (P, {"argv": ["true"]}, ALICE, {200, 501}),  # the sim backend executes nothing
    "SCALE": (P, {"was": 2}, ALICE, {202, 404, 409, 412}),  # 404: nothing is deployed yet
    "AUTOSCALE": (P, {"tier": "was", "min": 1, "max": 5, "cpu": 60}, ALICE, {404, 501}),  # a cluster's only
    "MANIFEST": (P, None, ALICE, {412}),
    "DEPLOY": (P, {"env": "dev"}, ALICE, {202, 409, 412}),
    "PROMOTE": (P, {}, ALICE, {202, 409, 412}),
    "SHIP": (P, {}, ALICE, {202, 409, 412}),
    "STATUS": (P, None, CAROL, {200}),
    "RELEASES": (P, None, CAROL, {200}),
    "ROLLBACK": (P, {}, ALICE, {202, 409, 412}),
    "LOGS": (P, None, CAROL, {200, 404, 412}),
    "PROJECT_EVENTS": (P, None, CAROL, {200}),
    "CONFIG_GET": (P, None, ALICE, {200}),
    "CONFIG_SET": (P, {"set": {"COLOR": "blue"}}, ALICE, {202, 409, 412}),
    "CONFIG_ROTATE": (P, {"env": "prod"}, ALICE, {202, 409, 412}),
    "SAVE_LS": (P, None, CAROL, {200}),
    "SAVE_NEW": (P, {"name": "second", "message": "안녕"}, ALICE, {202, 409}),
    "SAVE_SHOW": ({**P, "save": "kept"}, None, ALICE, {200}),
    "LOAD": (P, {"save": "kept"}, ALICE, {202, 409}),
    "SAVE_RM": ({**P, "save": "kept"}, None, ALICE, {202, 409}),
    "CHAT_LS": (P, None, CAROL, {200}),
    "CHAT_SAY": (P, {"text": "안녕"}, CAROL, {200}),
    "IMAGE_PUSH": ({}, {"ids": ["python"]}, 0, {412}),  # no repository runs beside this engine
    "IMAGE_GC": ({}, {"dry_run": True}, 0, {202}),
    "IMAGE_RM": ({}, {"id": "app/p1:op1"}, 0, {202}),
    "OP_LS": ({}, None, ALICE, {200}),
    "OP_SHOW": ({"op": "1"}, None, 0, {200}),
    "OP_LOG": ({"op": "1"}, None, 0, {200}),
    "OP_CANCEL": ({"op": "1"}, None, 0, {200, 202, 409, 412}),
    "PROJECT_RM": (P, None, ALICE, {202, 409}),
}
LAST = ["OP_SHOW", "OP_LOG", "OP_CANCEL", "PROJECT_RM"]
ROUTES = [(path, method.upper(), op) for path, ops in doc["paths"].items() for method, op in ops.items()]


def fill(path, params, **other):
    for name, value in {"project": "shop", "user": "alice", "session": "alice", "key": "1", "op": "1", "stack": "python", "save": "kept",
                        **params, **other}.items():
        path = path.replace("{%s}" % name, value)
    return path


def body_of(op):
    return GOOD[op["operationId"]][1]


def schema_of(op, status):
    reply = op["responses"].get(str(status), op["responses"]["default"])
    return reply.get("content", {}).get("application/json", {}).get("schema")


def check_error(r, op, why):
    assert r.json and fits(doc, {"$ref": "#/components/schemas/Error"}, r.json) is None, (why, op["operationId"], r)
    assert r.json["error"]["message"], (why, r)


def test_every_route_has_a_good_example_here():
    assert {op["operationId"] for _, _, op in ROUTES} == set(GOOD)


def test_strangers_are_told_to_log_in():
    for path, method, op in ROUTES:
        if op["x-role"] == "none":
            continue
        r = engine.call(method, fill(path, {}), body_of(op), uid=STRANGER)
        assert (r.status, r.code) == (401, "unauthenticated"), (op["operationId"], r)
        check_error(r, op, "stranger")


def test_plain_users_may_not_use_admin_routes():
    for path, method, op in ROUTES:
        if op["x-role"] == "admin":
            r = engine.call(method, fill(path, {"user": "carol"}), body_of(op), uid=ALICE)
            assert (r.status, r.code) == (403, "forbidden"), (op["operationId"], r)


def test_anothers_account_is_forbidden():
    for path, method, op in ROUTES:
        if op["x-scope"] == "self":
            for name in ("alice", "nobody-there"):
                r = engine.call(method, fill(path, {"user": name}), body_of(op), uid=CAROL)
                assert (r.status, r.code) == (403, "forbidden"), (op["operationId"], r)


def test_anothers_project_is_not_there():
    for path, method, op in ROUTES:
        if "{project}" not in path:
            continue
        texts = []
        for name in ("alice.shop", str(shop["id"]), "alice.nothing", "99999", "shop"):
            r = engine.call(method, fill(path, {"project": name}), body_of(op), uid=BOB)
            assert (r.status, r.code) == (404, "not_found"), (op["operationId"], name, r)
            texts.append(r.json["error"]["message"].replace(name, "X"))
        assert len(set(texts)) == 1, texts  # one that exists looks like one that does not


def test_a_viewer_may_only_view():
    for path, method, op in ROUTES:
        if op["x-scope"] in ("edit", "operate", "own"):
            r = engine.call(method, fill(path, {}), body_of(op), uid=CAROL)
            assert (r.status, r.code) == (403, "forbidden"), (op["operationId"], r)


def test_what_is_missing_is_not_found():
    for path, method, op in ROUTES:
        for name, value in (("project", "no-such"), ("user", "no-such"), ("op", "999999"), ("op", "x"),
                            ("key", "999999"), ("stack", "no-such")):
            if "{%s}" % name not in path:
                continue
            r = engine.call(method, fill(path, {}, **{name: value}), body_of(op), uid=0)
            assert (r.status, r.code) == (404, "not_found"), (op["operationId"], name, r)
            check_error(r, op, "missing")


def test_bad_bodies_name_the_field():
    for path, method, op in ROUTES:
        if "requestBody" not in op:
            if method != "GET":
                r = engine.call(method, fill(path, {}), {"x": 1}, uid=ALICE if op["x-role"] == "user" else 0)
                assert r.status in (400, 404), (op["operationId"], r)
            continue
        uid = ALICE if op["x-role"] == "user" else 0
        good = body_of(op)
        name = op["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        schema = doc["components"]["schemas"][name]

        def bad(body, word):
            r = engine.call(method, fill(path, {}), body, uid=uid)
            assert (r.status, r.code) == (400, "usage"), (op["operationId"], body, r)
            assert word in r.json["error"]["message"], (op["operationId"], word, r)

        bad({**good, "surplus": 1}, "surplus")
        for field in schema["required"]:
            bad({k: v for k, v in good.items() if k != field}, field)
        for field, kind in schema["properties"].items():
            wrong = {"string": 7, "integer": "x", "boolean": "yes", "array": {}, "object": []}[kind["type"]]
            bad({**good, field: wrong}, field)
            if kind["type"] == "string":
                bad({**good, field: "x" * (kind.get("maxLength", 31) + 1)}, field)
            if kind["type"] == "integer":
                bad({**good, field: kind["maximum"] + 1}, field)
                bad({**good, field: kind["minimum"] - 1}, field)
                bad({**good, field: 1.5}, field)
        r = engine.call(method, fill(path, {}), raw=b"[1,2", uid=uid)
        assert (r.status, r.code) == (400, "usage"), (op["operationId"], r)


def good_call(path, method, op):
    params, body, uid, accepted = GOOD[op["operationId"]]
    if op["operationId"] == "EVENTS":
        return
    r = engine.call(method, fill(path, params), body, uid=uid)
    assert r.status in accepted, (op["operationId"], r)
    if r.status >= 400:
        check_error(r, op, "good")
    schema = schema_of(op, r.status)
    why = fits(doc, schema, r.json) if schema else "no schema"
    assert why is None, (op["operationId"], why, r)


def test_good_input_gets_what_the_file_says():
    bad = []
    late = [x for x in ROUTES if x[2]["operationId"] in LAST]
    late.sort(key=lambda x: LAST.index(x[2]["operationId"]))
    order = list(GOOD)
    early = sorted((x for x in ROUTES if x not in late), key=lambda x: order.index(x[2]["operationId"]))
    for path, method, op in early + late:
        try:
            good_call(path, method, op)
        except AssertionError as e:
            bad.append(str(e))
    assert not bad, "\n" + "\n".join(bad)


def test_other_methods_are_refused():
    for path in doc["paths"]:
        have = {m.upper() for m in doc["paths"][path]}
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - have:
            r = engine.call(method, fill(path, {}), uid=0)
            assert r.status == 405, (method, path, r)
            assert set(r.headers["allow"].split(", ")) == have, (path, r.headers)


def test_unknown_paths_are_not_found():
    for path in ("/", "/v1", "/v2/info", "/v1/info/", "/v1//info", "/v1/./info", "/v1/x/../info", "/v1/%69nfo",
                 "/v1/projects/%00", "/v1/projects/%ff", "/etc/passwd", "/v1/projects/..%2f..%2fetc"):
        assert engine.get(path).status == 404, path


def test_query_parameters_are_checked():
    for path in ("/v1/audit?limit=0", "/v1/audit?limit=1001", "/v1/audit?limit=x", "/v1/audit?limit=-1",
                 "/v1/audit?limit=1&limit=2", "/v1/audit?limit=%", "/v1/audit?limit=99999999999999999999",
                 "/v1/events?since=x", "/v1/events?op=-1", "/v1/audit?" + "a" * 100 + "=1"):
        r = engine.get(path)
        assert (r.status, r.code) == (400, "usage"), (path, r)


def test_the_engine_is_healthy():
    engine.healthy()


sys.exit(cases.main(globals()))
