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
from qalqan.errors import StoreError
from qalqan.records import Capture, Channel, Document, Record, Site
from qalqan.store.base import DocumentPage, DocumentQuery, Fingerprint, Store, WriteCount
from qalqan.store.searchable import searchable
from qalqan.store.sqlite_file import SqliteFile, path_of
from qalqan.store.sqlite_search import (
    Place,
    conditions,
    encodable,
    entity_keys,
    host_of,
    marks,
    microseconds,
    read_cursor,
    write_cursor,
)

# Rows per read of a scan: between two reads other threads and processes have their turn.
_SCAN_ROWS = 500
# SQLite takes 32,766 parameters in one statement.
_IDS_AT_ONCE = 10_000

# A visit always changes these; alone they make no document new to a reader.
_OF_THE_VISIT = ("fetched_at", "capture_id")
_OF_THE_AUDIENCE = ("views", "reactions")

_AnyRecord = TypeVar("_AnyRecord", bound=Record)
_Words = tuple[str, str, str]  # title, source, text


class SqliteStore(Store):
    """Safe to share between threads. A process that forks must open its own."""

    def __init__(self, url: str) -> None:
        self._file = SqliteFile(path_of(url))

    def put_documents(
        self, documents: Sequence[Document], fingerprints: Mapping[str, Fingerprint] | None = None
    ) -> WriteCount:
        fingerprints = fingerprints or {}
        strange = fingerprints.keys() - {document.id for document in documents}
        if strange:
            raise StoreError(f"fingerprint of {min(strange)} came without its document; nothing was written")
        tally = {"new": 0, "changed": 0, "unchanged": 0}
        with self._file.writing() as connection:
            written_at = microseconds(now())
            for document in documents:
                tally[self._put_document(connection, document, fingerprints.get(document.id), written_at)] += 1
        return WriteCount(**tally)

    def get_document(self, document_id: str) -> Document | None:
        return self._one(Document, "SELECT record FROM documents WHERE id = ?", encodable(document_id))

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
    ) -> str:
        """What became of it: new, changed or unchanged."""
        row = connection.execute("SELECT number, record FROM documents WHERE id = ?", (document.id,)).fetchone()
        words = _words(document)
        columns: dict[str, object] = {
            "record": _write(document),
            "site": document.site,
            "host": host_of(document.url),
            "channel": document.channel.lower() if document.channel else None,
            "lang": document.lang,
            "flagged": bool(document.flagged_labels),
            "moment": microseconds(document.published_at or document.fetched_at),
            "words": sum(part.count(" ") + 1 for part in words if part),
        }
        if row is None:
            columns |= {"id": document.id, "indexed_at": written_at}
            statement = f"INSERT INTO documents ({', '.join(columns)}) VALUES ({marks(list(columns))}) RETURNING number"  # noqa: S608 -- no values in it
            (number,) = connection.execute(statement, tuple(columns.values())).fetchone()
            earlier = None
        else:
            number, earlier = row[0], self._read(Document, row[1])
            if not _are_same(earlier, document, _OF_THE_VISIT + _OF_THE_AUDIENCE):
                columns["indexed_at"] = written_at
            connection.execute(
                f"UPDATE documents SET {', '.join(f'{name} = ?' for name in columns)} WHERE number = ?",  # noqa: S608 -- no values in it
                (*columns.values(), number),
            )
        if earlier is None or _words(earlier) != words:
            _index_words(connection, number, words, _words(earlier) if earlier else None)
        if earlier is None or earlier.findings != document.findings:
            connection.execute("DELETE FROM flagged_labels WHERE number = ?", (number,))
            labels = {(label, number) for label in document.flagged_labels}
            connection.executemany("INSERT INTO flagged_labels VALUES (?, ?)", labels)
        if earlier is None or earlier.entities != document.entities:
            connection.execute("DELETE FROM entities WHERE number = ?", (number,))
            entities = [(kind, value, number) for kind, value in entity_keys(document.entities)]
            connection.executemany("INSERT INTO entities VALUES (?, ?, ?)", entities)
        # The fingerprint of an earlier text would find look-alikes of what is no longer there.
        if fingerprint or (earlier is not None and earlier.text != document.text):
            _index_fingerprint(connection, number, fingerprint)
        if earlier is None:
            return "new"
        return "unchanged" if _are_same(earlier, document, _OF_THE_VISIT) else "changed"

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


def _index_words(connection: sqlite3.Connection, number: int, words: _Words, earlier: _Words | None) -> None:
    into = "INSERT INTO document_words"
    if earlier:  # a contentless index forgets only what it is told, word by word
        forget = f"{into} (document_words, rowid, title, source, text) VALUES ('delete', ?, ?, ?, ?)"
        connection.execute(forget, (number, *earlier))
    connection.execute(f"{into} (rowid, title, source, text) VALUES (?, ?, ?, ?)", (number, *words))


def _index_fingerprint(connection: sqlite3.Connection, number: int, fingerprint: Fingerprint | None) -> None:
    connection.execute("DELETE FROM fingerprints WHERE number = ?", (number,))
    connection.execute("DELETE FROM bands WHERE number = ?", (number,))
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
    source = f"{document.author or ''} {document.channel or ''}"
    return searchable(document.title or ""), searchable(source), searchable(document.text)


def _are_same(one: Document, other: Document, ignoring: tuple[str, ...]) -> bool:
    return one.model_copy(update={name: getattr(other, name) for name in ignoring}) == other


def _pack(signature: tuple[int, ...]) -> bytes:
    return struct.pack(f"<{len(signature)}Q", *signature)


def _unpack(signature: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(signature) // 8}Q", signature)
