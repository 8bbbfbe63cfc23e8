"""One SQLite file: opened, checked, shared between threads and processes, its errors in our words.

Layout (schema 2; a change here or in `qalqan.store.terms` needs a new schema version):

    schema_version  version                one row
    documents       number                 grows with the first writing of each document: the order of `scan`
                    id, record             the whole document as JSON; the other columns only find it
                    site, host, channel, lang, flagged
                    moment                 published, or where unknown fetched; microseconds since 1970, UTC
                    indexed_at             last change of anything but fetching and audience counts; the same unit
                    words                  length of the searchable text
                    case_state             what became of it, as casework said last
    flagged_labels  label, number
    scores          label, score, number
    vectors         number, vector         little-endian float32, of length 1
    entities        kind, value, number    value lower-cased where the kind ignores case
    fingerprints    number, text_sha256, signature (little-endian uint64)
    bands           band, number
    document_words  FTS5 over title and text, each in the three streams of `Terms`, and source (author and channel);
                    contentless; its rowid is the number
    word_places     FTS5's own view of document_words, one row per occurrence
    captures        number, id, record
    channels        site, handle, record   handle lower-cased
"""

import sqlite3
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from qalqan.errors import ConfigurationError, StoreError

SCHEMA_VERSION = 2

_SCHEMA = """
CREATE TABLE documents (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, record BLOB NOT NULL,
    site TEXT NOT NULL, host TEXT, channel TEXT, lang TEXT NOT NULL, flagged INTEGER NOT NULL,
    moment INTEGER NOT NULL, indexed_at INTEGER NOT NULL, words INTEGER NOT NULL, case_state TEXT
);
CREATE INDEX documents_moment ON documents (moment, number);
CREATE INDEX documents_flagged ON documents (moment, number) WHERE flagged;
CREATE INDEX documents_indexed_at ON documents (indexed_at);
CREATE INDEX documents_host ON documents (host, moment, number);
CREATE INDEX documents_channel ON documents (channel, moment, number);
CREATE INDEX documents_case_state ON documents (case_state, moment, number) WHERE case_state IS NOT NULL;
CREATE TABLE flagged_labels (label TEXT, number INTEGER, PRIMARY KEY (label, number)) WITHOUT ROWID;
CREATE INDEX flagged_labels_number ON flagged_labels (number);
CREATE TABLE scores (label TEXT, score REAL, number INTEGER, PRIMARY KEY (label, score, number)) WITHOUT ROWID;
CREATE INDEX scores_number ON scores (number);
CREATE TABLE vectors (number INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE entities (kind TEXT, value TEXT, number INTEGER, PRIMARY KEY (kind, value, number)) WITHOUT ROWID;
CREATE INDEX entities_number ON entities (number);
CREATE TABLE fingerprints (number INTEGER PRIMARY KEY, text_sha256 TEXT NOT NULL, signature BLOB NOT NULL);
CREATE INDEX fingerprints_text ON fingerprints (text_sha256, number);
CREATE TABLE bands (band TEXT, number INTEGER, PRIMARY KEY (band, number)) WITHOUT ROWID;
CREATE INDEX bands_number ON bands (number);
CREATE VIRTUAL TABLE document_words USING fts5 (
    title_plain, title_russian, title_kazakh, text_plain, text_russian, text_kazakh, source,
    content = '', tokenize = "ascii"
);
CREATE VIRTUAL TABLE word_places USING fts5vocab (document_words, instance);
CREATE TABLE captures (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, record BLOB NOT NULL);
CREATE TABLE channels (site TEXT, handle TEXT, record BLOB NOT NULL, PRIMARY KEY (site, handle)) WITHOUT ROWID;
CREATE TABLE schema_version (version INTEGER NOT NULL);
"""

_BUSY_TIMEOUT_S = 30.0

