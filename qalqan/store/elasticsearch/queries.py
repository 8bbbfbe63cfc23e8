"""How a query becomes Elasticsearch's, and what a cursor holds."""

import base64
import binascii
import zlib
from dataclasses import dataclass
from typing import Any

import orjson

from qalqan.errors import StoreError
from qalqan.records import LABELS
from qalqan.store.base import DocumentQuery, Facet
from qalqan.store.elasticsearch.bodies import entity_key, keyword
from qalqan.store.keys import comparable_host, comparable_value, digest_of, encodable, microseconds
from qalqan.store.terms import QueryPhrase, read_query

_TITLE_WEIGHT = 3.0
# The very word before its other forms.
_PLAIN_WEIGHT = 1.2
# A snapshot names every shard: some hundred bytes for each month. Unpacked, in bytes.
_LONGEST_CURSOR = 1_000_000

FIELDS: dict[Facet, str] = {
    "label": "labels",
    "site": "site",
    "channel": "channel",
    "host": "host",
    "lang": "lang",
    "day": "day",
    "case_state": "case_state",
}

Clause = dict[str, Any]


def clause_of(query: DocumentQuery) -> Clause:
    conditions: list[Clause] = []
    if query.labels:
        conditions.append({"terms": {"labels": list(query.labels)}})
    if query.flagged is not None:
        conditions.append({"term": {"flagged": query.flagged}})
    if query.least_score is not None:
        ranges = [{"range": {f"scores.{label}": {"gte": query.least_score}}} for label in query.labels or LABELS]
        conditions.append(_any_of(ranges))
    for field, value in (("site", query.site), ("lang", query.lang), ("case_state", query.case_state)):
        if value is not None:
            conditions.append({"term": {field: value}})
    if query.host is not None:
        conditions.append({"term": {"host": keyword(comparable_host(query.host))}})
    if query.channel is not None:
        conditions.append({"term": {"channel": keyword(query.channel.lower())}})
    if query.entity is not None:
        kind, value = query.entity
        conditions.append({"term": {"entities": entity_key(kind, comparable_value(kind, value))}})
    if query.since is not None:
        conditions.append({"range": {"moment": {"gte": microseconds(query.since)}}})
    if query.until is not None:
        conditions.append({"range": {"moment": {"lt": microseconds(query.until)}}})
    if query.indexed_since is not None:
        conditions.append({"range": {"indexed_at": {"gte": microseconds(query.indexed_since)}}})
    words: list[Clause] = []
    if has_words(query):
        phrases = read_query(encodable(query.text or ""))
        # Asked for something that is no word: nothing holds it.
        words = [_clause_of_phrase(phrase) for phrase in phrases] or [{"match_none": {}}]
    return {"bool": {"filter": conditions, "must": words}}


def has_words(query: DocumentQuery) -> bool:
    return bool(query.text and not query.text.isspace())


def order_of(query: DocumentQuery) -> list[Clause]:
    newest: list[Clause] = [{"moment": "desc"}, {"order": "desc"}]
    return [{"_score": "desc"}, *newest] if has_words(query) else newest


def _clause_of_phrase(phrase: QueryPhrase) -> Clause:
    plain = " ".join(phrase.words.plain)
    if phrase.is_exact:
        return _best_of(
            _phrase("text.plain", plain), _phrase("title.plain", plain, _TITLE_WEIGHT), _phrase("source", plain)
        )
    if phrase.is_prefix:
        return _best_of(*({"prefix": {field: {"value": plain}}} for field in ("text.plain", "title.plain", "source")))
    russian, kazakh = phrase.words.russian[0], phrase.words.kazakh[0]
    return _best_of(
        _term("text.plain", plain, _PLAIN_WEIGHT),
        _term("text.russian", russian),
        _term("text.kazakh", kazakh),
        _term("title.plain", plain, _TITLE_WEIGHT * _PLAIN_WEIGHT),
        _term("title.russian", russian, _TITLE_WEIGHT),
        _term("title.kazakh", kazakh, _TITLE_WEIGHT),
        _term("source", plain),
    )


def _term(field: str, word: str, boost: float = 1.0) -> Clause:
    return {"term": {field: {"value": word, "boost": boost}}}


def _phrase(field: str, words: str, boost: float = 1.0) -> Clause:
    return {"match_phrase": {field: {"query": words, "boost": boost}}}


def _best_of(*clauses: Clause) -> Clause:
    return {"dis_max": {"queries": list(clauses)}}


def _any_of(clauses: list[Clause]) -> Clause:
    return {"bool": {"should": clauses, "minimum_should_match": 1}}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of a search ended: the snapshot it is read from and the sort key of its last document."""

    snapshot: str
    after: list[Any]


def write_cursor(query: DocumentQuery, place: Place) -> str:
    content = zlib.compress(orjson.dumps([digest_of(query), place.snapshot, place.after]))
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def read_cursor(query: DocumentQuery, cursor: str) -> Place:
    """Raises StoreError for a cursor that another query gave, or nobody."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        content = zlib.decompressobj().decompress(base64.urlsafe_b64decode(padded), _LONGEST_CURSOR)
        digest, snapshot, after = orjson.loads(content)
        place = Place(snapshot, [float(value) if isinstance(value, float) else int(value) for value in after])
        if not isinstance(snapshot, str) or len(place.after) != len(order_of(query)):
            raise ValueError("a place has a snapshot and a value for each key")
    except (binascii.Error, zlib.error, ValueError, TypeError) as error:
        raise StoreError(f"cursor {cursor[:80]!r} is damaged: begin the search anew") from error
    if digest != digest_of(query):
        raise StoreError(f"cursor {cursor[:80]!r} belongs to another query: begin the search anew")
    return place
