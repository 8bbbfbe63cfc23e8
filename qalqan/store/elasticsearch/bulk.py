"""Sends operations in bulk and waits out a busy or absent server, until the fate of each operation is known.

Every operation bears the document's id, so what is sent twice is there once. An answer that got lost is asked for by
sending again; a `create` that had arrived then yields "conflict", an operation with `if_seq_no` as well, a `delete`
"missing": whoever sent it looks.
"""

import random
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import orjson
from elastic_transport import ApiResponse
from elasticsearch import ApiError, Elasticsearch, SerializationError, TransportError

from qalqan.clock import now
from qalqan.errors import StoreError
from qalqan.store.elasticsearch.connection import Refresh, translated

Action = Literal["create", "index", "delete"]
Status = Literal["done", "conflict", "missing", "refused"]

_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.1, 10.0
_LONGEST_REASON = 500  # characters
# These pass when somebody frees the disk, opens the index or starts a node, whatever status they come with.
_PASSING_ERRORS = {"cluster_block_exception", "index_closed_exception", "unavailable_shards_exception"}
_TOO_LARGE = "HTTP 413: larger than the server takes; raise http.max_content_length, and a proxy's limit before it"
_ANSWER_PARTS = "items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by"
_HEADERS = {"accept": "application/json", "content-type": "application/x-ndjson"}
_JITTER = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Operation:
    """One document to write or delete.

    index: an alias. body: the document as JSON on one line; None for "delete". if_seq_no, if_primary_term: do it only
    to this version of the document; both or neither. Raises ValueError if these do not go together.
    """

    action: Action
    index: str
    id: str
    body: bytes | None
    if_seq_no: int | None
    if_primary_term: int | None

    def __post_init__(self) -> None:
        if (self.body is None) != (self.action == "delete"):
            raise ValueError(f"{self.action} of {self.id!r}: only a deletion has no body")
        if self.body is not None and b"\n" in self.body:
            raise ValueError(f"{self.action} of {self.id!r}: the body must be one line")
        if (self.if_seq_no is None) != (self.if_primary_term is None):
            raise ValueError(f"{self.action} of {self.id!r}: if_seq_no and if_primary_term go together")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an operation.

    conflict: there is such a document, or another version of it (409). missing: no such alias, or no document to
    delete (404). refused: the server will never take it. reason: in the server's words, up to 500 printable
    characters, which may repeat parts of the document; empty where done.
    """

    operation: Operation
    status: Status
    reason: str


class ServerAway(StoreError):
    """The server did not take everything in time; the message says why and what to do.

    pending: those not known to be done, in the order given; some may be done, with the answer lost. outcomes: the
    others', by their place in the sequence given. Nothing is pending where only the final refresh failed.
    """

    def __init__(self, message: str, pending: tuple[Operation, ...], outcomes: dict[int, Outcome]) -> None:
        super().__init__(message)
        self.pending = pending
        self.outcomes = outcomes


class Bulk:
    """Safe to share between threads; each `send` holds one request (twice `max_bytes` at most) in memory.

    max_bytes, max_operations: of one request. patience_s: how long to go on without any progress.
    """

    def __init__(
        self,
        client: Elasticsearch,
        *,
        max_bytes: int = 8 * 1024 * 1024,
        max_operations: int = 1000,
        patience_s: float = 120.0,
    ) -> None:
        self.client = client.options(max_retries=0)
        self.max_bytes = max_bytes
        self.max_operations = max_operations
        self.patience_s = patience_s
        self.name = ", ".join(node.base_url for node in client.transport.node_pool.all())

    def send(self, operations: Sequence[Operation], refresh: Refresh) -> list[Outcome]:
        """What became of each, in the order given.

        Operations on one id are carried out in this order, each one after the fate of the one before is known.
        refresh: when searches show all of it: on return after a refresh of their own ("true") or after the server's
        next one ("wait_for", unless several requests were needed), or some time later ("false").
        Raises ServerAway once `patience_s` went by without a single outcome, or at once if the server does not know
        us or is none.
        """
        return _Sending(self, operations, refresh).run()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something has to be sent again. index: of a single operation, else empty."""

    error: ApiError | TransportError
    index: str = ""

    @property
    def status(self) -> int | None:
        """None where no answer came, or none that could be read."""
        return self.error.meta.status if isinstance(self.error, ApiError) else None

    @property
    def kind(self) -> str:
        """Elasticsearch's own type of error; empty where it did not answer itself."""
        return str(self._told.get("type", ""))

    @property
    def reason(self) -> str:
        return str(self._told.get("reason", ""))

    @property
    def may_pass(self) -> bool:
        return self.status is None or _may_pass(self.status, self.kind)

    @property
    def is_about_an_operation(self) -> bool:
        """The request as a whole is refused for its size, or for something that stands in it."""
        return self.status == 413 or (self.status == 400 and self.kind != "")

    @property
    def retry_after_s(self) -> float:
        """What the answer asks for; 0 without a wish."""
        wish = (self.error.meta.headers.get("retry-after") if isinstance(self.error, ApiError) else None) or ""
        if wish.isdecimal():
            return float(wish)
        try:
            return max(0.0, (parsedate_to_datetime(wish) - now()).total_seconds())
        except (TypeError, ValueError):
            return 0.0

    def pause_s(self, fruitless: int) -> float:
        """How long to wait after so many pauses in vain: full jitter below a bound that doubles with each."""
        bound_s = min(_LONGEST_WAIT_S, _SHORTEST_WAIT_S * 2 ** min(fruitless, 10))
        return max(_JITTER.uniform(0, bound_s), self.retry_after_s)

    def advice(self, name: str) -> str:
        """What happened and what to do; `name` is the server's."""
        if "read-only-allow-delete" in self.reason or "flood-stage" in self.reason:
            index = self.index or "<index>"
            return (
                f"store {name}: a disk of the server is over the flood-stage watermark "
                "(cluster.routing.allocation.disk.watermark.flood_stage), so that documents can only be deleted: free "
                "some space there; the block then goes by itself, or by "
                f'PUT /{index}/_settings {{"index.blocks.read_only_allow_delete": null}} ({_printable(self.reason)})'
            )
        if self.kind == "index_closed_exception":
            return (
                f"store {name}: an index is closed: POST /{self.index or '<index>'}/_open ({_printable(self.reason)})"
            )
        try:
            with translated(name):
                raise self.error
        except StoreError as error:
            return str(error)

    @property
    def _told(self) -> Mapping[str, Any]:
        body = self.error.body if isinstance(self.error, ApiError) else None
        told = body.get("error") if isinstance(body, Mapping) else None
        return told if isinstance(told, Mapping) else {}


