"""The append-only, hash-chained record of every act."""

from django.db import models


class AuditEntry(models.Model):
    """One act. `hash` covers every other field and the hash of the entry before it.

    Rows can be neither changed nor deleted: the database refuses it by trigger (migration 0002).
    """

    sequence = models.PositiveBigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)  # a user name, or "system:<process>"
    act = models.CharField(max_length=60)  # constant: "decision.confirmed", "package.frozen", "user.logged_in"
    object_kind = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=80, blank=True)
    details = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ("sequence",)
        indexes = (models.Index(fields=["object_kind", "object_id"]),)

    def __str__(self) -> str:
        return f"{self.sequence} {self.act} {self.object_kind} {self.object_id}"


class AuditHead(models.Model):
    """One row: the end of the chain. It is locked while an entry is added, so entries have no gaps."""

    sequence = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.sequence} {self.hash}"
