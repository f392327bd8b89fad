"""The web application (WSGI): gunicorn serves `app` in a deployment.  `python3 app.py` serves it here."""

import html
import os
from urllib.parse import parse_qs

import store

LONGEST_NAME = 100  # characters
LONGEST_FORM = 64 << 10  # bytes
PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{{project}}</title></head>
<body>
<h1>Hello from {{project}}</h1>
<ul>
{rows}</ul>
<form method="post" action="/items">
<label>Name <input type="text" name="name" maxlength="100" required></label>
<button>Add</button>
</form>
<p>served by {instance}</p>
</body>
</html>
"""


def index(environ):
    rows = "".join(f"<li>{html.escape(name)}</li>\n" for name in store.names())
    instance = os.environ.get("CODINGLAB_INSTANCE", "this machine")
    return "200 OK", PAGE.format(rows=rows, instance=html.escape(instance))


def add_item(environ):
    size = int(environ.get("CONTENT_LENGTH") or 0)
    if size > LONGEST_FORM:
        return "413 Content Too Large", "the form is too large"
    form = parse_qs(environ["wsgi.input"].read(size).decode(errors="replace"))
    name = form.get("name", [""])[0].strip()
    if not 1 <= len(name) <= LONGEST_NAME or "\0" in name:
        return "400 Bad Request", "a name has 1 to 100 characters"
    store.add(name)
    return "303 See Other", ""


def healthz(environ):
    return "200 OK", "ok"


ROUTES = {("GET", "/"): index, ("POST", "/items"): add_item, ("GET", "/healthz"): healthz}


def app(environ, start_response):
    method = environ["REQUEST_METHOD"].replace("HEAD", "GET")
    handler = ROUTES.get((method, environ["PATH_INFO"]))
    status, text = handler(environ) if handler else ("404 Not Found", "not found")
    body = text.encode()
    kind = "text/html" if text.startswith("<!doctype") else "text/plain"
    headers = [("Content-Type", f"{kind}; charset=utf-8"), ("Content-Length", str(len(body)))]
    if status.startswith("303"):
        headers.append(("Location", "/"))
    start_response(status, headers)
    return [body]


if not store.URL:
    store.migrate()  # a fresh app.db has no tables; a deployment migrates before it serves

if __name__ == "__main__":
    from wsgiref.simple_server import make_server

    port = int(os.environ.get("PORT", "8000"))
    print(f"http://0.0.0.0:{port}/")
    make_server("", port, app).serve_forever()
