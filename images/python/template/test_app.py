import io
import os
import tempfile
import unittest
from urllib.parse import urlencode

os.chdir(tempfile.mkdtemp())  # the tests' app.db is not yours

import store
from app import app
from main import greet


class AppTest(unittest.TestCase):
    def ask(self, method, path, **form):
        body = urlencode(form).encode()
        seen = []
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
        answer = b"".join(app(environ, lambda status, headers: seen.append(status)))
        return seen[0], answer.decode()

    def test_health(self):
        self.assertEqual(self.ask("GET", "/healthz"), ("200 OK", "ok"))

    def test_added_item_is_shown(self):
        self.assertEqual(self.ask("POST", "/items", name="<b>second</b>")[0], "303 See Other")
        self.assertIn("<li>&lt;b&gt;second&lt;/b&gt;</li>", self.ask("GET", "/")[1])

    def test_names_have_a_limit(self):
        for name in ("", " ", "x" * 101, "a\0b"):
            self.assertEqual(self.ask("POST", "/items", name=name)[0], "400 Bad Request")
        self.assertEqual(self.ask("POST", "/items", name="x" * 99999)[0], "413 Content Too Large")

    def test_unknown_path(self):
        self.assertEqual(self.ask("GET", "/nowhere")[0], "404 Not Found")

    def test_migrations_run_once(self):
        self.assertEqual(store.migrate(), 0)

    def test_greeting(self):
        self.assertEqual(greet("you"), "Hello, you!")


if __name__ == "__main__":
    unittest.main()
