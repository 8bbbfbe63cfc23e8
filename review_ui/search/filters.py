"""What is asked for, as it stands in the address of the page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, get_args
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from qalqan.records import LABELS, Label, Language, Site
from qalqan.store import DocumentQuery
from review_ui.casework.models import CaseState

LONGEST_TEXT = 300
SCORES = ("0.5", "0.7", "0.9")
_LONGEST_VALUE = 300
_KIND = re.compile("[a-z_]{1,20}")
# Keyboards of telephones write them in pairs; the store knows one.
_QUOTATION_MARKS = str.maketrans("«»“”„", '"' * 5)
# What somebody could mean; others cannot be computed with in every time zone.
_YEARS = range(1970, 2101)


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """Empty values filter nothing. labels: flagged with one of them. since, until: days in local time, both included.

    entity: (kind, value) of `qalqan.records.Entity`. is_cut: more was typed than is looked for.
    """

    text: str = ""
    labels: tuple[Label, ...] = ()
    least_score: str = ""
    site: Site | None = None
    channel: str = ""
    language: Language | None = None
    since: date | None = None
    until: date | None = None
    state: CaseState | None = None
    entity: tuple[str, str] | None = None
    is_cut: bool = False

    @classmethod
    def from_query(cls, query: QueryDict) -> "SearchFilters":
        """From a query string: q, label (repeatable), score, site, channel, lang, since, until, state, entity.

        Values that do not exist are left out, so an old bookmark still opens.
        """
        text = _line(query, "q").translate(_QUOTATION_MARKS)
        state = _one_of(query, "state", CaseState.values)
        kind, _, value = _line(query, "entity").partition(":")
        return cls(
            text=_first_words(text),
            labels=tuple(label for label in LABELS if label in query.getlist("label")),
            least_score=_one_of(query, "score", SCORES) or "",
            site=_one_of(query, "site", get_args(Site)),
            channel=_line(query, "channel").removeprefix("@")[:_LONGEST_VALUE],
            language=_one_of(query, "lang", get_args(Language)),
            since=_day(query, "since"),
            until=_day(query, "until"),
            state=CaseState(state) if state else None,
            entity=(kind, value) if _KIND.fullmatch(kind) and 0 < len(value) <= _LONGEST_VALUE else None,
            is_cut=len(text) > LONGEST_TEXT,
        )

    @property
    def query(self) -> DocumentQuery:
        return DocumentQuery(
            text=self.text or None,
            labels=self.labels,
            least_score=float(self.least_score) if self.least_score else None,
            site=self.site,
            channel=self.channel or None,
            lang=self.language,
            since=_midnight(self.since) if self.since else None,
            until=_midnight(self.until + timedelta(days=1)) if self.until else None,
            case_state=self.state.value if self.state else None,
            entity=self.entity,
        )

    def address(self, *, cursor: str = "") -> str:
        """Of the page with these filters, its shortest form."""
        values: list[tuple[str, str]] = [
            ("q", self.text),
            *(("label", label) for label in self.labels),
            ("score", self.least_score),
            ("site", self.site or ""),
            ("channel", self.channel),
            ("lang", self.language or ""),
            ("since", self.since.isoformat() if self.since else ""),
            ("until", self.until.isoformat() if self.until else ""),
            ("state", self.state or ""),
            ("entity", ":".join(self.entity) if self.entity else ""),
            ("cursor", cursor),
        ]
        given = urlencode([(name, value) for name, value in values if value])
        return f"{reverse('search')}?{given}" if given else reverse("search")


def _line(query: QueryDict, key: str) -> str:
    return str(query.get(key, "")).replace("\0", " ").strip()


def _first_words(text: str) -> str:
    """As many as are looked for; half a word would find nothing."""
    if len(text) <= LONGEST_TEXT:
        return text
    words, space, _ = text[: LONGEST_TEXT + 1].rpartition(" ")
    return words.strip() if space else text[:LONGEST_TEXT]


def _one_of(query: QueryDict, key: str, known: Sequence[str]) -> Any:
    """The value as it is known, so that the types of the filters hold; None for any other."""
    value = query.get(key)
    return value if value in known else None


def _day(query: QueryDict, key: str) -> date | None:
    try:
        day = date.fromisoformat(_line(query, key))
    except ValueError:
        return None
    return day if day.year in _YEARS else None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
