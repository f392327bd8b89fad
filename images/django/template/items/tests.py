from django.test import TestCase

from .models import Item


class ItemTest(TestCase):
    def test_index_shows_rows(self):
        Item.objects.create(name="second")
        response = self.client.get("/")
        self.assertContains(response, "a row from the database")
        self.assertContains(response, "second")

    def test_health(self):
        self.assertEqual(self.client.get("/healthz").content, b"ok")
