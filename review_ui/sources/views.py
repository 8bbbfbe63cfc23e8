"""Sources: what is visited, how often, and how the last visits went."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.core.validators import URLValidator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_POST

from qalqan import clock
from qalqan.errors import QalqanError, StoreError
from review_ui.accounts.models import Role
from review_ui.audit.chain import record
from review_ui.casework.templatetags.desk import plain
from review_ui.casework.views.access import DeskRequest, needs_role
from review_ui.sources.models import Source

if TYPE_CHECKING:
    from crawler.frontier import Frontier, VisitOutcome

READERS = (Role.OPERATOR, Role.AUDITOR)
PAGE_SIZE = 100
OUTCOMES = 2000
LONGEST_INTERVAL = 60 * 24 * 31


@dataclass(frozen=True)
class SourceRow:
    """outcome: how the last visit went; empty where there was none yet."""

    source: Source
    interval: str
    visited_at: datetime | None
    outcome: str
    is_failed: bool
    error: str
    new: int | None


@contextmanager
def frontier() -> "Iterator[Frontier]":
    from crawler.frontier import open_frontier  # the crawler's own state; the rest of the site starts without it

    opened = open_frontier(settings.QALQAN.home)
    try:
        yield opened
    finally:
        opened.close()


def last_outcomes() -> "dict[str, VisitOutcome]":
    """The newest outcome of each source; nothing where the crawler has not run here."""
    if not (settings.QALQAN.home / "frontier.sqlite").exists():
        return {}
    with frontier() as opened:
        found: dict[str, VisitOutcome] = {}
        for outcome in opened.recent_outcomes(OUTCOMES):
            if outcome.source_id is not None:
                found.setdefault(outcome.source_id, outcome)
    return found


@require_GET
@needs_role(*READERS, section="sources")
def sources_page(request: DeskRequest) -> HttpResponse:
    return show_sources(request)


def show_sources(
    request: DeskRequest, *, refused: list[str] | None = None, entered: dict[str, str] | None = None
) -> HttpResponse:
    """entered: what was typed into the form of a new source and is kept on the screen."""
    show = request.GET.get("show", "")
    sources = Source.objects.order_by("-is_active", "title", "url")
    trouble = ""
    try:
        outcomes = last_outcomes()
    except StoreError as error:
        outcomes, trouble = {}, str(error)
    if show == "paused":
        sources = sources.filter(is_active=False)
    elif show == "failed":
        sources = sources.filter(pk__in=[int(key) for key, one in outcomes.items() if _failed(one) and key.isdecimal()])
    page = Paginator(sources, PAGE_SIZE).get_page(request.GET.get("page"))
    paused = Source.objects.filter(is_active=False).count()
    total = Source.objects.count()
    context = {
        "page": page,
        "rows": [_row(source, outcomes.get(str(source.pk))) for source in page.object_list],
        "counts": ngettext("%(n)s source", "%(n)s sources", total) % {"n": total}
        + " · "
        + gettext("%(n)s paused") % {"n": paused},
        "show": show if show in {"paused", "failed"} else "",
        "may_change": request.user.has_role(Role.OPERATOR),
        "refused": refused or [],
        "entered": entered or {},
        "default_interval": str(settings.QALQAN.schedule.interval_minutes),
        "trouble": trouble,
        "told": TOLD.get(request.GET.get("told", "")),
    }
    return render(request, "sources/list.html", context, status=422 if refused else 200)


TOLD = {"due": "due", "waits": "waits"}


def _failed(outcome: "VisitOutcome") -> bool:
    return outcome.error is not None or outcome.status == "failed"


def _row(source: Source, outcome: "VisitOutcome | None") -> SourceRow:
    if outcome is None:
        return SourceRow(source, interval_words(source.interval_minutes), None, "", False, "", None)
    return SourceRow(
        source,
        interval_words(source.interval_minutes),
        outcome.finished_at,
        status_words(outcome.status),
        _failed(outcome),
        plain(outcome.error or ""),
        outcome.new,
    )


def status_words(status: str) -> str:
    words = {
        "ok": gettext("read, something new"),
        "unchanged": gettext("nothing new"),
        "failed": gettext("failed"),
        "preview_disabled": gettext("the owner has closed the public view"),
        "restricted": gettext("restricted by the platform"),
        "empty": gettext("no posts"),
        "missing": gettext("gone"),
    }
    return words.get(status, status)


def interval_words(minutes: int) -> str:
    if minutes % (24 * 60) == 0:
        days = minutes // (24 * 60)
        return ngettext("every %(n)s day", "every %(n)s days", days) % {"n": days}
    if minutes % 60 == 0:
        hours = minutes // 60
        return ngettext("every %(n)s hour", "every %(n)s hours", hours) % {"n": hours}
    return ngettext("every %(n)s minute", "every %(n)s minutes", minutes) % {"n": minutes}


def _whole(text: str, low: int, high: int) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and low <= int(text[:12]) <= high else None


@require_POST
@needs_role(Role.OPERATOR, section="sources")
def add_source(request: DeskRequest) -> HttpResponse:
    """A new public address to visit."""
    entered = {name: request.POST.get(name, "").strip() for name in ("url", "title", "interval", "pages", "reason")}
    refused: list[str] = []
    try:
        URLValidator(schemes=["http", "https"])(entered["url"])
    except ValidationError:
        refused.append(gettext("The address must begin with https:// or http:// and name a host."))
    if len(entered["url"]) > 500:
        refused.append(gettext("The address is longer than 500 characters."))
    if not refused and Source.objects.filter(url=entered["url"]).exists():
        refused.append(gettext("This address is in the list already."))
    interval = _whole(entered["interval"], 1, LONGEST_INTERVAL)
    if interval is None:
        refused.append(gettext("The interval is a number of minutes, from 1 to 44640."))
    pages = _whole(entered["pages"], 1, 100_000) if entered["pages"] else None
    if entered["pages"] and pages is None:
        refused.append(gettext("Pages per visit is a number from 1 to 100000."))
    if refused:
        return show_sources(request, refused=refused, entered=entered)
    source = Source.objects.create(
        url=entered["url"],
        title=entered["title"][:200],
        interval_minutes=interval or settings.QALQAN.schedule.interval_minutes,
        max_pages=pages,
        reason=entered["reason"][:500],
        added_by=request.user,
    )
    record("source.added", actor=request.user, object=source, details={"url": source.url})
    return redirect("sources")


@require_POST
@needs_role(Role.OPERATOR, section="sources")
def change_source(request: DeskRequest, source_id: int) -> HttpResponse:
    """do: `pause`, `resume` or `interval`."""
    source = get_object_or_404(Source, pk=source_id)
    act = request.POST.get("do")
    if act in {"pause", "resume"}:
        source.is_active = act == "resume"
        record(f"source.{act}d", actor=request.user, object=source, details={"url": source.url})
    elif act == "interval":
        interval = _whole(request.POST.get("interval", ""), 1, LONGEST_INTERVAL)
        if interval is None:
            return show_sources(request, refused=[gettext("The interval is a number of minutes, from 1 to 44640.")])
        details = {"url": source.url, "before": source.interval_minutes, "after": interval}
        record("source.interval_changed", actor=request.user, object=source, details=details)
        source.interval_minutes = interval
    source.save()
    return redirect("sources")


@require_POST
@needs_role(Role.OPERATOR, section="sources")
def visit_now(request: DeskRequest, source_id: int) -> HttpResponse:
    """Puts the source at the front of what is to be fetched."""
    source = get_object_or_404(Source, pk=source_id)
    try:
        with frontier() as opened:
            is_new = opened.schedule(source.url, clock.now(), source_id=str(source.pk), max_pages=source.max_pages)
    except QalqanError as error:
        return show_sources(request, refused=[str(error)])
    if is_new:
        record("source.visit_requested", actor=request.user, object=source, details={"url": source.url})
    response = redirect("sources")
    response["Location"] += "?told=due" if is_new else "?told=waits"
    return response
