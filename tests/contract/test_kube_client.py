#!/usr/bin/python3
"""The engine as a client of a Kubernetes API that is not well: certificates that do not fit, credential plug-ins of every
kind, answers that are late, wrong or none.  The API is a small one of this file, on loopback; `host ls` asks it."""
import http.server
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from engine import Engine
import cases

DIR = pathlib.Path(tempfile.mkdtemp(prefix="cl-kube-client-", dir="/var/tmp"))
DIR.chmod(0o755)
NODE = {"metadata": {"name": "node1"}, "spec": {"unschedulable": True},
        "status": {"capacity": {"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "100Gi"},
                   "nodeInfo": {"kubeletVersion": "v1.30.1", "containerRuntimeVersion": "containerd://1.7", "osImage": "Debian 12",
                                "kernelVersion": "6.1", "architecture": "amd64"},
                   "addresses": [{"type": "Hostname", "address": "node1"}, {"type": "InternalIP", "address": "10.0.0.5"}],
                   "conditions": [{"type": "MemoryPressure", "status": "True", "reason": "Low", "message": "little is left"},
                                  {"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "CNI\x1b[31m is not there",
                                   "lastTransitionTime": "2024-01-01T00:00:00Z"}]}}


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=DIR)


def authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.crt")


def certificate(name, by, names="IP:127.0.0.1", start=None, end=None):
    """Signed by `by`; start and end (YYMMDDHHMMSSZ) for one that is over already."""
    (DIR / f"{name}.ext").write_text(f"subjectAltName={names}\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    if start:
        (DIR / "ca.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
        (DIR / "index").write_text("")
        (DIR / "serial").write_text("0A\n")
        openssl("ca", "-batch", "-config", "ca.cnf", "-cert", f"{by}.crt", "-keyfile", f"{by}.key", "-in", f"{name}.csr", "-out", f"{name}.crt",
                "-extfile", f"{name}.ext", "-startdate", start, "-enddate", end, "-notext")
    else:
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.crt", "-CAkey", f"{by}.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.crt")


class Api:
    """An API server: what it answers is decided by `answer(handler) -> (status, object) or None (hangs up)`."""

    def __init__(self, cert="good", rests_s=None):
        self.asked, self.auth, self.answer, self.connections = [], [], None, 0
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = rests_s  # a connection that asks nothing for so long is closed

            def setup(self):
                api.connections += 1
                super().setup()

            def do_GET(self):
                api.asked.append((time.monotonic(), self.path))
                api.auth.append(self.headers.get("Authorization"))
                said = (api.answer or api.well)(self)
                if said is None:
                    self.close_connection = True
                    return
                status, body = said
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:
                    pass

            def log_message(self, *a):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *a):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(DIR / f"{cert}.crt", DIR / f"{cert}.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def well(self, h):
        items = [NODE] if h.path.startswith("/api/v1/nodes") else []
        if "metrics" in h.path:
            return 404, {"kind": "Status", "code": 404, "message": "no metrics"}
        if "watch=1" in h.path:
            time.sleep(5)
            return 200, b""
        return 200, {"kind": "List", "metadata": {"resourceVersion": "5"}, "items": items}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def kubeconfig(port, user, ca="ca", host="127.0.0.1", more=""):
    f = DIR / "kubeconfig"
    f.write_text("apiVersion: v1\nkind: Config\ncurrent-context: t\ncontexts: [{name: t, context: {cluster: t, user: t}}]\n"
                 f"clusters: [{{name: t, cluster: {{server: 'https://{host}:{port}', certificate-authority: {DIR}/{ca}.crt{more}}}}}]\n"
                 f"users: [{{name: t, user: {json.dumps(user)}}}]\n")
    f.chmod(0o644)
    return f


class Client:
    """An engine with the backend kube and this kubeconfig."""

    def __init__(self, file):
        self.engine = Engine("--engine-backend", "kube", "--kube-config", str(file))

    def __enter__(self):
        return self.engine

    def __exit__(self, *exc):
        if exc[0]:
            print(self.engine.tail())
        self.engine.remove()


def trouble(user={"token": "t"}, cert="good", **more):
    """What the engine says of nodes that it cannot ask."""
    api = Api(cert)
    try:
        with Client(kubeconfig(api.port, user, **more)) as e:
            r = e.get("/v1/hosts")
            assert r.status != 200, r
            return r.json["error"]["message"], api
    finally:
        api.close()


def well(user, **more):
    api = Api()
    try:
        with Client(kubeconfig(api.port, user, **more)) as e:
            r = e.get("/v1/hosts")
            assert r.status == 200, r
            return r.json["hosts"], api, e.log.read_text(errors="replace")
    finally:
        api.close()


def test_nodes_are_told_as_they_are():
    hosts, api, _ = well({"token": "secret-token"})
    h = hosts[0]
    assert (h["name"], h["state"], h["draining"], h["address"]) == ("node1", "not ready", True, "10.0.0.5"), h
    assert (h["cpus"], h["memory_total"], h["instances_max"], h["cpu"], h["memory"]) == (4, 8 << 30, 110, None, None), h
    assert {c["type"]: c["bad"] for c in h["conditions"]} == {"Ready": True, "MemoryPressure": True}, h
    assert set(api.auth) == {"Bearer secret-token"}


def asked_often(times, pause=0, **more):
    """An API server that was asked for its nodes so many times, one after another."""
    api = Api(**more)
    try:
        with Client(kubeconfig(api.port, {"token": "t"})) as e:
            for _ in range(times):
                time.sleep(pause)
                r = e.get("/v1/hosts")
                assert r.status == 200 and len(r.json["hosts"]) == 1, r
        return api
    finally:
        api.close()


def test_calls_share_connections():
    api = asked_often(30)
    nodes = sum(p.startswith("/api/v1/nodes") for _, p in api.asked)
    assert nodes >= 30 and api.connections <= 20, (nodes, len(api.asked), api.connections)  # what watches have theirs as long as they watch


def test_a_connection_that_the_server_closed_meanwhile_costs_no_call():
    api = asked_often(4, pause=0.8, rests_s=0.4)
    assert api.connections >= 4, api.connections


def test_an_authority_that_did_not_sign_it():
    said, api = trouble(cert="other")
    assert "certificate" in said.lower() and not api.asked, (said, api.asked)


def test_a_name_that_it_does_not_have():
    said, api = trouble(cert="elsewhere")
    assert ("certificate" in said.lower() or "subject" in said.lower()) and not api.asked, (said, api.asked)


def test_a_certificate_that_is_over():
    said, api = trouble(cert="over")
    assert "certificate" in said.lower() and not api.asked, (said, api.asked)


def test_only_when_told_to_any_server_will_do():
    api = Api("other")
    try:
        f = kubeconfig(api.port, {"token": "t"})
        f.write_text(f.read_text().replace(f"certificate-authority: {DIR}/ca.crt", "insecure-skip-tls-verify: true"))
        with Client(f) as e:
            assert e.get("/v1/hosts").status == 200
    finally:
        api.close()


def plugin(text):
    p = DIR / "plugin"
    p.write_text("#!/bin/sh\n" + text)
    p.chmod(0o755)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(p), "args": ["one", "two words"],
                     "env": [{"name": "WHO", "value": "me"}]}}


def credential(token, until="", version="v1"):
    more = f',"expirationTimestamp":"{until}"' if until else ""
    return f"""echo '{{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/{version}","status":{{"token":"'"{token}"'"{more}}}}}'\n"""


def test_a_plug_in_gives_the_token_once():
    count = DIR / "count"
    count.write_text("")
    count.chmod(0o666)
    hosts, api, _ = well(plugin(f'echo run >> {count}\n' + credential("$WHO-$1-$#")))
    assert hosts and set(api.auth) == {"Bearer me-one-2"}, api.auth
    assert len(count.read_text().split()) == 1, "a credential without expiry is asked for once"


def test_a_credential_that_ends_is_renewed():
    count = DIR / "count"
    count.write_text("")
    count.chmod(0o666)
    api = Api()
    try:
        with Client(kubeconfig(api.port, plugin(f"echo run >> {count}\n" + credential(f"$(wc -l < {count})", "2001-01-01T00:00:00Z")))) as e:
            assert e.get("/v1/hosts").status == 200 and e.get("/v1/hosts").status == 200
    finally:
        api.close()
    assert len(count.read_text().split()) > 1 and len(set(api.auth)) > 1, (count.read_text(), api.auth)


def test_plug_ins_that_fail_are_named():
    for text, word in (("exit 3\n", "status 3"), ("echo nonsense\n", "no ExecCredential"), (credential("t", version="v1beta1"), "no ExecCredential"),
                       ("""echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{}}'\n""", "neither"),
                       (credential("t", "soon"), "no time"), ("head -c 3000000 /dev/zero\n", "credential")):
        said, api = trouble(plugin(text))
        assert word in said and not api.asked, (text, said)
    missing = plugin("")
    missing["exec"]["command"] = str(DIR / "is-not-there")
    said, _ = trouble(missing)
    assert "is-not-there" in said, said


def test_nothing_secret_is_logged():
    _, _, log = well(plugin(credential("very-secret-token")))
    assert "very-secret-token" not in log
    api = Api()
    api.answer = lambda h: (401, {"kind": "Status", "message": "Unauthorized"})
    try:
        with Client(kubeconfig(api.port, {"token": "very-secret-token"})) as e:
            r = e.get("/v1/hosts")
            assert r.status == 403 and "very-secret-token" not in str(r) + e.log.read_text(), r
    finally:
        api.close()


def test_a_refusal_is_told_at_once():
    api = Api()
    api.answer = lambda h: (403, {"kind": "Status", "message": 'nodes is forbidden: User "x" cannot list resource "nodes"'})
    try:
        with Client(kubeconfig(api.port, {"token": "t"})) as e:
            r = e.get("/v1/hosts")
            assert "cannot list" in r.json["error"]["message"], r
            assert len([p for _, p in api.asked if p.startswith("/api/v1/nodes")]) == 1, api.asked
    finally:
        api.close()


def until_away(answer):
    """What is said of a server like this, and the times of its requests."""
    api = Api()
    api.answer = answer
    try:
        with Client(kubeconfig(api.port, {"token": "t"})) as e:
            r = e.get("/v1/info")
            assert r.status == 200, r  # the engine itself answers meanwhile
            with e.connect() as s:
                s.settimeout(90)
                s.sendall(b"GET /v1/hosts HTTP/1.1\r\nHost: e\r\n\r\n")
                told = b""
                while part := s.recv(65536):
                    told += part
            asked = [t for t, p in api.asked if p.startswith("/api/v1/nodes")]
            api.answer = None
            assert e.get("/v1/hosts").status == 200
            return told.decode(), asked
    finally:
        api.close()


def calm(asked):
    """Tried again with growing pauses: about one a second at most after the first, and not in step."""
    gaps = [b - a for a, b in zip(asked, asked[1:])]
    assert 2 <= len(asked) <= 25, (len(asked), gaps)
    assert sum(gaps[-3:]) / len(gaps[-3:]) > 0.5, gaps


def test_500_and_429_are_tried_again_calmly():
    for status in (500, 429, 503):
        told, asked = until_away(lambda h: (status, {"kind": "Status", "message": f"trouble-{status}"}))
        assert f"trouble-{status}" in told or str(status) in told, told
        calm(asked)


def test_a_server_that_hangs_up_is_tried_again_calmly():
    told, asked = until_away(lambda h: None)
    assert "HTTP/1.1 5" in told, told
    calm(asked)


def test_answers_that_are_no_json_or_too_large():
    for body in (b"<html>a proxy's page</html>", b'{"items": 5}', b'{"items": [1, null, {"metadata": 3}]}', b"[" * 100000):
        api = Api()
        api.answer = lambda h: (200, body)
        try:
            with Client(kubeconfig(api.port, {"token": "t"})) as e:
                r = e.get("/v1/hosts")
                assert r.status in (200, 500, 502, 503), r
                assert e.get("/v1/info").status == 200
        finally:
            api.close()
    api = Api()
    big = json.dumps({"metadata": {}, "items": [{"metadata": {"name": "n", "annotations": {"x": "y" * (100 << 20)}}}]}).encode()
    api.answer = lambda h: (200, big)
    try:
        with Client(kubeconfig(api.port, {"token": "t"})) as e:
            before = e.rss_kib()
            r = e.get("/v1/hosts")
            assert r.status != 200 and ("large" in r.json["error"]["message"] or "more than" in r.json["error"]["message"]), r
            assert e.rss_kib() - before < 300 << 10, (before, e.rss_kib())
    finally:
        api.close()


def main():
    try:
        authority("ca")
        authority("stranger")
        certificate("good", "ca")
        certificate("other", "stranger")
        certificate("elsewhere", "ca", "DNS:elsewhere.example")
        certificate("over", "ca", start="200101000000Z", end="200102000000Z")
        return cases.main(globals())
    finally:
        shutil.rmtree(DIR, ignore_errors=True)


sys.exit(bool(main()))
