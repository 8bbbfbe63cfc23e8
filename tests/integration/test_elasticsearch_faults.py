"""What the store does while Elasticsearch dies, refuses, is busy or is away: afterwards everything is there once.

FAULT_TEST_DOCUMENTS: how many posts are loaded where a server dies; the default keeps the whole run short.
"""

import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan
from elasticsearch_server import Server, reason_for_absence, remove_prefix, start_cluster, start_server
from fault_proxy import Fault, fault_proxy

from qalqan.config import StoreSettings
from qalqan.errors import StoreError
from qalqan.records import Document
from qalqan.store import DocumentQuery, Store, WriteCount, open_store
from qalqan.store.elasticsearch.dead_letters import DeadLetters
from qalqan.store.elasticsearch.spool import Spool

DOCUMENTS = int(os.environ.get("FAULT_TEST_DOCUMENTS", "5000"))
FIRST_DAY = datetime(2026, 1, 10, tzinfo=UTC)
MONTHS = 6
PAGE = 250
WORDS = ("таза", "үй", "ыдыс", "жуу", "қызметі", "сегодня", "скидка", "на", "уборку", "квартир", "звоните", "нам")

SPOOL_WRITER = """
import sys
from pathlib import Path
from qalqan.config import StoreSettings
from qalqan.store import open_store
with open_store(sys.argv[1], StoreSettings(replicas=0, spool=Path(sys.argv[2]))) as store:
    print(store.put_documents([]))
"""


def post(number: int, text: str | None = None, **fields: object) -> Document:
    """In one of six months; the same number gives the same post."""
    moment = FIRST_DAY + timedelta(days=30 * (number % MONTHS), minutes=number % 1000)
    defaults: dict[str, object] = {
        "id": f"{number:032x}",
        "url": f"https://t.me/tazalyk/{number}",
        "canonical_url": f"https://t.me/s/tazalyk/{number}",
        "site": "telegram",
        "channel": "tazalyk",
        "post_id": str(number),
        "published_at": moment,
        "fetched_at": moment + timedelta(days=1),
        "text": text or f"{' '.join(WORDS)} {number} {WORDS[number % len(WORDS)]}",
        "lang": "ru",
    }
    return Document.model_validate(defaults | fields)


def options(spool: Path | None = None, **others: Any) -> StoreSettings:
    return StoreSettings(**{"replicas": 0, "spool": spool, "patience_s": 300, **others})


def load(
    store: Store, numbers: Sequence[int], on_page: threading.Semaphore | None = None, size: int = PAGE
) -> WriteCount:
    """By four threads, as crawling workers do. on_page: raised by one after every page. size: posts of a page."""

    def put(start: int) -> WriteCount:
        count = store.put_documents([post(number) for number in numbers[start : start + size]])
        if on_page is not None:
            on_page.release()
        return count

    with ThreadPoolExecutor(4) as threads:
        return added_up(threads.map(put, range(0, len(numbers), size)))


def added_up(counts: Iterable[WriteCount]) -> WriteCount:
    total = WriteCount(0, 0, 0)
    for one in counts:
        total = WriteCount(
            total.new + one.new,
            total.changed + one.changed,
            total.unchanged + one.unchanged,
            total.refused + one.refused,
            total.spooled + one.spooled,
        )
    return total


@contextmanager
def loading(store: Store, count: int) -> Iterator[tuple[threading.Semaphore, list[WriteCount]]]:
    """While the block runs, that many posts are loaded. Gives what is raised by each page, and the count at the end."""
    pages, counts = threading.Semaphore(0), []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            counts.append(load(store, range(count), pages))
        except BaseException as error:  # noqa: BLE001  # raised again below
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield pages, counts
    finally:
        thread.join()
    if failures:
        raise failures[0]


def wait_for_pages(pages: threading.Semaphore, count: int) -> None:
    for _ in range(count):
        assert pages.acquire(timeout=300), "nothing is written any more"


