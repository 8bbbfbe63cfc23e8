"""The engine for `https://host:9200/prefix`: documents in an index for each month, behind aliases.

What was acknowledged is searchable. A document is written under its id and only over the version that was read
(`if_seq_no`), so several workers may write the same one. What the server will never take goes to the dead letters;
while it is away, documents wait in a spool on this machine and go first when it is back.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from elasticsearch import NotFoundError

from qalqan.config import StoreSettings
from qalqan.errors import StoreError
from qalqan.records import Capture, Channel, Document, Site
from qalqan.store.base import (
    DocumentPage,
    DocumentQuery,
    Facet,
    Fingerprint,
    Neighbour,
    Store,
    StoredDocument,
    WriteCount,
)
from qalqan.store.elasticsearch.bodies import AnyRecord, fingerprint_of, read_record, stored_of
from qalqan.store.elasticsearch.bulk import Bulk, ServerAway
from qalqan.store.elasticsearch.connection import check_server, connect, translated
from qalqan.store.elasticsearch.dead_letters import FILE, DeadLetters
from qalqan.store.elasticsearch.layout import Layout
from qalqan.store.elasticsearch.queries import FIELDS, Place, clause_of, order_of, read_cursor, write_cursor
from qalqan.store.elasticsearch.retention import drop_months_before
from qalqan.store.elasticsearch.spool import Spool
from qalqan.store.elasticsearch.writer import DocumentWriter, Item, read_spooled, spooled_line
from qalqan.store.keys import check_companions, encodable
from qalqan.store.vectors import unit_vector

log = structlog.get_logger()

# Somebody who turns the page later gets the next page of what is there by then.
_SNAPSHOT_KEPT = "2m"
_SCAN_PAGE = 500
_IDS_AT_ONCE = 5_000
# Bytes; Elasticsearch's own limit.
_LONGEST_ID = 512
_ALL_BUT_WORDS = ("record", "text_sha256", "bands", "signature", "vector", "case_state")


class ElasticsearchStore(Store):
    """Safe to share between threads."""

    def __init__(self, url: str, options: StoreSettings) -> None:
        self._client, place = connect(url, options)
        self._place, self._name, self._refresh = place, place.name, place.refresh
        self._spool = Spool(options.spool) if options.spool else None
        self._dead_letters = DeadLetters(options.spool / FILE) if options.spool else None
        self._layout = Layout(self._client, place.prefix, shards=options.shards, replicas=options.replicas)
        self._writer = DocumentWriter(
            self._client, self._layout, Bulk(self._client, patience_s=options.patience_s), self._name
        )
        self._is_closed = False
        try:
            check_server(self._client, place)
            with translated(self._name):
                if not self._layout.is_installed():
                    self._layout.install()
        except StoreError:
            self._client.close()
            raise

    # Documents

    def put_documents(
        self,
        documents: Sequence[Document],
        fingerprints: Mapping[str, Fingerprint] | None = None,
        vectors: Mapping[str, Sequence[float]] | None = None,
    ) -> WriteCount:
        fingerprints, vectors = fingerprints or {}, vectors or {}
        check_companions(documents, fingerprint=fingerprints, vector=vectors)
        items = [Item(document, fingerprints.get(document.id), vectors.get(document.id)) for document in documents]
        with self._open():
            if self._spool is not None and not self._spool.is_empty and not self._replay(self._spool):
                return self._put_into(self._spool, items)
            try:
                return self._write(items)
            except ServerAway as error:
                if self._spool is None:
                    raise
                log.warning("store_away", reason=str(error), documents=len(items))
                return self._put_into(self._spool, items)

    def _write(self, items: Sequence[Item]) -> WriteCount:
        self._writer.write(items, self._refresh)
        tally = {"new": 0, "changed": 0, "unchanged": 0, "refused": 0}
        for item in items:
            tally[item.became] += 1
            if item.refusal is not None:
                log.error("document_refused", document=item.document.id, reason=item.refusal.reason)
                if self._dead_letters is not None:
                    index, reason = item.refusal.operation.index, item.refusal.reason
                    self._dead_letters.write(item.document.id, index, reason, spooled_line(item))
        return WriteCount(**tally)

    @staticmethod
    def _put_into(spool: Spool, items: Sequence[Item]) -> WriteCount:
        spool.add(map(spooled_line, items))
        return WriteCount(0, 0, 0, spooled=len(items))

    def _replay(self, spool: Spool) -> bool:
        """Whether nothing waits any more: what came first is written first."""
        try:
            check_server(self._client, self._place)
            count = spool.replay(lambda lines: self._write_lines(lines))
        except StoreError as error:
            log.warning("spool_waits", reason=str(error))
            return False
        if count:
            log.info("spool_written", documents=count)
        return spool.is_empty

    def _write_lines(self, lines: Sequence[bytes]) -> None:
        self._write([read_spooled(line) for line in lines])

    def get_document(self, document_id: str) -> Document | None:
        with self._open():
            answer = self._client.search(
                index=self._layout.documents, query={"ids": {"values": [encodable(document_id)]}}, size=1
            )
        hits = answer["hits"]["hits"]
        return read_record(Document, hits[0]["_source"], self._name) if hits else None

    def get_stored(self, document_ids: Iterable[str]) -> dict[str, StoredDocument]:
        wanted = list({encodable(document_id): None for document_id in document_ids})
        found: dict[str, StoredDocument] = {}
        for start in range(0, len(wanted), _SCAN_PAGE):
            some = wanted[start : start + _SCAN_PAGE]
            with self._open():
                answer = self._client.search(
                    index=self._layout.documents,
                    query={"ids": {"values": some}},
                    size=len(some),
                    source_includes=list(_ALL_BUT_WORDS),
                )
            found.update(
                (hit["_id"], stored_of(hit["_id"], hit["_source"], self._name)) for hit in answer["hits"]["hits"]
            )
        return found

    def known_ids(self, document_ids: Iterable[str]) -> set[str]:
        wanted = [encodable(document_id) for document_id in document_ids]
        known: set[str] = set()
        for start in range(0, len(wanted), _IDS_AT_ONCE):
            some = wanted[start : start + _IDS_AT_ONCE]
            with self._open():
                answer = self._client.search(
                    index=self._layout.documents, query={"ids": {"values": some}}, size=len(some), source=False
                )
            known.update(hit["_id"] for hit in answer["hits"]["hits"])
        return known

    def search(self, query: DocumentQuery, limit: int = 50, cursor: str | None = None) -> DocumentPage:
        if limit < 1:
            raise StoreError(f"a page of {limit} documents cannot be shown: ask for at least 1")
        place = read_cursor(query, cursor) if cursor is not None else None
        with self._open():
            snapshot = place.snapshot if place else self._take_snapshot()
            try:
                answer = self._read(query, snapshot, limit + 1, place.after if place else None)
            except NotFoundError:
                # The snapshot was given up meanwhile: the next page of what is there now.
                snapshot = self._take_snapshot()
                answer = self._read(query, snapshot, limit + 1, place.after if place else None)
            hits = answer["hits"]["hits"]
            has_more = len(hits) > limit
            if not has_more:
                self._give_up(answer["pit_id"])
        documents = [read_record(Document, hit["_source"], self._name) for hit in hits[:limit]]
        after = Place(answer["pit_id"], hits[limit - 1]["sort"][: len(order_of(query))]) if has_more else None
        return DocumentPage(documents, answer["hits"]["total"]["value"], write_cursor(query, after) if after else None)

    def scan(self, query: DocumentQuery) -> Iterator[Document]:
        for hit in self._scan(self._layout.documents, clause_of(query)):
            yield read_record(Document, hit["_source"], self._name)

    def scan_stored(self) -> Iterator[StoredDocument]:
        for hit in self._scan(self._layout.documents, {"match_all": {}}, _ALL_BUT_WORDS):
            yield stored_of(hit["_id"], hit["_source"], self._name)

    def scan_channels(self) -> Iterator[Channel]:
        for hit in self._scan(self._layout.channels, {"match_all": {}}):
            yield read_record(Channel, hit["_source"], self._name)

    def count(self, query: DocumentQuery) -> int:
        with self._open():
            return int(self._client.count(index=self._layout.documents, query=clause_of(query))["count"])

    def counts(self, query: DocumentQuery, facet: Facet, limit: int = 100) -> dict[str, int]:
        terms = {"field": FIELDS[facet], "size": limit, "order": [{"_count": "desc"}, {"_key": "asc"}]}
        with self._open():
            answer = self._client.search(
                index=self._layout.documents, query=clause_of(query), size=0, aggregations={"values": {"terms": terms}}
            )
        return {bucket["key"]: bucket["doc_count"] for bucket in answer["aggregations"]["values"]["buckets"]}

    def find_candidates(self, fingerprint: Fingerprint, limit: int = 100) -> list[Fingerprint]:
        same = [{"term": {"text_sha256": fingerprint.text_sha256}}, {"terms": {"bands": list(fingerprint.bands)}}]
        itself = {"ids": {"values": [encodable(fingerprint.document_id)]}}
        with self._open():
            answer = self._client.search(
                index=self._layout.documents,
                query={"bool": {"filter": {"bool": {"should": same}}, "must_not": itself}},
                source_includes=["text_sha256", "bands", "signature"],
                sort=[{"order": "asc"}],
                size=limit,
            )
        return [fingerprint_of(hit["_id"], hit["_source"]) for hit in answer["hits"]["hits"]]

    def find_neighbours(self, vector: Sequence[float], limit: int = 10) -> list[Neighbour]:
        knn = {
            "field": "vector",
            "query_vector": unit_vector(vector).tolist(),
            "k": limit,
            "num_candidates": max(100, 5 * limit),
        }
        with self._open():
            answer = self._client.search(index=self._layout.documents, knn=knn, size=limit, source=False)
        # Elasticsearch tells (1 + cosine) / 2.
        return [Neighbour(hit["_id"], 2 * hit["_score"] - 1) for hit in answer["hits"]["hits"]]

    def set_case_states(self, states: Mapping[str, str | None]) -> None:
        with self._open():
            self._writer.set_case_states(states, self._refresh)

    def drop_months_before(self, month: str) -> int:
        with self._open():
            return drop_months_before(self._layout, month)

    # Captures and channels

    def put_captures(self, captures: Sequence[Capture]) -> None:
        with self._open():
            self._writer.put_records(
                self._layout.captures, {capture.id: capture for capture in captures}, self._refresh
            )

    def get_capture(self, capture_id: str) -> Capture | None:
        return self._get(Capture, self._layout.captures, encodable(capture_id))

    def scan_captures(self) -> Iterator[Capture]:
        for hit in self._scan(self._layout.captures, {"match_all": {}}):
            yield read_record(Capture, hit["_source"], self._name)

    def put_channel(self, channel: Channel) -> None:
        with self._open():
            key = _channel_key(channel.site, channel.handle)
            self._writer.put_records(self._layout.channels, {key: channel}, self._refresh)

    def get_channel(self, site: Site, handle: str) -> Channel | None:
        return self._get(Channel, self._layout.channels, _channel_key(site, encodable(handle)))

    def close(self) -> None:
        self._is_closed = True
        self._client.close()

    @contextmanager
    def _open(self) -> Iterator[None]:
        if self._is_closed:
            raise StoreError(f"store {self._name}: the store was closed before this was asked")
        with translated(self._name):
            yield

    def _get(self, kind: type[AnyRecord], index: str, record_id: str) -> AnyRecord | None:
        if len(record_id.encode()) > _LONGEST_ID:
            return None  # nothing is written under it
        with self._open():
            try:
                hit = self._client.get(index=index, id=record_id)
            except NotFoundError:
                return None
        return read_record(kind, hit["_source"], self._name)

    def _read(self, query: DocumentQuery, snapshot: str, size: int, after: Sequence[Any] | None) -> Mapping[str, Any]:
        answer = self._client.search(
            pit={"id": snapshot, "keep_alive": _SNAPSHOT_KEPT},
            query=clause_of(query),
            # Each month counts its own words otherwise, and the scores of two months do not compare.
            search_type="dfs_query_then_fetch",
            sort=order_of(query),
            search_after=list(after) if after else None,
            size=size,
            source_includes=["record"],
            track_total_hits=True,
            allow_partial_search_results=False,
        )
        body: Mapping[str, Any] = answer.body
        return body

    def _scan(
        self, index: str, clause: dict[str, Any], fields: Sequence[str] = ("record",)
    ) -> Iterator[Mapping[str, Any]]:
        """In the order of writing, as it was when the scan began."""
        with self._open():
            snapshot = self._take_snapshot(index)
        after: list[Any] | None = None
        try:
            while True:
                with self._open():
                    answer = self._client.search(
                        pit={"id": snapshot, "keep_alive": _SNAPSHOT_KEPT},
                        query=clause,
                        sort=[{"order": "asc"}],
                        search_after=after,
                        size=_SCAN_PAGE,
                        source_includes=list(fields),
                        track_total_hits=False,
                        allow_partial_search_results=False,
                    )
                snapshot = answer["pit_id"]
                hits = answer["hits"]["hits"]
                yield from hits
                if len(hits) < _SCAN_PAGE:
                    return
                after = hits[-1]["sort"]
        finally:
            with suppress(StoreError), self._open():
                self._give_up(snapshot)

    def _take_snapshot(self, index: str | None = None) -> str:
        answer = self._client.open_point_in_time(index=index or self._layout.documents, keep_alive=_SNAPSHOT_KEPT)
        snapshot: str = answer["id"]
        return snapshot

    def _give_up(self, snapshot: str) -> None:
        with suppress(NotFoundError):
            self._client.close_point_in_time(id=snapshot)


def _channel_key(site: Site, handle: str) -> str:
    return f"{site} {handle.lower()}"
