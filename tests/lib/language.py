"""An editor's side of the language server protocol, on a server's own input and output.

    with LanguageServer([*alice.argv("shop"), "pylsp"], "file:///workspace", seconds=180) as server:
        server.open("file:///workspace/main.py", "python", text)
        server.mistakes("file:///workspace/main.py", "foo")    # what it finds wrong with the text, once foo is among it
        server.words("file:///workspace/main.py", 3, 7)        # what it offers there
"""
import json
import queue
import re
import subprocess
import threading
import time


class LanguageServer:
    def __init__(self, argv, root, seconds):
        self.root, self.seconds, self.serial = root, seconds, 0
        self.answers, self.found, self.inbox, self.problem = {}, {}, queue.Queue(), ""
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def __enter__(self):
        threading.Thread(target=self.read, daemon=True).start()
        try:
            self.about = self.ask("initialize", processId=None, rootUri=self.root, workspaceFolders=[{"uri": self.root, "name": "workspace"}], capabilities={
                "workspace": {"configuration": True, "workspaceFolders": True},
                "textDocument": {"publishDiagnostics": {}, "completion": {"completionItem": {"snippetSupport": False}}}})
            self.tell("initialized")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            try:
                stream.close()
            except BrokenPipeError:
                pass

    def read(self):
        """Whole messages into the inbox; None at the end."""
        out = self.process.stdout
        try:
            while True:
                length, line = 0, out.readline()
                while line.strip():
                    if m := re.match(rb"Content-Length: *(\d+)", line, re.I):
                        length = int(m.group(1))
                    line = out.readline()
                if not length:
                    break
                self.inbox.put(json.loads(out.read(length)))
        except ValueError as e:  # closed meanwhile, or no JSON
            self.problem = str(e)
        self.inbox.put(None)

    def send(self, message):
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self.process.stdin.flush()

    def tell(self, method, **params):
        self.send({"method": method, "params": params})

    def take(self, end):
        """The next message into its place; what the server asks gets an editor's empty answer."""
        try:
            m = self.inbox.get(timeout=max(0.01, end - time.time()))
        except queue.Empty:
            m = None
            self.problem = f"nothing within {self.seconds} s"
        if m is None:
            raise AssertionError(f"the language server ended or is silent: {self.problem} (status {self.process.poll()}; found {self.found})")
        if "method" in m and "id" in m:
            asked = (m.get("params") or {}).get("items", [])
            self.send({"id": m["id"], "result": [None] * len(asked) if m["method"] == "workspace/configuration" else None})
        elif m.get("method") == "textDocument/publishDiagnostics":
            self.found[m["params"]["uri"]] = m["params"]["diagnostics"]
        elif "id" in m:
            self.answers[m["id"]] = m

    def ask(self, method, **params):
        """The result of a request."""
        self.serial += 1
        mine, end = self.serial, time.time() + self.seconds
        self.send({"id": mine, "method": method, "params": params})
        while mine not in self.answers:
            self.take(end)
        m = self.answers.pop(mine)
        assert "error" not in m, (method, m["error"])
        return m["result"]

    def open(self, uri, language, text):
        self.tell("textDocument/didOpen", textDocument={"uri": uri, "languageId": language, "version": 1, "text": text})

    def mistakes(self, uri, pattern):
        """All that it finds wrong with the text, once one of it is this; a server may look several times, each time further."""
        end = time.time() + self.seconds
        while not any(re.search(pattern, d["message"]) for d in self.found.get(uri, [])):
            self.take(end)
        return [d["message"] for d in self.found[uri]]

    def words(self, uri, line, column):
        """line and column count from 0."""
        answer = self.ask("textDocument/completion", textDocument={"uri": uri}, position={"line": line, "character": column}) or []
        return [i["label"] for i in (answer["items"] if isinstance(answer, dict) else answer)]
