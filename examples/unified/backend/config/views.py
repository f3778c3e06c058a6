"""What belongs to no app: the API's root, health, the frontend's configuration."""

import logging

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.response import Response
from rest_framework.reverse import reverse

logger = logging.getLogger(__name__)


@api_view()
def root(request):
    """Where everything is."""
    names = {
        "items": "item-list",
        "health": "health",
        "config": "frontend-config",
        "admin": "admin:index",
    }
    return Response({key: reverse(name, request=request) for key, name in names.items()})


# Asked every few seconds by programs: no session, hence no query for one.
@api_view()
@authentication_classes([])
def health(request):
    """200 if database and cache answer, else 503 saying which does not."""
    checks = {"database": check_database, "cache": check_cache}
    results = {name: outcome(name, check) for name, check in checks.items()}
    healthy = all(result == "ok" for result in results.values())
    status = "ok" if healthy else "unavailable"
    return Response({"status": status, **results}, status=200 if healthy else 503)


@api_view()
@authentication_classes([])
def frontend_config(request):
    """What the frontend has to know before it starts, from the FRONTEND_* variables."""
    return Response(settings.FRONTEND)


def outcome(name, check):
    """`ok`, or the kind of the error; its text may hold addresses and goes to the log only."""
    try:
        check()
    except Exception as error:
        logger.warning("%s does not answer: %s", name, error)
        return type(error).__name__
    return "ok"


def check_database():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def check_cache():
    cache.set("health", "ok", timeout=10)
    if cache.get("health") != "ok":
        raise RuntimeError("the cache lost what was just written")
