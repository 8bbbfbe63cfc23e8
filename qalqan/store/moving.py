"""Copies a whole store into another one, of whatever engine."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from qalqan.errors import StoreError
from qalqan.store.base import DocumentQuery, Store, StoredDocument

_Anything = TypeVar("_Anything")


@dataclass(frozen=True, slots=True)
class CopyCount:
    """Of what was read. refused: ids of the documents that the target will never take; the others are there."""

    documents: int
    captures: int
    channels: int
    refused: tuple[str, ...]


def copy_store(
    source: Store, target: Store, *, batch: int = 500, progress: Callable[[int, int], None] | None = None
) -> CopyCount:
    """Every document with fingerprint, vector and case state, every capture and channel, in the order of writing.

    What was copied before is written over, so a copy that was cut off is begun again; what the target holds beside
    stays. To the target everything is new: it is indexed at the time of the copy. progress: documents done, and all
    that were there at the beginning.
    """
    captures = 0
    for some_captures in _batches(source.scan_captures(), batch):
        target.put_captures(some_captures)
        captures += len(some_captures)
    channels = 0
    for channel in source.scan_channels():
        target.put_channel(channel)
        channels += 1
    total = source.count(DocumentQuery())
    done = 0
    refused: list[str] = []
    for stored in _batches(source.scan_stored(), batch):
        refused += _put(target, stored)
        done += len(stored)
        if progress:
            progress(done, max(done, total))
    return CopyCount(done, captures, channels, tuple(refused))


def _put(target: Store, stored: Sequence[StoredDocument]) -> list[str]:
    """Ids of those that were refused."""
    documents = [one.document for one in stored]
    count = target.put_documents(
        documents,
        {one.document.id: one.fingerprint for one in stored if one.fingerprint},
        {one.document.id: one.vector for one in stored if one.vector},
    )
    if count.spooled:
        raise StoreError(
            f"the target is away, {count.spooled} documents wait in its spool: run the same again when it is there"
        )
    # What was there before may have a state that the source has not any more.
    is_new = count.new == len(stored)
    states = {one.document.id: one.case_state for one in stored if one.case_state is not None or not is_new}
    if states:
        target.set_case_states(states)
    if not count.refused:
        return []
    return [document.id for document in documents if target.get_document(document.id) != document]


def _batches(items: Iterable[_Anything], size: int) -> Iterator[list[_Anything]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
