"""The smallest site of Django that answers with a value of views.py."""

import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path

settings.configure(
    DEBUG=True,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="bench",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
)

import views  # noqa: E402, it may need the settings

urlpatterns = [path("", lambda request: HttpResponse(views.VALUE))]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
