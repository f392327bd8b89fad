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
        meta = {"name": name, "version": version, "main": "index.js"}
        files = {"package/package.json": json.dumps(meta).encode(), "package/index.js": code.encode()}
        body, path = gzip.compress(packed(files), mtime=0), f"/{name}/-/{name}-{version}.tgz"
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

    def maven(self, name, version, text):
        """A jar of one resource, word.txt, as com.forged:NAME:VERSION.  Returns the path of the file."""
        out, base = io.BytesIO(), f"/maven2/com/forged/{name}/{version}/{name}-{version}"
        with zipfile.ZipFile(out, "w") as z:
            z.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
            z.writestr("word.txt", text)
        pom = ('<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
               f"<groupId>com.forged</groupId><artifactId>{name}</artifactId><version>{version}</version></project>\n").encode()
        for ending, body in ((".pom", pom), (".jar", out.getvalue())):
            self.put(base + ending, body)
            self.put(f"{base}{ending}.sha1", hashlib.sha1(body).hexdigest(), "text/plain")
        return base + ".jar"

    def gem(self, name, version, code):
        """A gem of one file, in the compact index that bundler reads."""
        any_version = """!ruby/object:Gem::Requirement
  requirements:
  - - ">="
    - !ruby/object:Gem::Version
      version: '0'"""
        meta = f"""--- !ruby/object:Gem::Specification
name: {name}
version: !ruby/object:Gem::Version
  version: '{version}'
platform: ruby
authors:
- test
date: 2026-01-01 00:00:00.000000000 Z
dependencies: []
files:
- lib/{name}.rb
require_paths:
- lib
required_ruby_version: {any_version}
required_rubygems_version: {any_version}
specification_version: 4
summary: of a test
"""
        data = gzip.compress(packed({f"lib/{name}.rb": code.encode()}), mtime=0)
        body, path = packed({"metadata.gz": gzip.compress(meta.encode(), mtime=0), "data.tar.gz": data}), f"/gems/{name}-{version}.gem"
        self.put(path, body)
        info = f"---\n{version} |checksum:{hashlib.sha256(body).hexdigest()}\n"
        self.put(f"/info/{name}", info, "text/plain")
        self.put("/versions", f"created_at: 2026-01-01T00:00:00Z\n---\n{name} {version} {hashlib.md5(info.encode()).hexdigest()}\n", "text/plain")
        return path

    def composer(self, name, version, code):
        """A package acme/NAME of one file, downloaded by its commit as from a code hosting site."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as z:
            z.writestr("it.php", code)
        path = f"/acme/{name}/legacy.zip/{hashlib.sha1(out.getvalue()).hexdigest()}"
        self.put(path, out.getvalue())
        row = {"name": f"acme/{name}", "version": version, "version_normalized": version + ".0", "type": "library", "autoload": {"files": ["it.php"]},
               "dist": {"type": "zip", "url": f"https://HOST{path}", "shasum": hashlib.sha1(out.getvalue()).hexdigest()}}
        self.put("/packages.json", json.dumps({"packages": [], "metadata-url": "/p2/%package%.json"}), "application/json")
        self.put(f"/p2/acme/{name}.json", json.dumps({"packages": {f"acme/{name}": [row]}}), "application/json")
        return path

    def sources(self, name, version, files):
        """An archive of sources, as projects lay them out for download: NAME-VERSION.tar.gz with one folder."""
        path = f"/{name}-{version}.tar.gz"
        self.put(path, gzip.compress(packed({f"{name}-{version}/{n}": t.encode() for n, t in files.items()}), mtime=0))
        return path


def packed(files):
    """A tar of these."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()
