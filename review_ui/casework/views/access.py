"""Who may open a page: by role, never by habit."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django_htmx.middleware import HtmxDetails

from review_ui.accounts.models import Role, User

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


class DeskRequest(HttpRequest):
    """A request of a signed-in person. section: the part of the head that is lit."""

    user: User
    section: str
    htmx: HtmxDetails


DeskView = Callable[Concatenate[DeskRequest, P], HttpResponseBase]


def signed_in(view: DeskView[P]) -> View[P]:
    """For the few pages that every signed-in person may see."""
    return cast(View[P], login_required(view))


def needs_role(*roles: Role, section: str) -> Callable[[DeskView[P]], View[P]]:
    """Lets in people with one of `roles`; others get the page "not allowed", strangers the sign-in."""

    def guard(view: DeskView[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            desk = cast(DeskRequest, request)
            desk.section = section
            if not desk.user.has_role(*roles):
                raise PermissionDenied
            return view(desk, *args, **kwargs)

        return cast(View[P], login_required(guarded))

    return guard
