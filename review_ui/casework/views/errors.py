"""Calm pages for what went wrong: what happened, what became of the work, what to do next."""

import structlog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext

log = structlog.get_logger()


def not_allowed(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "403.html", {"heading": gettext("Not allowed")}, status=403)


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's check against forged forms: usually a page that was open for too long."""
    return render(request, "403_csrf.html", {"heading": gettext("The page is out of date")}, status=403)


def gone(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "404.html", {"heading": gettext("No such page")}, status=404)


def failed(request: HttpRequest) -> HttpResponse:
    """No context processors: the database may be what failed. Django itself tells nobody where DEBUG is off."""
    log.exception("page_failed", path=request.path, method=request.method)
    return HttpResponse(render_to_string("500.html", {"heading": gettext("It did not work")}), status=500)
