"""A school's proxy: a forward proxy that re-signs TLS with an authority of its own, and behind it, whatever host is asked
for, package registries that it makes up.  Every request is counted.

    with Resigning(folder) as proxy:            # proxy.url, proxy.bundle (PEM of its authority)
        proxy.python("hello", "1.0", "WORD = 'hi'")
        ...
        proxy.count["/packages/hello-1.0-py3-none-any.whl"]
"""
import base64
import collections
import gzip
import hashlib
import http.server
import io
import json
import pathlib
import re
import socket
import ssl
import subprocess
import tarfile
import threading
import zipfile

NAME = "Resigning School Test Authority"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *args):
        pass

    def do_CONNECT(self):
        """As such proxies do: yes, then TLS with a certificate made for the name."""
        host = self.path.rpartition(":")[0].strip("[]")
        self.send_response(200)
        self.end_headers()
        try:
            self.connection = self.server.owner.context(host).wrap_socket(self.connection, server_side=True)
        except (ssl.SSLError, OSError):
            self.close_connection = True
            return
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
        self.inside, self.close_connection = host, False

    def do_GET(self):
        host = getattr(self, "inside", None) or re.sub(r"^https?://([^/:]+).*", r"\1", self.path)
        path = re.sub(r"^https?://[^/]+", "", self.path).split("?")[0]
        self.server.owner.count[path] += 1
        status, kind, body = self.server.owner.answer(host, path)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 200:
            self.send_header("ETag", '"%s"' % hashlib.sha256(body).hexdigest()[:16])
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
        self.wfile.flush()

    do_HEAD = do_POST = do_GET


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that goes away in the middle


class Resigning:
    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        self.count, self.contexts, self.files, self.lock = collections.Counter(), {}, {}, threading.Lock()

    def __enter__(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        self.dir.chmod(0o755)
        self.bundle = self.dir / "school.pem"
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}", "-addext",
                     "basicConstraints=critical,CA:TRUE", "-keyout", self.dir / "school.key", "-out", self.bundle)
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=leaf", "-keyout", self.dir / "leaf.key", "-out", self.dir / "leaf.csr")
        self.server = None
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()

    def start(self, port=0):
        self.server = Server(("127.0.0.1", port), Handler)
        self.server.owner = self
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    def context(self, host):
        with self.lock:
            if host not in self.contexts:
                assert re.fullmatch(r"[A-Za-z0-9.:-]+", host), host
                leaf, ext = self.dir / f"{host}.pem", self.dir / f"{host}.ext"
                kind = "IP" if re.fullmatch(r"[0-9.]+|.*:.*", host) else "DNS"
                ext.write_text(f"subjectAltName={kind}:{host}\n")
                self.openssl("x509", "-req", "-in", self.dir / "leaf.csr", "-CA", self.bundle, "-CAkey", self.dir / "school.key", "-CAcreateserial",
                             "-days", "2", "-extfile", ext, "-out", leaf)
                c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                c.load_cert_chain(leaf, self.dir / "leaf.key")
                self.contexts[host] = c
            return self.contexts[host]

    # -- registries

    def answer(self, host, path):
        """(status, type, body).  A body may say HOST: whoever asked is answered by the same."""
        kind, body = self.files.get(path) or self.files.get(path.rstrip("/")) or (None, b"nothing here\n")
        if kind is None:
            return 404, "text/plain", body
        return 200, kind, body if kind == "application/octet-stream" else body.replace(b"HOST", host.encode())

    def put(self, path, body, kind="application/octet-stream"):
        self.files[path] = (kind, body.encode() if isinstance(body, str) else body)

    def python(self, name, version, code):
        """A wheel of one module, and its page of the index.  Returns the path of the file."""
        stem, out = f"{name}-{version}", io.BytesIO()
        parts = {f"{name}.py": code, f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
                 f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
        record = "".join("%s,sha256=%s,%d\n" % (n, base64.urlsafe_b64encode(hashlib.sha256(t.encode()).digest()).rstrip(b"=").decode(), len(t))
                         for n, t in parts.items())
        with zipfile.ZipFile(out, "w") as z:
            for n, t in {**parts, f"{stem}.dist-info/RECORD": record + f"{stem}.dist-info/RECORD,,\n"}.items():
                z.writestr(n, t)
        path = f"/packages/{stem}-py3-none-any.whl"
        self.put(path, out.getvalue())
        self.put(f"/simple/{name}", f'<!DOCTYPE html><html><body><a href="{path}">{path[10:]}</a></body></html>', "text/html")
        return path

    def npm(self, name, version, code):
        out, meta = io.BytesIO(), {"name": name, "version": version, "main": "index.js"}
        with tarfile.open(fileobj=out, mode="w") as t:
            for n, text in (("package/package.json", json.dumps(meta)), ("package/index.js", code)):
                info = tarfile.TarInfo(n)
                info.size = len(text)
                t.addfile(info, io.BytesIO(text.encode()))
        body, path = gzip.compress(out.getvalue(), mtime=0), f"/{name}/-/{name}-{version}.tgz"
        self.put(path, body)
        dist = {"tarball": f"https://HOST{path}", "integrity": "sha512-" + base64.b64encode(hashlib.sha512(body).digest()).decode()}
        self.put(f"/{name}", json.dumps({"name": name, "dist-tags": {"latest": version}, "versions": {version: {**meta, "dist": dist}}}), "application/json")
        return path

    def go(self, module, version, code):
        out, base = io.BytesIO(), f"/{module}/@v"
        with zipfile.ZipFile(out, "w") as z:
            for n, text in (("go.mod", f"module {module}\n"), ("it.go", code)):
                z.writestr(f"{module}@{version}/{n}", text)
        self.put(f"{base}/list", version + "\n", "text/plain")
        self.put(f"{base}/{version}.info", json.dumps({"Version": version, "Time": "2026-01-01T00:00:00Z"}), "application/json")
        self.put(f"{base}/{version}.mod", f"module {module}\n", "text/plain")
        self.put(f"{base}/{version}.zip", out.getvalue())
        return f"{base}/{version}.zip"
