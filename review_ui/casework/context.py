"""What every page of the desk shows in its head: the sections a person may enter, with what waits there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext

from review_ui.accounts.models import Role, User
from review_ui.casework.models import Case, CaseState

# section -> (roles that may enter, address)
DOORS: dict[str, tuple[Role, ...]] = {
    "queue": (Role.MODERATOR, Role.AUDITOR),
    "second": (Role.MODERATOR,),
    "search": (Role.MODERATOR, Role.AUDITOR),
    "packages": (Role.OFFICER, Role.REGULATOR, Role.AUDITOR),
    "sources": (Role.OPERATOR, Role.AUDITOR),
}


@dataclass(frozen=True)
class Section:
    key: str
    title: str
    url: str
    is_current: bool
    count: int | None = None


def open_sections(user: User) -> list[str]:
    """Names of the sections that the roles of `user` open, in the order of the head."""
    return [key for key, roles in DOORS.items() if user.has_role(*roles)]


def sections_of(request: HttpRequest, user: User) -> list[Section]:
    titles = {
        "queue": gettext("Queue"),
        "second": gettext("Second opinion"),
        "search": gettext("Search"),
        "packages": gettext("Packages"),
        "sources": gettext("Sources"),
    }
    counting: dict[str, Callable[[], int]] = {
        "queue": lambda: Case.objects.filter(state=CaseState.QUEUED).count(),
        "second": lambda: Case.objects.filter(state__in=[CaseState.SECOND_REVIEW, CaseState.THIRD_REVIEW]).count(),
    }
    here = getattr(request, "section", None)
    return [
        Section(key, titles[key], reverse(key), key == here, counting[key]() if key in counting else None)
        for key in open_sections(user)
    ]


def counts(request: HttpRequest) -> dict[str, Any]:
    """Values are callables: a fragment that shows no head asks the database nothing."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {}
    return {
        "sections": lambda: sections_of(request, user),
        "role_names": lambda: ", ".join(str(Role(role).label) for role in user.roles) or gettext("no role yet"),
        "may_search": user.has_role(Role.MODERATOR, Role.AUDITOR),
        "searched": request.GET.get("q", ""),
    }
