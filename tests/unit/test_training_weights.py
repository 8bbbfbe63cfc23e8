"""How much decisions count in training: every limit holds, whatever a flood looks like."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_ui.casework import training_weights
from review_ui.casework.training_weights import (
    LEAST,
    MOST_OF_CASE,
    MOST_OF_SOURCE,
    TrainingLine,
    scale_down,
    share_weights,
)

NOON = datetime(2026, 4, 21, 12, tzinfo=UTC)


def line(number: int, case: int, source: int = 0, *labels: str) -> TrainingLine:
    return TrainingLine(f"{number}", "text", "ru", labels, (), f"source {source}", f"case-{case}", NOON, "model-1")


def test_one_text_of_a_case_counts_whole_and_several_share() -> None:
    lines = [line(1, 1, 1), *(line(n, 2, 2) for n in range(2, 6))]
    assert [(one.id, one.weight) for one in share_weights(lines)] == [
        ("1", 1.0), ("2", 0.25), ("3", 0.25), ("4", 0.25), ("5", 0.25),
    ]  # fmt: skip


def test_a_flood_of_one_case_stays_one_case() -> None:
    shared = share_weights([line(n, 1) for n in range(500)])
    assert [(one.id, one.weight) for one in shared] == [(str(n), LEAST) for n in range(20)]


def test_a_source_counts_five_times_a_label_however_often_it_came_back() -> None:
    lines = [line(n, n, 1, *labels) for n, labels in enumerate([("drug_shop",)] * 40 + [()] * 3 + [("drug_shop",)])]
    shared = share_weights([*lines, line(99, 99, 2, "drug_shop")])
    weights = {one.id: one.weight for one in shared}
    assert sum(weights[str(n)] for n in [*range(40), 43]) == pytest.approx(MOST_OF_SOURCE, abs=0.01)
    assert (weights["40"], weights["99"]) == (1.0, 1.0)


def test_a_class_has_a_limit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_weights, "MOST_OF_CLASS", 2.0)
    shared = share_weights([*(line(n, n, n) for n in range(8)), *(line(n, n, n, "drug_shop") for n in range(8, 10))])
    assert [one.weight for one in shared] == [0.25] * 8 + [1.0] * 2


def test_small_weights_are_not_ground_away() -> None:
    assert scale_down([1.0, 1.0, 0.06], 1.0) == [0.475, 0.475, 0.05]
    assert scale_down([0.3, 0.2], 1.0) == [0.3, 0.2]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from([(), ("drug_shop",)])), max_size=300))
def test_limits_hold(drawn: list[tuple[int, int, tuple[str, ...]]]) -> None:
    # A case has one source, so its number begins with it.
    lines = [line(n, 10 * source + case, source, *labels) for n, (case, source, labels) in enumerate(drawn)]
    shared = share_weights(lines)
    of_case: Counter[str] = Counter()
    of_source: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for one in shared:
        of_case[one.cluster] += one.weight  # type: ignore[assignment]
        of_source[one.source, one.labels] += one.weight  # type: ignore[assignment]
    assert all(LEAST <= one.weight <= 1 for one in shared)
    assert all(total <= MOST_OF_CASE + 1e-9 for total in of_case.values())
    assert all(total <= MOST_OF_SOURCE + 1e-9 for total in of_source.values())
    assert [one.id for one in shared] == [one.id for one in lines if one.id in {kept.id for kept in shared}]
