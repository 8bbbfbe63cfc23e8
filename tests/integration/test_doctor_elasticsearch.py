"""`qalqan doctor` says what is wrong with an Elasticsearch, and what to do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from busy_writer import post
from elasticsearch import Elasticsearch
from elasticsearch_server import fresh_prefix, reason_for_absence, start_server

from qalqan.config import StoreSettings
from qalqan.errors import ConfigurationError
from qalqan.store import open_store
from qalqan.store.elasticsearch.dead_letters import FILE, DeadLetters
from qalqan.store.elasticsearch.health import Sign, _least_free, examine
from qalqan.store.elasticsearch.spool import Spool

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
    url = f"{elasticsearch_url}/{prefix}"
    with open_store(url, StoreSettings(replicas=0)) as store:
        store.put_documents([post(1, "текст", 1), post(2, "текст", 2)])
    return url


def signs(url: str, **settings: object) -> dict[str, Sign]:
    """By what they are about; of several, the worst."""
    options = StoreSettings.model_validate({"replicas": 0} | settings)
    found: dict[str, Sign] = {}
    for sign in examine(url, options):
        if sign.what not in found or sign.is_well is False:
            found[sign.what] = sign
    return found


def test_all_is_well(url: str, tmp_path: Path) -> None:
    seen = list(examine(url, StoreSettings(replicas=0, spool=tmp_path)))
    assert [sign for sign in seen if sign.is_well is False] == []
    assert [(sign.what, sign.is_well) for sign in seen] == [
        ("store", True),
        ("templates", True),
        ("aliases", True),
        ("blocks", True),
        ("shards", True),
        ("server disk", None),  # the tests' servers do not watch theirs
        ("server disk", True),
        ("ILM", None),
        ("security", None),
        ("spool", True),
    ]
    details = {sign.what: sign.detail for sign in seen}
    assert details["store"].startswith("Elasticsearch 8.") or details["store"].startswith("Elasticsearch 9.")
    assert details["aliases"] == "3 indices of documents, each behind its own alias"
    assert details["shards"].startswith("green: 5 on 1 nodes")
    assert "this server has none: old months go by `qalqan purge" in details["ILM"]
    assert "off: whoever reaches the server's port" in details["security"]


def test_templates(url: str, prefix: str, client: Elasticsearch) -> None:
    client.indices.delete_index_template(name=f"{prefix}-captures")
    assert signs(url)["templates"] == Sign(
        "templates", False, f"{prefix}-captures missing: `qalqan reindex --install` with the admin's key"
    )
    client.cluster.put_component_template(name=f"{prefix}-channels", template={}, meta={"qalqan_schema": 0})
    client.indices.put_index_template(name=f"{prefix}-captures", index_patterns=[f"{prefix}-captures-v*"])
    assert "of schema 0, this program knows 1" in signs(url)["templates"].detail


def test_aliases(url: str, prefix: str, client: Elasticsearch) -> None:
    client.indices.delete_alias(index=f"{prefix}-documents-v1-2026.01", name=f"{prefix}-documents-2026.01")
    client.indices.delete_alias(index=f"{prefix}-documents-v1-2026.02", name=f"{prefix}-documents")
    client.indices.create(index=f"{prefix}-documents-v2-undated", aliases={f"{prefix}-documents-undated": {}})
    client.indices.delete(index=f"{prefix}-captures-v1")
    seen = signs(url)["aliases"]
    assert seen.is_well is False
    for fault in (
        f"{prefix}-captures is missing",
        f"{prefix}-documents-v1-2026.01 is searched but not written to: it lacks {prefix}-documents-2026.01",
        f"{prefix}-documents-v1-2026.02 is written to but not searched: it lacks {prefix}-documents",
    ):
        assert fault in seen.detail
    assert "and 2 more: `qalqan reindex --install`" in seen.detail


def test_schema(url: str, prefix: str, client: Elasticsearch) -> None:
    client.indices.put_mapping(index=f"{prefix}-documents-v1-2026.01", meta={"qalqan_schema": 0})
    assert f"1 indices, the first {prefix}-documents-v1-2026.01, are of schema 0" in signs(url)["schema"].detail


def test_reindexing(url: str, prefix: str, client: Elasticsearch) -> None:
    meta = {"host": "elsewhere", "pid": 1, "began_at": "2026-01-01T00:00:00Z"}
    client.cluster.put_component_template(name=f"{prefix}-reindex", template={}, meta=meta)
    client.indices.create(index=f"{prefix}-captures-v2", aliases={f"{prefix}-captures-next": {}})
    client.indices.create(index=f"{prefix}-captures-v0")
    seen = signs(url)
    assert seen["reindexing"].is_well is None
    assert "process 1 on elsewhere since 2026-01-01T00:00:00Z" in seen["reindexing"].detail
    assert f"{prefix}-captures-v0 were replaced" in seen["old indices"].detail
    client.cluster.delete_component_template(name=f"{prefix}-reindex")
    seen = signs(url)
    assert seen["reindexing"].is_well is False
    assert f"left {prefix}-captures-v2: `qalqan reindex --abandon`" in seen["reindexing"].detail


@pytest.mark.parametrize("block", ["write", "read_only_allow_delete"])
def test_blocks(url: str, prefix: str, client: Elasticsearch, block: str) -> None:
    client.indices.put_settings(index=f"{prefix}-documents-v1-2026.01", settings={f"index.blocks.{block}": True})
    seen = signs(url)["blocks"]
    assert seen.is_well is False
    assert f"index.blocks.{block} closes {prefix}-documents-v1-2026.01: " in seen.detail
    assert ("free some disk" in seen.detail) == (block == "read_only_allow_delete")


def test_replicas_that_no_node_takes(url: str, prefix: str, client: Elasticsearch) -> None:
    client.indices.put_settings(index=f"{prefix}-documents-v1-2026.01", settings={"index.number_of_replicas": 2})
    seen = signs(url, replicas=2)
    assert seen["replicas"].is_well is seen["shards"].is_well is False
    assert "2 copies of each shard need 3 nodes for data, there are 1" in seen["replicas"].detail
    assert "set store.replicas = 0, then `qalqan reindex --install`" in seen["replicas"].detail
    own = f"replica 0 of {prefix}-documents-v1-2026.01: a copy of this shard is already allocated to this node"
    assert seen["shards"].detail == f"yellow: 2 unassigned: {own}"


def test_what_waits_on_this_machine(url: str, tmp_path: Path) -> None:
    Spool(tmp_path).add([b"{}", b"{}"])
    DeadLetters(tmp_path / FILE).write("1", "index", "reason", b"{}")
    seen = signs(url, spool=tmp_path)
    assert (seen["spool"].is_well, seen["refused documents"].is_well) == (False, False)
    assert f"2 documents wait in {tmp_path}" in seen["spool"].detail
    assert f"1 in {tmp_path / FILE}" in seen["refused documents"].detail


def test_a_server_that_is_away() -> None:
    (seen,) = examine("http://127.0.0.1:9/none", StoreSettings())
    assert (seen.what, seen.is_well) == ("store", False)
    assert "no connection: check that Elasticsearch runs" in seen.detail
    with pytest.raises(ConfigurationError):
        list(examine("http://user@127.0.0.1/none", StoreSettings()))


def test_a_full_disk(tmp_path: Path) -> None:
    reason = reason_for_absence()
    if reason:
        pytest.skip(reason)
    with start_server(tmp_path) as server, Elasticsearch(server.url, request_timeout=60) as client:
        url = f"{server.url}/disk"
        with open_store(url, StoreSettings(replicas=0)):
            pass
        name = "cluster.routing.allocation.disk"
        client.cluster.put_settings(
            persistent={
                f"{name}.threshold_enabled": True,
                f"{name}.watermark.low": "100000gb",
                f"{name}.watermark.high": "1mb",
                f"{name}.watermark.flood_stage": "1mb",
            }
        )
        seen = signs(url)["server disk"]
        assert seen.is_well is False
        assert f"over {name}.watermark.low (100000gb), so that no new month can be begun there" in seen.detail


@pytest.mark.parametrize(
    ("value", "headroom", "expected"),
    [
        ("85%", "200gb", 0.15 * 1000 * 2**30),
        ("85%", "100GB", 100 * 2**30),
        ("85%", "-1", 0.15 * 1000 * 2**30),
        ("0.9", "-1", 0.1 * 1000 * 2**30),
        ("500mb", "-1", 500 * 2**20),
    ],
)
def test_watermarks(value: str, headroom: str, expected: float) -> None:
    name = "cluster.routing.allocation.disk.watermark.low"
    settings = {name: value, f"{name}.max_headroom": headroom}
    assert _least_free(settings, "low", 1000 * 2**30) == pytest.approx(expected)


def test_the_command(url: str, tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("QALQAN_")}
    done = subprocess.run(
        [sys.executable, "-m", "qalqan_cli", "doctor"],
        env={**inherited, "QALQAN_HOME": str(tmp_path), "QALQAN_STORE__URL": url, "QALQAN_STORE__REPLICAS": "0"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = done.stdout.splitlines()
    assert f"ok   documents: 2 in {url}" in lines, done.stdout + done.stderr
    assert any(line.startswith("info ILM: this server has none") for line in lines)
    assert any(line.startswith("ok   aliases: 3 indices") for line in lines)