def assert_each_is_there_once(client: Elasticsearch, prefix: str, numbers: Iterable[int]) -> None:
    client.indices.refresh(index=f"{prefix}-documents")
    hits = scan(client, index=f"{prefix}-documents", query={"_source": False}, size=5000)
    found = sorted(int(hit["_id"], 16) for hit in hits)
    assert found == sorted(numbers)


@pytest.fixture
def prefix() -> str:
    return f"faults-{secrets.token_hex(4)}"


@pytest.fixture
def client(elasticsearch_url: str, prefix: str) -> Iterator[Elasticsearch]:
    """Of the shared server; whatever has the prefix goes at the end."""
    with Elasticsearch(elasticsearch_url, request_timeout=60) as client:
        yield client
        remove_prefix(client, prefix)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """To be killed and stopped."""
    if reason := reason_for_absence():
        pytest.skip(reason)
    with start_server(tmp_path / "server", heap="1g" if DOCUMENTS > 50_000 else "512m") as server:
        yield server


def test_a_server_killed_in_the_middle_of_a_load(own_server: Server, tmp_path: Path, prefix: str) -> None:
    with (
        open_store(f"{own_server.url}/{prefix}?refresh=false", options(tmp_path / "spool")) as store,
        Elasticsearch(own_server.url, request_timeout=60) as client,
    ):
        with loading(store, DOCUMENTS) as (pages, counts):
            for _ in range(3):
                wait_for_pages(pages, DOCUMENTS // PAGE // 4)
                own_server.kill()
                own_server.start()
                own_server.wait_until_ready()
        (count,) = counts
        # What was written, with the answer lost, is found unchanged by the second try.
        assert count.new + count.unchanged == DOCUMENTS
        assert count.changed == count.refused == count.spooled == 0
        assert_each_is_there_once(client, prefix, range(DOCUMENTS))
        assert store.count(DocumentQuery(text="уборка")) == DOCUMENTS
        assert load(store, range(DOCUMENTS)) == WriteCount(0, 0, DOCUMENTS)


def test_a_node_of_three_killed_under_load(tmp_path: Path, prefix: str) -> None:
    if reason := reason_for_absence(nodes=3):
        pytest.skip(reason)
    with start_cluster(tmp_path / "cluster") as cluster:
        url = f"{cluster.url}/{prefix}?refresh=false"
        with (
            open_store(url, options(tmp_path / "spool", replicas=2)) as store,
            Elasticsearch([node.url for node in cluster.nodes], request_timeout=60, max_retries=5) as client,
        ):
            names = {
                node: told["name"] for node, told in client.nodes.info(filter_path="nodes.*.name")["nodes"].items()
            }
            master = names[client.cluster.state(metric="master_node")["master_node"]]
            killed = next(node for node in cluster.nodes if master == f"node-{node.port}")
            with loading(store, DOCUMENTS) as (pages, counts):
                wait_for_pages(pages, DOCUMENTS // PAGE // 4)
                killed.kill()
            (count,) = counts
            assert count.new + count.unchanged == DOCUMENTS
            assert count.changed == count.refused == count.spooled == 0
            assert_each_is_there_once(client, prefix, range(DOCUMENTS))
            killed.start()
            cluster.wait_until_green()
            for node in names:
                on_node = client.count(index=f"{prefix}-documents", preference=f"_only_nodes:{node}")["count"]
                assert on_node == DOCUMENTS


class Block:
    """What Elasticsearch does to its indices when the disk is nearly full."""

    def __init__(self, client: Elasticsearch, alias: str) -> None:
        self._client, self._alias = client, alias

    def set(self) -> None:
        self._put(True)

    def lift(self) -> None:
        self._put(None)

    def _put(self, value: bool | None) -> None:
        self._client.indices.put_settings(index=self._alias, settings={"index.blocks.read_only_allow_delete": value})


@pytest.fixture
def closed_for_writing(client: Elasticsearch, prefix: str) -> Iterator[Block]:
    # The server takes the block away by itself, whenever it looks at its disks.
    setting = "cluster.info.update.interval"
    client.cluster.put_settings(persistent={setting: "1h"})
    yield Block(client, f"{prefix}-documents")
    client.cluster.put_settings(persistent={setting: None})


def test_a_full_disk_is_waited_out(
    client: Elasticsearch, elasticsearch_url: str, prefix: str, closed_for_writing: Block, tmp_path: Path
) -> None:
    with open_store(f"{elasticsearch_url}/{prefix}?refresh=false", options(tmp_path / "spool")) as store:
        store.put_documents([post(number) for number in range(MONTHS)])
        with loading(store, 4000) as (pages, counts):
            wait_for_pages(pages, 2)
            closed_for_writing.set()
            time.sleep(2)
            assert not counts, "the load ended before the block was lifted"
            closed_for_writing.lift()
        assert counts[0].new + counts[0].unchanged == 4000
    assert_each_is_there_once(client, prefix, range(4000))


def test_a_disk_that_stays_full_leaves_the_posts_in_the_spool(
    client: Elasticsearch, elasticsearch_url: str, prefix: str, closed_for_writing: Block, tmp_path: Path
) -> None:
    url = f"{elasticsearch_url}/{prefix}?refresh=true"
    with open_store(url, options(tmp_path / "spool", patience_s=0.5)) as store:
        store.put_documents([post(number) for number in range(MONTHS)])
        closed_for_writing.set()
        assert store.put_documents([post(10, "первый")]) == WriteCount(0, 0, 0, spooled=1)
        assert store.put_documents([post(11), post(10, "второй")]) == WriteCount(0, 0, 0, spooled=2)
        closed_for_writing.lift()
        assert store.put_documents([post(12)]) == WriteCount(1, 0, 0)
        stored = store.get_document(post(10).id)
        assert stored is not None and stored.text == "второй"
    assert_each_is_there_once(client, prefix, [*range(MONTHS), 10, 11, 12])
    with open_store(url, options(patience_s=0.5)) as store:
        closed_for_writing.set()
        with pytest.raises(StoreError, match=r"flood-stage.*free some space"):
            store.put_documents([post(20)])
        closed_for_writing.lift()
    assert_each_is_there_once(client, prefix, [*range(MONTHS), 10, 11, 12])


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429),
        Fault(status=429, retry_after="1"),
        Fault(rejected_items=0.5),
        Fault(status=503),
        Fault(is_cut_before=True),
        Fault(is_cut_after=True),
    ],
    ids=["429", "429 with a wish", "429 for half of a request", "503", "cut before", "cut after"],
)
def test_a_storm_of_refusals_and_lost_answers(
    client: Elasticsearch, elasticsearch_url: str, prefix: str, tmp_path: Path, fault: Fault
) -> None:
    with (
        fault_proxy(elasticsearch_url) as proxy,
        open_store(f"{proxy.url}/{prefix}?refresh=false", options(tmp_path / "spool")) as store,
    ):
        proxy.break_share(0.4, fault)
        count = load(store, range(2000), size=100)
        assert len(proxy.faults) >= 4
        assert count.new + count.unchanged == 2000
        assert count.changed == count.refused == count.spooled == 0
        proxy.break_share(0, Fault())
        assert load(store, range(2000), size=100) == WriteCount(0, 0, 2000)
    assert_each_is_there_once(client, prefix, range(2000))


