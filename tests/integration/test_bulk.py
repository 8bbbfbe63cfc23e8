"""Bulk writing against a real Elasticsearch, directly and through a proxy that fails as told."""

import json
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan
from elasticsearch_server import Server, reason_for_absence, reserved_port
from fault_proxy import Fault, FaultProxy, fault_proxy

from qalqan.store.elasticsearch.bulk import Action, Bulk, Operation, ServerAway
from qalqan.store.elasticsearch.spool import Spool

_MAPPINGS: dict[str, Any] = {
    "dynamic": "strict",
    "properties": {"number": {"type": "long"}, "text": {"type": "keyword", "index": False, "doc_values": False}},
}
_SETTINGS = {"number_of_shards": 3, "number_of_replicas": 0, "refresh_interval": "1h"}


@pytest.fixture
def client(elasticsearch_url: str) -> Iterator[Elasticsearch]:
    with Elasticsearch(elasticsearch_url, request_timeout=30) as client:
        yield client


@pytest.fixture
def alias(client: Elasticsearch) -> Iterator[str]:
    yield (name := make_index(client))
    client.indices.delete(index=f"{name}-000001")


@pytest.fixture
def proxy(elasticsearch_url: str) -> Iterator[FaultProxy]:
    with fault_proxy(elasticsearch_url) as proxy:
        yield proxy


