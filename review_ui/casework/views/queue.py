"""The queue and the list for second opinions."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext, pgettext
from django.views.decorators.http import require_GET

from qalqan.records import LABELS
from review_ui.accounts.models import Role
from review_ui.casework.context import open_sections
from review_ui.casework.models import Case, Decision
from review_ui.casework.queue import DEFAULT_STATES, VIEWS, QueueFilters, facet_counts, queue
from review_ui.casework.stages import second_opinions
from review_ui.casework.templatetags.desk import LABEL_ICONS, number
from review_ui.casework.views.access import DeskRequest, needs_role, signed_in
from review_ui.casework.views.card import label_title, site_title
from review_ui.casework.views.rows import rows_of, with_strongest
from review_ui.casework.views.undo import undo_offer

PAGE_SIZE = 50


@dataclass(frozen=True)
class FacetChoice:
    value: str
    title: str
    count: int
    is_on: bool
    icon: str = ""


@dataclass(frozen=True)
class Facet:
    name: str
    title: str
    choices: list[FacetChoice]


@dataclass(frozen=True)
class SavedView:
    title: str
    url: str
    count: int
    is_on: bool


@require_GET
@signed_in
def home(request: DeskRequest) -> HttpResponse:
    """Everybody begins where their work is."""
    sections = open_sections(request.user)
    if not sections:
        return render(request, "no_role.html", {"heading": gettext("No role yet")}, status=403)
    return redirect(sections[0])


@require_GET
@needs_role(Role.MODERATOR, Role.AUDITOR, section="queue")
def queue_page(request: DeskRequest) -> HttpResponse:
    filters = QueueFilters.from_query(request.GET)
    user = request.user
    counts = facet_counts(filters, user)
    context = {
        "heading": gettext("Queue"),
        "here": reverse("queue"),
        "facets": facets(filters, counts),
        "views": saved_views(filters, counts["view"]),
        "view": filters.view,
        "audience_from": str(filters.audience_from),
        "today": today(request),
        "is_filtered": bool(request.GET),
        "total_text": ngettext("%(n)s case in the queue.", "%(n)s cases in the queue.", counts["view"]["all"])
        % {"n": number(counts["view"]["all"])},
        **page_of(request, queue(filters, user)),
    }
    return show_list(request, context)


@require_GET
@needs_role(Role.MODERATOR, section="second")
def second_page(request: DeskRequest) -> HttpResponse:
    context = {
        "heading": gettext("Second opinion"),
        "here": reverse("second"),
        **page_of(request, second_opinions(request.user)),
    }
    return show_list(request, context)


def show_list(request: DeskRequest, context: dict[str, Any]) -> HttpResponse:
    is_part = bool(request.htmx) and request.htmx.target == "list"
    template = "casework/_list.html" if is_part else "casework/queue.html"
    return render(request, template, {**context, "is_part": is_part, "undo": undo_offer(request)})


def page_of(request: DeskRequest, cases: QuerySet[Case]) -> dict[str, Any]:
    """The rows of the page that is asked for, and the words of its foot."""
    paginator = Paginator(cases, PAGE_SIZE)
    page = paginator.get_page(request.GET.get("page"))
    total = paginator.count
    listed = with_strongest(cases)[(page.number - 1) * PAGE_SIZE : page.number * PAGE_SIZE] if total else []
    may_claim = request.user.has_role(Role.MODERATOR)
    rest = min(PAGE_SIZE, total - page.end_index()) if total else 0
    return {
        "rows": rows_of(list(listed), request.user, may_claim=may_claim),
        "shown": gettext("%(from)s–%(to)s of %(total)s")
        % {"from": page.start_index(), "to": page.end_index(), "total": number(total)},
        "next_url": address(request, page.next_page_number()) if page.has_next() else "",
        "next_text": ngettext("next %(n)s", "next %(n)s", rest) % {"n": rest},
        "previous_url": address(request, page.previous_page_number()) if page.has_previous() else "",
    }


def address(request: HttpRequest, page: int) -> str:
    query = request.GET.copy()
    query["page"] = str(page)
    return f"{request.path}?{query.urlencode()}"


def today(request: DeskRequest) -> str:
    begin = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    made = Decision.objects.filter(user=request.user, at__gte=begin, withdrawn_at=None).count()
    return ngettext("Today: %(n)s decision", "Today: %(n)s decisions", made) % {"n": made}


def saved_views(filters: QueueFilters, counts: dict[str, int]) -> list[SavedView]:
    titles = {
        "all": pgettext("view", "All"),
        "urgent": pgettext("view", "Urgent"),
        "came_back": pgettext("view", "Came back"),
        "kazakh": pgettext("view", "In Kazakh"),
        "walls": pgettext("view", "Walls"),
        "mine": pgettext("view", "Mine"),
    }
    here = reverse("queue")
    return [
        SavedView(
            titles[view],
            here if view == "all" else f"{here}?{urlencode({'view': view})}",
            counts[view],
            view == filters.view,
        )
        for view in VIEWS
    ]


def facets(filters: QueueFilters, counts: dict[str, dict[str, int]]) -> list[Facet]:
    states = {
        "free": pgettext("state", "Free"),
        "mine": pgettext("state", "Yours"),
        "colleagues": pgettext("state", "With colleagues"),
        "needs_capture": pgettext("state", "Waits for collection"),
    }
    languages = {
        "ru": gettext("Russian"),
        "kk": gettext("Kazakh"),
        "en": gettext("English"),
        "other": gettext("Other"),
    }
    labels, chosen_states = filters.labels or LABELS, filters.states or DEFAULT_STATES
    sites = sorted(counts["site"], key=lambda site: -counts["site"][site])
    return [
        Facet(
            "label",
            gettext("Label"),
            [
                FacetChoice(label, label_title(label), count, label in labels, LABEL_ICONS[label])
                for label, count in counts["label"].items()
            ],
        ),
        Facet(
            "state",
            gettext("State"),
            [
                FacetChoice(state, states[state], count, state in chosen_states)
                for state, count in counts["state"].items()
            ],
        ),
        Facet(
            "lang",
            gettext("Language of the text"),
            [
                FacetChoice(language, languages[language], count, language in filters.languages)
                for language, count in counts["lang"].items()
            ],
        ),
        Facet(
            "site",
            gettext("Platform"),
            [FacetChoice(site, site_title(site), counts["site"][site], site in filters.sites) for site in sites],
        ),
        Facet(
            "came_back",
            gettext("Signs"),
            [FacetChoice("1", pgettext("sign", "Came back"), counts["sign"]["came_back"], filters.came_back)],
        ),
    ]
