"""A small engine for screen tests: the REST routes that the session reads, from memory, on a unix socket.

    with FakeEngine(path) as e:
        e.add_project("shop", "django"); e.event("chat.message", data={...}); e.calls  # [(method, path, body)]
"""
import http.server
import json
import os
import queue
import re
import socketserver
import threading
import time

import calls


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, address):
        pass  # clients may go at any time

    def get_request(self):
        sock, _ = super().get_request()
        return sock, ("local", 0)


class FakeEngine:
    def __init__(self, path, user="alice"):
        self.path, self.user = path, user
        self.projects, self.messages, self.events, self.calls = [], [], [], []
        self.stacks = [{"id": "python", "title": "Python 3", "state": "ready", "ready": True},
                       {"id": "django", "title": "Django", "state": "building", "ready": False}]
        self.images = [{"id": "base", "state": "ready"}, {"id": "django", "state": "building"}]
        self.tiers = {"web": 1, "was": 1, "db": 1}
        self.by_load = set()  # tiers whose number load decides
        self.env, self.serving = "dev", False
        self.streams = []
        self.listeners, self.lock, self.next_id = [], threading.Lock(), 1
        self.server = None
        self.speaking = threading.Event()  # cleared: takes requests and answers none
        self.speaking.set()

    def start(self):
        engine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def reply(self, status, body):
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def handle_any(self):
                n = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(n) if n else b""
                if self.path.split("?")[0] == "/v1/events":
                    engine.streams.append(self.path)
                    return engine.stream(self)
                body = json.loads(raw) if raw else None
                with engine.lock:
                    engine.calls.append((self.command, self.path, body))
                engine.speaking.wait()
                status, answer = engine.answer(self.command, self.path.split("?")[0], self.path, body)
                self.reply(status, answer)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

        if os.path.exists(self.path):
            os.unlink(self.path)
        self.server = Server(self.path, Handler)
        os.chmod(self.path, 0o666)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.bridge = calls.Bridge(self.path).start()
        return self

    def stop(self):
        if not self.server:
            return
        for q in self.listeners:
            q.put(None)
        self.speaking.set()
        self.bridge.stop()
        self.server.shutdown()
        self.server.server_close()
        self.server = None
        os.unlink(self.path)

    __enter__ = start

    def __exit__(self, *args):
        self.stop()

    # what it knows

    def add_project(self, name, stack="python", owner=None, dev="absent", url=None, about="", role="owner"):
        with self.lock:
            p = {"id": len(self.projects) + 1, "name": name, "owner": owner or self.user, "stack": stack, "description": about,
                 "role": role, "created": now(), "dev": dev, "running": url, "members": 1}
            self.projects.append(p)
        return p

    def event(self, kind, project=None, text="", data=None, actor=None, env=None):
        with self.lock:
            e = {"id": self.next_id, "at": now(), "type": kind, "project": project, "env": env, "actor": actor or self.user,
                 "text": text, "data": data or {}}
            self.next_id += 1
            if kind == "image.state":  # what is asked for later says the same
                self.images = [{**i, "state": data["state"]} if i["id"] == data["image"] else i for i in self.images]
            self.events.append(e)
            for q in self.listeners:
                q.put(e)

    def say(self, user, text, project=1):
        with self.lock:
            m = {"id": len(self.messages) + 1, "at": now(), "user": user, "text": text}
            self.messages.append(m)
        self.event("chat.message", project, f"{user}: {text}", {"id": m["id"], "user": user, "text": text}, user)
        return m

    def status(self, env):
        tiers = [{"tier": t, "want": n, "ready": n, "image": f"{t}@sha256:1f0c", "cpu": 4.0 * n, "memory": 14000000 * n, "rps": 3.0,
                  "autoscale": {"min": 1, "max": 5, "cpu": 60} if t in self.by_load else None, "instances": [{"name": f"{t}-{i + 1}", "n": i + 1, "state": "ready", "release": 7, "restarts": 0, "cpu": 4.0,
                                 "memory": 14000000, "since": now()} for i in range(n)]} for t, n in self.tiers.items()]
        return {"project": "shop", "owner": self.user, "env": env, "url": "http://shop.alice.lab.localhost" if self.serving else None,
                "state": "serving" if self.serving else "absent",
                "release": {"version": 7, "env": env, "digest": "sha256:9c41fe2", "by": "bob", "at": now(), "result": "serving",
                            "reason": None} if self.serving else None, "op": None, "tiers": tiers if self.serving else []}

    # REST

    def stream(self, h):
        q = queue.Queue()
        with self.lock:
            self.listeners.append(q)
        h.send_response(200)
        h.send_header("Content-Type", "text/event-stream")
        h.send_header("Connection", "close")
        h.end_headers()
        h.wfile.write(b": hello\n\n")
        h.close_connection = True
        try:
            while True:
                try:
                    e = q.get(timeout=10)
                except queue.Empty:
                    h.wfile.write(b": still here\n\n")
                    continue
                if e is None:
                    return
                h.wfile.write(f"id: {e['id']}\nevent: {e['type']}\ndata: {json.dumps(e)}\n\n".encode())
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with self.lock:
                self.listeners.remove(q)

    def op(self, kind, state="queued"):
        return {"id": 5, "kind": kind, "project": 1, "env": None, "state": state, "step": "", "error": None, "result": None,
                "by": self.user, "created": now(), "finished": None}

    def project(self, ref):
        return next((p for p in self.projects if ref in (str(p["id"]), p["name"], f"{p['owner']}.{p['name']}")), None)

    def answer(self, method, path, full, body):
        fixed = {"/v1/info": {"version": "0.1.0", "backend": "sim", "backend_state": "ready", "backend_error": None,
                              "domain": "lab.localhost", "edge_port": 8080, "users": 1, "projects": len(self.projects)},
                 "/v1/whoami": {"id": 1, "name": self.user, "role": "developer"}, "/v1/stacks": {"stacks": self.stacks},
                 "/v1/images": {"images": self.images}, "/v1/users": {"users": [{"id": 1, "name": self.user, "role": "developer"}]}}
        if method == "GET" and path in fixed:
            return 200, fixed[path]
        if path == "/v1/projects":
            if method == "GET":
                return 200, {"projects": self.projects}
            return self.create(body)
        m = re.match(r"/v1/projects/([^/]+)(?:/(\w+))?", path)
        p = m and self.project(m.group(1))
        if not p:
            return 404, {"error": {"code": "not_found", "message": f"{path}: not there", "hint": ""}}
        return self.in_project(p, method, m.group(2), full, body)

    def create(self, body):
        if self.project(body["name"]):
            return 409, {"error": {"code": "conflict", "message": f"project {body['name']}: there already", "hint": "choose another name"}}
        p = self.add_project(body["name"], body["stack"], about=body.get("description", ""))
        self.event("project.created", p["id"], f"{self.user} made {p['name']}", {"name": p["name"], "owner": self.user})
        return 201, p

    def in_project(self, p, method, part, full, body):
        if part is None and method == "DELETE":
            self.projects.remove(p)
            self.event("project.removed", None, f"{p['name']} removed", {"name": p["name"], "owner": p["owner"]})
            return 202, self.op("project rm", "done")
        if part is None:
            return 200, p
        if part == "chat":
            return (201, self.say(self.user, body["text"], p["id"])) if method == "POST" else (200, {"messages": self.messages})
        if part == "status":
            env = re.search(r"env=(\w+)", full)
            return 200, self.status(env.group(1) if env else self.env)
        if part == "events":
            return 200, {"events": [e for e in self.events if e["project"] == p["id"]]}
        if part == "scale":
            self.by_load -= set(body) if body.get("pin") else set()
            self.tiers.update({k: v for k, v in body.items() if k in self.tiers})
            self.event("scaled", p["id"], f"{self.user} scaled to {self.tiers['was']}", dict(self.tiers), env=self.env)
            return 202, self.op("scale", "done")
        if part in ("ship", "deploy", "promote", "rollback", "dev"):
            return 202, self.op(part)
        if part == "releases":
            return 200, {"releases": []}
        if part == "members":
            return 200, {"members": [{"user": self.user, "role": "owner"}]}
        return 404, {"error": {"code": "not_found", "message": f"{part}: not in this engine", "hint": ""}}
