"""A git server of the test's own on loopback: smart HTTP by `git http-backend`, every request noted.

    with GitServer(root) as s:                 # serves root/NAME.git
        s.url("shop.git")                      # http://127.0.0.1:PORT/shop.git
        s.redirect["/moved.git"] = "http://..."; s.password["/private.git"] = ("alice", "token")
"""
import base64
import http.server
import os
import pathlib
import ssl
import subprocess
import threading


def repository(path, files, commits=1):
    """A bare repository at path with these files (name -> bytes, or a link as ("->", target))."""
    work = pathlib.Path(str(path) + ".work")
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org",
           "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.org"}

    def git(*args):
        subprocess.run(["git", *args], cwd=work, env=env, check=True, capture_output=True)
    work.mkdir(parents=True)
    git("init", "-q", "-b", "main")
    for n in range(commits):
        for name, content in files.items():
            p = work / name
            p.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, tuple):
                if not p.is_symlink():
                    p.symlink_to(content[1])
            else:
                p.write_bytes(content)
                if name.endswith(".sh"):
                    p.chmod(0o755)
        (work / ".count").write_text(str(n))
        git("add", "-A")
        git("commit", "-q", "-m", f"commit {n}")
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(path)], env=env, check=True, capture_output=True)
    return path


# Names that no tree may have: they lead out, or are `.git` to one file system or another.
HOSTILE_NAMES = (b"..", b".", b".git", b".GIT", b"git~1", b".git ", b".git.", b".git::$INDEX_ALLOCATION", b".g\xe2\x80\x8cit", b"a/b", b"../x")


def hostile_repository(path, name):
    """A bare repository at path whose branch main has a folder `name` with a `config` in it, as only a hand-made tree can."""
    env = {**os.environ, "GIT_DIR": str(path), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org",
           "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.org"}

    def git(*args, data=b""):
        return subprocess.run(["git", *args], env=env, input=data, check=True, capture_output=True).stdout.decode().strip()

    def tree(*entries):
        data = b"".join(mode + b" " + n + b"\0" + bytes.fromhex(sha) for n, mode, sha in
                        sorted(entries, key=lambda e: e[0] + (b"/" if e[1] == b"40000" else b"")))
        return git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", data=data)
    git("init", "-q", "--bare", "-b", "main", str(path))
    blob = git("hash-object", "-w", "--stdin", data=b"[core]\n\tfsmonitor = touch /tmp/owned\n")
    inner = tree((b"config", b"100644", blob))
    git("update-ref", "refs/heads/main", git("commit-tree", "-m", "hostile", tree((b"main.py", b"100644", blob), (name, b"40000", inner))))
    return path


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refused(self, path):
        """Whether the request was answered already: noted, redirected, or asked for a password."""
        s = self.server.owner
        s.requests.append((self.command, self.path, dict(self.headers)))
        for prefix, to in s.redirect.items():
            if path.startswith(prefix):
                self.reply(301, Location=to + self.path[len(prefix):])
                return True
        for prefix, (user, word) in s.password.items():
            want = "Basic " + base64.b64encode(f"{user}:{word}".encode()).decode()
            if path.startswith(prefix) and self.headers.get("Authorization") != want:
                self.reply(401, WWW_Authenticate='Basic realm="test"')
                return True
        return False

    def handle_any(self):
        path, _, query = self.path.partition("?")
        n = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(n)
        if self.headers.get("Transfer-Encoding") == "chunked":
            while (size := int(self.rfile.readline(), 16)):
                body += self.rfile.read(size)
                self.rfile.readline()
        if self.refused(path):
            return
        s = self.server.owner
        plain = s.files.get(path)
        if plain is not None:
            self.reply(200, plain)
            return
        env = {**os.environ, "GIT_PROJECT_ROOT": str(s.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query,
               "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
               "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "GIT_CONFIG_GLOBAL": "/dev/null",
               "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
               "GIT_CONFIG_VALUE_0": "*", "REMOTE_USER": "", "REMOTE_ADDR": "127.0.0.1"}
        out = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True).stdout
        head, _, rest = out.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(headers.pop("Status", "200").split()[0])
        self.reply(status, rest, **{k.replace("-", "_"): v for k, v in headers.items()})

    do_GET = do_POST = do_HEAD = handle_any


class GitServer:
    def __init__(self, root, address="127.0.0.1", certificate=None):
        self.root, self.address = root, address
        self.requests, self.redirect, self.password, self.files = [], {}, {}, {}
        self.http = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.http.owner = self
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
            self.scheme = "https"
        self.port = self.http.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.http.shutdown()
        self.http.server_close()

    def url(self, path, host=None):
        return f"{self.scheme}://{host or self.address}:{self.port}/{path}"
