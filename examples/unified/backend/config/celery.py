"""The Celery application; `celery -A config` finds it."""

import logging.config
import os

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("backend")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def log_as_django_does(**_):
    """Keeps the worker from replacing the JSON log lines with its own format."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