_REMEDIES = {
    "SQLITE_FULL": "the disk is full: free some space and run the same again",
    "SQLITE_READONLY": "the file or its folder is read-only: give this user the right to write there",
    "SQLITE_PERM": "the file may not be opened: give this user the right to read and write it",
    "SQLITE_CANTOPEN": "the file cannot be opened: check that its folder exists and that this user may write there",
    "SQLITE_BUSY": f"another process has been writing for more than {_BUSY_TIMEOUT_S:.0f} s: stop it or try again",
    "SQLITE_NOTADB": "the file is no SQLite database: check the store's URL, or restore the file from a backup",
    "SQLITE_CORRUPT": "the file is damaged: restore it from a backup",
    "SQLITE_IOERR": "the disk could not be read or written: check the disk",
    "SQLITE_MISUSE": "the store was closed before this was asked",
}


class SqliteFile:
    """A connection that threads share in turn. `None` for the path keeps everything in memory."""

    def __init__(self, path: Path | None, schemas: Collection[int] = (SCHEMA_VERSION,)) -> None:
        """schemas: which of them the file may have; what cannot be read by them raises StoreError."""
        self._schemas = schemas
        self.name = str(path) if path else "in memory"
        self._lock = threading.RLock()
        with self._translated():
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path or ":memory:", timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        try:
            self._prepare()
        except StoreError:
            self._connection.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view for all statements within."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All statements within, or none. Waits while another process writes."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    def close(self) -> None:
        with self._lock, self._translated():
            self._connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, self._translated():
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.ProgrammingError as error:
            raise StoreError(f"store {self.name}: {_REMEDIES['SQLITE_MISUSE']} ({error})") from error
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
            primary = "_".join(code.split("_")[:2])
            remedy = _REMEDIES.get(primary, "SQLite refused")
            raise StoreError(f"store {self.name}: {remedy} ({error})") from error
        except OSError as error:
            raise StoreError(f"store {self.name}: {_REMEDIES['SQLITE_CANTOPEN']} ({error})") from error

    def _prepare(self) -> None:
        with self._translated():
            self._enter_wal_mode()
            self._connection.execute("PRAGMA synchronous = NORMAL")
        if not self._tables():
            self._create_tables()
        if "schema_version" not in self._tables():
            raise StoreError(f"store {self.name}: this is another program's database; check the store's URL")
        with self.reading() as connection:
            row = connection.execute("SELECT version FROM schema_version").fetchone()
        if row is None or row[0] not in self._schemas:
            found = row[0] if row else "none"
            is_older = row is not None and row[0] < SCHEMA_VERSION
            remedy = "run `qalqan reindex`" if is_older else "use the version of Qalqan that wrote it, or a newer one"
            raise StoreError(
                f"store {self.name}: written with schema {found}, this program knows {SCHEMA_VERSION}: {remedy}"
            )

    def _tables(self) -> set[str]:
        with self.reading() as connection:
            return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}

    def _create_tables(self) -> None:
        with self.writing() as connection:
            # Another process may have been quicker between the look and the lock.
            if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
                create_tables(connection)

    def _enter_wal_mode(self) -> None:
        """SQLite does not wait for other processes here, however long its busy timeout: so we do."""
        deadline = time.monotonic() + _BUSY_TIMEOUT_S
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def create_tables(connection: sqlite3.Connection) -> None:
    """Within a transaction of the caller's."""
    for statement in _SCHEMA.split(";\n"):
        connection.execute(statement)
    connection.execute("INSERT INTO schema_version VALUES (?)", (SCHEMA_VERSION,))


def path_of(url: str) -> Path | None:
    """`sqlite:///relative/path`, `sqlite:////absolute/path`; None for `sqlite://`, which means in memory."""
    if url == "sqlite://":
        return None
    path = url.removeprefix("sqlite:///")
    if path == url or not path:
        raise ConfigurationError(
            f"{url!r} names no SQLite file: write sqlite:///relative/path or sqlite:////absolute/path"
        )
    return Path(path)
