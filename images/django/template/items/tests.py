from django.test import Client, TestCase

from .models import Item


class ItemTest(TestCase):
    def test_index_shows_rows(self):
        Item.objects.create(name="second")
        response = self.client.get("/")
        self.assertContains(response, "<li>a row from the database</li>")
        self.assertContains(response, "<li>second</li>")

    def test_added_item_is_shown(self):
        self.assertRedirects(self.client.post("/items", {"name": "<b>third</b>"}), "/")
        self.assertContains(self.client.get("/"), "<li>&lt;b&gt;third&lt;/b&gt;</li>")

    def test_names_have_a_limit(self):
        for name in ("", " ", "x" * 101):
            self.assertEqual(self.client.post("/items", {"name": name}).status_code, 400)
        self.assertEqual(Item.objects.count(), 1)

    def test_forms_need_their_token(self):
        strict = Client(enforce_csrf_checks=True)
        self.assertEqual(strict.post("/items", {"name": "third"}).status_code, 403)

    def test_health(self):
        self.assertEqual(self.client.get("/healthz").content, b"ok")


class LoginTest(TestCase):
    def whoami(self):
        return self.client.get("/whoami").content.decode()

    def test_login_and_logout(self):
        self.assertEqual(self.whoami(), "anonymous")
        self.assertRedirects(self.client.post("/login", {"user": "alice"}), "/")
        self.assertEqual(self.whoami(), "alice")
        self.client.post("/logout")
        self.assertEqual(self.whoami(), "anonymous")

    def test_a_changed_session_is_nobody(self):
        self.client.post("/login", {"user": "alice"})
        self.client.cookies["sessionid"] = self.client.cookies["sessionid"].value[:-2] + "xx"
        self.assertEqual(self.whoami(), "anonymous")

    def test_a_user_name_has_a_form(self):
        self.assertEqual(self.client.post("/login", {"user": "a b"}).status_code, 400)