def test_a_mapping_conflict_refuses_by_name_and_writes_the_rest(
    client: Elasticsearch, elasticsearch_url: str, prefix: str, tmp_path: Path
) -> None:
    month = f"{post(0).published_at:%Y.%m}"
    with open_store(f"{elasticsearch_url}/{prefix}?refresh=true", options(tmp_path)) as store:
        # As if another program had made the month's index: numbers where names are.
        client.indices.create(
            index=f"{prefix}-documents-v1-{month}",
            aliases={f"{prefix}-documents": {}, f"{prefix}-documents-{month}": {"is_write_index": True}},
            mappings={"properties": {"channel": {"type": "long"}}},
        )
        posts = [post(number, channel="слово" if number % 7 == 0 else "12") for number in range(3000)]
        impossible = {one.id for number, one in enumerate(posts) if number % 7 == 0 and number % MONTHS == 0}
        with ThreadPoolExecutor(4) as threads:
            pages = [posts[start : start + PAGE] for start in range(0, len(posts), PAGE)]
            count = added_up(threads.map(store.put_documents, pages))
    assert count == WriteCount(new=3000 - len(impossible), changed=0, unchanged=0, refused=len(impossible))
    letters = list(DeadLetters(tmp_path / "refused.jsonl").read())
    assert sorted(letter.id for letter in letters) == sorted(impossible)
    assert all("channel" in letter.reason for letter in letters)
    written = [number for number, one in enumerate(posts) if one.id not in impossible]
    assert_each_is_there_once(client, prefix, written)