@pytest.fixture
def through_proxy(proxy: FaultProxy) -> Iterator[Elasticsearch]:
    with Elasticsearch(proxy.url, request_timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that these tests may kill, and that takes requests of up to 1 MB."""
    reason = reason_for_absence(nodes=2)
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("own-server")
    with (
        reserved_port(and_also=100) as port,
        Server(folder, port, "512m", {"http.max_content_length": "1mb"}) as server,
    ):
        server.start()
        server.wait_until_ready()
        yield server


def make_index(client: Elasticsearch) -> str:
    """Its alias; index `<alias>-000001`."""
    name = f"bulk-{uuid.uuid4().hex}"
    client.indices.create(index=f"{name}-000001", aliases={name: {}}, mappings=_MAPPINGS, settings=_SETTINGS)
    return name


def operation(action: Action, alias: str, number: int, body: bytes | None = None) -> Operation:
    is_deletion = action == "delete"
    default = None if is_deletion else json.dumps({"number": number}).encode()
    return Operation(action, alias, f"id-{number:06}", body or default, None, None)


def operations(action: Action, alias: str, count: int) -> list[Operation]:
    return [operation(action, alias, number) for number in range(count)]


def stored(client: Elasticsearch, alias: str) -> list[int]:
    client.indices.refresh(index=alias)
    return sorted(hit["_source"]["number"] for hit in scan(client, index=alias))


def later(delay_s: float, act: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(delay_s, act)
    timer.start()
    return timer


def test_each_operation_has_its_outcome_in_the_order_given(client: Elasticsearch, alias: str) -> None:
    bulk = Bulk(client)
    bulk.send([operation("create", alias, number) for number in (1, 2, 3, 4)], "false")
    seen = client.get(index=alias, id="id-000003")
    version = {"if_seq_no": seen["_seq_no"], "if_primary_term": seen["_primary_term"]}
    outcomes = bulk.send(
        [
            operation("create", alias, 1),
            operation("index", alias, 2, b'{"number": 22}'),
            Operation("index", alias, "id-000003", b'{"number": 33}', **version),
            Operation("index", alias, "id-000003", b'{"number": 34}', **version),
            operation("create", alias, 5, b'{"number": "no number"}'),
            operation("create", alias, 6, b'{"unknown": 1}'),
            operation("create", alias, 7, b'{"number": '),
            operation("delete", alias, 4),
            operation("delete", alias, 8),
            operation("create", "nowhere", 9),
            operation("create", f"{alias}-000001", 10),
            operation("create", alias, 11),
        ],
        "false",
    )
    assert [outcome.status for outcome in outcomes] == [
        "conflict",
        "done",
        "done",
        "conflict",
        "refused",
        "refused",
        "refused",
        "done",
        "missing",
        "missing",
        "missing",
        "done",
    ]
    assert [outcome.operation.id for outcome in outcomes[:4]] == ["id-000001", "id-000002", "id-000003", "id-000003"]
    reasons = [outcome.reason for outcome in outcomes]
    assert reasons[1] == reasons[11] == ""
    assert reasons[0].startswith("version_conflict_engine_exception: ")
    assert reasons[4].startswith("document_parsing_exception: ")
    assert "no number" in reasons[4]
    assert reasons[5].startswith("strict_dynamic_mapping_exception: ")
    assert reasons[9].startswith("index_not_found_exception: ")
    assert "is not an alias" in reasons[10]
    assert stored(client, alias) == [1, 11, 22, 33]


def test_a_reason_is_short_and_printable(client: Elasticsearch, alias: str) -> None:
    body = json.dumps({"number": "\x1b[2J\u202e" + "x" * 2000}).encode()
    (outcome,) = Bulk(client).send([operation("create", alias, 1, body)], "false")
    assert outcome.status == "refused"
    assert outcome.reason.isprintable()
    assert len(outcome.reason) <= 500


def test_one_operation_that_spoils_its_request_is_refused_alone(client: Elasticsearch, alias: str) -> None:
    """The server checks ids before it looks at anything, and answers 400 to all."""
    batch = operations("create", alias, 20)
    batch[7] = Operation("create", alias, "x" * 513, b"{}", None, None)
    batch[13] = Operation("create", alias, "", b"{}", None, None)
    outcomes = Bulk(client).send(batch, "false")
    assert [place for place, outcome in enumerate(outcomes) if outcome.status != "done"] == [7, 13]
    assert outcomes[7].reason.startswith("action_request_validation_exception: ")
    assert stored(client, alias) == [number for number in range(20) if number not in (7, 13)]


def test_searches_show_everything_on_return_however_many_requests_it_took(client: Elasticsearch, alias: str) -> None:
    assert len(Bulk(client, max_operations=30).send(operations("create", alias, 100), "true")) == 100
    assert client.count(index=alias)["count"] == 100
    Bulk(client, max_operations=30).send(operations("delete", alias, 100), "wait_for")
    assert client.count(index=alias)["count"] == 0


def test_requests_keep_to_their_bounds(through_proxy: Elasticsearch, proxy: FaultProxy, alias: str) -> None:
    big = json.dumps({"text": "x" * 30_000}).encode()
    batch = operations("create", alias, 50)
    batch[10] = operation("create", alias, 10, big)
    outcomes = Bulk(through_proxy, max_bytes=2000, max_operations=20).send(batch, "false")
    assert {outcome.status for outcome in outcomes} == {"done"}
    sizes = sorted(proxy.bulk_sizes)
    assert sizes[-1] > 30_000
    assert sizes[-2] <= 2000
    assert len(sizes) <= 6


def test_a_request_too_large_for_the_server_is_cut_and_an_operation_is_refused(
    through_proxy: Elasticsearch, proxy: FaultProxy, client: Elasticsearch, alias: str
) -> None:
    proxy.largest_body = 10_000
    batch = [
        operation("create", alias, number, b'{"number": %d, "text": "%s"}' % (number, b"x" * 900))
        for number in range(90)
    ]
    batch[40] = operation("create", alias, 40, b'{"text": "%s"}' % (b"x" * 12_000))
    bulk = Bulk(through_proxy)
    outcomes = bulk.send(batch, "false")
    assert [place for place, outcome in enumerate(outcomes) if outcome.status != "done"] == [40]
    assert outcomes[40].status == "refused"
    assert stored(client, alias) == [number for number in range(90) if number != 40]
    proxy.bulk_sizes.clear()
    bulk.send(batch[:40], "false")
    assert max(proxy.bulk_sizes) <= 10_000, "the limit was not learnt"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429),
        Fault(status=503),
        Fault(is_cut_before=True),
        Fault(rejected_items=0.5),
        Fault(delay_s=1.5),
    ],
    ids=["429", "503", "connection cut", "items 429", "timeout"],
)
def test_a_storm_is_waited_out(fault: Fault, proxy: FaultProxy, client: Elasticsearch, alias: str) -> None:
    proxy.break_share(0.5 if fault.delay_s == 0 else 0.2, fault)
    with Elasticsearch(proxy.url, request_timeout=1) as impatient:
        outcomes = Bulk(impatient, max_operations=100).send(operations("index", alias, 1000), "false")
    proxy.break_share(0, Fault())
    assert Counter(outcome.status for outcome in outcomes) == {"done": 1000}
    assert len(proxy.faults) > 1
    assert stored(client, alias) == list(range(1000))


def test_a_creation_whose_answer_was_lost_is_there_once_and_a_conflict(
    through_proxy: Elasticsearch, proxy: FaultProxy, client: Elasticsearch, alias: str
) -> None:
    proxy.break_next(1, Fault(is_cut_after=True))
    outcomes = Bulk(through_proxy, max_operations=100).send(operations("create", alias, 300), "false")
    assert Counter(outcome.status for outcome in outcomes) == {"conflict": 100, "done": 200}
    assert {outcome.status for outcome in outcomes[:100]} == {"conflict"}
    assert stored(client, alias) == list(range(300))


def test_operations_on_one_id_keep_their_order_however_often_they_are_sent(
    through_proxy: Elasticsearch, proxy: FaultProxy, client: Elasticsearch, alias: str
) -> None:
    proxy.break_share(0.9, Fault(rejected_items=0.6))
    batch = [
        operation("index", alias, number, b'{"number": %d}' % (100 * version + number))
        for version in range(6)
        for number in range(40)
    ]
    outcomes = Bulk(through_proxy).send(batch, "false")
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert [outcome.operation for outcome in outcomes] == batch
    assert stored(client, alias) == list(range(500, 540))


def test_the_wish_to_come_back_later_is_honoured(through_proxy: Elasticsearch, proxy: FaultProxy, alias: str) -> None:
    proxy.break_next(1, Fault(status=429, retry_after="2"))
    begin = time.monotonic()
    (outcome,) = Bulk(through_proxy).send(operations("create", alias, 1), "false")
    assert outcome.status == "done"
    assert time.monotonic() - begin >= 2


def test_an_index_that_a_full_disk_closed_is_waited_for(client: Elasticsearch, alias: str) -> None:
    name = "index.blocks.read_only_allow_delete"
    client.indices.put_settings(index=alias, settings={name: True})
    timer = later(2, lambda: client.indices.put_settings(index=alias, settings={name: None}))
    begin = time.monotonic()
    outcomes = Bulk(client).send(operations("create", alias, 10), "false")
    timer.join()
    assert time.monotonic() - begin >= 2
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert stored(client, alias) == list(range(10))


def test_a_full_disk_is_named_with_what_to_do(client: Elasticsearch, alias: str) -> None:
    client.indices.put_settings(index=alias, settings={"index.blocks.read_only_allow_delete": True})
    with pytest.raises(ServerAway) as caught:
        Bulk(client, patience_s=0.5).send(operations("create", alias, 3), "false")
    assert "flood-stage watermark" in str(caught.value)
    assert f'PUT /{alias}/_settings {{"index.blocks.read_only_allow_delete": null}}' in str(caught.value)
    assert caught.value.pending == tuple(operations("create", alias, 3))
    assert caught.value.outcomes == {}


def test_what_one_index_refuses_for_now_does_not_hold_back_another(client: Elasticsearch, alias: str) -> None:
    other = make_index(client)
    client.indices.close(index=other)
    batch = [operation("create", [alias, other][number % 2], number) for number in range(40)]
    with pytest.raises(ServerAway, match=f"POST /{other}/_open") as caught:
        Bulk(client, max_operations=25, patience_s=0.5).send(batch, "false")
    assert caught.value.pending == tuple(batch[1::2])
    assert sorted(caught.value.outcomes) == list(range(0, 40, 2))
    assert {outcome.status for outcome in caught.value.outcomes.values()} == {"done"}
    client.indices.open(index=other)
    Bulk(client).send(caught.value.pending, "false")
    assert stored(client, alias) + stored(client, other) == [*range(0, 40, 2), *range(1, 40, 2)]
    client.indices.delete(index=f"{other}-000001")


@pytest.mark.parametrize(("status", "words"), [(401, "credentials"), (403, "credentials"), (404, "URL")])
def test_a_server_that_does_not_let_us_in_is_not_asked_twice(
    status: int, words: str, through_proxy: Elasticsearch, proxy: FaultProxy, alias: str
) -> None:
    proxy.break_next(9, Fault(status=status))
    with pytest.raises(ServerAway, match=words) as caught:
        Bulk(through_proxy).send(operations("create", alias, 3), "false")
    assert len(caught.value.pending) == 3
    assert len(proxy.bulk_sizes) == 1


def test_without_a_server_everything_is_pending() -> None:
    batch = operations("create", "documents", 3)
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # nobody listens there
        with Elasticsearch(f"http://127.0.0.1:{reserved.getsockname()[1]}") as nobody:
            begin = time.monotonic()
            with pytest.raises(ServerAway, match="check that Elasticsearch runs") as caught:
                Bulk(nobody, patience_s=1).send(batch, "wait_for")
            assert 1 <= time.monotonic() - begin < 10
            assert caught.value.pending == tuple(batch)
            with pytest.raises(ServerAway):
                Bulk(nobody, patience_s=0).send(batch, "wait_for")


def test_what_is_pending_waits_in_the_spool_and_arrives_once(
    through_proxy: Elasticsearch, proxy: FaultProxy, client: Elasticsearch, alias: str, tmp_path: Path
) -> None:
    """The server goes after two requests, and loses its second answer."""
    proxy.break_next(1, Fault())
    proxy.break_next(1, Fault(is_cut_after=True))
    proxy.break_next(1000, Fault(status=503))
    batch = operations("create", alias, 500)
    with pytest.raises(ServerAway) as caught:
        Bulk(through_proxy, max_operations=100, patience_s=0.5).send(batch, "false")
    assert sorted(caught.value.outcomes) == list(range(100))
    assert caught.value.pending == tuple(batch[100:])
    spool = Spool(tmp_path / "spool")
    spool.add(one.body for one in caught.value.pending if one.body)
    statuses: list[str] = []

    def write(lines: object) -> None:
        assert isinstance(lines, list)
        again = [operation("create", alias, json.loads(line)["number"], line) for line in lines]
        statuses.extend(outcome.status for outcome in Bulk(client).send(again, "false"))

    assert spool.replay(write, batch=150) == 400
    assert Counter(statuses) == {"conflict": 100, "done": 300}
    assert stored(client, alias) == list(range(500))


def test_a_request_too_large_for_elasticsearch_itself_is_cut(own_server: Server) -> None:
    with Elasticsearch(own_server.url, request_timeout=30) as client:
        alias = make_index(client)
        text = b"x" * 20_000
        batch = [
            operation("create", alias, number, b'{"number": %d, "text": "%s"}' % (number, text))
            for number in range(200)
        ]
        batch[70] = operation("create", alias, 70, b'{"text": "%s"}' % (b"x" * 3_000_000))
        outcomes = Bulk(client, patience_s=10).send(batch, "false")
        assert [place for place, outcome in enumerate(outcomes) if outcome.status != "done"] == [70]
        assert outcomes[70].status == "refused"
        assert "http.max_content_length" in outcomes[70].reason
        assert stored(client, alias) == [number for number in range(200) if number != 70]


def test_a_server_killed_in_the_middle_loses_nothing_and_repeats_nothing(own_server: Server) -> None:
    with Elasticsearch(own_server.url, request_timeout=30) as client:
        alias = make_index(client)

        # The server lives as long as the thread that starts it: so the other one sends.
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(Bulk(client).send, operations("create", alias, 20_000), "false")
            while client.indices.stats(index=alias)["_all"]["total"]["indexing"]["index_total"] < 6000:
                time.sleep(0.05)
            own_server.kill()
            assert not sending.done()
            time.sleep(1)
            own_server.start()
            outcomes = sending.result()
        own_server.wait_until_ready()
        statuses = Counter(outcome.status for outcome in outcomes)
        assert statuses["done"] + statuses["conflict"] == 20_000
        assert statuses["conflict"] <= 1000, "only the request whose answer was lost may have been written before"
        assert stored(client, alias) == list(range(20_000))
        assert client.count(index=alias)["count"] == 20_000


def test_nothing_to_send_sends_nothing(through_proxy: Elasticsearch, proxy: FaultProxy) -> None:
    assert Bulk(through_proxy).send([], "wait_for") == []
    assert proxy.bulk_sizes == []


@pytest.mark.parametrize(
    "fields",
    [
        ("create", "alias", "id", None, None, None),
        ("delete", "alias", "id", b"{}", None, None),
        ("index", "alias", "id", b"{\n}", None, None),
        ("index", "alias", "id", b"{}", 3, None),
    ],
)
def test_an_operation_that_would_spoil_others_is_not_made(
    fields: tuple[Action, str, str, bytes | None, int, None],
) -> None:
    with pytest.raises(ValueError, match="id"):
        Operation(*fields)
