"""The store of documents, captures and channels: one interface, several engines, one contract test."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from qalqan.records import Capture, Channel, Document, Label, Language, Site

# Numbers in a document's vector: the encoder's width.
VECTOR_SIZE = 384


@dataclass(frozen=True, slots=True)
class DocumentQuery:
    """Which documents. Conditions are joined by "and"; an empty query means all.

    labels: flagged with at least one of them. least_score: of one of `labels`, or of any label where none are named.
    host: of the document's URL, without `www.`. case_state: as `set_case_states` said last.
    text: words that must all occur, in any inflection, disguise or alphabet; in double quotes the words themselves, in
    this order; `beginning*` is any word that begins so (see `qalqan.store.terms`).
    since, until: published (or, where unknown, fetched) at or after, before.
    indexed_since: written to the store, with more changed than fetching times and audience counts, at or after. A
    write bears the time at which it began and shows when it ends: who follows the store asks from a little before its
    last look.
    """

    labels: tuple[Label, ...] = ()
    flagged: bool | None = None
    least_score: float | None = None
    site: Site | None = None
    host: str | None = None
    channel: str | None = None
    lang: Language | None = None
    text: str | None = None
    entity: tuple[str, str] | None = None  # (kind, value)
    since: datetime | None = None
    until: datetime | None = None
    indexed_since: datetime | None = None
    case_state: str | None = None


Facet = Literal["label", "site", "channel", "host", "lang", "day", "case_state"]


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
class Neighbour:
    """similarity: cosine of the two vectors, at most 1."""

    document_id: str
    similarity: float


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document with all that the store keeps beside it."""

    document: Document
    fingerprint: Fingerprint | None
    vector: tuple[float, ...] | None
    case_state: str | None


@dataclass(frozen=True, slots=True)
class WriteCount:
    """refused: what the engine will never take; each is kept with its reason in a file of dead letters.

    spooled: what waits on this machine's disk until the engine is there again.
    """

    new: int
    changed: int
    unchanged: int
    refused: int = 0
    spooled: int = 0


class Store(ABC):
    """Writes are idempotent: the same record sent twice is stored once, a changed one replaces the old."""

    @abstractmethod
    def put_documents(
        self,
        documents: Sequence[Document],
        fingerprints: Mapping[str, Fingerprint] | None = None,
        vectors: Mapping[str, Sequence[float]] | None = None,
    ) -> WriteCount:
        """Searchable when it returns. `fingerprints` and `vectors` (of `VECTOR_SIZE` numbers) by document id.

        Where one of them cannot be written as JSON, none is.
        """

    @abstractmethod
    def get_document(self, document_id: str) -> Document | None: ...

    @abstractmethod
    def get_stored(self, document_ids: Iterable[str]) -> dict[str, StoredDocument]:
        """Those of the ids that are stored, with all that is kept beside them."""

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
    def scan_stored(self) -> Iterator[StoredDocument]:
        """Everything, in the order in which it was written: for a copy."""

    @abstractmethod
    def scan_channels(self) -> Iterator[Channel]:
        """In no particular order."""

    @abstractmethod
    def count(self, query: DocumentQuery) -> int: ...

    @abstractmethod
    def find_candidates(self, fingerprint: Fingerprint, limit: int = 100) -> list[Fingerprint]:
        """Stored fingerprints with the same text hash or at least one common band, oldest first; never itself."""

    @abstractmethod
    def find_neighbours(self, vector: Sequence[float], limit: int = 10) -> list[Neighbour]:
        """The stored documents whose vectors are nearest, nearest first."""

    @abstractmethod
    def counts(self, query: DocumentQuery, facet: Facet, limit: int = 100) -> dict[str, int]:
        """Of the matches, how many there are of each value, most frequent first, equal ones by value."""

    @abstractmethod
    def set_case_states(self, states: Mapping[str, str | None]) -> None:
        """What became of documents, by their ids; unknown ids are passed over. None: no case any more."""

    @abstractmethod
    def drop_months_before(self, month: str) -> int:
        """Deletes the documents that were published before the month (`2025-01`, by UTC), and counts them.

        Undated ones, captures and channels stay. A document that is written again afterwards is a new one.
        """

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
