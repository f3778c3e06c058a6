"""What the Celery worker does for items."""

from celery import shared_task
from django.core.cache import cache

from .models import Item

COUNT_KEY = "items.count"


@shared_task
def count_items():
    """Counts the items; the last count stays in the cache until the next one."""
    count = Item.objects.count()
    cache.set(COUNT_KEY, count, timeout=None)
    return count
