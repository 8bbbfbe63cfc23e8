"""The store is copied between engines, and made anew on the server while it is written to."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from busy_writer import MONTHS, capture, post
from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan
from elasticsearch_server import fresh_prefix

from qalqan.config import StoreSettings
from qalqan.errors import StoreError
from qalqan.records import Channel, Entity, Finding
from qalqan.store import DocumentQuery, Fingerprint, Store, StoredDocument, open_store
from qalqan.store.base import VECTOR_SIZE
from qalqan.store.elasticsearch import reindex as reindex_module
from qalqan.store.elasticsearch.reindex import abandon, drop_old, install, reindex
from qalqan.store.moving import copy_store

WRITER = Path(__file__).with_name("busy_writer.py")
OPTIONS = StoreSettings(replicas=0)
KINDS = ("documents", "captures", "channels")


@pytest.fixture
def client(elasticsearch_url: str) -> Iterator[Elasticsearch]:
    with Elasticsearch(elasticsearch_url, request_timeout=60) as client:
        yield client


@pytest.fixture
def prefix(client: Elasticsearch) -> Iterator[str]:
    with fresh_prefix(client) as prefix:
        yield prefix


@pytest.fixture
def url(elasticsearch_url: str, prefix: str) -> str:
    return f"{elasticsearch_url}/{prefix}?refresh=true"  # nobody waits for the next refresh


def channel(number: int) -> Channel:
    return Channel.model_validate(
        {
            "site": "telegram",
            "handle": f"Channel_{number}",
            "url": f"https://t.me/channel_{number}",
            "status": "public",
            "checked_at": datetime(2026, 4, 1, tzinfo=UTC),
        }
    )


def fill(store: Store, count: int = 60) -> None:
    """Posts of three months and undated ones, each third with a fingerprint, some with a vector, some in a case."""
    finding = Finding(label="drug_shop", score=0.9, threshold=0.5, flagged=True, codes=("DS01",), model="test-1")
    entity = Entity(kind="telegram", value="Almaty_Club", start=0, end=4)
    posts = [post(number, f"магазины {number}", MONTHS[number % 3]) for number in range(count)]
    posts[1] = posts[1].model_copy(update={"published_at": None, "findings": (finding,), "entities": (entity,)})
    posts[2] = posts[2].model_copy(update={"title": "Клубы ә\x00 👩‍👩‍👧 '; DROP TABLE", "author": "Админ"})
    prints = {one.id: Fingerprint(one.id, f"sha of {one.id}", ("b1", "b2"), (0, 2**64 - 1)) for one in posts[::3]}
    vectors = {one.id: [float(place), 1.0, *[0.0] * (VECTOR_SIZE - 2)] for place, one in enumerate(posts[:9])}
    for start in range(0, count, 50):
        some = {one.id for one in posts[start : start + 50]}
        store.put_documents(
            posts[start : start + 50],
            {key: value for key, value in prints.items() if key in some},
            {key: value for key, value in vectors.items() if key in some},
        )
    store.set_case_states({posts[1].id: "open", posts[5].id: "decided"})
    store.put_captures([capture(number) for number in range(20)])
    for number in range(3):
        store.put_channel(channel(number))


def content(store: Store) -> tuple[list[Any], list[Any], list[Any]]:
    """All there is, in order; vectors to three digits, as engines differ in the last ones."""

    def rounded(one: StoredDocument) -> tuple[object, ...]:
        vector = tuple(round(value, 3) for value in one.vector) if one.vector else None
        return one.document, one.fingerprint, vector, one.case_state

    documents = [rounded(one) for one in store.scan_stored()]
    channels = sorted(store.scan_channels(), key=lambda one: one.handle)
    return documents, list(store.scan_captures()), channels


def raw(client: Elasticsearch, prefix: str) -> dict[str, Any]:
    """Bodies of the documents by id, as they are stored; no id is there twice."""
    hits = list(scan(client, index=f"{prefix}-documents", query={"query": {"match_all": {}}}))
    assert [key for key, times in Counter(hit["_id"] for hit in hits).items() if times > 1] == []
    return {hit["_id"]: hit["_source"] for hit in hits}


def in_use(client: Elasticsearch, prefix: str) -> dict[str, set[str]]:
    found = client.indices.get_alias(index=f"{prefix}-*", expand_wildcards="all")
    return {name: set(values["aliases"]) for name, values in found.body.items() if values["aliases"]}


def qalqan(home: Path, *arguments: str, store: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qalqan_cli", *arguments],
        env=environment(home, store),
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


def environment(home: Path, store: str = "") -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("QALQAN_")}
    place = {"QALQAN_STORE__URL": store, "QALQAN_STORE__REPLICAS": "0"} if store else {}
    return {**inherited, "QALQAN_HOME": str(home), **place}


# From one engine to the other


def test_from_sqlite_to_elasticsearch_and_back(tmp_path: Path, url: str) -> None:
    first, last = tmp_path / "store.sqlite", tmp_path / "back.sqlite"
    with open_store(f"sqlite:///{first}") as store:
        fill(store)
        before = content(store)
    there = qalqan(tmp_path, "reindex", "--to", url)
    assert there.returncode == 0, there.stderr
    assert "60 documents, 20 captures and 3 channels are in" in there.stderr
    back = qalqan(tmp_path, "reindex", "--to", f"sqlite:///{last}", store=url)
    assert back.returncode == 0, back.stderr
    with open_store(url, OPTIONS) as server, open_store(f"sqlite:///{last}") as store:
        assert content(server) == content(store) == before
        query = DocumentQuery(text="магазин", labels=("drug_shop",))
        assert [one.id for one in server.scan(query)] == [one.id for one in store.scan(query)] == [post(1, "", 1).id]


def test_a_copy_that_was_cut_off_is_begun_again(tmp_path: Path, url: str) -> None:
    class Cut(Exception):
        pass

    def cut(done: int, total: int) -> None:
        assert total == 60
        if done >= 20:
            raise Cut

    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as source, open_store(url, OPTIONS) as target:
        fill(source)
        with pytest.raises(Cut):
            copy_store(source, target, batch=10, progress=cut)
        assert target.count(DocumentQuery()) == 20
        # Meanwhile a case was opened and closed again, and a post edited.
        source.set_case_states({post(1, "", 1).id: None, post(4, "", 1).id: "open"})
        source.put_documents([post(3, "правка", 1)])
        steps: list[tuple[int, int]] = []
        counted = copy_store(source, target, batch=25, progress=lambda done, total: steps.append((done, total)))
        assert (counted.documents, counted.captures, counted.channels, counted.refused) == (60, 20, 3, ())
        assert steps == [(25, 60), (50, 60), (60, 60)]
        assert content(target) == content(source)


def test_what_the_target_refuses_is_named(tmp_path: Path, url: str, prefix: str, client: Elasticsearch) -> None:
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        fill(store)
    install(url, OPTIONS)
    client.indices.put_index_template(
        name=f"{prefix}-other",
        index_patterns=[f"{prefix}-documents-v1-2026.02"],
        priority=300,
        template={"mappings": {"dynamic": "strict", "properties": {"record": {"type": "object", "enabled": False}}}},
    )
    try:
        done = qalqan(tmp_path, "reindex", "--to", url)
    finally:
        client.indices.delete_index_template(name=f"{prefix}-other")
    refused = {post(number, "", 2).id for number in range(60) if number % 3 == 1 and number != 1}
    assert done.returncode == 3, done.stderr
    assert {line.removeprefix("refused: ") for line in done.stderr.splitlines() if "refused: " in line} == refused
    with open_store(url, OPTIONS) as store:
        assert store.count(DocumentQuery()) == 60 - len(refused)


def test_a_target_that_is_away_is_a_failure(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        fill(store)
    done = qalqan(tmp_path, "reindex", "--to", "http://127.0.0.1:9/none")
    assert (done.returncode, "no connection" in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["reindex", "--install"], "only an Elasticsearch"),
        (["reindex", "--drop-old", "--abandon"], "choose one of"),
        (["reindex", "--to", "sqlite:////tmp/x", "--install"], "choose one of"),
        (["reindex", "--to", "mysql://x"], "no store engine"),
        (["purge", "--documents-before", "2025"], "is no month"),
        (["purge", "--documents-before", "2025-13", "--yes"], "is no month"),
        (["purge", "--documents-before", "2025-01"], "add --yes"),
    ],
)
def test_wrong_use(tmp_path: Path, arguments: list[str], says: str) -> None:
    done = qalqan(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert says in done.stderr


def test_purge(tmp_path: Path, url: str) -> None:
    for store_url in (url, f"sqlite:///{tmp_path / 'store.sqlite'}"):
        with open_store(store_url, OPTIONS) as store:
            fill(store)
        done = qalqan(tmp_path, "purge", "--documents-before", "2026-02", "--yes", store=store_url)
        assert (done.returncode, "20 documents published before 2026-02" in done.stderr) == (0, True), done.stderr
        with open_store(store_url, OPTIONS) as store:
            left = {int(one.id, 16) for one in store.scan(DocumentQuery())}
            assert left == {number for number in range(60) if number % 3 or number == 1}
            assert len(list(store.scan_captures())) == 20


# Anew, on the server


def test_a_reindexing_keeps_everything(url: str, prefix: str, client: Elasticsearch) -> None:
    with open_store(url, OPTIONS) as store:
        fill(store, 120)
        before, bodies = content(store), raw(client, prefix)
        steps: list[tuple[int, int]] = []
        done = reindex(url, OPTIONS, lambda now, total: steps.append((now, total)))
        assert (done.generation, done.records) == (2, 120 + 20 + 3)
        assert steps[-1] == (143, 143)
        assert content(store) == before
        assert raw(client, prefix) == bodies
        # The store that was open all the time goes on.
        assert store.put_documents([post(1000, "новый", 1), post(3, "правка", 1)]).new == 1
        assert store.put_documents([post(1001, "новый месяц", 4)]).new == 1
        assert store.count(DocumentQuery(text="новый")) == 2
    used = in_use(client, prefix)
    assert {name: len(aliases) for name, aliases in used.items()} == {
        f"{prefix}-captures-v2": 1,
        f"{prefix}-channels-v2": 1,
        **{f"{prefix}-documents-v2-{month}": 2 for month in ("2026.01", "2026.02", "2026.03", "2026.04", "undated")},
    }
    assert set(drop_old(url, OPTIONS)) == set(done.old)
    assert set(client.indices.get(index=f"{prefix}-*", expand_wildcards="all")) == set(used)
    assert reindex(url, OPTIONS).generation == 3


def test_several_shards(url: str, prefix: str, client: Elasticsearch) -> None:
    with open_store(url, StoreSettings(replicas=0, shards=3)) as store:
        fill(store, 120)
        before = content(store)
        reindex(url, StoreSettings(replicas=0, shards=2))
        assert content(store) == before
    settings = client.indices.get_settings(index=f"{prefix}-documents", flat_settings=True)
    assert {values["settings"]["index.number_of_shards"] for values in settings.body.values()} == {"2"}


def test_what_is_computed_is_computed_anew(url: str, prefix: str, client: Elasticsearch) -> None:
    with open_store(url, OPTIONS) as store:
        fill(store)
        bodies = raw(client, prefix)
        # As an earlier program left it: other words, and a field that this one no longer fills.
        client.update(
            index=f"{prefix}-documents-2026.01", id=post(3, "", 1).id, doc={"text": {"plain": "старое"}}, refresh=True
        )
        assert store.count(DocumentQuery(text="старое")) == 1
        reindex(url, OPTIONS)
        assert store.count(DocumentQuery(text="старое")) == 0
    assert raw(client, prefix) == bodies


def writers(url: str, count: int = 2) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen(
            [sys.executable, str(WRITER), url, str(1_000_000 * number), "90000000"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(1, count + 1)
    ]


def test_nothing_is_lost_or_twice_while_others_write(url: str, prefix: str, client: Elasticsearch) -> None:
    with open_store(url, OPTIONS) as store:
        fill(store, 3000)
        before = raw(client, prefix)
        busy = writers(url)
        for writer in busy:
            assert writer.stdout is not None and writer.stdout.readline()
        # Pipes would fill up while nobody reads them.
        told = [start_reading(writer) for writer in busy]
        for generation in (2, 3, 4):
            done = reindex(url, OPTIONS)
            assert done.generation == generation
            drop_old(url, OPTIONS)
        time.sleep(1)
        acknowledged: dict[str, list[Any]] = {}
        for writer, finish in zip(busy, told, strict=True):
            lines, errors = finish()
            assert writer.returncode == 0, errors
            assert len(lines) > 40
            acknowledged |= {document_id: [text, month] for document_id, text, month in map(json.loads, lines)}
        assert len(acknowledged) > 100
        found = raw(client, prefix)
        for document_id, (text, month) in acknowledged.items():
            record = found[document_id]["record"]
            assert (record["text"], int(record["published_at"][5:7])) == (text, month)
            stored = store.get_document(document_id)
            assert stored is not None and stored.text == text
        assert {key: found[key] for key in before} == before
        assert len(list(store.scan_captures())) > 20
    for name, aliases in in_use(client, prefix).items():
        assert "-v4" in name and not any("next" in alias for alias in aliases)


def start_reading(writer: subprocess.Popen[str]) -> Callable[[], tuple[list[str], str]]:
    """Reads on in the background; the function ends the writer and gives its lines and errors."""
    lines: list[str] = []
    assert writer.stdout is not None and writer.stdin is not None and writer.stderr is not None
    stdout, stdin, stderr = writer.stdout, writer.stdin, writer.stderr
    thread = threading.Thread(target=lambda: lines.extend(stdout))
    thread.start()

    def finish() -> tuple[list[str], str]:
        stdin.close()
        thread.join()
        errors = stderr.read()
        writer.wait(timeout=60)
        stdout.close()
        stderr.close()
        return lines, errors

    return finish


def assert_untouched(client: Elasticsearch, prefix: str, used: dict[str, set[str]]) -> None:
    """No index beside those that were there, nothing closed, nobody who says that he is at work."""
    assert in_use(client, prefix) == used
    assert set(client.indices.get(index=f"{prefix}-*", expand_wildcards="all")) == set(used)
    assert client.indices.get_settings(index=f"{prefix}-*", name="index.blocks.*").body == {}
    assert not client.cluster.exists_component_template(name=f"{prefix}-reindex")


def test_a_failure_in_the_middle_leaves_everything_as_it_was(url: str, prefix: str, client: Elasticsearch) -> None:
    with open_store(url, OPTIONS) as store:
        fill(store)
        used = in_use(client, prefix)
        client.index(
            index=f"{prefix}-documents-2026.02",
            id="damaged",
            document={"record": {"id": 1}, "order": 1, "indexed_at": 1},
            refresh=True,
        )
        with pytest.raises(StoreError, match="a stored document is damaged"):
            reindex(url, OPTIONS)
        assert_untouched(client, prefix, used)
        client.delete(index=f"{prefix}-documents-2026.02", id="damaged", refresh=True)
        assert store.put_documents([post(1000, "дальше", 1)]).new == 1
        assert reindex(url, OPTIONS).records == 84


def test_a_failure_while_writers_stand_still(
    url: str, prefix: str, client: Elasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk of the server is full at the worst moment."""
    with open_store(url, OPTIONS) as store:
        fill(store)
        used = in_use(client, prefix)
        stop_writers = reindex_module._Reindexing._stop_writers

        def then_fill_the_disk(self: Any) -> None:
            stop_writers(self)
            client.indices.put_settings(
                index=f"{prefix}-documents-v2-*", settings={"index.blocks.read_only_allow_delete": True}
            )
            self._done_up_to.clear()  # as if all of it had changed

        monkeypatch.setattr(reindex_module._Reindexing, "_stop_writers", then_fill_the_disk)
        with pytest.raises(StoreError, match="flood-stage"):
            reindex(url, OPTIONS.model_copy(update={"patience_s": 0.5}))
        assert_untouched(client, prefix, used)
        assert store.put_documents([post(1000, "дальше", 1)]).new == 1


