"""Makes every index anew on the server, while it is read and written, and switches to the new ones at once.

The records are read and sent by this program: not every server has `_reindex`, and what finds a document may be
computed otherwise than before. Each shard is read in the order of its sequence numbers, so that what changed
meanwhile is read again from where the last round began; then writing is stopped (writers wait and try again), the
rest is copied, and all aliases move in one step. Whatever fails before that leaves the old indices as they were.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import structlog
from elasticsearch import ApiError, BadRequestError, Elasticsearch, NotFoundError, TransportError

from qalqan.clock import now
from qalqan.config import StoreSettings
from qalqan.errors import StoreError
from qalqan.records import Capture, Channel, Document, Record
from qalqan.store.elasticsearch.bodies import body_of, kept_of, read_record, write_body
from qalqan.store.elasticsearch.bulk import Bulk, Operation, ServerAway
from qalqan.store.elasticsearch.connection import check_server, connect, translated
from qalqan.store.elasticsearch.layout import NEXT, SCHEMA, Index, Layout, short_lists
from qalqan.store.elasticsearch.patience import ask
from qalqan.store.elasticsearch.retention import put_policy

log = structlog.get_logger()

_SNAPSHOT_KEPT = "10m"
_PAGE = 500
_IDS_PER_PAGE = 2_000
# Rounds without stopping the writers, at most; and how few changes are left for the time when they stand still.
_ROUNDS = 10
_FEW = 1_000
_FIELDS = ("record", "order", "indexed_at", "case_state", "text_sha256", "bands", "signature", "vector")
_OTHER_RECORDS: dict[str, type[Record]] = {"captures": Capture, "channels": Channel}

Progress = Callable[[int, int], None]
Hit = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reindexed:
    """generation: of the indices now in use. records: of every kind. old: indices that are kept, to be dropped later.

    stopped_s: for how long nobody could write.
    """

    generation: int
    records: int
    old: tuple[str, ...]
    stopped_s: float


def install(url: str, options: StoreSettings) -> bool:
    """Templates of this program, missing indices, replicas as set; whether ILM drops old months by itself."""
    with _opened(url, options) as (layout, _):
        _refuse_newer(layout)
        layout.install()
        layout.client.indices.put_settings(
            index=[layout.documents, layout.captures, layout.channels],
            settings={"index.number_of_replicas": options.replicas},
        )
        return put_policy(layout, options.keep_months)


def reindex(url: str, options: StoreSettings, progress: Progress | None = None) -> Reindexed:
    """progress: records done, and all that were there at the beginning.

    Raises StoreError; before the switch, nothing is changed then. The old indices are kept, closed for writing.
    """
    with _opened(url, options) as (layout, name):
        if not layout.is_there():
            raise StoreError(f"store {name}: nothing is there to be made anew: run `qalqan reindex --install`")
        _refuse_newer(layout)
        with _alone(layout, name) as owner:
            done = _Reindexing(layout, options, name, owner, progress).run()
            put_policy(layout, options.keep_months)
            return done


def abandon(url: str, options: StoreSettings) -> list[str]:
    """Removes what a reindexing that was cut off has left: its indices, which are returned, its lock, its blocks."""
    with _opened(url, options) as (layout, _):
        removed = _clear(layout, is_cut_off=True)
        _unlock(layout)
        return removed


def drop_old(url: str, options: StoreSettings) -> list[str]:
    """Deletes the indices that earlier reindexings have replaced, and returns their names."""
    with _opened(url, options) as (layout, _):
        old = [one.name for one in layout.all_indices() if not one.aliases]
        _delete(layout.client, old)
        return old


@contextmanager
def _opened(url: str, options: StoreSettings) -> Iterator[tuple[Layout, str]]:
    """Whatever schema is there. The name is for messages."""
    client, place = connect(url, options)
    try:
        check_server(client, place)
        with translated(place.name):
            yield Layout(client, place.prefix, shards=options.shards, replicas=options.replicas), place.name
    finally:
        client.close()


def _refuse_newer(layout: Layout) -> None:
    if newer := [name for name, schema in layout.schemas().items() if schema is not None and schema > SCHEMA]:
        raise StoreError(f"index {newer[0]} was made by a newer Qalqan: use that one")


# One at a time: a component template without content, which only one process can make


@contextmanager
def _alone(layout: Layout, name: str) -> Iterator["LockOwner"]:
    """Ourselves. Raises StoreError while somebody else is at work, or may be."""
    own = LockOwner(socket.gethostname(), os.getpid(), now().isoformat())
    was_cut_off = False
    while not _lock(layout, own):
        owner = lock_owner(layout)
        if owner is None:
            continue
        if not owner.is_dead_here:
            raise StoreError(
                f"store {name}: a reindexing ({owner}) is under way or was cut off. If it is not running any more: "
                "`qalqan reindex --abandon`, then the same again"
            )
        _unlock(layout)
        was_cut_off = True
    try:
        _clear(layout, is_cut_off=was_cut_off)
        yield own
    finally:
        with suppress(ApiError, TransportError):
            if lock_owner(layout) == own:
                _unlock(layout)


@dataclass(frozen=True, slots=True)
class LockOwner:
    host: str
    pid: int
    began_at: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.began_at}"

    @property
    def is_dead_here(self) -> bool:
        """Whether that process was on this machine and has ended."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


