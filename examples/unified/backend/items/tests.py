from io import StringIO
from unittest.mock import patch

from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import override_settings
from rest_framework.test import APITestCase

from .models import Item
from .tasks import count_items

# Tests leave neither files in the media folder nor keys in the stack's Redis.
isolated = override_settings(
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    STORAGES={
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    },
)


@isolated
class ItemsTest(APITestCase):
    url = "/api/v1/items/"

    def test_an_item_that_was_created_is_listed(self):
        created = self.client.post(self.url, {"name": "first"}, format="json")
        self.assertEqual(created.status_code, 201)
        listed = self.client.get(self.url).json()["results"]
        self.assertEqual([item["name"] for item in listed], ["first"])
        self.assertIsNone(listed[0]["upload"])

    def test_the_newest_item_comes_first(self):
        for name in ["old", "new"]:
            Item.objects.create(name=name)
        listed = self.client.get(self.url).json()["results"]
        self.assertEqual([item["name"] for item in listed], ["new", "old"])

    def test_an_item_needs_a_name(self):
        response = self.client.post(self.url, {"name": ""}, format="json")
        self.assertEqual(response.status_code, 400)
        self.assertIn("name", response.json())

    def test_an_uploaded_file_is_kept_and_linked(self):
        file = SimpleUploadedFile("notes.txt", b"hello")
        response = self.client.post(self.url, {"name": "with a file", "upload": file})
        self.assertEqual(response.status_code, 201)
        self.assertTrue(response.json()["upload"].endswith("/media/items/notes.txt"))
        self.assertEqual(Item.objects.get().upload.read(), b"hello")

    def test_the_count_is_null_until_the_worker_counted(self):
        cache.clear()
        self.assertIsNone(self.client.get(f"{self.url}count/").json()["count"])
        Item.objects.create(name="one")
        self.assertEqual(count_items(), 1)
        self.assertEqual(self.client.get(f"{self.url}count/").json()["count"], 1)


@isolated
class ProjectTest(APITestCase):
    def test_the_api_root_links_what_there_is(self):
        links = self.client.get("/api/").json()
        self.assertEqual(links["items"], "http://testserver/api/v1/items/")

    def test_links_are_those_of_the_proxy(self):
        links = self.client.get("/api/", HTTP_X_FORWARDED_HOST="localhost:8080").json()
        self.assertEqual(links["items"], "http://localhost:8080/api/v1/items/")

    def test_health_is_ok_when_all_answers(self):
        response = self.client.get("/api/v1/health/")
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.json(), {"status": "ok", "database": "ok", "cache": "ok"})

    def test_health_names_what_does_not_answer(self):
        with patch("config.views.cache.set", side_effect=ConnectionError("refused")):
            response = self.client.get("/api/v1/health/")
        self.assertEqual(response.status_code, 503)
        self.assertEqual(response.json()["cache"], "ConnectionError")
        self.assertEqual(response.json()["database"], "ok")

    @override_settings(FRONTEND={"appName": "Shop", "apiUrl": "", "enableDebug": True})
    def test_the_frontend_gets_its_configuration(self):
        config = self.client.get("/api/v1/config/frontend/").json()
        self.assertEqual(config, {"appName": "Shop", "apiUrl": "", "enableDebug": True})

    def test_the_admin_asks_for_a_login(self):
        self.assertRedirects(self.client.get("/admin/"), "/admin/login/?next=/admin/")

    def test_check_database_says_where_it_connected(self):
        out = StringIO()
        call_command("check_database", stdout=out)
        self.assertIn("Connected to", out.getvalue())
