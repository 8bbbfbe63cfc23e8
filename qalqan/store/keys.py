"""How documents and queries are compared, in every engine: hosts, entities, moments, and what a cursor belongs to."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from qalqan.errors import StoreError
from qalqan.records import Document, Entity
from qalqan.store.base import DocumentQuery

UNDATED = "undated"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Pages name any date; what they name beyond these years, nobody believes.
_FIRST_YEAR, _LAST_YEAR = 2010, 2039
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")

# Their values differ by case alone and mean different things; every other kind is compared in lower case.
_CASE_SENSITIVE_KINDS = frozenset({"url", "telegram_invite", "wallet_btc", "wallet_trx"})

# A visit always changes these; alone they make no document new to a reader.
_OF_THE_VISIT = ("fetched_at", "capture_id")
_OF_THE_AUDIENCE = ("views", "reactions")


def microseconds(moment: datetime) -> int:
    """Since 1970, UTC."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(document: Document) -> int:
    """When it was published, or where unknown fetched; in microseconds."""
    return microseconds(document.published_at or document.fetched_at)


def month_of(document: Document) -> str:
    """In which it was published, by UTC: `2026-04`; `undated` without a date or with one that nobody believes."""
    published = document.published_at
    if published is None or not _FIRST_YEAR <= published.year <= _LAST_YEAR:
        return UNDATED
    return f"{published.astimezone(UTC):%Y-%m}"


def start_of_month(month: str) -> datetime:
    """Of `2026-04`. Raises StoreError for anything but a month."""
    found = _MONTH.fullmatch(month)
    if found is None or found[1] == "0000":
        raise StoreError(f"{month!r:.40} is no month: write it as 2026-04")
    return datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC)


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
    """What a person typed may hold lone surrogates, which no store takes."""
    return text.encode("utf-8", "replace").decode()


def check_companions(documents: Sequence[Document], **companions: Iterable[str]) -> None:
    """companions: ids by what came with the documents. Raises StoreError for one whose document is not among them."""
    known = {document.id for document in documents}
    for what, ids in companions.items():
        if strange := set(ids) - known:
            raise StoreError(f"{what} of {min(strange)} came without its document; nothing was written")


def is_seen_again(one: Document, other: Document) -> bool:
    """Whether nothing but the visit changed."""
    return _are_same(one, other, _OF_THE_VISIT)


def is_old_news(one: Document, other: Document) -> bool:
    """Whether nothing but the visit and the audience changed: no reader need look again."""
    return _are_same(one, other, _OF_THE_VISIT + _OF_THE_AUDIENCE)


def _are_same(one: Document, other: Document, ignoring: tuple[str, ...]) -> bool:
    return one.model_copy(update={name: getattr(other, name) for name in ignoring}) == other


def digest_of(query: DocumentQuery) -> str:
    """A cursor carries its query's, so that it serves no other."""
    return hashlib.sha256(repr(query).encode("utf-8", "backslashreplace")).hexdigest()[:12]
