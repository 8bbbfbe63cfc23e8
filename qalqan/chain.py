"""The hash chain of the audit log: pure functions, and the check of an exported log.

One entry is {sequence, at, actor, act, object_kind, object_id, details, previous_hash, hash}; `at` is ISO 8601 in UTC
to the microsecond. Sequences begin at 1 and have no gaps; the first entry's previous_hash is `GENESIS`.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GENESIS = "0" * 64

_HASHED = ("sequence", "at", "actor", "act", "object_kind", "object_id", "details", "previous_hash")


def canonical_json(value: Any) -> bytes:
    """One byte form for one value: keys sorted, no spaces, UTF-8 unescaped. Raises ValueError for NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def entry_hash(entry: Mapping[str, Any]) -> str:
    """SHA-256 over every field but the hash itself. Raises KeyError if a field is missing."""
    return hashlib.sha256(canonical_json({name: entry[name] for name in _HASHED})).hexdigest()


@dataclass(frozen=True, slots=True)
class ChainReport:
    """entries: how many are intact, from the first on. broken_at: the first broken sequence (or line of a file)."""

    entries: int
    last_hash: str
    broken_at: int | None = None
    problem: str = ""

    @property
    def is_intact(self) -> bool:
        return self.broken_at is None


def check_chain(entries: Iterable[Mapping[str, Any]], *, after: str = GENESIS, first_sequence: int = 1) -> ChainReport:
    """Follows the chain and stops at the first entry that does not fit."""
    last, expected = after, first_sequence
    for entry in entries:
        problem = _problem_of(entry, expected, last)
        if problem:
            return ChainReport(expected - first_sequence, last, broken_at=expected, problem=problem)
        last, expected = entry["hash"], expected + 1
    return ChainReport(expected - first_sequence, last)


def _problem_of(entry: Mapping[str, Any], expected: int, last: str) -> str:
    missing = [name for name in (*_HASHED, "hash") if name not in entry]
    if missing:
        return f"entry {expected} has no field {missing[0]}"
    if entry["sequence"] != expected:
        return f"entry {expected} is missing: {entry['sequence']} follows {expected - 1}"
    if entry["previous_hash"] != last:
        return f"entry {expected} does not follow the entry before it"
    try:
        matches = entry["hash"] == entry_hash(entry)
    except ValueError:
        matches = False
    return "" if matches else f"entry {expected} was changed after it was written"


class _BrokenLineError(ValueError):
    pass


def check_chain_file(path: Path) -> ChainReport:
    """An exported audit log, one JSON object a line. broken_at is the number of the first broken line."""
    try:
        with path.open("rb") as lines:
            return check_chain(_parse(lines))
    except _BrokenLineError as error:
        number = int(error.args[0])
        return ChainReport(number - 1, "", broken_at=number, problem=f"line {number} is not a JSON object")


def _parse(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            raise _BrokenLineError(number) from None
        if not isinstance(entry, dict):
            raise _BrokenLineError(number)
        yield entry