def lock_owner(layout: Layout) -> LockOwner | None:
    """Who reindexes, or did when it was cut off."""
    try:
        found = layout.client.cluster.get_component_template(name=_lock_name(layout))
    except NotFoundError:
        return None
    meta = found["component_templates"][0]["component_template"]["_meta"]
    return LockOwner(str(meta["host"]), int(meta["pid"]), str(meta["began_at"]))


def _lock(layout: Layout, own: LockOwner) -> bool:
    try:
        layout.client.cluster.put_component_template(
            name=_lock_name(layout), template={}, meta=asdict(own), create=True
        )
    except BadRequestError:  # somebody has it
        if lock_owner(layout) is None:
            raise
        return False
    return True


def _unlock(layout: Layout) -> None:
    with suppress(NotFoundError):
        layout.client.cluster.delete_component_template(name=_lock_name(layout))


def _lock_name(layout: Layout) -> str:
    return f"{layout.prefix}-reindex"


def _clear(layout: Layout, *, is_cut_off: bool) -> list[str]:
    """Deletes indices that were never used, and lets writers in again. is_cut_off: even if there are none."""
    indices = layout.all_indices()
    unused = [one.name for one in indices if one.is_being_filled]
    if unused or is_cut_off:
        _allow_writing(layout.client, [one.name for one in indices if one.is_in_use])
    _delete(layout.client, unused)
    return unused


def _delete(client: Elasticsearch, indices: Sequence[str]) -> None:
    for some in short_lists(indices):
        client.indices.delete(index=some, ignore_unavailable=True)


def _allow_writing(client: Elasticsearch, indices: Sequence[str]) -> None:
    for some in short_lists(indices):
        client.indices.put_settings(index=some, settings={"index.blocks.write": None}, ignore_unavailable=True)


@dataclass(frozen=True, slots=True)
class _Pair:
    """An index in use and the one that takes its place. alias: under which the new one is filled."""

    old: Index
    new: str
    alias: str


