"""People and their roles (domain.md, section 4). Separation of roles is enforced here, not by habit."""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    MODERATOR = "moderator", _("Moderator")  # first or second reviewer, never both on one request
    OFFICER = "officer", _("Authorised officer")  # assembles, signs and sends packages
    OPERATOR = "operator", _("Crawler operator")  # sources and schedules, no decisions
    REGULATOR = "regulator", _("Regulator")  # reads packages, sends results back
    AUDITOR = "auditor", _("Auditor")  # reads everything, changes nothing


class User(AbstractUser):
    """`roles` is a list of `Role` values; a superuser manages accounts and decides nothing."""

    roles = models.JSONField(_("roles"), default=list, blank=True)

    REQUIRED_FIELDS: ClassVar[list[str]] = []

    def has_role(self, *wanted: Role) -> bool:
        return any(role.value in self.roles for role in wanted)

    @property
    def short_name(self) -> str:
        """`А. Үлгібаева`, or the user name where no name is known."""
        if self.first_name and self.last_name:
            return f"{self.first_name[0]}. {self.last_name}"
        return self.get_full_name() or self.username
