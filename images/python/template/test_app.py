import unittest

from app import app
from main import greet


class AppTest(unittest.TestCase):
    def get(self, path):
        seen = []
        body = b"".join(app({"PATH_INFO": path}, lambda status, headers: seen.append(status)))
        return seen[0], body

    def test_health(self):
        self.assertEqual(self.get("/healthz"), ("200 OK", b"ok"))

    def test_unknown_path(self):
        self.assertEqual(self.get("/nowhere")[0], "404 Not Found")

    def test_greeting(self):
        self.assertEqual(greet("you"), "Hello, you!")


if __name__ == "__main__":
    unittest.main()