@contextmanager
def slow_reindexing(home: Path, url: str, prefix: str, client: Elasticsearch) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has begun to copy, and is far from its end."""
    with open_store(url, OPTIONS) as store:
        fill(store, 4000)
    process = subprocess.Popen(
        [sys.executable, "-m", "qalqan_cli", "reindex"],
        env=environment(home, url),
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not client.indices.exists_alias(name=f"{prefix}-documents-next-2026.01"):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_killed_reindexing_is_cleared_up_by_the_next(
    tmp_path: Path, url: str, prefix: str, client: Elasticsearch
) -> None:
    with slow_reindexing(tmp_path, url, prefix, client) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert client.cluster.exists_component_template(name=f"{prefix}-reindex")
    # It may have been killed later, too.
    client.indices.add_block(index=f"{prefix}-documents-v1-2026.01", block="write")
    with open_store(url, OPTIONS) as store:
        before = content(store)
        assert reindex(url, OPTIONS).records == 4023
        assert content(store) == before
        assert store.put_documents([post(900_000, "дальше", 1)]).new == 1
    drop_old(url, OPTIONS)
    assert_untouched(client, prefix, in_use(client, prefix))


def test_a_reindexing_that_is_told_to_stop_clears_up(
    tmp_path: Path, url: str, prefix: str, client: Elasticsearch
) -> None:
    with slow_reindexing(tmp_path, url, prefix, client) as process:
        used = {name: aliases for name, aliases in in_use(client, prefix).items() if "-v1" in name}
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143
    assert_untouched(client, prefix, used)


def test_one_at_a_time(tmp_path: Path, url: str, prefix: str, client: Elasticsearch) -> None:
    with slow_reindexing(tmp_path, url, prefix, client) as process:
        with pytest.raises(StoreError, match=f"process {process.pid} on .*is under way or was cut off"):
            reindex(url, OPTIONS)
        assert process.wait(timeout=120) == 0
    assert "-v2" in min(in_use(client, prefix))


def test_what_another_machine_left_is_abandoned_by_command(
    tmp_path: Path, url: str, prefix: str, client: Elasticsearch
) -> None:
    with open_store(url, OPTIONS) as store:
        fill(store)
    used = in_use(client, prefix)
    meta = {"host": "elsewhere", "pid": 1, "began_at": "2026-01-01T00:00:00Z"}
    client.cluster.put_component_template(name=f"{prefix}-reindex", template={}, meta=meta)
    client.indices.create(index=f"{prefix}-captures-v2", aliases={f"{prefix}-captures-next": {}})
    client.indices.add_block(index=f"{prefix}-captures-v1", block="write")
    refused = qalqan(tmp_path, "reindex", store=url)
    assert refused.returncode == 1
    assert "process 1 on elsewhere since 2026-01-01T00:00:00Z" in refused.stderr
    done = qalqan(tmp_path, "reindex", "--abandon", store=url)
    assert (done.returncode, f"{prefix}-captures-v2" in done.stderr) == (0, True), done.stderr
    assert_untouched(client, prefix, used)
    assert abandon(url, OPTIONS) == []


def test_one_that_is_abandoned_by_somebody_else_gives_up(url: str, prefix: str, client: Elasticsearch) -> None:
    with open_store(url, OPTIONS) as store:
        fill(store)
    used = in_use(client, prefix)
    with pytest.raises(StoreError, match=r"cannot be indexed anew|abandoned by somebody else"):
        reindex(url, OPTIONS, lambda _done, _total: [*abandon(url, OPTIONS)].clear())
    assert_untouched(client, prefix, used)


def test_an_index_of_a_newer_program_is_left_alone(url: str, prefix: str, client: Elasticsearch) -> None:
    with open_store(url, OPTIONS) as store:
        fill(store)
    client.indices.put_mapping(index=f"{prefix}-documents-v1-2026.02", meta={"qalqan_schema": 99})
    for change in (reindex, install):
        with pytest.raises(StoreError, match="a newer Qalqan"):
            change(url, OPTIONS)


def test_nothing_there(url: str) -> None:
    with pytest.raises(StoreError, match="reindex --install"):
        reindex(url, OPTIONS)


def test_install_mends(tmp_path: Path, url: str, prefix: str, client: Elasticsearch) -> None:
    done = qalqan(tmp_path, "reindex", "--install", store=url)
    assert (done.returncode, "nothing drops them by itself" in done.stderr) == (0, True), done.stderr
    client.indices.delete(index=f"{prefix}-captures-v1")
    client.indices.delete_index_template(name=f"{prefix}-captures")
    client.indices.put_settings(index=f"{prefix}-documents", settings={"index.number_of_replicas": 1})
    assert install(url, OPTIONS) is False
    with open_store(url, OPTIONS) as store:
        fill(store)
    settings = client.indices.get_settings(index=f"{prefix}-*", flat_settings=True)
    assert {values["settings"]["index.number_of_replicas"] for values in settings.body.values()} == {"0"}


def test_a_snapshot_brings_everything_back(url: str, prefix: str, client: Elasticsearch) -> None:
    """As docs/elasticsearch.md tells it."""
    indices = ",".join(f"{prefix}-{kind}-v*" for kind in KINDS)
    with open_store(url, OPTIONS) as store:
        fill(store)
        before, used = content(store), in_use(client, prefix)
        client.snapshot.create_repository(name=prefix, repository={"type": "fs", "settings": {"location": prefix}})
        made = client.snapshot.create(
            repository=prefix, snapshot="one", indices=indices, include_global_state=False, wait_for_completion=True
        )
        assert made["snapshot"]["state"] == "SUCCESS"
        store.put_documents([post(3, "потом", 1), post(1000, "потом", 5)])
        for index in client.indices.get(index=indices):
            client.indices.delete(index=index)
        client.snapshot.restore(
            repository=prefix, snapshot="one", indices=indices, include_global_state=False, wait_for_completion=True
        )
        client.snapshot.delete_repository(name=prefix)
        assert (content(store), in_use(client, prefix)) == (before, used)
        assert store.put_documents([post(3, "потом", 1), post(1000, "потом", 5)]).new == 1


def test_a_sqlite_file_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with open_store(f"sqlite:///{path}") as store:
        fill(store)
        before = content(store)
    done = qalqan(tmp_path, "reindex")
    assert (done.returncode, "60 documents were indexed anew" in done.stderr) == (0, True), done.stderr
    with open_store(f"sqlite:///{path}") as store:
        assert content(store) == before
        assert store.count(DocumentQuery(text="магазин")) == 60
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO document_words (document_words) VALUES ('integrity-check')")
    connection.close()
