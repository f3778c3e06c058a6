from django.core.cache import cache
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

from .models import Item
from .serializers import ItemSerializer
from .tasks import COUNT_KEY, count_items


class ItemViewSet(viewsets.ModelViewSet):
    """Items: list, create (JSON, or a form with a file), change, delete."""

    queryset = Item.objects.all()
    serializer_class = ItemSerializer

    @action(detail=False)
    def count(self, request):
        """What the worker counted last; null before it counted for the first time."""
        return Response({"count": cache.get(COUNT_KEY)})

    @count.mapping.post
    def recount(self, request):
        """Asks the worker to count."""
        task = count_items.delay()
        return Response({"task": task.id}, status=202)