def test_what_came_while_the_server_was_away_is_written_in_order_when_it_is_back(
    own_server: Server, tmp_path: Path, prefix: str
) -> None:
    spool = tmp_path / "spool"
    url = f"{own_server.url}/{prefix}?refresh=true"
    with open_store(url, options(spool, patience_s=1)) as store:
        assert load(store, range(500)) == WriteCount(500, 0, 0)
        own_server.stop()
        away = load(store, range(500, 1500))
        assert away == WriteCount(0, 0, 0, spooled=1000)
        versions = [post(7, f"версия {number}") for number in range(5)]
        for one in versions:
            assert store.put_documents([one]) == WriteCount(0, 0, 0, spooled=1)
        assert len(Spool(spool)) == 1005
        with pytest.raises(StoreError, match="no connection: check that Elasticsearch runs"):
            open_store(url, options(spool))
        own_server.start()
        own_server.wait_until_ready()
        assert store.put_documents([post(8)]) == WriteCount(0, 0, 1)
        assert Spool(spool).is_empty
        assert store.get_document(versions[-1].id) == versions[-1]
        written = store.search(DocumentQuery(), limit=2000).documents
        assert len(written) == 1500
    with Elasticsearch(own_server.url) as client:
        assert_each_is_there_once(client, prefix, range(1500))
        orders = [
            (hit["_source"]["order"], int(hit["_id"], 16))
            for hit in scan(client, index=f"{prefix}-documents", query={"_source": ["order"]})
        ]
        # Pages of several threads mix, the posts of a page do not.
        numbers = [number for _, number in sorted(orders) if number >= 500]
        for start in range(500, 1500, PAGE):
            page = [number for number in numbers if start <= number < start + PAGE]
            assert page == list(range(start, start + PAGE))


def test_another_process_writes_what_one_had_to_leave_in_the_spool(
    own_server: Server, tmp_path: Path, prefix: str
) -> None:
    spool = tmp_path / "spool"
    url = f"{own_server.url}/{prefix}?refresh=true"
    with open_store(url, options(spool, patience_s=1)) as store:
        own_server.kill()
        store.put_documents([post(number) for number in range(1000)])
        store.put_documents([post(1, "вторая версия")])
    own_server.start()
    own_server.wait_until_ready()
    # Both want to; what one writes, the other leaves alone.
    commands = [[sys.executable, "-c", SPOOL_WRITER, url, str(spool)]] * 2
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    told = [writer.communicate(timeout=120)[0] for writer in writers]
    assert all(writer.returncode == 0 for writer in writers), told
    assert Spool(spool).is_empty
    with Elasticsearch(own_server.url) as client, open_store(url, options()) as store:
        assert_each_is_there_once(client, prefix, range(1000))
        stored = store.get_document(post(1).id)
        assert stored is not None and stored.text == "вторая версия"
