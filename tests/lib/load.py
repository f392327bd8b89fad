"""A constant, bounded load on a URL from several threads: every answer counted, every failure kept."""
import http.client
import threading
import time
from urllib.parse import urlsplit


class Load:
    """`with Load(port, url, threads=4) as l: ...; assert not l.failures`.  One keep-alive connection a thread."""

    def __init__(self, port, url, threads=4, seconds=180):
        u = urlsplit(url)
        self.port, self.host, self.path = port, u.netloc, u.path or "/"
        self.ok, self.failures = 0, []
        self.end, self.lock = time.time() + seconds, threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def _run(self):
        c = None
        while not self.stopping.is_set() and time.time() < self.end:
            try:
                if c is None:
                    c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)  # slow is not lost: the edge itself waits 120 s
                c.request("GET", self.path, headers={"Host": self.host})
                r = c.getresponse()
                r.read()
                with self.lock:
                    if r.status == 200:
                        self.ok += 1
                    else:
                        self.failures.append((time.time(), r.status))
                if r.will_close:
                    c.close()
                    c = None
            except Exception as e:
                with self.lock:
                    self.failures.append((time.time(), repr(e)))
                c and c.close()
                c = None
            time.sleep(0.01)
        c and c.close()

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *exc):
        self.stopping.set()
        for t in self.threads:
            t.join(20)
