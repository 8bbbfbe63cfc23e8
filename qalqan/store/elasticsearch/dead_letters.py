"""What the server will never take, kept in a file with the reason, for people to look at."""

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from qalqan.clock import from_iso, now, to_iso
from qalqan.errors import StoreError
from qalqan.store.elasticsearch.spool import cut_torn_line, disk_errors, open_private, sync, sync_folder

# Beside the spool.
FILE = "refused.jsonl"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """at: when it was refused, in UTC. reason: in the server's words. record: as it was to be written."""

    at: datetime
    id: str
    index: str
    reason: str
    record: bytes


class DeadLetters:
    """One JSON line each, in ASCII, since what was crawled may hold anything. Safe between threads and processes.

    Everything raises StoreError where the disk is full or the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, outcome_id: str, index: str, reason: str, record: bytes) -> None:
        """On return it lies on the disk; if it raises, the file is as before."""
        fields = {
            "at": to_iso(now()),
            "id": outcome_id,
            "index": index,
            "reason": reason,
            "record": record.decode("utf-8", "surrogateescape"),
        }
        line = json.dumps(fields).encode("ascii") + b"\n"
        with disk_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: nothing is left to be written after an error.
            with open_private(self._path, "ab", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                size = cut_torn_line(self._path)
                rest = memoryview(line)
                try:
                    while rest:
                        rest = rest[file.write(rest) :]
                    sync(file)
                    sync_folder(self._path.parent)
                except OSError:
                    os.truncate(self._path, size)
                    raise

    def read(self) -> Iterator[DeadLetter]:
        """Oldest first. Raises StoreError for a line that is none of ours."""
        for number, line in enumerate(self._lines(), start=1):
            try:
                fields = json.loads(line)
                yield DeadLetter(
                    at=from_iso(fields["at"]),
                    id=str(fields["id"]),
                    index=str(fields["index"]),
                    reason=str(fields["reason"]),
                    record=fields["record"].encode("utf-8", "surrogateescape"),
                )
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise StoreError(
                    f"{self._path}: line {number} is damaged ({error}): take it out, the others are whole"
                ) from error

    def __len__(self) -> int:
        return sum(1 for _ in self._lines())

    def _lines(self) -> Iterator[bytes]:
        """Whole ones: a last one without its end is still being written, or never was."""
        with disk_errors(self._path):
            if not self._path.exists():
                return
            with self._path.open("rb") as file:
                yield from (line for line in file if line.endswith(b"\n"))
