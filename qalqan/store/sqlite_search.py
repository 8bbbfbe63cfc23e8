"""How a query becomes SQL, how matches are ranked, and what a cursor holds."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import orjson

from qalqan.errors import StoreError
from qalqan.records import Entity
from qalqan.store.base import DocumentQuery
from qalqan.store.searchable import query_phrases

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Their values differ by case alone and mean different things; every other kind is compared in lower case.
_CASE_SENSITIVE_KINDS = frozenset({"url", "telegram_invite", "wallet_btc", "wallet_trx"})

# BM25's customary constants; a fixed mean length (a typical post) instead of the collection's moving one.
_SATURATION = 1.2
_LENGTH_WEIGHT = 0.75
_MEAN_WORDS = 50.0
_TITLE_WEIGHT = 3
# Ranking by more words than this changes nothing that a reader would notice.
_RANKED_WORDS = 32


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def host_of(url: str) -> str | None:
    """The URL's host, lower-cased, in ASCII form, without `www.`; None where the URL has none."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return None
    return comparable_host(host) if host else None


def comparable_host(host: str) -> str:
    bare = host.lower().rstrip(".").removeprefix("www.")
    try:
        return bare.encode("idna").decode()
    except UnicodeError:
        return encodable(bare)


def comparable_value(kind: str, value: str) -> str:
    return value if kind in _CASE_SENSITIVE_KINDS else value.lower()


def entity_keys(entities: Sequence[Entity]) -> set[tuple[str, str]]:
    return {(entity.kind, comparable_value(entity.kind, entity.value)) for entity in entities}


def encodable(text: str) -> str:
    """What a person typed may hold lone surrogates, which SQLite does not take."""
    return text.encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True)
class Conditions:
    """The WHERE clause of a query over `documents`, and the words to rank by (none: newest first)."""

    where: str
    values: tuple[object, ...]
    ranked_words: tuple[str, ...]

    @property
    def matches(self) -> str:
        """A SELECT of number, score and moment of every match; its parameters are `match_values`."""
        if not self.ranked_words:
            return f"SELECT number, 0.0 AS score, moment FROM documents WHERE {self.where}"  # noqa: S608 -- constants
        return f"""
            SELECT number, round(sum(
                occurrences / (occurrences + {_SATURATION} * ({1 - _LENGTH_WEIGHT}
                + {_LENGTH_WEIGHT} * words / {_MEAN_WORDS}))
            ), 9) AS score, moment
            FROM documents JOIN (
                SELECT doc, term, sum(CASE col WHEN 'title' THEN {_TITLE_WEIGHT} ELSE 1 END) AS occurrences
                FROM word_places WHERE term IN ({marks(self.ranked_words)}) GROUP BY doc, term
            ) ON doc = number
            WHERE {self.where} GROUP BY number
        """  # noqa: S608 -- constants and question marks only

    @property
    def match_values(self) -> tuple[object, ...]:
        return (*self.ranked_words, *self.values)


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
    ranked: tuple[str, ...] = ()
    if query.text and not query.text.isspace():
        phrases = query_phrases(encodable(query.text))
        expression = " AND ".join(f'"{" ".join(words)}"' for words in phrases)
        if expression:
            require("number IN (SELECT rowid FROM document_words WHERE document_words MATCH ?)", expression)
        else:
            require("FALSE")  # asked for something that is no word: nothing holds it
        ranked = tuple(dict.fromkeys(word for words in phrases for word in words))[:_RANKED_WORDS]
    return Conditions(" AND ".join(parts) or "TRUE", tuple(values), ranked)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of a search ended: the sort key of its last document."""

    score: float
    moment: int
    number: int


def write_cursor(query: DocumentQuery, place: Place) -> str:
    content = orjson.dumps([_digest(query), place.score, place.moment, place.number])
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def read_cursor(query: DocumentQuery, cursor: str) -> Place:
    """Raises StoreError for a cursor that another query gave, or nobody."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        digest, score, moment, number = orjson.loads(base64.urlsafe_b64decode(padded))
        place = Place(float(score), int(moment), int(number))
    except (binascii.Error, ValueError, TypeError) as error:
        raise StoreError(f"cursor {cursor[:80]!r} is damaged: begin the search anew") from error
    if digest != _digest(query):
        raise StoreError(f"cursor {cursor[:80]!r} belongs to another query: begin the search anew")
    return place


def _digest(query: DocumentQuery) -> str:
    return hashlib.sha256(repr(query).encode("utf-8", "backslashreplace")).hexdigest()[:12]
