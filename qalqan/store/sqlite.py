"""The embedded store: one SQLite file, read and written by several processes at once.

`qalqan.store.sqlite_file` documents the layout. Relevance is computed from the matching document alone (BM25's term
frequency, without the collection's statistics), so that pages of one search neither skip nor repeat while other
documents are written.
"""

import sqlite3
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import orjson
from pydantic import ValidationError

from qalqan.clock import now
from qalqan.config import StoreSettings
from qalqan.errors import StoreError
from qalqan.records import Capture, Channel, Document, Record, Site
from qalqan.store.base import (
    DocumentPage,
    DocumentQuery,
    Facet,
    Fingerprint,
    Neighbour,
    Store,
    StoredDocument,
    WriteCount,
)
from qalqan.store.keys import (
    check_companions,
    encodable,
    entity_keys,
    host_of,
    is_old_news,
    is_seen_again,
    microseconds,
    moment_of,
    month_of,
    start_of_month,
)
from qalqan.store.sqlite_file import SqliteFile, path_of
from qalqan.store.sqlite_search import Place, conditions, marks, read_cursor, write_cursor
from qalqan.store.terms import Terms, read_terms
from qalqan.store.vectors import nearest, pack_vector, unpack_vector

# Rows per read of a scan: between two reads other threads and processes have their turn.
_SCAN_ROWS = 500
# SQLite takes 32,766 parameters in one statement.
_IDS_AT_ONCE = 10_000

_AnyRecord = TypeVar("_AnyRecord", bound=Record)
_Words = tuple[str, ...]  # the columns of `document_words`, in order
_COLUMNS = ("title_plain", "title_russian", "title_kazakh", "text_plain", "text_russian", "text_kazakh", "source")
_PLAIN = ("title_plain", "text_plain", "source")
# What there is of a document beside its words.
_OF_A_DOCUMENT = ("documents", "flagged_labels", "scores", "entities", "fingerprints", "bands", "vectors")
_FACETS: dict[Facet, str] = {
    "label": "SELECT label AS value, number FROM flagged_labels",
    "site": "SELECT site AS value, number FROM documents",
    "channel": "SELECT channel AS value, number FROM documents",
    "host": "SELECT host AS value, number FROM documents",
    "lang": "SELECT lang AS value, number FROM documents",
    "day": "SELECT date(moment / 1000000, 'unixepoch') AS value, number FROM documents",
    "case_state": "SELECT case_state AS value, number FROM documents",
}


