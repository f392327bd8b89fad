"""An OCI registry of a test's own (the real one), behind a relay that can cut or stop what goes through.

    with Registry(dir, size="40m") as reg:     # storage on a file system of that size; None = a plain folder
        reg.relay.cut_after = 5 << 20          # connections end when so many bytes have gone up
        reg.tags("stack/web"), reg.manifest("stack/web", "latest"), reg.kill(), reg.start()
"""
import base64
import hashlib
import json
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

from lab import free_port, wait_until

ACCOUNT = "codinglab-registry"
TYPES = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


class Relay:
    """TCP, byte for byte; `up` counts what clients sent."""

    def __init__(self, target):
        self.target, self.up, self.cut_after, self.hold, self.cuts = target, 0, None, False, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self.open |= {client, server}
            threading.Thread(target=self.pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, False), daemon=True).start()

    def pump(self, source, sink, upward):
        try:
            while data := source.recv(65536):
                while self.hold:
                    time.sleep(0.02)
                if upward:
                    self.up += len(data)
                    if self.cut_after is not None and self.up > self.cut_after:
                        self.cuts += 1
                        break
                sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.open.discard(s)

    def close(self):
        self.listener.close()
        for s in list(self.open):
            s.close()


class Registry:
    def __init__(self, dir, size=None):
        self.dir, self.size, self.process = pathlib.Path(dir), size, None
        self.back = free_port()

    def __enter__(self):
        who = pwd.getpwnam(ACCOUNT)
        self.storage = self.dir / "storage"
        self.storage.mkdir(parents=True)
        if self.size:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.size}", "none", self.storage], check=True)
        os.chown(self.storage, who.pw_uid, who.pw_gid)
        self.password = secrets.token_hex(16)
        (self.dir / "password").write_text(self.password)
        hashed = subprocess.run(["perl", "-e", "print crypt(<STDIN>, q($2b$04$abcdefghijklmnopqrstuu))"], input=self.password.encode(),
                                capture_output=True, check=True).stdout.decode()
        (self.dir / "htpasswd").write_text(f"codinglab:{hashed}\n")
        (self.dir / "config.yml").write_text(
            f"version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: {self.storage}\n"
            f"  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:{self.back}\n  secret: test\n"
            f"auth:\n  htpasswd:\n    realm: codinglab\n    path: {self.dir}/htpasswd\n")
        self.relay = Relay(self.back)
        self.port = self.relay.port
        self.start()
        return self

    def __exit__(self, *exc):
        self.kill(signal.SIGTERM)
        self.relay.close()
        if self.size:
            subprocess.run(["umount", "-l", self.storage], capture_output=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self):
        who = pwd.getpwnam(ACCOUNT)
        with open(self.dir / "registry.log", "ab") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", self.dir / "config.yml"], user=who.pw_uid, group=who.pw_gid, extra_groups=[],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until("the registry", lambda: self.status("/v2/") == 200)

    def kill(self, sig=signal.SIGKILL):
        if self.process:
            self.process.send_signal(sig)
            self.process.wait()
            self.process = None

    def ask(self, path, method="GET", headers=None):
        """(status, body) straight from the registry, past the relay."""
        token = base64.b64encode(f"codinglab:{self.password}".encode()).decode()
        r = urllib.request.Request(f"http://127.0.0.1:{self.back}{path}", method=method,
                                   headers={"Authorization": f"Basic {token}", "Accept": TYPES, **(headers or {})})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(r, timeout=20) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as e:
            return e.code, e.read()
        except (urllib.error.URLError, OSError):
            return 0, b""

    def status(self, path):
        return self.ask(path)[0]

    def tags(self, repository):
        status, body = self.ask(f"/v2/{repository}/tags/list")
        return sorted(json.loads(body).get("tags") or []) if status == 200 else []

    def manifest(self, repository, reference):
        """The manifest, with every blob that it names fetched and hashed; None when there is none."""
        status, body = self.ask(f"/v2/{repository}/manifests/{reference}")
        if status == 404:
            return None
        assert status == 200, (status, body)
        m = json.loads(body)
        m["own"] = "sha256:" + hashlib.sha256(body).hexdigest()
        for part in [m["config"], *m["layers"]]:
            status, blob = self.ask(f"/v2/{repository}/blobs/{part['digest']}")
            assert status == 200 and "sha256:" + hashlib.sha256(blob).hexdigest() == part["digest"], (repository, part, status)
        return m

    def whole(self, repository):
        """Nothing half-visible: every listed tag has its manifest and all of its blobs.  The tags."""
        tags = self.tags(repository)
        for tag in tags:
            assert self.manifest(repository, tag), f"{repository}:{tag} is listed and is not there"
        return tags

    def leftovers(self):
        """Unfinished uploads, and files that were created and never written."""
        v2 = self.storage / "docker/registry/v2"
        return [str(p.relative_to(v2)) for p in v2.rglob("*") if p.parent.name == "_uploads" or (p.is_file() and p.stat().st_size == 0)]
