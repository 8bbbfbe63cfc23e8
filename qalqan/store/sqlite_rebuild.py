"""Gives a store file of an earlier layout, or with words of an earlier program, what this program expects."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from qalqan.errors import StoreError
from qalqan.records import Document
from qalqan.store.sqlite import insert_document
from qalqan.store.sqlite_file import SCHEMA_VERSION, SqliteFile, create_tables

_SCHEMAS = range(1, SCHEMA_VERSION + 1)
_ROWS = 500
# What does not follow from the documents. In schema 1 there are no vectors and no case states.
_KEPT_TABLES = ("fingerprints", "bands", "vectors", "captures", "channels")
_COUNTED = ("documents", "captures")


def rebuild(path: Path, progress: Callable[[int, int], None] | None = None) -> int:
    """Tables and words anew, in place; returns how many documents there are. progress: documents done, all of them.

    One transaction: until its end others read the file as it was, writers wait or fail, and a crash changes nothing.
    Needs as much free disk as the file is large, twice; the file stays so large, with room for what comes.
    Raises StoreError for a damaged document, which it names, and for what is no store file.
    """
    if not path.is_file():
        raise StoreError(f"store {path}: there is no such file: check the store's URL")
    file = SqliteFile(path, schemas=_SCHEMAS)
    try:
        with file.writing() as connection:
            return _rebuild(connection, file.name, progress)
    finally:
        file.close()


def _rebuild(connection: sqlite3.Connection, name: str, progress: Callable[[int, int], None] | None) -> int:
    kept = [table for table in _KEPT_TABLES if table in _tables(connection)]
    _set_aside(connection, ["documents", *kept])
    create_tables(connection)
    total = _copy_documents(connection, name, progress)
    for table in kept:
        connection.execute(f"INSERT INTO {table} SELECT * FROM old_{table}")  # noqa: S608 -- constants
    for table in _COUNTED:  # a number is never given twice, even if the last documents were dropped
        (last,) = connection.execute(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name IN (?, ?)", (table, f"old_{table}")
        ).fetchone()
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, last))
    for table in ("documents", *kept):
        connection.execute(f"DROP TABLE old_{table}")
    return total


def _tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    return [name for (name,) in rows]


def _set_aside(connection: sqlite3.Connection, tables: list[str]) -> None:
    """Renames the tables to old_…, and drops all the others and every index."""
    indices = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    for (index,) in indices:
        connection.execute(f"DROP INDEX {index}")
    for table in ("word_places", "document_words"):  # with the tables that FTS5 keeps for them
        connection.execute(f"DROP TABLE {table}")
    for table in _tables(connection):
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}" if table in tables else f"DROP TABLE {table}")


def _copy_documents(connection: sqlite3.Connection, name: str, progress: Callable[[int, int], None] | None) -> int:
    (total,) = connection.execute("SELECT count(*) FROM old_documents").fetchone()
    columns = [column for (_, column, *_) in connection.execute("PRAGMA table_info(old_documents)")]
    case_state = "case_state" if "case_state" in columns else "NULL"
    done = number = 0
    while rows := connection.execute(
        f"SELECT number, indexed_at, {case_state}, record FROM old_documents "  # noqa: S608 -- constants
        "WHERE number > ? ORDER BY number LIMIT ?",
        (number, _ROWS),
    ).fetchall():
        for number, indexed_at, state, record in rows:
            document = _read(record, number, name)
            insert_document(connection, document, {"number": number, "indexed_at": indexed_at, "case_state": state})
        done += len(rows)
        if progress:
            progress(done, total)
    return int(total)


def _read(record: bytes, number: int, name: str) -> Document:
    try:
        return Document.model_validate_json(record)
    except ValidationError as error:
        raise StoreError(
            f"store {name}: document number {number} is damaged, nothing was changed: restore the file from a backup "
            f"({error})"
        ) from error
