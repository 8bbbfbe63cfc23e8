"""The store of documents, captures and channels: one interface, several engines, one contract test."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from qalqan.records import Capture, Channel, Document, Label, Language, Site


@dataclass(frozen=True, slots=True)
class DocumentQuery:
    """Which documents. Conditions are joined by "and"; an empty query means all.

    labels: flagged with at least one of them. host: of the document's URL, without `www.`.
    text: words that must all occur; several words in double quotes are a phrase.
    since, until: published (or, where unknown, fetched) at or after, before.
    indexed_since: written to the store, with more changed than fetching times and audience counts, at or after. A
    write bears the time at which it began and shows when it ends: who follows the store asks from a little before its
    last look.
    """

    labels: tuple[Label, ...] = ()
    flagged: bool | None = None
    site: Site | None = None
    host: str | None = None
    channel: str | None = None
    lang: Language | None = None
    text: str | None = None
    entity: tuple[str, str] | None = None  # (kind, value)
    since: datetime | None = None
    until: datetime | None = None
    indexed_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """One page of a search, best or newest first; `next_cursor` is None on the last page."""

    documents: list[Document]
    total: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """How a text is recognised again.

    text_sha256: of the folded text (exact duplicates). bands: LSH terms of which near-duplicates share at least one.
    signature: MinHash values, to estimate the similarity of two candidates.
    """

    document_id: str
    text_sha256: str
    bands: tuple[str, ...]
    signature: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WriteCount:
    new: int
    changed: int
    unchanged: int


class Store(ABC):
    """Writes are idempotent: the same record sent twice is stored once, a changed one replaces the old."""

    @abstractmethod
    def put_documents(
        self, documents: Sequence[Document], fingerprints: Mapping[str, Fingerprint] | None = None
    ) -> WriteCount:
        """All of them or none. `fingerprints` by document id."""

    @abstractmethod
    def get_document(self, document_id: str) -> Document | None: ...

    @abstractmethod
    def known_ids(self, document_ids: Iterable[str]) -> set[str]:
        """Those of the ids that are stored."""

    @abstractmethod
    def search(self, query: DocumentQuery, limit: int = 50, cursor: str | None = None) -> DocumentPage:
        """By relevance where the query has text, else newest first."""

    @abstractmethod
    def scan(self, query: DocumentQuery) -> Iterator[Document]:
        """Every match, in the order in which it was written."""

    @abstractmethod
    def count(self, query: DocumentQuery) -> int: ...

    @abstractmethod
    def find_candidates(self, fingerprint: Fingerprint, limit: int = 100) -> list[Fingerprint]:
        """Stored fingerprints with the same text hash or at least one common band, oldest first; never itself."""

    @abstractmethod
    def put_captures(self, captures: Sequence[Capture]) -> None: ...

    @abstractmethod
    def get_capture(self, capture_id: str) -> Capture | None: ...

    @abstractmethod
    def scan_captures(self) -> Iterator[Capture]: ...

    @abstractmethod
    def put_channel(self, channel: Channel) -> None: ...

    @abstractmethod
    def get_channel(self, site: Site, handle: str) -> Channel | None: ...

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
