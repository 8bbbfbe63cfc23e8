"""Writes documents over the version that was read, wherever that lies, and says what became of each."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import orjson
from elasticsearch import Elasticsearch

from qalqan.clock import now
from qalqan.errors import StoreError
from qalqan.records import Document, Record
from qalqan.store.base import Fingerprint
from qalqan.store.elasticsearch.bodies import body_of, kept_of, read_record, with_fingerprint, write_body
from qalqan.store.elasticsearch.bulk import Bulk, Operation, Outcome
from qalqan.store.elasticsearch.connection import Refresh
from qalqan.store.elasticsearch.layout import Layout, month_of_index
from qalqan.store.elasticsearch.patience import ask
from qalqan.store.keys import is_old_news, is_seen_again, microseconds, month_of
from qalqan.store.vectors import unit_vector

# Somebody else wrote the same document between our reading and our writing: so often we read again.
_ROUNDS = 20

Became = Literal["new", "changed", "unchanged", "refused"]


@dataclass(slots=True)
class Item:
    """A document to be written, and what became of it. refusal: why the server will never take it."""

    document: Document
    fingerprint: Fingerprint | None = None
    vector: Sequence[float] | None = None
    became: Became = "unchanged"
    refusal: Outcome | None = None


@dataclass(frozen=True, slots=True)
class _Draft:
    """An item as the index takes it. beside: what came with the document. line: both as JSON, if nothing is stored."""

    item: Item
    body: dict[str, Any]
    beside: dict[str, Any]
    line: bytes


@dataclass(frozen=True, slots=True)
class _Stored:
    """A document as it lies in the index of a month."""

    month: str
    seq_no: int
    primary_term: int
    body: Mapping[str, Any]


class DocumentWriter:
    """Safe to share between threads."""

    def __init__(self, client: Elasticsearch, layout: Layout, bulk: Bulk, name: str) -> None:
        self._client, self._layout, self._bulk, self._name = client, layout, bulk, name
        self._ask = partial(ask, name=name, patience_s=bulk.patience_s)
        self._lock = threading.Lock()
        self._last_order = 0

    def write(self, items: Sequence[Item], refresh: Refresh) -> None:
        """Sets what became of each. Raises ServerAway; what was written by then stays written.

        Raises StoreError, before anything is written, if a document cannot be written as JSON.
        """
        written_at = microseconds(now())
        drafts: list[_Draft] = []
        for item in items:
            body = body_of(item.document) | {"indexed_at": written_at, "order": self._next_order()}
            beside = _beside(item)
            line = write_body(body | beside, f"document {item.document.id}")
            drafts.append(_Draft(item, body, beside, line))
        for wave in _waves(drafts):
            self._write(wave, refresh)

    def set_case_states(self, states: Mapping[str, str | None], refresh: Refresh) -> None:
        """Of the documents with these ids; ids that are not there are passed over."""
        left = dict(states)
        for _ in range(_ROUNDS):
            operations = []
            for document_id, stored in self._search(list(left)).items():
                state = left[document_id]
                if stored.body.get("case_state") == state:
                    continue
                body = {name: value for name, value in stored.body.items() if name != "case_state"}
                body |= {} if state is None else {"case_state": state}
                alias = self._layout.alias_of_month(stored.month)
                operations.append(
                    Operation("index", alias, document_id, _bytes(body), stored.seq_no, stored.primary_term)
                )
            outcomes = self._bulk.send(operations, "true" if refresh == "false" else refresh)
            left = {one.operation.id: left[one.operation.id] for one in outcomes if one.status == "conflict"}
            if not left:
                return
        raise self._contended(len(left), next(iter(left)))

    def put_records(self, index: str, records: Mapping[str, Record], refresh: Refresh) -> None:
        """Captures or channels, by id; each keeps the place of its first writing."""
        left = dict(records)
        stored: dict[str, Mapping[str, Any]] = {}
        for _ in range(_ROUNDS):
            operations = []
            for record_id, record in left.items():
                earlier = stored.get(record_id)
                order = earlier["_source"]["order"] if earlier else self._next_order()
                body = write_body({"record": record.model_dump(), "order": order}, f"{record_id} of {index}")
                operations.append(
                    Operation("index", index, record_id, body, earlier["_seq_no"], earlier["_primary_term"])
                    if earlier
                    else Operation("create", index, record_id, body, None, None)
                )
            outcomes = self._bulk.send(operations, refresh)
            if refused := [outcome for outcome in outcomes if outcome.status in ("refused", "missing")]:
                raise StoreError(f"store {self._name}: {refused[0].operation.id} was refused: {refused[0].reason}")
            left = {one.operation.id: left[one.operation.id] for one in outcomes if one.status == "conflict"}
            if not left:
                return
            hits = self._ask(partial(self._client.mget, index=index, ids=list(left)))["docs"]
            stored = {hit["_id"]: hit for hit in hits if hit.get("found")}
        raise self._contended(len(left), next(iter(left)))

    def _contended(self, count: int, first: str) -> StoreError:
        return StoreError(
            f"store {self._name}: {count} records, the first of them {first}, are rewritten by others all the time: "
            "stop one of the writers"
        )

    def _next_order(self) -> int:
        """Grows with time, and where clocks agree between processes as well."""
        with self._lock:
            self._last_order = max(self._last_order + 1, microseconds(now()))
            return self._last_order

    def _write(self, wave: Sequence[_Draft], refresh: Refresh) -> None:
        """Documents of different ids."""
        left = list(wave)
        for _ in range(_ROUNDS):
            stored = self._find([draft.item for draft in left])
            operations: list[Operation] = []
            owners: list[_Draft] = []
            for draft in left:
                operation = self._operation(draft, stored.get(draft.item.document.id))
                if operation is not None:
                    operations.append(operation)
                    owners.append(draft)
            left = []
            left_behind: list[Operation] = []
            for owner, outcome in zip(owners, self._bulk.send(operations, refresh), strict=True):
                operation = outcome.operation
                if outcome.status == "refused":
                    owner.item.became, owner.item.refusal = "refused", outcome
                elif outcome.status != "done":
                    left.append(owner)
                if outcome.status == "missing":
                    self._layout.forget_months()
                if operation.action == "create" and outcome.status in ("done", "conflict") and operation.id in stored:
                    # Whatever version it is: the document lies in its new month now.
                    old = self._layout.alias_of_month(stored[operation.id].month)
                    left_behind.append(Operation("delete", old, operation.id, None, None, None))
            self._bulk.send(left_behind, refresh)
            if not left:
                return
        raise self._contended(len(left), left[0].item.document.id)

    def _operation(self, draft: _Draft, stored: _Stored | None) -> Operation | None:
        """What has to be done first; sets what the item becomes by it.

        A "create" of what is stored: it moves to another month, and has to be deleted where it was.
        """
        item, document = draft.item, draft.item.document
        month = month_of(document)
        alias = self._layout.alias_of_month(month)
        if stored is None:
            item.became = "new"
            return Operation("create", alias, document.id, draft.line, None, None)
        earlier = read_record(Document, stored.body, self._name)
        item.became = "unchanged" if is_seen_again(earlier, document) else "changed"
        kept = kept_of(stored.body, is_text_same=earlier.text == document.text)
        if is_old_news(earlier, document):
            kept["indexed_at"] = stored.body["indexed_at"]
        new = _bytes(draft.body | kept | draft.beside)
        if earlier == document and orjson.loads(new) == stored.body:
            return None
        if stored.month == month:
            return Operation("index", alias, document.id, new, stored.seq_no, stored.primary_term)
        return Operation("create", alias, document.id, new, None, None)

    def _find(self, items: Sequence[Item]) -> dict[str, _Stored]:
        """By id. In its own month a document is found at once, in another one when that was refreshed."""
        wanted = [
            {"_index": self._ask(partial(self._layout.open_month, month_of(item.document))), "_id": item.document.id}
            for item in items
        ]
        found: dict[str, _Stored] = {}
        for hit in self._ask(partial(self._client.mget, docs=wanted))["docs"]:
            if hit.get("found"):
                found[hit["_id"]] = _stored(hit)
        elsewhere = self._search([item.document.id for item in items if item.document.id not in found])
        return elsewhere | found

    def _search(self, ids: Sequence[str]) -> dict[str, _Stored]:
        """As of the last refresh."""
        if not ids:
            return {}
        answer = self._ask(
            partial(
                self._client.search,
                index=self._layout.documents,
                query={"ids": {"values": list(ids)}},
                size=len(ids),
                track_total_hits=False,
                seq_no_primary_term=True,
                allow_partial_search_results=False,
            )
        )
        return {hit["_id"]: _stored(hit) for hit in answer["hits"]["hits"]}


def _stored(hit: Mapping[str, Any]) -> _Stored:
    month = month_of_index(hit["_index"])
    if month is None:
        raise StoreError(f"document {hit['_id']} lies in {hit['_index']}, which is no index of ours")
    return _Stored(month, hit["_seq_no"], hit["_primary_term"], hit["_source"])


def _beside(item: Item) -> dict[str, Any]:
    beside: dict[str, Any] = with_fingerprint({}, item.fingerprint) if item.fingerprint else {}
    return beside | ({"vector": unit_vector(item.vector).tolist()} if item.vector is not None else {})


def _bytes(body: Mapping[str, Any]) -> bytes:
    return write_body(body, "a document")


def _waves(drafts: Sequence[_Draft]) -> Iterator[list[_Draft]]:
    """In order; no id twice in one wave, so that a later version finds the earlier one written."""
    wave: list[_Draft] = []
    ids: set[str] = set()
    for draft in drafts:
        document_id = draft.item.document.id
        if document_id in ids:
            yield wave
            wave, ids = [], set()
        wave.append(draft)
        ids.add(document_id)
    if wave:
        yield wave


def spooled_line(item: Item) -> bytes:
    """The item as one line of JSON, for `read_spooled`."""
    values = {
        "document": item.document.model_dump(),
        "fingerprint": asdict(item.fingerprint) if item.fingerprint else None,
        "vector": list(item.vector) if item.vector is not None else None,
    }
    return write_body(values, f"document {item.document.id}")


def read_spooled(line: bytes) -> Item:
    values = orjson.loads(line)
    fingerprint = values["fingerprint"]
    if fingerprint:
        lists = {name: tuple(fingerprint[name]) for name in ("bands", "signature")}
        fingerprint = Fingerprint(**fingerprint | lists)
    return Item(Document.model_validate(values["document"]), fingerprint, values["vector"])