class _Reindexing:
    def __init__(
        self, layout: Layout, options: StoreSettings, name: str, owner: LockOwner, progress: Progress | None
    ) -> None:
        self._layout, self._client, self._name = layout, layout.client, name
        self._owner, self._progress = owner, progress
        self._bulk = Bulk(layout.client, patience_s=options.patience_s)
        self._ask = partial(ask, name=name, patience_s=options.patience_s)
        self._generation = 1 + max(one.generation for one in layout.all_indices())
        self._pairs: list[_Pair] = []
        self._stopped: list[str] = []  # old indices that we closed for writing
        self._done_up_to: dict[tuple[str, int], int] = {}  # by index and shard: this sequence number is copied
        self._copied = self._total = 0

    def run(self) -> Reindexed:
        try:
            self._layout.put_templates()
            self._add_pairs()
            self._total = sum(self._count(pair.old.name) for pair in self._pairs)
            for _ in range(_ROUNDS):
                if self._copy_changes() <= _FEW:
                    break
            for pair in self._pairs:
                self._remove_surplus(pair)
            self._check_alone()
            began = time.monotonic()
            self._stop_writers()
            self._copy_changes()
            records = self._verify()
            self._check_alone()
        except BaseException:
            self._take_back()
            raise
        self._switch()
        stopped_s = time.monotonic() - began
        old = tuple(pair.old.name for pair in self._pairs)
        log.info("reindexed", generation=self._generation, records=records, stopped_s=round(stopped_s, 3), old=old)
        return Reindexed(self._generation, records, old, stopped_s)

    # Copying

    def _add_pairs(self) -> bool:
        """For indices that have none yet; whether there were any."""
        known = {pair.old.name for pair in self._pairs}
        found = [one for one in self._layout.all_indices() if one.is_in_use and one.name not in known]
        for old in found:
            own = old.month.replace("-", ".") if old.month else None
            new = "-".join(filter(None, (self._layout.prefix, old.kind, f"v{self._generation}", own)))
            alias = "-".join(filter(None, (self._layout.prefix, old.kind, NEXT, own)))
            self._pairs.append(_Pair(old, new, alias))
            self._client.indices.create(index=new, aliases={alias: {}})
        return bool(found)

    def _copy_changes(self) -> int:
        """Of all indices, what was written since the last time; how many records that were."""
        copied = 0
        for pair in self._pairs:
            reached = self._checkpoints(pair.old.name)
            self._ask(partial(self._client.indices.refresh, index=pair.old.name))
            for shard, checkpoint in reached.items():
                copied += self._copy_shard(pair, shard, self._done_up_to.get((pair.old.name, shard), -1))
                self._done_up_to[pair.old.name, shard] = checkpoint
        return copied

    def _checkpoints(self, index: str) -> dict[int, int]:
        """Of each shard: up to here every write is done on every copy of it, so that a refresh shows it."""
        stats = self._ask(partial(self._client.indices.stats, index=index, metric="docs", level="shards"))
        return {
            int(shard): int(copy["seq_no"]["global_checkpoint"])
            for shard, copies in stats["indices"][index]["shards"].items()
            for copy in copies
            if copy["routing"]["primary"]
        }

    def _copy_shard(self, pair: _Pair, shard: int, after: int) -> int:
        copied = 0
        changed = {"range": {"_seq_no": {"gt": after}}}
        pages = self._pages(pair.old.name, changed, "_seq_no", _PAGE, _FIELDS, preference=f"_shards:{shard}")
        for hits in pages:
            self._send([self._copy_of(pair, hit) for hit in hits])
            copied += len(hits)
            self._copied += len(hits)
            if self._progress:
                self._progress(min(self._copied, self._total), self._total)
        return copied

    def _copy_of(self, pair: _Pair, hit: Hit) -> Operation:
        """The record under its id, with all that finds it computed anew."""
        source = hit["_source"]
        if pair.old.kind == "documents":
            body = body_of(read_record(Document, source, self._name)) | kept_of(source, is_text_same=True)
            body["indexed_at"] = source["indexed_at"]
        else:
            record = read_record(_OTHER_RECORDS[pair.old.kind], source, self._name)
            body = {"record": record.model_dump(), "order": source["order"]}
        return Operation("index", pair.alias, hit["_id"], write_body(body, hit["_id"]), None, None)

    def _send(self, operations: Sequence[Operation]) -> None:
        refused = [
            one
            for one in self._bulk.send(operations, "false")
            if one.status != "done" and (one.operation.action, one.status) != ("delete", "missing")
        ]
        if refused:
            raise StoreError(
                f"store {self._name}: {len(refused)} records cannot be indexed anew, the first is "
                f"{refused[0].operation.id}: {refused[0].reason}"
            )

    def _pages(
        self,
        index: str,
        query: dict[str, Any],
        order: str,
        size: int,
        fields: Sequence[str],
        preference: str | None = None,
    ) -> Iterator[list[Hit]]:
        """As the index was when this began."""
        snapshot = self._ask(
            partial(self._client.open_point_in_time, index=index, keep_alive=_SNAPSHOT_KEPT, preference=preference)
        )["id"]
        after: list[Any] | None = None
        try:
            while True:
                answer = self._ask(
                    partial(
                        self._client.search,
                        pit={"id": snapshot, "keep_alive": _SNAPSHOT_KEPT},
                        query=query,
                        sort=[{order: "asc"}],
                        search_after=after,
                        size=size,
                        source={"includes": list(fields)} if fields else False,
                        track_total_hits=False,
                        allow_partial_search_results=False,
                    )
                )
                snapshot, hits = answer["pit_id"], answer["hits"]["hits"]
                if hits:
                    yield hits
                if len(hits) < size:
                    return
                after = hits[-1]["sort"]
        finally:
            with suppress(ApiError, TransportError):
                self._client.close_point_in_time(id=snapshot)

    # What is copied is what is there

    def _remove_surplus(self, pair: _Pair) -> None:
        """Documents that have moved to another month after they were copied."""
        self._client.indices.refresh(index=pair.new)
        for hits in self._pages(pair.new, {"match_all": {}}, "_shard_doc", _IDS_PER_PAGE, ()):
            ids = [hit["_id"] for hit in hits]
            there = self._ask(partial(self._client.mget, index=pair.old.name, ids=ids, source=False))["docs"]
            gone = [one["_id"] for one in there if not one.get("found")]
            self._send([Operation("delete", pair.alias, document_id, None, None, None) for document_id in gone])

    def _verify(self) -> int:
        """While nobody writes; how many records there are. Every record was copied, so equal numbers are equal ids."""
        records = 0
        for pair in self._pairs:
            self._client.indices.refresh(index=pair.new)
            old = self._count(pair.old.name)
            if self._count(pair.new) != old:
                self._remove_surplus(pair)
                self._client.indices.refresh(index=pair.new)
            new = self._count(pair.new)
            if new != old:
                raise StoreError(
                    f"store {self._name}: {pair.old.name} has {old} records, its copy {new}: the copy was given up; "
                    "run the same again"
                )
            records += new
        return records

    def _count(self, index: str) -> int:
        return int(self._ask(partial(self._client.count, index=index))["count"])

    # Stopping and switching

    def _check_alone(self) -> None:
        if lock_owner(self._layout) != self._owner:
            raise StoreError(f"store {self._name}: this reindexing was abandoned by somebody else's command")

    def _stop_writers(self) -> None:
        """Also of months that were begun meanwhile. What is being written is finished first."""
        while True:
            closed = self._closed()
            for some in short_lists([pair.old.name for pair in self._pairs if pair.old.name not in closed]):
                self._stopped += some
                answer = self._client.indices.add_block(index=",".join(some), block="write")
                if not answer["acknowledged"] or not answer["shards_acknowledged"]:
                    raise StoreError(f"store {self._name}: writing could not be stopped: run the same again")
            if not self._add_pairs():
                return

    def _closed(self) -> set[str]:
        """Indices in use that nobody may write to."""
        in_use = [self._layout.documents, self._layout.captures, self._layout.channels]
        settings = self._client.indices.get_settings(index=in_use, name="index.blocks.write", flat_settings=True)
        return {
            index
            for index, values in settings.body.items()
            if values.get("settings", {}).get("index.blocks.write") == "true"
        }

    def _switch(self) -> None:
        """Until it is known to be done: an answer may get lost, and what was asked for happen later."""
        actions: list[dict[str, Any]] = []
        for pair in self._pairs:
            main = f"{self._layout.prefix}-{pair.old.kind}"
            own = self._layout.alias_of_month(pair.old.month) if pair.old.month else main
            actions += [{"remove": {"index": pair.old.name, "alias": alias}} for alias in {main, own}]
            actions.append({"remove": {"index": pair.new, "alias": pair.alias}})
            if own != main:
                actions.append({"add": {"index": pair.new, "alias": main}})
            actions.append({"add": {"index": pair.new, "alias": own, "is_write_index": True}})

        def switch() -> None:
            if not self._is_switched():
                self._client.indices.update_aliases(actions=actions)

        try:
            self._ask(switch)
        except ServerAway as error:
            raise StoreError(
                f"{error}; the copy is complete, but whether the aliases were switched is not known, and writers may "
                "have to wait: run `qalqan reindex` again as soon as the server is there"
            ) from error
        except ApiError:
            self._take_back()
            raise

    def _is_switched(self) -> bool:
        return {pair.new for pair in self._pairs} <= {one.name for one in self._layout.all_indices() if one.is_in_use}

    def _take_back(self) -> None:
        new = [pair.new for pair in self._pairs]
        try:
            if lock_owner(self._layout) != self._owner:
                return  # who abandoned it has cleared up, and somebody else may be at work
            _allow_writing(self._client, self._stopped)
            _delete(self._client, new)
        except (ApiError, TransportError) as error:
            log.error(
                "reindex_not_taken_back",
                reason=str(error),
                remedy="when the server is there: qalqan reindex --abandon",
                indices=new,
            )
