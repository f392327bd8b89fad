#!/usr/bin/python3
"""The event stream: live, replayed by Last-Event-ID, filtered, in one order for everybody, cut when it is not read;
and chat through two kills of the engine (J4)."""
import sys
import threading
import time

from engine import STRANGER, WIRE, Engine, Events
import cases

engine = Engine()
ALICE = engine.user("alice")
BOB = engine.user("bob")
shop = engine.project(ALICE, "shop")
site = engine.project(ALICE, "site")
MANY = [engine.user(f"u{i}") for i in range(6)]
for i in range(6):
    engine.call("PUT", f"/v1/projects/shop/members/u{i}", {"role": "viewer"}, uid=ALICE)


def say(text, uid=ALICE, project="shop"):
    """Say it, waiting for the turn when it is refused."""
    while True:
        r = engine.call("POST", f"/v1/projects/{project}/chat", {"text": text}, uid=uid)
        if r.status != 429:
            return r
        time.sleep(0.25)


def texts(stream, n, seconds=10):
    out = []
    while len(out) < n and (e := stream.wait("chat.message", seconds)):
        out.append(e[2]["data"]["text"])
    return out


def test_an_event_comes_live_and_whole():
    ev = Events(engine, uid=ALICE)
    if WIRE == "http":
        assert b"text/event-stream" in ev.head.lower() and b"no-store" in ev.head
    r = say("first")
    ident, kind, data = ev.wait("chat.message")
    assert kind == "chat.message" and ident == data["id"], data
    assert data["project"] == shop["id"] and data["actor"] == "alice" and data["env"] is None
    assert data["data"] == {"id": r.json["id"], "user": "alice", "text": "first"}
    assert "first" in data["text"]
    ev.close()


def test_what_was_missed_is_replayed():
    ev = Events(engine, uid=ALICE)
    say("a")
    at = ev.wait("chat.message")[0]
    ev.close()
    for t in "bcd":
        say(t)
    ev = Events(engine, uid=ALICE, last=at)
    assert texts(ev, 3) == ["b", "c", "d"]
    say("e")
    assert texts(ev, 1) == ["e"]
    assert texts(Events(engine, f"?since={at}", uid=ALICE), 4) == ["b", "c", "d", "e"]


def test_without_since_nothing_old_comes():
    ev = Events(engine, uid=ALICE)
    assert ev.next(0.5) is None
    assert Events(engine, uid=ALICE, last=10**12).next()[1] == "resync"  # ids from another life


def test_people_in_a_project_are_counted():
    first = Events(engine, "?project=shop&presence=1", uid=ALICE)
    assert first.wait("online")[2]["data"] == {"online": 1}
    watcher = Events(engine, "?project=alice.shop", uid=MANY[1])
    second = Events(engine, "?project=alice.shop&presence=1", uid=MANY[0])
    assert second.wait("online")[2]["data"] == {"online": 2}
    assert first.wait("online")[2]["data"] == {"online": 2}
    members = {m["user"]: m["online"] for m in engine.get("/v1/projects/shop/members", ALICE).json["members"]}
    assert members["alice"] and members["u0"] and not members["u1"], members
    second.close()
    assert first.wait("online")[2]["data"] == {"online": 1}
    assert watcher.next(0.3) is None  # who only watches is neither counted nor told
    assert Events(engine, "?presence=1", uid=STRANGER).status in (401, 403)
    first.close()


def test_filters():
    only = Events(engine, "?project=site", uid=ALICE)
    say("in shop")
    say("in site", project="site")
    assert texts(only, 1) == ["in site"]
    assert Events(engine, "?project=alice.site&since=0", uid=BOB).status == 404
    assert Events(engine, "?project=none", uid=ALICE).status == 404
    assert Events(engine, "?op=999999", uid=ALICE).status == 200
    assert Events(engine, uid=STRANGER).status == 401


def test_no_foreign_event_comes_live_or_replayed():
    live = Events(engine, uid=BOB)
    say("not for bob")
    past = Events(engine, "?since=0", uid=BOB)
    for stream in (live, past):
        while (e := stream.next(0.7)):
            assert e[2]["project"] is None, e


def test_a_page_of_past_events():
    r = engine.get("/v1/projects/shop/events?limit=2", ALICE)
    assert r.status == 200 and len(r.json["events"]) == 2
    assert r.json["events"][0]["id"] < r.json["events"][1]["id"]


def test_a_long_past_is_replayed_whole():
    """More than is ever queued: it is read page by page."""
    for i in range(12):
        say(f"{i:03d}" + "x" * 4000)
    stream = Events(engine, "?since=0&project=shop", uid=ALICE)
    time.sleep(0.5)
    got = [t for t in texts(stream, 200, 2) if len(t) > 4000]
    assert [t[:3] for t in got] == [f"{i:03d}" for i in range(12)], len(got)


def test_readers_that_do_not_read_are_cut():
    before, fds = engine.rss_kib(), engine.files()
    slow = [Events(engine, "?since=0", uid=ALICE) for _ in range(10)]
    quick = Events(engine, uid=ALICE)
    sent = []

    def talk(uid, k):
        for i in range(12):
            say(f"{k}-{i} " + "한" * 1300, uid=uid)
            sent.append((k, i))
    threads = [threading.Thread(target=talk, args=(u, k)) for k, u in enumerate(MANY)]
    for t in threads:
        t.start()
    got = texts(quick, 72, 5)
    for t in threads:
        t.join()
    assert len(got) == len(sent) == 72
    assert engine.rss_kib() - before < 24 * 1024, (before, engine.rss_kib())
    for s in slow:
        s.close()
    quick.close()
    time.sleep(1)
    assert engine.files() <= fds + 1, (fds, engine.files())
    engine.healthy()


def test_everyone_sees_the_same_order():
    streams = [Events(engine, "?project=alice.shop", uid=u) for u in MANY]
    threads = [threading.Thread(target=lambda k=k, u=u: [say(f"o{k}-{i}", uid=u) for i in range(3)])
               for k, u in enumerate(MANY)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    orders = [texts(s, 18) for s in streams]
    assert len(orders[0]) == 18 and all(o == orders[0] for o in orders), orders
    history = [m["text"] for m in engine.get("/v1/projects/shop/chat?limit=18", ALICE).json["messages"]]
    assert history == orders[0]


def test_silence_is_kept_alive():
    ev = Events(engine, uid=ALICE)
    n = ev.comments
    assert ev.next(16.5) is None
    # A peer on a socket of messages is seen to go, so nothing has to be said.
    assert ev.comments - n == (1 if WIRE == "call" else 2) and not ev.ended


def test_acknowledged_messages_survive_two_kills():
    stream = Events(engine, "?project=shop", uid=ALICE)
    acknowledged, last, got = [], None, []
    for life in range(3):
        for i in range(4):
            assert say(f"life {life} {i}").status == 200
            acknowledged.append(f"life {life} {i}")
        for t in range(4):
            e = stream.wait("chat.message")
            last = e[0]
            got.append(e[2]["data"]["text"])
        if life < 2:
            say(f"unseen {life}")
            acknowledged.append(f"unseen {life}")
            engine.kill()
            engine.start()
            stream = Events(engine, "?project=shop", uid=ALICE, last=last)
            e = stream.wait("chat.message")
            if e[2]["data"]["text"] == got[-1]:
                raise AssertionError("told twice")
            got.append(e[2]["data"]["text"])
    assert got == acknowledged, (got, acknowledged)


sys.exit(cases.main(globals()))