class SqliteStore(Store):
    """Safe to share between threads. A process that forks must open its own."""

    def __init__(self, url: str, _options: StoreSettings) -> None:
        self._file = SqliteFile(path_of(url))

    def put_documents(
        self,
        documents: Sequence[Document],
        fingerprints: Mapping[str, Fingerprint] | None = None,
        vectors: Mapping[str, Sequence[float]] | None = None,
    ) -> WriteCount:
        fingerprints, vectors = fingerprints or {}, vectors or {}
        check_companions(documents, fingerprint=fingerprints, vector=vectors)
        tally = {"new": 0, "changed": 0, "unchanged": 0}
        with self._file.writing() as connection:
            written_at = microseconds(now())
            for document in documents:
                number, became = self._put_document(connection, document, fingerprints.get(document.id), written_at)
                tally[became] += 1
                if (vector := vectors.get(document.id)) is not None:
                    connection.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?)", (number, pack_vector(vector)))
        return WriteCount(**tally)

    def get_document(self, document_id: str) -> Document | None:
        return self._one(Document, "SELECT record FROM documents WHERE id = ?", encodable(document_id))

    def get_stored(self, document_ids: Iterable[str]) -> dict[str, StoredDocument]:
        wanted = [encodable(document_id) for document_id in document_ids]
        found: dict[str, StoredDocument] = {}
        with self._file.reading() as connection:
            for start in range(0, len(wanted), _IDS_AT_ONCE):
                some = wanted[start : start + _IDS_AT_ONCE]
                stored = self._stored(connection, f"id IN ({marks(some)})", *some)
                found.update((one.document.id, one) for _, one in stored)
        return found

    def known_ids(self, document_ids: Iterable[str]) -> set[str]:
        wanted = list(document_ids)
        known: set[str] = set()
        with self._file.reading() as connection:
            for start in range(0, len(wanted), _IDS_AT_ONCE):
                some = [encodable(document_id) for document_id in wanted[start : start + _IDS_AT_ONCE]]
                rows = connection.execute(f"SELECT id FROM documents WHERE id IN ({marks(some)})", some)  # noqa: S608 -- no values in it
                known.update(document_id for (document_id,) in rows)
        return known

    def search(self, query: DocumentQuery, limit: int = 50, cursor: str | None = None) -> DocumentPage:
        if limit < 1:
            raise StoreError(f"a page of {limit} documents cannot be shown: ask for at least 1")
        wanted = conditions(query)
        after, place = "TRUE", tuple[object, ...]()
        if cursor is not None:
            last = read_cursor(query, cursor)
            after, place = "(score, moment, number) < (?, ?, ?)", (last.score, last.moment, last.number)
        with self._file.reading() as connection:
            (total,) = connection.execute(
                f"SELECT count(*) FROM documents WHERE {wanted.where}",  # noqa: S608 -- built from constants
                wanted.values,
            ).fetchone()
            keys = connection.execute(
                f"SELECT score, moment, number FROM ({wanted.matches}) WHERE {after} "  # noqa: S608 -- no values in it
                "ORDER BY score DESC, moment DESC, number DESC LIMIT ?",
                (*wanted.match_values, *place, limit + 1),
            ).fetchall()
            records = [
                connection.execute("SELECT record FROM documents WHERE number = ?", (number,)).fetchone()[0]
                for _, _, number in keys[:limit]
            ]
        documents = [self._read(Document, record) for record in records]
        has_more = len(keys) > limit
        return DocumentPage(documents, total, write_cursor(query, Place(*keys[limit - 1])) if has_more else None)

    def scan(self, query: DocumentQuery) -> Iterator[Document]:
        """Ends with the last document that was there when it began; one changed on the way comes as it now is."""
        wanted = conditions(query)
        with self._file.reading() as connection:
            (end,) = connection.execute("SELECT coalesce(max(number), 0) FROM documents").fetchone()
        yield from self._scan(Document, "documents", wanted.where, wanted.values, end)

    def scan_stored(self) -> Iterator[StoredDocument]:
        with self._file.reading() as connection:
            (end,) = connection.execute("SELECT coalesce(max(number), 0) FROM documents").fetchone()
        number = 0
        while True:
            with self._file.reading() as connection:
                condition = "number > ? AND number <= ? ORDER BY number LIMIT ?"
                stored = list(self._stored(connection, condition, number, end, _SCAN_ROWS))
            for number, one in stored:  # noqa: B007 -- the last number is where the next read goes on
                yield one
            if len(stored) < _SCAN_ROWS:
                return

    def scan_channels(self) -> Iterator[Channel]:
        with self._file.reading() as connection:
            rows = connection.execute("SELECT record FROM channels ORDER BY site, handle").fetchall()
        for (record,) in rows:
            yield self._read(Channel, record)

    def count(self, query: DocumentQuery) -> int:
        wanted = conditions(query)
        with self._file.reading() as connection:
            (total,) = connection.execute(
                f"SELECT count(*) FROM documents WHERE {wanted.where}",  # noqa: S608 -- built from constants
                wanted.values,
            ).fetchone()
        return int(total)

    def find_candidates(self, fingerprint: Fingerprint, limit: int = 100) -> list[Fingerprint]:
        with self._file.reading() as connection:
            rows = connection.execute(
                f"""
                SELECT id, text_sha256, signature, number FROM fingerprints JOIN documents USING (number)
                WHERE number IN (
                    SELECT number FROM fingerprints WHERE text_sha256 = ?
                    UNION SELECT number FROM bands WHERE band IN ({marks(fingerprint.bands)})
                ) AND id <> ? ORDER BY number LIMIT ?
                """,  # noqa: S608 -- question marks only
                (fingerprint.text_sha256, *fingerprint.bands, fingerprint.document_id, limit),
            ).fetchall()
            return [
                Fingerprint(document_id, text_sha256, self._bands(connection, number), _unpack(signature))
                for document_id, text_sha256, signature, number in rows
            ]

    def find_neighbours(self, vector: Sequence[float], limit: int = 10) -> list[Neighbour]:
        """Compares with every vector: some 10 ms for each 10,000 documents that have one."""
        with self._file.reading() as connection:
            rows = connection.execute("SELECT id, vector FROM vectors JOIN documents USING (number)").fetchall()
        return nearest(vector, rows, limit)

    def counts(self, query: DocumentQuery, facet: Facet, limit: int = 100) -> dict[str, int]:
        wanted = conditions(query)
        with self._file.reading() as connection:
            rows = connection.execute(
                f"SELECT value, count(*) AS occurrences FROM ({_FACETS[facet]}) WHERE value IS NOT NULL AND number IN "  # noqa: S608 -- built from constants
                f"(SELECT number FROM documents WHERE {wanted.where}) "
                "GROUP BY value ORDER BY occurrences DESC, value LIMIT ?",
                (*wanted.values, limit),
            ).fetchall()
        return dict(rows)

    def set_case_states(self, states: Mapping[str, str | None]) -> None:
        with self._file.writing() as connection:
            connection.executemany(
                "UPDATE documents SET case_state = ? WHERE id = ?",
                [(state, encodable(document_id)) for document_id, state in states.items()],
            )

    def drop_months_before(self, month: str) -> int:
        end, last, dropped = start_of_month(month), 0, 0
        with self._file.writing() as connection:
            while rows := connection.execute(
                "SELECT number, record FROM documents WHERE moment < ? AND number > ? ORDER BY number LIMIT ?",
                (microseconds(end), last, _SCAN_ROWS),
            ).fetchall():
                for last, record in rows:
                    document = self._read(Document, record)
                    if month_of(document) < f"{end:%Y-%m}":
                        _forget_words(connection, last, _words(document))
                        _forget(connection, last, *_OF_A_DOCUMENT)
                        dropped += 1
        return dropped

    def put_captures(self, captures: Sequence[Capture]) -> None:
        with self._file.writing() as connection:
            connection.executemany(
                "INSERT INTO captures (id, record) VALUES (?, ?) "
                "ON CONFLICT (id) DO UPDATE SET record = excluded.record",
                [(capture.id, _write(capture)) for capture in captures],
            )

    def get_capture(self, capture_id: str) -> Capture | None:
        return self._one(Capture, "SELECT record FROM captures WHERE id = ?", encodable(capture_id))

    def scan_captures(self) -> Iterator[Capture]:
        with self._file.reading() as connection:
            (end,) = connection.execute("SELECT coalesce(max(number), 0) FROM captures").fetchone()
        yield from self._scan(Capture, "captures", "TRUE", (), end)

    def put_channel(self, channel: Channel) -> None:
        with self._file.writing() as connection:
            connection.execute(
                "INSERT INTO channels VALUES (?, ?, ?) "
                "ON CONFLICT (site, handle) DO UPDATE SET record = excluded.record",
                (channel.site, channel.handle.lower(), _write(channel)),
            )

    def get_channel(self, site: Site, handle: str) -> Channel | None:
        statement = "SELECT record FROM channels WHERE site = ? AND handle = ?"
        return self._one(Channel, statement, site, encodable(handle).lower())

    def close(self) -> None:
        self._file.close()

    def _put_document(
        self, connection: sqlite3.Connection, document: Document, fingerprint: Fingerprint | None, written_at: int
    ) -> tuple[int, str]:
        """Its number and what became of it: new, changed or unchanged."""
        row = connection.execute("SELECT number, record FROM documents WHERE id = ?", (document.id,)).fetchone()
        if row is None:
            number, earlier = insert_document(connection, document, {"indexed_at": written_at}), None
        else:
            number, earlier = row[0], self._read(Document, row[1])
            words, earlier_words = _words(document), _words(earlier)
            columns = _columns(document, words)
            if not is_old_news(earlier, document):
                columns["indexed_at"] = written_at
            connection.execute(
                f"UPDATE documents SET {', '.join(f'{name} = ?' for name in columns)} WHERE number = ?",  # noqa: S608 -- no values in it
                (*columns.values(), number),
            )
            if earlier_words != words:
                _forget_words(connection, number, earlier_words)
                _index_words(connection, number, words)
            if earlier.findings != document.findings:
                _forget(connection, number, "flagged_labels", "scores")
                _index_findings(connection, number, document)
            if earlier.entities != document.entities:
                _forget(connection, number, "entities")
                _index_entities(connection, number, document)
        # The fingerprint of an earlier text would find look-alikes of what is no longer there.
        if fingerprint or (earlier is not None and earlier.text != document.text):
            _index_fingerprint(connection, number, fingerprint)
        if earlier is not None and earlier.text != document.text:
            _forget(connection, number, "vectors")
        if earlier is None:
            return number, "new"
        return number, "unchanged" if is_seen_again(earlier, document) else "changed"

    def _scan(
        self, kind: type[_AnyRecord], table: str, where: str, values: tuple[object, ...], end: int
    ) -> Iterator[_AnyRecord]:
        number = 0
        while True:
            with self._file.reading() as connection:
                rows = connection.execute(
                    f"SELECT number, record FROM {table} "  # noqa: S608 -- names and conditions are constants
                    f"WHERE {where} AND number > ? AND number <= ? ORDER BY number LIMIT ?",
                    (*values, number, end, _SCAN_ROWS),
                ).fetchall()
            for number, record in rows:  # noqa: B007 -- the last number is where the next read goes on
                yield self._read(kind, record)
            if len(rows) < _SCAN_ROWS:
                return

    def _stored(
        self, connection: sqlite3.Connection, condition: str, *values: object
    ) -> Iterator[tuple[int, StoredDocument]]:
        rows = connection.execute(
            "SELECT number, record, case_state, text_sha256, signature, vector FROM documents "  # noqa: S608 -- constants
            f"LEFT JOIN fingerprints USING (number) LEFT JOIN vectors USING (number) WHERE {condition}",
            values,
        ).fetchall()
        for number, record, case_state, text_sha256, signature, vector in rows:
            document, fingerprint = self._read(Document, record), None
            if text_sha256:
                bands = self._bands(connection, number)
                fingerprint = Fingerprint(document.id, text_sha256, bands, _unpack(signature))
            yield number, StoredDocument(document, fingerprint, unpack_vector(vector) if vector else None, case_state)

    def _one(self, kind: type[_AnyRecord], statement: str, *values: str) -> _AnyRecord | None:
        with self._file.reading() as connection:
            row = connection.execute(statement, values).fetchone()
        return self._read(kind, row[0]) if row else None

    def _read(self, kind: type[_AnyRecord], record: bytes) -> _AnyRecord:
        try:
            return kind.model_validate_json(record)
        except ValidationError as error:
            raise StoreError(
                f"store {self._file.name}: a stored {kind.__name__.lower()} is damaged or of another version: {error}"
            ) from error

    @staticmethod
    def _bands(connection: sqlite3.Connection, number: int) -> tuple[str, ...]:
        rows = connection.execute("SELECT band FROM bands WHERE number = ? ORDER BY band", (number,))
        return tuple(band for (band,) in rows)


