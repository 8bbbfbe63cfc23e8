"""Store files of the first released layout, and of this one, are given the present tables and words in place."""

import os
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from qalqan.errors import StoreError
from qalqan.records import Capture, Channel, Document, Entity, Finding
from qalqan.store import DocumentQuery, Fingerprint, open_store
from qalqan.store.keys import microseconds
from qalqan.store.sqlite_rebuild import rebuild

# As Qalqan 0.1 made it.
SCHEMA_1 = """
CREATE TABLE documents (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, record BLOB NOT NULL,
    site TEXT NOT NULL, host TEXT, channel TEXT, lang TEXT NOT NULL, flagged INTEGER NOT NULL,
    moment INTEGER NOT NULL, indexed_at INTEGER NOT NULL, words INTEGER NOT NULL
);
CREATE INDEX documents_moment ON documents (moment, number);
CREATE INDEX documents_flagged ON documents (moment, number) WHERE flagged;
CREATE INDEX documents_indexed_at ON documents (indexed_at);
CREATE INDEX documents_host ON documents (host, moment, number);
CREATE INDEX documents_channel ON documents (channel, moment, number);
CREATE TABLE flagged_labels (label TEXT, number INTEGER, PRIMARY KEY (label, number)) WITHOUT ROWID;
CREATE INDEX flagged_labels_number ON flagged_labels (number);
CREATE TABLE entities (kind TEXT, value TEXT, number INTEGER, PRIMARY KEY (kind, value, number)) WITHOUT ROWID;
CREATE INDEX entities_number ON entities (number);
CREATE TABLE fingerprints (number INTEGER PRIMARY KEY, text_sha256 TEXT NOT NULL, signature BLOB NOT NULL);
CREATE INDEX fingerprints_text ON fingerprints (text_sha256, number);
CREATE TABLE bands (band TEXT, number INTEGER, PRIMARY KEY (band, number)) WITHOUT ROWID;
CREATE INDEX bands_number ON bands (number);
CREATE VIRTUAL TABLE document_words USING fts5 (
    title, source, text, content = '', tokenize = "unicode61 remove_diacritics 0"
);
CREATE VIRTUAL TABLE word_places USING fts5vocab (document_words, instance);
CREATE TABLE captures (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, record BLOB NOT NULL);
CREATE TABLE channels (site TEXT, handle TEXT, record BLOB NOT NULL, PRIMARY KEY (site, handle)) WITHOUT ROWID;
CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO schema_version VALUES (1);
"""
NOON = datetime(2026, 4, 21, 12, tzinfo=UTC)


def post(number: int, text: str = "Магазины работают") -> Document:
    finding = Finding(label="drug_shop", score=0.75, threshold=0.5, flagged=number % 2 == 0, model="test-1")
    return Document(
        id=f"{number:032x}",
        url=f"https://t.me/almaty_news/{number}",
        canonical_url=f"https://t.me/s/almaty_news/{number}",
        site="telegram",
        channel="Almaty_News",
        published_at=NOON + timedelta(minutes=number),
        fetched_at=NOON,
        text=text,
        lang="ru",
        entities=(Entity(kind="telegram", value="Almaty_Club", start=0, end=1),),
        findings=(finding,),
    )


CAPTURE = Capture(
    id="c" * 32,
    url="https://t.me/s/almaty_news",
    fetched_at=NOON,
    status=200,
    sha256="ab" * 32,
    size_bytes=1,
    warc_file="2026/04/21.warc.gz",
    warc_offset=0,
    warc_length=1,
    warc_record_id="<urn:uuid:1>",
)
CHANNEL = Channel(
    site="telegram", handle="Almaty_News", url="https://t.me/almaty_news", status="public", checked_at=NOON
)


def old_file(path: Path, count: int = 40) -> None:
    """Posts 1 to `count` under the numbers 10, 20, ...; the last number ever given is 9,999."""
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.executescript(f"PRAGMA journal_mode = WAL; BEGIN; {SCHEMA_1}")
        for number in range(1, count + 1):
            one = post(number)
            row = 10 * number
            moment = microseconds(one.published_at or NOON)
            values = (
                row,
                one.id,
                orjson.dumps(one.model_dump()),
                "telegram",
                "t.me",
                "almaty_news",
                "ru",
                moment,
                number,
            )
            connection.execute("INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, FALSE, ?, ?, 2)", values)
            connection.execute("INSERT INTO document_words (rowid, text) VALUES (?, 'магазины работают')", (row,))
            connection.execute("INSERT INTO entities VALUES ('telegram', 'almaty_club', ?)", (row,))
            signature = struct.pack("<2Q", number, 2**64 - 1)
            connection.execute("INSERT INTO fingerprints VALUES (?, ?, ?)", (row, f"sha of {number}", signature))
            connection.execute("INSERT INTO bands VALUES ('b1', ?)", (row,))
        connection.execute("UPDATE sqlite_sequence SET seq = 9999 WHERE name = 'documents'")
        connection.execute("INSERT INTO captures VALUES (7, ?, ?)", (CAPTURE.id, orjson.dumps(CAPTURE.model_dump())))
        channel = orjson.dumps(CHANNEL.model_dump())
        connection.execute("INSERT INTO channels VALUES ('telegram', 'almaty_news', ?)", (channel,))
        connection.execute("COMMIT")
    connection.close()


