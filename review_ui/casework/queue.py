"""The queue of cases for a first opinion: filters, saved views and counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast

from qalqan import clock
from qalqan.records import LABELS, Label, Language, Site
from review_ui.accounts.models import User
from review_ui.casework.models import Case, CaseState, LabelChoice, Material

QueueState = Literal["free", "mine", "colleagues", "needs_capture"]
STATES: tuple[QueueState, ...] = get_args(QueueState)
DEFAULT_STATES: tuple[QueueState, ...] = ("free", "mine", "colleagues")

View = Literal["all", "urgent", "came_back", "kazakh", "walls", "mine"]
VIEWS: tuple[View, ...] = get_args(View)

URGENT_HARM = 75.0


@runtime_checkable
class _ManyValued(Protocol):
    def getlist(self, key: str) -> Sequence[Any]: ...


@dataclass(frozen=True, slots=True)
class QueueFilters:
    """An empty tuple filters nothing; states empty means free, mine and colleagues'. text: every word must occur."""

    labels: tuple[Label, ...] = ()
    states: tuple[QueueState, ...] = ()
    languages: tuple[Language, ...] = ()
    sites: tuple[Site, ...] = ()
    came_back: bool = False
    audience_from: int = 0
    text: str = ""
    view: View = "all"

    @classmethod
    def from_query(cls, query: Mapping[str, Any]) -> "QueueFilters":
        """From a query string: label, state, lang, site (each repeatable), came_back, audience, q, view.

        Values that do not exist are left out, so an old bookmark still opens.
        """
        audience = str(query.get("audience", "")).replace(" ", "").replace("\u00a0", "")
        view = str(query.get("view", "all"))
        return cls(
            labels=_chosen(query, "label", LABELS),
            states=_chosen(query, "state", STATES),
            languages=_chosen(query, "lang", get_args(Language)),
            sites=_chosen(query, "site", get_args(Site)),
            came_back=str(query.get("came_back", "")) not in {"", "0"},
            audience_from=int(audience) if audience.isdecimal() and len(audience) < 16 else 0,
            text=str(query.get("q", "")).strip()[:200],
            view=view if view in VIEWS else "all",
        )


def _chosen(query: Mapping[str, Any], key: str, known: Sequence[str]) -> tuple[Any, ...]:
    raw = query.getlist(key) if isinstance(query, _ManyValued) else query.get(key, ())
    values = [raw] if isinstance(raw, str) else list(raw)
    return tuple(one for one in known if one in values)


def queue(filters: QueueFilters, user: User) -> QuerySet[Case]:
    """Cases that wait for a first opinion, the most harmful first, of equals the oldest first."""
    now = clock.now()
    cases = _waiting().filter(_in_states(filters.states or DEFAULT_STATES, user, now))
    cases = cases.filter(_in_view(filters.view, user, now))
    if filters.labels:
        cases = cases.filter(label__in=filters.labels)
    if filters.sites:
        cases = cases.filter(site__in=filters.sites)
    if filters.languages:
        cases = cases.filter(_speaks(*filters.languages))
    if filters.came_back:
        cases = cases.filter(returned_from__isnull=False)
    if filters.audience_from:
        cases = cases.filter(audience__gte=filters.audience_from)
    for word in filters.text.casefold().replace("№", " ").split():
        cases = cases.filter(_mentions(word))
    return cases.select_related("holder", "returned_from").order_by("-harm", "id")


def _waiting() -> QuerySet[Case]:
    # The list of languages as text, because SQLite cannot look into JSON lists.
    return Case.objects.filter(state__in=[CaseState.QUEUED, CaseState.NEEDS_CAPTURE]).annotate(
        languages_text=Cast("languages", TextField())
    )


def _speaks(*languages: str) -> Q:
    wanted = Q()
    for language in languages:
        wanted |= Q(languages_text__contains=f'"{language}"')
    return wanted


def _mentions(word: str) -> Q:
    word = word.removeprefix("@")
    in_material = Exists(Material.objects.filter(case=OuterRef("pk"), search_text__contains=word))
    by_number = Q(pk=int(word)) if word.isdecimal() and len(word) < 18 else Q()
    return Q(search_text__contains=word) | Q(in_material) | by_number


def _held(now: datetime) -> Q:
    return Q(holder__isnull=False, held_until__gt=now)


def _in_states(states: Sequence[QueueState], user: User, now: datetime) -> Q:
    queued = Q(state=CaseState.QUEUED)
    conditions: dict[QueueState, Q] = {
        "free": queued & ~_held(now),
        "mine": queued & _held(now) & Q(holder=user),
        "colleagues": queued & _held(now) & ~Q(holder=user),
        "needs_capture": Q(state=CaseState.NEEDS_CAPTURE),
    }
    wanted = Q(pk__in=[])
    for state in states:
        wanted |= conditions[state]
    return wanted


def _in_view(view: View, user: User, now: datetime) -> Q:
    conditions: dict[View, Q] = {
        "all": Q(),
        "urgent": Q(harm__gte=URGENT_HARM),
        "came_back": Q(returned_from__isnull=False),
        "kazakh": _speaks("kk"),
        "walls": Q(label=LabelChoice.DRUG_GRAFFITI),
        "mine": _held(now) & Q(holder=user),
    }
    return conditions[view]


def facet_counts(filters: QueueFilters, user: User) -> dict[str, dict[str, int]]:
    """How many cases each choice holds: {"label": {"drug_shop": 3, ...}, "state", "lang", "site", "sign", "view"}.

    Every group is counted over the whole queue, so the numbers stay while filters change; states not chosen are
    counted in "state" only. Two queries.
    """
    now = clock.now()
    shown = _in_states(filters.states or DEFAULT_STATES, user, now)
    counted: dict[str, Count] = {}
    for label in LABELS:
        counted[f"label:{label}"] = Count("pk", filter=shown & Q(label=label))
    for state in STATES:
        counted[f"state:{state}"] = Count("pk", filter=_in_states([state], user, now))
    for language in get_args(Language):
        counted[f"lang:{language}"] = Count("pk", filter=shown & _speaks(language))
    counted["sign:came_back"] = Count("pk", filter=shown & Q(returned_from__isnull=False))
    for view in VIEWS:
        counted[f"view:{view}"] = Count("pk", filter=shown & _in_view(view, user, now))
    counts: dict[str, dict[str, int]] = {"site": {}}
    for name, number in _waiting().aggregate(**counted).items():
        group, value = name.split(":")
        counts.setdefault(group, {})[value] = number
    by_site = _waiting().filter(shown).order_by().values_list("site").annotate(waiting=Count("pk"))
    counts["site"] = dict(by_site)
    return counts