def insert_document(connection: sqlite3.Connection, document: Document, kept: Mapping[str, object]) -> int:
    """A document that is not there yet, with all that finds it but fingerprint and vector; returns its number.

    kept: the columns that do not follow from the document; without `number` it is the next one.
    """
    words = _words(document)
    columns = {"id": document.id, **_columns(document, words), **kept}
    statement = f"INSERT INTO documents ({', '.join(columns)}) VALUES ({marks(list(columns))}) RETURNING number"  # noqa: S608 -- no values in it
    (number,) = connection.execute(statement, tuple(columns.values())).fetchone()
    _index_words(connection, number, words)
    _index_findings(connection, number, document)
    _index_entities(connection, number, document)
    return int(number)


def _columns(document: Document, words: _Words) -> dict[str, object]:
    plain = [part for name, part in zip(_COLUMNS, words, strict=True) if name in _PLAIN and part]
    return {
        "record": _write(document),
        "site": document.site,
        "host": host_of(document.url),
        "channel": document.channel.lower() if document.channel else None,
        "lang": document.lang,
        "flagged": bool(document.flagged_labels),
        "moment": moment_of(document),
        "words": sum(part.count(" ") + 1 for part in plain),
    }


def _index_words(connection: sqlite3.Connection, number: int, words: _Words) -> None:
    connection.execute(
        f"INSERT INTO document_words (rowid, {', '.join(_COLUMNS)}) VALUES (?, {marks(_COLUMNS)})",  # noqa: S608 -- constants
        (number, *words),
    )