def test_a_file_of_the_first_layout(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    url = f"sqlite:///{path}"
    old_file(path)
    with pytest.raises(StoreError, match=r"written with schema 1, this program knows 2: run `qalqan reindex`"):
        open_store(url)
    steps: list[tuple[int, int]] = []
    assert rebuild(path, lambda done, total: steps.append((done, total))) == 40
    assert steps == [(40, 40)]
    posts = [post(number) for number in range(1, 41)]
    with open_store(url) as store:
        assert list(store.scan(DocumentQuery())) == posts
        assert store.count(DocumentQuery(text="магазин")) == 40
        assert store.count(DocumentQuery(labels=("drug_shop",))) == 20
        assert store.count(DocumentQuery(least_score=0.7)) == 40
        assert store.count(DocumentQuery(entity=("telegram", "ALMATY_CLUB"))) == 40
        since = datetime(1970, 1, 1, microsecond=31, tzinfo=UTC)
        assert store.count(DocumentQuery(indexed_since=since)) == 10
        stored = next(store.scan_stored())
        assert stored.fingerprint == Fingerprint(posts[0].id, "sha of 1", ("b1",), (1, 2**64 - 1))
        assert (stored.vector, stored.case_state) == (None, None)
        assert len(store.find_candidates(Fingerprint("x", "none", ("b1",), ()))) == 40
        assert list(store.scan_captures()) == [CAPTURE]
        assert store.get_channel("telegram", "almaty_news") == CHANNEL
        assert store.put_documents([posts[0], post(41)]).new == 1
        store.put_captures([CAPTURE.model_copy(update={"id": "d" * 32})])
    with sqlite3.connect(path) as connection:
        numbers = [number for (number,) in connection.execute("SELECT number FROM documents ORDER BY number")]
        assert numbers == [*range(10, 401, 10), 10_000]
        assert connection.execute("SELECT max(number) FROM captures").fetchone() == (8,)
        connection.execute("INSERT INTO document_words (document_words) VALUES ('integrity-check')")
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        made = layout(connection)
    connection.close()
    with open_store(f"sqlite:///{tmp_path / 'fresh.sqlite'}"), sqlite3.connect(tmp_path / "fresh.sqlite") as connection:
        assert made == layout(connection)
    connection.close()


def layout(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"))


def test_a_file_of_this_layout_keeps_what_only_it_has(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with open_store(f"sqlite:///{path}") as store:
        store.put_documents([post(1), post(2)], vectors={post(2).id: [1.0] * 384})
        store.set_case_states({post(1).id: "open"})
        before = list(store.scan_stored())
        with sqlite3.connect(path) as connection:  # words as an earlier program read them
            connection.execute("INSERT INTO document_words (document_words) VALUES ('delete-all')")
        connection.close()
        assert store.count(DocumentQuery(text="магазин")) == 0
        assert rebuild(path) == 2
        # A store of this program that was open goes on.
        assert store.count(DocumentQuery(text="магазин")) == 2
        assert list(store.scan_stored()) == before


def test_an_empty_store(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    old_file(path, 0)
    assert rebuild(path) == 0
    with open_store(f"sqlite:///{path}") as store:
        assert store.put_documents([post(1)]).new == 1


def test_a_damaged_document_is_named_and_nothing_changed(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    old_file(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE documents SET record = ? WHERE number = 30", (b'{"id": 1}',))
    connection.close()
    before = dump(path)
    with pytest.raises(StoreError, match="document number 30 is damaged, nothing was changed"):
        rebuild(path)
    assert dump(path) == before


def dump(path: Path) -> list[str]:
    with sqlite3.connect(path) as connection:
        lines = list(connection.iterdump())
    connection.close()
    return lines


def test_a_killed_rebuilding_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    old_file(path, 1200)
    before = dump(path)
    script = (
        "import os, signal, sys; from pathlib import Path; from qalqan.store.sqlite_rebuild import rebuild;"
        "rebuild(Path(sys.argv[1]), lambda done, total: os.kill(os.getpid(), signal.SIGKILL) if done == 1000 else None)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], env=os.environ, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert dump(path) == before
    assert rebuild(path) == 1200


def test_others_wait_and_read_what_was(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    url = f"sqlite:///{path}"
    with open_store(url) as store:
        store.put_documents([post(number) for number in range(600)])
        written = threading.Event()

        def write() -> None:
            with open_store(url) as other:
                other.put_documents([post(1000)])
            written.set()

        writer = threading.Thread(target=write)

        def look(done: int, _total: int) -> None:
            if done == 500:
                writer.start()
                assert store.count(DocumentQuery(text="магазин")) == 600
                assert not written.wait(0.3)

        assert rebuild(path, look) == 600
        writer.join()
        assert store.count(DocumentQuery(text="магазин")) == 601


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.write_bytes(b"<html>" * 1000), "no SQLite database"),
        (
            lambda path: sqlite3.connect(path).execute("CREATE TABLE documents (id)").connection.close(),
            "another program",
        ),
    ],
    ids=["none", "html", "other"],
)
def test_what_is_no_store_is_left_alone(tmp_path: Path, make: object, says: str) -> None:
    path = tmp_path / "store.sqlite"
    make(path)  # type: ignore[operator]
    was_there = path.exists()
    with pytest.raises(StoreError, match=says):
        rebuild(path)
    assert path.exists() == was_there


def test_a_newer_layout_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    old_file(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    connection.close()
    with pytest.raises(StoreError, match="schema 99, this program knows 2: use the version"):
        rebuild(path)
