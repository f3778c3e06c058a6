"""Routes of the backend."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path
from rest_framework.routers import DefaultRouter

from items.views import ItemViewSet

from . import views

router = DefaultRouter()
router.register("items", ItemViewSet)

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", views.root, name="root"),
    path("api/v1/", include(router.urls)),
    path("api/v1/health/", views.health, name="health"),
    path("api/v1/config/frontend/", views.frontend_config, name="frontend-config"),
    # Only in DEBUG: elsewhere a web server hands out what people uploaded.
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
