"""The SQLite engine keeps the store's contract, and says plainly what is wrong with its file."""

import os
import sqlite3
from pathlib import Path

import pytest
from store_contract import StoreContract, found, full_post, post

from qalqan.errors import ConfigurationError, StoreError
from qalqan.store import DocumentQuery, Store, open_store


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'новая папка' / 'store.sqlite'}"

    def test_keeps_everything_when_opened_again(self, store_url: str) -> None:
        with open_store(store_url) as store:
            store.put_documents([full_post()])
        with open_store(store_url) as store:
            assert store.get_document(full_post().id) == full_post()
            assert found(store, text="клуб") == [7]

    def test_its_word_index_stays_whole_under_rewriting(self, store: Store, store_url: str) -> None:
        for turn in range(5):
            store.put_documents([post(n, f"слово{turn} 💊 {'ё' * n}", title=f"тема{turn}") for n in range(20)])
        with sqlite3.connect(store_url.removeprefix("sqlite:///")) as connection:
            connection.execute("INSERT INTO document_words (document_words) VALUES ('integrity-check')")
            (rows,) = connection.execute("SELECT count(*) FROM word_places WHERE term GLOB 'слово[0-3]'").fetchone()
        connection.close()
        assert rows == 0


def test_in_memory() -> None:
    with open_store("sqlite://") as store:
        store.put_documents([post(1, "память")])
        assert found(store, text="память") == [1]
    with open_store("sqlite://") as store:
        assert found(store) == []


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_store("sqlite:///var/store.sqlite"):
        assert (tmp_path / "var" / "store.sqlite").is_file()


@pytest.mark.parametrize("url", ["sqlite:", "sqlite:/x", "sqlite:///", "sqlite://host/path"])
def test_a_url_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="names no SQLite file"):
        open_store(url)


def _file_store(tmp_path: Path) -> tuple[Path, str]:
    path = tmp_path / "store.sqlite"
    url = f"sqlite:///{path}"
    with open_store(url) as store:
        store.put_documents([post(number, "текст " * 50) for number in range(200)])
    return path, url


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path, url = _file_store(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    connection.close()
    with pytest.raises(StoreError, match="written with schema 99, this program knows 2"):
        open_store(url)


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "casework.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE documents (id)")
    connection.close()
    with pytest.raises(StoreError, match="another program's database"):
        open_store(f"sqlite:///{path}")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"<html>" * 1000)
    with pytest.raises(StoreError, match="no SQLite database"):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == b"<html>" * 1000


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    path, url = _file_store(tmp_path)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"store .*store\.sqlite: the file is damaged"), open_store(url) as store:
        list(store.scan(DocumentQuery()))


def test_a_damaged_record_says_so(tmp_path: Path) -> None:
    path, url = _file_store(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE documents SET record = ? WHERE number = 1", (b'{"id": 1}',))
    connection.close()
    with open_store(url) as store, pytest.raises(StoreError, match="a stored document is damaged"):
        list(store.scan(DocumentQuery()))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(f"sqlite:///{tmp_path / 'file' / 'store.sqlite'}")
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(f"sqlite:///{tmp_path}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(f"sqlite:///{folder / 'store.sqlite'}")


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    _, url = _file_store(tmp_path)
    with open_store(url) as store:
        connection = store._file._connection  # type: ignore[attr-defined]  # SQLite's own way to a full disk
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="the disk is full"):
            store.put_documents([post(1_000 + number, "ещё " * 2_000) for number in range(100)])
        assert found(store) == list(range(200))


def test_a_closed_store_says_so() -> None:
    store = open_store("sqlite://")
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.count(DocumentQuery())