class _Sending:
    """One call of `send`."""

    def __init__(self, bulk: Bulk, operations: Sequence[Operation], refresh: Refresh) -> None:
        self._bulk = bulk
        self._operations = operations
        self._refresh: Refresh = refresh
        self._waiting = deque(range(len(operations)))
        self._outcomes: dict[int, Outcome] = {}
        self._hidden: set[str] = set()  # aliases written to without the refresh that was asked for
        self._trouble: Trouble | None = None  # the latest since the last pause
        self._progress_at = time.monotonic()
        self._fruitless = 0  # pauses since the last progress

    def run(self) -> list[Outcome]:
        while self._waiting:
            batch = self._next_batch()
            is_everything = not self._waiting and not self._hidden
            again = self._deliver(batch, self._refresh if is_everything else "false")
            self._waiting.extendleft(reversed(again))
            if self._trouble:
                self._pause(has_progress=len(again) < len(batch))
            else:
                self._fruitless = 0
        while self._hidden:
            self._show()
        return [self._outcomes[place] for place in range(len(self._operations))]

    def _next_batch(self) -> list[int]:
        """Places of what fits into one request, at least one; no id twice."""
        batch: list[int] = []
        later: list[int] = []
        ids: set[str] = set()
        size = 0
        while self._waiting and max(len(batch), len(later)) < self._bulk.max_operations:
            operation = self._operations[self._waiting[0]]
            if operation.id in ids:
                later.append(self._waiting.popleft())
                continue
            size += _size(operation)
            if batch and size > self._bulk.max_bytes:
                break
            batch.append(self._waiting.popleft())
            ids.add(operation.id)
        self._waiting.extendleft(reversed(later))
        return batch

    def _deliver(self, batch: list[int], refresh: Refresh) -> list[int]:
        """Sends a request, or as many as the server wants it cut into. Returns what has to be sent again, in order."""
        try:
            response = self._bulk.client.perform_request(
                "POST",
                "/_bulk",
                params={"require_alias": "true", "refresh": refresh, "filter_path": _ANSWER_PARTS},
                headers=_HEADERS,
                body=(line for place in batch for line in _lines(self._operations[place])),
                endpoint_id="bulk",
            )
            return self._read(batch, response, refresh)
        except ApiError as error:
            trouble = Trouble(error)
            if trouble.may_pass or not trouble.is_about_an_operation:
                self._note(trouble)
                return batch
            if len(batch) > 1:
                return self._halve(batch, trouble)
            reason = _why(trouble.kind, trouble.reason) if trouble.kind else _TOO_LARGE
            self._record(batch[0], "refused", reason, refresh)
            return []
        except TransportError as error:
            self._note(Trouble(error))
            return batch

    def _halve(self, batch: list[int], trouble: Trouble) -> list[int]:
        if trouble.status == 413:  # the server's limit will not change before the next request
            size = sum(_size(self._operations[place]) for place in batch)
            self._bulk.max_bytes = min(self._bulk.max_bytes, size // 2)
        middle = len(batch) // 2
        return self._deliver(batch[:middle], "false") + self._deliver(batch[middle:], "false")

    def _read(self, batch: list[int], response: ApiResponse[Any], refresh: Refresh) -> list[int]:
        """Records the outcomes that the answer holds. Returns what has to be sent again."""
        items = response.body.get("items") if isinstance(response.body, Mapping) else None
        if not isinstance(items, list) or len(items) != len(batch):
            raise SerializationError("the answer to _bulk does not fit the request")
        again: list[int] = []
        troubles: list[Trouble] = []
        for place, item in zip(batch, items, strict=True):
            (part,) = item.values()
            status, told = int(part["status"]), part.get("error", {})
            kind, reason = told.get("type", ""), told.get("reason", "")
            if _may_pass(status, kind) or status in (401, 403):
                again.append(place)
                error = ApiError(kind, meta=replace(response.meta, status=status), body={"error": told})
                troubles.append(Trouble(error, self._operations[place].index))
            elif status < 300:
                self._record(place, "done", "", refresh)
            elif status == 409:
                self._record(place, "conflict", _why(kind, reason), refresh)
            elif status == 404:
                self._record(place, "missing", _why(kind or "not_found", reason or "no such document"), refresh)
            else:
                cause = told.get("caused_by", {}).get("reason", "")
                self._record(place, "refused", _why(kind, f"{reason}: {cause}" if cause else reason), refresh)
        for trouble in troubles:
            self._note(trouble)
        return again

    def _record(self, place: int, status: Status, reason: str, refresh: Refresh) -> None:
        operation = self._operations[place]
        self._outcomes[place] = Outcome(operation, status, reason)
        self._progress_at = time.monotonic()
        if status == "done" and refresh != self._refresh:
            self._hidden.add(operation.index)

    def _note(self, trouble: Trouble) -> None:
        """Remembers why something waits. Raises ServerAway if waiting is of no use."""
        self._trouble = trouble
        if not trouble.may_pass:
            raise self._away(trouble) from trouble.error

    def _pause(self, *, has_progress: bool) -> None:
        """A pause that grows with each in which nothing was gained."""
        trouble, self._trouble = self._trouble, None
        if trouble is None:
            return
        left_s = self._bulk.patience_s - (time.monotonic() - self._progress_at)
        if left_s <= 0:
            raise self._away(trouble) from trouble.error
        time.sleep(min(left_s, trouble.pause_s(self._fruitless)))
        self._fruitless += not has_progress

    def _show(self) -> None:
        """Lets searches see what requests without a refresh wrote: those touch only the shards that they write to."""
        try:
            self._bulk.client.indices.refresh(index=sorted(self._hidden), ignore_unavailable=True)
            self._hidden.clear()
        except (ApiError, TransportError) as error:
            self._note(Trouble(error))
            self._pause(has_progress=False)

    def _away(self, trouble: Trouble) -> ServerAway:
        pending = tuple(one for place, one in enumerate(self._operations) if place not in self._outcomes)
        state = (
            f"{len(pending)} of {len(self._operations)} operations may not be written"
            if pending
            else "everything is written, but searches may not show it yet"
        )
        return ServerAway(f"{trouble.advice(self._bulk.name)}; {state}", pending, self._outcomes)


def _may_pass(status: int, kind: str) -> bool:
    return status in (408, 429) or status >= 500 or kind in _PASSING_ERRORS


def _lines(operation: Operation) -> list[bytes]:
    target: dict[str, str | int] = {"_index": operation.index, "_id": operation.id}
    if operation.if_seq_no is not None and operation.if_primary_term is not None:
        target |= {"if_seq_no": operation.if_seq_no, "if_primary_term": operation.if_primary_term}
    action = orjson.dumps({operation.action: target})
    return [action] if operation.body is None else [action, operation.body]


def _size(operation: Operation) -> int:
    return sum(len(line) + 1 for line in _lines(operation))


def _why(kind: str, reason: str) -> str:
    return _printable(f"{kind}: {reason}")


def _printable(text: str) -> str:
    """What a server says may repeat what was crawled."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:_LONGEST_REASON]
