"""What stands beside the results: every filter with its choices, and how many posts each holds."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import get_args

from django.utils import timezone
from django.utils.translation import gettext, ngettext, pgettext

from qalqan.errors import StoreError
from qalqan.records import LABELS, Language, Site
from qalqan.store import DocumentQuery, Facet, Store
from review_ui.casework.models import CaseState
from review_ui.casework.templatetags.desk import LABEL_ICONS, number, plain
from review_ui.casework.views.card import label_title, site_title
from review_ui.search.filters import SCORES, SearchFilters
from review_ui.search.results import entity_title

MOST_CHANNELS = 10
# Counts that are not there by then are left out: what was found is worth more.
PATIENCE_S = 4.0

MOST_BARS, _FEWEST_BARS = 60, 20
_NEARLY_ALL = 0.95
_MOST_DAYS = 4_000
_WIDTH, _HEIGHT, _WIDEST_BAR = 240, 40, 12


@dataclass(frozen=True)
class Choice:
    """count: None where it is not known."""

    value: str
    title: str
    count: int | None
    is_on: bool
    icon: str = ""


@dataclass(frozen=True)
class Group:
    """A filter of which one choice holds (or several, of labels); the first choice of one is "any"."""

    name: str
    title: str
    choices: list[Choice]
    is_single: bool = True


@dataclass(frozen=True)
class ChannelLink:
    title: str
    count: int
    url: str


@dataclass(frozen=True)
class Bar:
    """x, y, width, height: written for SVG."""

    title: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True)
class Chart:
    """most: of the highest bar. others: documents outside the time that is drawn, in words."""

    title: str
    most: str
    first: str
    last: str
    bars: list[Bar]
    others: str


@dataclass(frozen=True)
class Facets:
    """trouble: why counts are missing, in words."""

    groups: list[Group]
    scores: list[Choice]
    states: list[Choice]
    channels: list[ChannelLink]
    chart: Chart | None
    entity: str
    entity_value: str
    without_entity: str
    trouble: str


def facets_of(store: Store | None, filters: SearchFilters, deadline: float) -> Facets:
    """store: None where it is away. deadline: by `time.monotonic`."""
    counted = _Counted(store, deadline)
    query = filters.query
    # A filter's own choice is left out, so that the others of its group can be compared with it.
    labels = counted.ask(replace(query, labels=()), "label")
    sites = counted.ask(replace(query, site=None), "site")
    languages = counted.ask(replace(query, lang=None), "lang")
    channels = counted.ask(replace(query, channel=None), "channel", MOST_CHANNELS)
    days = counted.ask(query, "day", _MOST_DAYS)
    return Facets(
        groups=[
            Group("label", gettext("Label"), _labels(filters, labels), is_single=False),
            Group("site", gettext("Platform"), _sites(filters, sites)),
            Group("lang", gettext("Language of the text"), _languages(filters, languages)),
        ],
        scores=[
            _any(not filters.least_score),
            *(Choice(step, f"{step}0".replace(".", ","), None, step == filters.least_score) for step in SCORES),
        ],
        states=[
            _any(filters.state is None),
            *(Choice(state.value, str(state.label), None, state == filters.state) for state in CaseState),
        ],
        channels=[
            ChannelLink(plain(channel), count, replace(filters, channel=channel).address())
            for channel, count in (channels or {}).items()
            if channel != filters.channel.lower()
        ],
        chart=chart_of(days) if days else None,
        entity=entity_title(filters.entity) if filters.entity else "",
        entity_value=":".join(filters.entity) if filters.entity else "",
        without_entity=replace(filters, entity=None).address(),
        trouble=counted.trouble,
    )


class _Counted:
    """Counts as long as the store answers and there is time."""

    def __init__(self, store: Store | None, deadline: float) -> None:
        self._store = store
        self._deadline = deadline
        self.trouble = ""

    def ask(self, query: DocumentQuery, facet: Facet, limit: int = 100) -> Mapping[str, int] | None:
        if self._store is None or self.trouble:
            return None
        if time.monotonic() > self._deadline:
            self.trouble = gettext("The store is slow now: some numbers were left out.")
            return None
        try:
            return self._store.counts(query, facet, limit)
        except StoreError:
            self.trouble = gettext("The store did not count: some numbers are missing.")
            return None


def _any(is_on: bool) -> Choice:
    return Choice("", pgettext("filter", "any"), None, is_on)


def _labels(filters: SearchFilters, counts: Mapping[str, int] | None) -> list[Choice]:
    return [
        Choice(label, label_title(label), _count(counts, label), label in filters.labels, LABEL_ICONS[label])
        for label in LABELS
    ]


def _sites(filters: SearchFilters, counts: Mapping[str, int] | None) -> list[Choice]:
    """Those of which something is there, the most frequent first; all where that is not known."""
    known: list[str] = list(get_args(Site) if counts is None else counts)
    if filters.site and filters.site not in known:
        known.append(filters.site)
    return [
        _any(filters.site is None),
        *(Choice(site, site_title(site), _count(counts, site), site == filters.site) for site in known),
    ]


def _languages(filters: SearchFilters, counts: Mapping[str, int] | None) -> list[Choice]:
    titles = {
        "ru": gettext("Russian"),
        "kk": gettext("Kazakh"),
        "en": gettext("English"),
        "other": gettext("Other"),
    }
    return [
        _any(filters.language is None),
        *(
            Choice(language, titles[language], _count(counts, language), language == filters.language)
            for language in get_args(Language)
        ),
    ]


def _count(counts: Mapping[str, int] | None, value: str) -> int | None:
    return None if counts is None else counts.get(value, 0)


def chart_of(days: Mapping[str, int]) -> Chart | None:
    """days: `2026-04-21` -> documents. In bars of a day, a week, a month or a year, at most `MOST_BARS` of them.

    Pages name any date, and one in 1970 must not squeeze the others together: the finest bars are taken that show
    nearly all; how many lie outside, days to come among them, is told in words. None where nothing is left to draw.
    """
    latest = timezone.localdate() + timedelta(days=1)
    told = {day: count for text, count in days.items() if (day := _day(text)) and day <= latest}
    if not told:
        return None
    for unit in _UNITS:
        begins = _begins(min(told), max(told), unit.begin_of)
        shown = {day: count for day, count in told.items() if day >= begins[0]}
        if sum(shown.values()) >= _NEARLY_ALL * sum(told.values()):
            break
    bins = Counter[date]()
    for day, count in shown.items():
        bins[unit.begin_of(day)] += count
    others = sum(days.values()) - sum(shown.values())
    return Chart(
        title=_chart_title(unit.key),
        most=number(max(bins.values())),
        first=begins[0].strftime(unit.form),
        last=begins[-1].strftime(unit.form),
        bars=_bars([(begin.strftime(unit.form), bins[begin]) for begin in begins]),
        others=ngettext("%(n)s more at another time", "%(n)s more at another time", others) % {"n": number(others)}
        if others
        else "",
    )


def _chart_title(unit: str) -> str:
    titles = {
        "day": gettext("Posts by day (UTC)"),
        "week": gettext("Posts by week (UTC)"),
        "month": gettext("Posts by month (UTC)"),
        "year": gettext("Posts by year (UTC)"),
    }
    return titles[unit]


def _bars(counted: Sequence[tuple[str, int]]) -> list[Bar]:
    """Of what has any; their places leave gaps for what has none."""
    step = min(_WIDEST_BAR, _WIDTH / len(counted))
    most = max(count for _, count in counted)
    bars: list[Bar] = []
    for place, (title, count) in enumerate(counted):
        if count:
            height = max(2.0, count / most * _HEIGHT)  # a single post is still to be seen
            x, y, width = place * step, _HEIGHT - height, max(1.0, step - 1)
            bars.append(Bar(f"{title}: {number(count)}", f"{x:.1f}", f"{y:.1f}", f"{width:.1f}", f"{height:.1f}"))
    return bars


def _begins(first: date, last: date, begin_of: Callable[[date], date]) -> list[date]:
    """Where the bars from `first` to `last` begin, in order; empty ones before few, of too many only the last."""
    begins = [begin_of(last)]
    while (begins[-1] > first or len(begins) < _FEWEST_BARS) and len(begins) < MOST_BARS and begins[-1] > date.min:
        begins.append(begin_of(begins[-1] - timedelta(days=1)))
    return begins[::-1]


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@dataclass(frozen=True)
class _Unit:
    """form: how its beginning is written."""

    key: str
    begin_of: Callable[[date], date]
    form: str


_UNITS = (
    _Unit("day", lambda day: day, "%d.%m.%Y"),
    _Unit("week", lambda day: day - timedelta(days=day.weekday()), "%d.%m.%Y"),
    _Unit("month", lambda day: day.replace(day=1), "%m.%Y"),
    _Unit("year", lambda day: day.replace(month=1, day=1), "%Y"),
)
