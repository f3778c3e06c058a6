from django.db import models


class Item(models.Model):
    """Something with a name, and a file if one was uploaded with it."""

    name = models.CharField(max_length=200)
    upload = models.FileField(upload_to="items/", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self):
        return self.name