def _forget_words(connection: sqlite3.Connection, number: int, words: _Words) -> None:
    """A contentless index forgets only what it is told, word by word: `words` as they were indexed."""
    connection.execute(
        f"INSERT INTO document_words (document_words, rowid, {', '.join(_COLUMNS)}) "  # noqa: S608 -- constants
        f"VALUES ('delete', ?, {marks(_COLUMNS)})",
        (number, *words),
    )


def _index_findings(connection: sqlite3.Connection, number: int, document: Document) -> None:
    labels = {(label, number) for label in document.flagged_labels}
    connection.executemany("INSERT INTO flagged_labels VALUES (?, ?)", labels)
    scores = {(finding.label, finding.score, number) for finding in document.findings}
    connection.executemany("INSERT INTO scores VALUES (?, ?, ?)", scores)


def _index_entities(connection: sqlite3.Connection, number: int, document: Document) -> None:
    entities = [(kind, value, number) for kind, value in entity_keys(document.entities)]
    connection.executemany("INSERT INTO entities VALUES (?, ?, ?)", entities)


def _forget(connection: sqlite3.Connection, number: int, *tables: str) -> None:
    for table in tables:
        connection.execute(f"DELETE FROM {table} WHERE number = ?", (number,))  # noqa: S608 -- constants


