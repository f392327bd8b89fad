"""A small browser for the applications that a lab serves: cookies, forms with their hidden fields, redirects told not followed.

    b = Browser(lab.edge_port, url)
    b.get("/").status; b.submit("/items", name="milk"); b.get("/").items()
"""
import html.parser
import http.client
import http.cookies
from urllib.parse import urlencode, urlsplit


class Page(html.parser.HTMLParser):
    """One answer: status, headers, text, and of HTML its forms and list items."""

    def __init__(self, status, headers, text):
        super().__init__()
        self.status, self.headers, self.text = status, headers, text
        self.forms, self._items, self._in_item = [], [], False
        if "html" in headers.get("Content-Type", ""):
            self.feed(text)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "form":
            self.forms.append({"action": a.get("action", ""), "method": a.get("method", "get").lower(), "fields": {}})
        elif tag == "input" and self.forms and a.get("name"):
            self.forms[-1]["fields"][a["name"]] = a.get("value") or ""
        elif tag == "li":
            self._items.append("")
            self._in_item = True

    def handle_endtag(self, tag):
        if tag == "li":
            self._in_item = False

    def handle_data(self, data):
        if self._in_item:
            self._items[-1] += data

    def items(self):
        return [" ".join(i.split()) for i in self._items]


class Browser:
    """One visitor of one application, whose host name leads to this lab's edge."""

    def __init__(self, port, url):
        self.port, self.host, self.cookies = port, urlsplit(url).netloc, {}

    def request(self, method, path, body=None, headers=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            cookie = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())} if self.cookies else {}
            c.request(method, path, body, {"Host": self.host, **cookie, **(headers or {})})
            r = c.getresponse()
            for line in r.headers.get_all("Set-Cookie") or []:
                for name, morsel in http.cookies.SimpleCookie(line).items():
                    self.cookies[name] = morsel.coded_value
            return Page(r.status, r.headers, r.read().decode(errors="replace"))
        finally:
            c.close()

    def get(self, path):
        return self.request("GET", path)

    def submit(self, action, page="/", **fields):
        """Fill in the form of `page` that posts to `action`, as a person does."""
        p = self.get(page)
        forms = [f for f in p.forms if urlsplit(f["action"]).path == action and f["method"] == "post"]
        if p.status != 200 or not forms:
            raise AssertionError(f"{page}: status {p.status}, no form that posts to {action}:\n{p.text[:1500]}")
        missing = [k for k in fields if k not in forms[0]["fields"]]
        if missing:
            raise AssertionError(f"{page}: the form of {action} has no field {missing}: {forms[0]}")
        return self.request("POST", forms[0]["action"], urlencode({**forms[0]["fields"], **fields}),
                            {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{self.host}",
                             "Referer": f"http://{self.host}{page}"})
