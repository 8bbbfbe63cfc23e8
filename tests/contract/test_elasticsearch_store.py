"""The Elasticsearch engine keeps the store's contract, on a real server."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch
from elasticsearch_server import fresh_prefix
from store_contract import NOON, StoreContract, fingerprint, found, full_post, post

from qalqan.config import StoreSettings
from qalqan.errors import StoreError
from qalqan.store import DocumentQuery, Store, WriteCount, open_store


@pytest.fixture
def store_url(elasticsearch_url: str, client: Elasticsearch) -> Iterator[str]:
    with fresh_prefix(client) as prefix:
        # Refreshed at once: a test waits for nothing.
        yield f"{elasticsearch_url}/{prefix}?refresh=true"


@pytest.fixture
def client(elasticsearch_url: str) -> Iterator[Elasticsearch]:
    with Elasticsearch(elasticsearch_url) as client:
        yield client


def prefix_of(url: str) -> str:
    return url.rpartition("/")[2].partition("?")[0]


class TestElasticsearchStore(StoreContract):
    @pytest.fixture
    def store_url(self, store_url: str) -> str:
        return store_url


def test_every_month_has_an_index_of_its_own(store_url: str, client: Elasticsearch) -> None:
    prefix = prefix_of(store_url)
    with open_store(store_url) as store:
        store.put_documents(
            [
                post(1, published_at=datetime(2026, 3, 31, 23, 59, tzinfo=UTC)),
                post(2, published_at=datetime(2026, 4, 1, tzinfo=UTC)),
                post(3, published_at=None),
                post(4, published_at=datetime(1970, 1, 1, tzinfo=UTC)),
                post(5, published_at=datetime(9999, 1, 1, tzinfo=UTC)),
            ]
        )
    hits = client.search(index=f"{prefix}-documents", size=10)["hits"]["hits"]
    assert {int(hit["_id"], 16): hit["_index"].removeprefix(f"{prefix}-documents-v1-") for hit in hits} == {
        1: "2026.03",
        2: "2026.04",
        3: "undated",
        4: "undated",
        5: "undated",
    }


def test_a_document_never_lies_in_two_months(store_url: str, client: Elasticsearch) -> None:
    with open_store(store_url) as store:
        first = post(1, "раз", published_at=None)
        store.put_documents([first], {first.id: fingerprint(first, "b1")})
        dated = post(1, "раз", published_at=NOON)
        assert store.put_documents([dated]) == WriteCount(0, 1, 0)
        assert store.put_documents([post(1, "раз", published_at=datetime(2026, 5, 1, tzinfo=UTC))]) == WriteCount(
            0, 1, 0
        )
        assert found(store) == [1]
        assert store.find_candidates(fingerprint(post(2), "b1")) == [fingerprint(first, "b1")]
    assert client.count(index=f"{prefix_of(store_url)}-documents")["count"] == 1


def test_what_the_mapping_does_not_take_is_refused_by_name_and_the_rest_written(
    store_url: str, client: Elasticsearch, tmp_path: Path
) -> None:
    with open_store(store_url, StoreSettings(spool=tmp_path)) as store:
        store.put_documents([post(1)])
        # As if another program had changed the mapping: numbers where words are.
        client.indices.put_mapping(
            index=f"{prefix_of(store_url)}-documents", properties={"record": {"type": "object", "enabled": False}}
        )
        client.indices.delete(index=f"{prefix_of(store_url)}-documents-v1-2026.04")
        client.indices.create(
            index=f"{prefix_of(store_url)}-documents-v1-2026.04",
            aliases={f"{prefix_of(store_url)}-documents": {}, f"{prefix_of(store_url)}-documents-2026.04": {}},
            mappings={"dynamic": "strict", "properties": {"channel": {"type": "long"}}},
        )
        counted = store.put_documents([post(1, channel="12"), post(2, channel="words"), post(3, channel="13")])
    assert counted == WriteCount(new=2, changed=0, unchanged=0, refused=1)
    letters = (tmp_path / "refused.jsonl").read_text().splitlines()
    assert len(letters) == 1 and post(2).id in letters[0] and "channel" in letters[0]


def test_a_closed_store_says_so(store_url: str) -> None:
    store: Store = open_store(store_url)
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.count(DocumentQuery())


def test_keeps_everything_when_opened_again(store_url: str) -> None:
    with open_store(store_url) as store:
        store.put_documents([full_post()])
    with open_store(store_url) as store:
        assert store.get_document(full_post().id) == full_post()
        assert found(store, text="клуб") == [7]
