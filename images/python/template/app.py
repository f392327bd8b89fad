"""The web application (WSGI): gunicorn serves `app` in a deployment.  `python3 app.py` serves it here."""

import html
import os

import store

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{{project}}</title>
<h1>{{project}}</h1>
<ul>{rows}</ul>
<p>served by {instance}</p>
</html>
"""


def index():
    rows = "".join(f"<li>{html.escape(name)}</li>" for (name,) in store.query("SELECT name FROM item"))
    return "200 OK", PAGE.format(rows=rows, instance=os.environ.get("CODINGLAB_INSTANCE", "this machine"))


def healthz():
    return "200 OK", "ok"


ROUTES = {"/": index, "/healthz": healthz}


def app(environ, start_response):
    handler = ROUTES.get(environ["PATH_INFO"])
    status, text = handler() if handler else ("404 Not Found", "not found")
    body = text.encode()
    kind = "text/html" if text.startswith("<!doctype") else "text/plain"
    start_response(status, [("Content-Type", f"{kind}; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


if __name__ == "__main__":
    from wsgiref.simple_server import make_server

    port = int(os.environ.get("PORT", "8000"))
    print(f"http://0.0.0.0:{port}/")
    make_server("", port, app).serve_forever()
