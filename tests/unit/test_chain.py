"""The hash chain of the audit log."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qalqan.chain import GENESIS, canonical_json, check_chain, check_chain_file, entry_hash


def entries(count: int) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for sequence in range(1, count + 1):
        entry: dict[str, Any] = {
            "sequence": sequence,
            "at": "2026-03-12T03:14:00.000001Z",
            "actor": "үлгі",
            "act": "test.act",
            "object_kind": "case",
            "object_id": "1",
            "details": {"n": sequence},
            "previous_hash": made[-1]["hash"] if made else GENESIS,
        }
        made.append({**entry, "hash": entry_hash(entry)})
    return made


def test_an_intact_chain() -> None:
    made = entries(3)
    report = check_chain(made)
    assert (report.is_intact, report.entries, report.last_hash) == (True, 3, made[-1]["hash"])
    assert check_chain([]).last_hash == GENESIS
    rest = check_chain(made[1:], after=made[0]["hash"], first_sequence=2)
    assert (rest.is_intact, rest.entries) == (True, 2)


@given(st.integers(0, 4), st.sampled_from(["at", "actor", "act", "object_kind", "object_id", "details", "hash"]))
def test_any_change_is_found_where_it_is(place: int, field: str) -> None:
    made = entries(5)
    made[place] = {**made[place], field: "changed"}
    report = check_chain(made)
    assert (report.broken_at, report.entries) == (place + 1, place)


@given(st.integers(0, 3))
def test_a_removed_or_moved_entry_is_found(place: int) -> None:
    made = entries(5)
    assert check_chain(made[:place] + made[place + 1 :]).broken_at == place + 1
    moved = [*made[:place], made[place + 1], made[place], *made[place + 2 :]]
    assert check_chain(moved).broken_at == place + 1


def test_an_entry_without_a_field_is_named() -> None:
    made = entries(2)
    del made[1]["actor"]
    assert check_chain(made).problem == "entry 2 has no field actor"


def write(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_a_file_is_followed_line_by_line(tmp_path: Path) -> None:
    lines = [canonical_json(entry) for entry in entries(4)]
    assert check_chain_file(write(tmp_path / "audit.jsonl", lines)).entries == 4
    changed = [*lines[:2], lines[2].replace(b"test.act", b"test.art"), lines[3]]
    report = check_chain_file(write(tmp_path / "changed.jsonl", changed))
    assert (report.broken_at, report.problem) == (3, "entry 3 was changed after it was written")


@pytest.mark.parametrize("line", [b"{", b"[]", b"\xff", b"[" * 100_000, b'{"sequence": 1e999}', b"null"])
def test_a_hostile_line_is_named_and_nothing_crashes(tmp_path: Path, line: bytes) -> None:
    good = canonical_json(entries(1)[0])
    assert check_chain_file(write(tmp_path / "a.jsonl", [good, line])).broken_at == 2


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_canonical_json_knows_no_order(value: dict[str, Any]) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical_json(value) == canonical_json(backwards)
    assert json.loads(canonical_json(value)) == value
