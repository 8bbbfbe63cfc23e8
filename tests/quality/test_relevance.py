"""A search finds what a moderator means and puts it first, on every engine, over posts written for this test.

Every post was read for every query. Grades: 3, it is what is wanted; 2, it is about it (news, a warning, or an advert
that names it beside other things); 1, it touches it; no grade, it is nothing of the kind, even where it holds the
words. Inflection, alphabet and disguise hide nothing. A post that means the same in other words (`бошки` for `шишки`)
has no grade either: the search goes by words. A change of the search is no reason to change a grade.
"""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import log2
from pathlib import Path
from typing import Any

import pytest

from qalqan.records import Document
from qalqan.store import DocumentQuery, Store, open_store

# Of the mean over all queries; lowered only on purpose.
LEAST_NDCG = 0.9
SHOWN = 10
NOON = datetime(2026, 4, 21, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """grades: by document id, 1 to 3. first: the document that must come before all others."""

    query: str
    grades: Mapping[str, int]
    first: str | None


def read_lines(name: str) -> list[dict[str, Any]]:
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def judged_queries() -> list[JudgedQuery]:
    return [JudgedQuery(line["query"], line["grades"], line.get("first")) for line in read_lines("relevance.jsonl")]


def posts() -> list[Document]:
    """Dated over three months, so that neighbours in the file are none in time."""
    return [document_of(number, **line) for number, line in enumerate(read_lines("relevance_posts.jsonl"), start=1)]


def document_of(
    number: int, *, site: str = "telegram", host: str = "t.me", channel: str | None = None, **fields: str
) -> Document:
    url = f"https://{host}/{channel}/{number}" if channel else f"https://{host}/{number}"
    published_at = NOON - timedelta(hours=number * 101 % 2000)
    fixed = {"url": url, "canonical_url": url, "published_at": published_at, "fetched_at": NOON}
    return Document.model_validate({"site": site, "channel": channel, **fixed, **fields})


@pytest.fixture(scope="module", params=["sqlite", "elasticsearch"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "sqlite":
        url = "sqlite://"
    else:
        url = f"{request.getfixturevalue('elasticsearch_url')}/relevance-{secrets.token_hex(4)}?refresh=true"
    with open_store(url) as store:
        store.put_documents(posts())
        yield store


def ndcg(found: Sequence[str], grades: Mapping[str, int]) -> float:
    """Of the first ten, 0 to 1."""
    best = sorted(grades.values(), reverse=True)[:SHOWN]
    return _gain([grades.get(document_id, 0) for document_id in found[:SHOWN]]) / _gain(best)


def _gain(grades: Sequence[int]) -> float:
    return sum((2.0**grade - 1) / log2(rank + 1) for rank, grade in enumerate(grades, start=1))


def search(store: Store, query: str) -> list[str]:
    return [document.id for document in store.search(DocumentQuery(text=query), limit=SHOWN).documents]


def test_what_is_wanted_comes_first(store: Store) -> None:
    lines, values = [], []
    for judged in judged_queries():
        found = search(store, judged.query)
        values.append(ndcg(found, judged.grades))
        shown = ", ".join(f"{document_id} {judged.grades.get(document_id, 0)}" for document_id in found)
        missed = sorted(judged.grades.keys() - set(found))
        lines.append(f"{values[-1]:.3f}  {judged.query}: {shown}; not among them: {', '.join(missed) or 'none'}")
    mean = sum(values) / len(values)
    assert mean >= LEAST_NDCG, "\n".join([f"mean {mean:.3f}", *lines])


@pytest.mark.parametrize("judged", [judged for judged in judged_queries() if judged.first], ids=lambda one: one.query)
def test_the_very_words_under_a_disguise_come_first(store: Store, judged: JudgedQuery) -> None:
    assert search(store, judged.query)[0] == judged.first


def test_the_judgements_are_whole() -> None:
    known = {post.id for post in posts()}
    queries = judged_queries()
    assert len(known) == len(posts()) and len({judged.query for judged in queries}) == len(queries) >= 24
    for judged in queries:
        assert judged.grades.keys() <= known and set(judged.grades.values()) <= {1, 2, 3}, judged.query
