"""What is visited, and how often."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Source(models.Model):
    url = models.URLField(_("address"), max_length=500, unique=True)
    title = models.CharField(_("title"), max_length=200, blank=True)
    interval_minutes = models.PositiveIntegerField(_("interval, minutes"), default=60)
    max_pages = models.PositiveIntegerField(_("pages per visit"), null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    reason = models.CharField(_("why it is watched"), max_length=500, blank=True)
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("url",)

    def __str__(self) -> str:
        return self.title or self.url
