"""How a query becomes SQL, how matches are ranked, and what a cursor holds."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from qalqan.errors import StoreError
from qalqan.records import LABELS
from qalqan.store.base import DocumentQuery
from qalqan.store.keys import comparable_host, comparable_value, digest_of, encodable, microseconds
from qalqan.store.terms import QueryPhrase, read_query

# BM25's customary constants; a fixed mean length (a typical post) instead of the collection's moving one.
_SATURATION = 1.2
_LENGTH_WEIGHT = 0.75
_MEAN_WORDS = 50.0
# Ranking by more terms than this changes nothing that a reader would notice.
_RANKED = 96
# (stream, column of `document_words`, weight of an occurrence): titles say more, the very word more than another form.
_STREAMS = ", ".join(
    f"('{stream}', '{column}', {weight})"
    for stream, column, weight in (
        ("plain", "title_plain", 3.6),
        ("plain", "text_plain", 1.2),
        ("plain", "source", 1.0),
        ("russian", "title_russian", 3.0),
        ("russian", "text_russian", 1.0),
        ("kazakh", "title_kazakh", 3.0),
        ("kazakh", "text_kazakh", 1.0),
    )
)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The WHERE clause of a query over `documents`, and what to rank by (nothing: newest first).

    wanted: of the words of the query (number of the word, stream, term as the index holds it).
    """

    where: str
    values: tuple[object, ...]
    wanted: tuple[tuple[int, str, str], ...]

    @property
    def matches(self) -> str:
        """A SELECT of number, score and moment of every match; its parameters are `match_values`."""
        if not self.wanted:
            return f"SELECT number, 0.0 AS score, moment FROM documents WHERE {self.where}"  # noqa: S608 -- constants
        return f"""
            WITH wanted (word, stream, term) AS (VALUES {", ".join(["(?, ?, ?)"] * len(self.wanted))}),
            streams (stream, col, weight) AS (VALUES {_STREAMS}),
            found (doc, word, occurrences) AS (
                SELECT doc, word, max(occurrences) FROM (
                    SELECT doc, word, stream, sum(weight) AS occurrences
                    FROM wanted JOIN streams USING (stream) JOIN word_places USING (term, col)
                    GROUP BY doc, word, stream
                ) GROUP BY doc, word
            )
            SELECT number, round(sum(
                occurrences / (occurrences + {_SATURATION} * ({1 - _LENGTH_WEIGHT}
                + {_LENGTH_WEIGHT} * words / {_MEAN_WORDS}))
            ), 9) AS score, moment
            FROM documents JOIN found ON doc = number WHERE {self.where} GROUP BY number
        """  # noqa: S608 -- constants and question marks only

    @property
    def match_values(self) -> tuple[object, ...]:
        return (*(value for one in self.wanted for value in one), *self.values)


def marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def conditions(query: DocumentQuery) -> Conditions:
    parts: list[str] = []
    values: list[object] = []

    def require(condition: str, *parameters: object) -> None:
        parts.append(condition)
        values.extend(parameters)

    if query.labels:
        require(
            f"number IN (SELECT number FROM flagged_labels WHERE label IN ({marks(query.labels)}))",  # noqa: S608 -- no values in it
            *query.labels,
        )
    if query.flagged is not None:
        require("flagged" if query.flagged else "NOT flagged")
    if query.least_score is not None:
        labels = query.labels or LABELS
        require(
            f"number IN (SELECT number FROM scores WHERE label IN ({marks(labels)}) AND score >= ?)",  # noqa: S608 -- no values in it
            *labels,
            query.least_score,
        )
    if query.case_state is not None:
        require("case_state = ?", encodable(query.case_state))
    if query.site is not None:
        require("site = ?", query.site)
    if query.host is not None:
        require("host = ?", comparable_host(query.host))
    if query.channel is not None:
        require("channel = ?", encodable(query.channel).lower())
    if query.lang is not None:
        require("lang = ?", query.lang)
    if query.entity is not None:
        kind, value = query.entity
        require(
            "number IN (SELECT number FROM entities WHERE kind = ? AND value = ?)",
            kind,
            encodable(comparable_value(kind, value)),
        )
    if query.since is not None:
        require("moment >= ?", microseconds(query.since))
    if query.until is not None:
        require("moment < ?", microseconds(query.until))
    if query.indexed_since is not None:
        require("indexed_at >= ?", microseconds(query.indexed_since))
    wanted: list[tuple[int, str, str]] = []
    if query.text and not query.text.isspace():
        phrases = read_query(encodable(query.text))
        if phrases:
            expression = " AND ".join(map(_expression, phrases))
            require("number IN (SELECT rowid FROM document_words WHERE document_words MATCH ?)", expression)
        else:
            require("FALSE")  # asked for something that is no word: nothing holds it
        wanted = [one for number, phrase in enumerate(phrases) for one in _wanted(number, phrase)]
    return Conditions(" AND ".join(parts) or "TRUE", tuple(values), tuple(wanted[:_RANKED]))


def _expression(phrase: QueryPhrase) -> str:
    """In the language of FTS5; terms hold no quotation marks."""
    plain = f'"{" ".join(phrase.words.plain)}"'
    if phrase.is_exact:
        return f"{{title_plain text_plain source}} : {plain}"
    if phrase.is_prefix:
        return f"{{title_plain text_plain source}} : {plain} *"
    return (
        f"({{title_plain text_plain source}} : {plain}"
        f' OR {{title_russian text_russian}} : "{phrase.words.russian[0]}"'
        f' OR {{title_kazakh text_kazakh}} : "{phrase.words.kazakh[0]}")'
    )


def _wanted(number: int, phrase: QueryPhrase) -> Iterator[tuple[int, str, str]]:
    if phrase.is_exact:
        for place, word in enumerate(phrase.words.plain):
            yield number + place, "plain", word
    elif not phrase.is_prefix:
        yield number, "plain", phrase.words.plain[0]
        yield number, "russian", phrase.words.russian[0]
        yield number, "kazakh", phrase.words.kazakh[0]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of a search ended: the sort key of its last document."""

    score: float
    moment: int
    number: int


def write_cursor(query: DocumentQuery, place: Place) -> str:
    content = orjson.dumps([digest_of(query), place.score, place.moment, place.number])
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def read_cursor(query: DocumentQuery, cursor: str) -> Place:
    """Raises StoreError for a cursor that another query gave, or nobody."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        digest, score, moment, number = orjson.loads(base64.urlsafe_b64decode(padded))
        place = Place(float(score), int(moment), int(number))
    except (binascii.Error, ValueError, TypeError) as error:
        raise StoreError(f"cursor {cursor[:80]!r} is damaged: begin the search anew") from error
    if digest != digest_of(query):
        raise StoreError(f"cursor {cursor[:80]!r} belongs to another query: begin the search anew")
    return place