def _index_fingerprint(connection: sqlite3.Connection, number: int, fingerprint: Fingerprint | None) -> None:
    _forget(connection, number, "fingerprints", "bands")
    if fingerprint:
        signature = _pack(fingerprint.signature)
        connection.execute("INSERT INTO fingerprints VALUES (?, ?, ?)", (number, fingerprint.text_sha256, signature))
        bands = {(band, number) for band in fingerprint.bands}
        connection.executemany("INSERT INTO bands VALUES (?, ?)", bands)


def _write(record: Record) -> bytes:
    # Not model_dump_json: the contract's form has whole seconds, the store keeps what it was given.
    try:
        return orjson.dumps(record.model_dump())
    except orjson.JSONEncodeError as error:
        raise StoreError(
            f"a {type(record).__name__.lower()} cannot be written as JSON: {error}: {record!r:.300}"
        ) from error


def _words(document: Document) -> _Words:
    source = read_terms(f"{document.author or ''} {document.channel or ''}")
    return (*_streams(read_terms(document.title or "")), *_streams(read_terms(document.text)), " ".join(source.plain))


def _streams(terms: Terms) -> _Words:
    return " ".join(terms.plain), " ".join(terms.russian), " ".join(terms.kazakh)


def _pack(signature: tuple[int, ...]) -> bytes:
    return struct.pack(f"<{len(signature)}Q", *signature)


def _unpack(signature: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(signature) // 8}Q", signature)
