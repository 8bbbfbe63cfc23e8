"""Figures of quality, beside scikit-learn's where both have the same one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve

from classifiers.text.measures import (
    Confusion,
    ReliabilityBin,
    average_precision,
    average_precision_interval,
    calibration_error,
    count_confusion,
    count_flagged,
    recall_at_precision,
    reliability,
)

# Few different scores, so that many are equal.
judged = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 1.0]), st.booleans()), min_size=1, max_size=40)


def test_average_precision() -> None:
    assert average_precision([0.9, 0.8, 0.7], [True, False, True]) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([0.5, 0.5], [True, False]) == 0.5
    assert average_precision([0.5], [False]) is None
    assert average_precision([], []) is None


@given(judged)
def test_average_precision_is_scikit_learns(pairs: list[tuple[float, bool]]) -> None:
    scores, truths = [score for score, _ in pairs], [truth for _, truth in pairs]
    if any(truths):
        assert average_precision(scores, truths) == pytest.approx(average_precision_score(truths, scores))


@given(judged, st.sampled_from([0.2, 0.5, 0.95, 1.0]))
def test_recall_at_precision_is_the_best_of_the_curve(pairs: list[tuple[float, bool]], wanted: float) -> None:
    scores, truths = [score for score, _ in pairs], [truth for _, truth in pairs]
    if any(truths):
        precisions, recalls, _ = precision_recall_curve(truths, scores)
        best = max(recall for precision, recall in zip(precisions, recalls, strict=True) if precision >= wanted)
        assert recall_at_precision(scores, truths, wanted) == pytest.approx(best)


def test_recall_at_precision() -> None:
    nineteen_of_twenty = [True] * 19 + [False, False, True]
    scores = [0.9] * 20 + [0.1] * 2
    assert recall_at_precision(scores, nineteen_of_twenty) == pytest.approx(19 / 20)
    assert recall_at_precision(scores, nineteen_of_twenty, 0.96) == 0.0
    assert recall_at_precision([0.9, 0.8, 0.7, 0.6], [True, False, True, True], 0.7) == 1.0
    assert recall_at_precision([0.5, 0.5], [True, False]) == 0.0
    assert recall_at_precision([0.5], [False]) is None


def test_interval_of_average_precision() -> None:
    scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
    truths = [True, False, True, True, False, True, False, False]
    each = list(range(8))
    interval = average_precision_interval(scores, truths, each)
    area = average_precision(scores, truths)
    assert interval is not None and area is not None
    assert 0 < interval.low < area < interval.high <= 1
    assert interval == average_precision_interval(scores, truths, each)
    assert interval != average_precision_interval(scores, truths, each, seed=1)
    narrow = average_precision_interval(scores, truths, each, share=0.5)
    assert narrow is not None
    assert interval.low < narrow.low < narrow.high < interval.high


def test_campaigns_widen_the_interval() -> None:
    """Two hundred texts of four campaigns tell little more than four texts."""
    scores = [0.9, 0.9, 0.3, 0.9] * 50 + [0.5] * 200
    truths = [True] * 200 + [False] * 200
    campaigns = [f"campaign {number % 4}" for number in range(200)] + [f"other {number}" for number in range(200)]
    by_family = average_precision_interval(scores, truths, campaigns)
    as_if_apart = average_precision_interval(scores, truths, range(400))
    assert by_family is not None and as_if_apart is not None
    assert by_family.high - by_family.low > 3 * (as_if_apart.high - as_if_apart.low)


@pytest.mark.parametrize(
    ("truths", "families"),
    [([False, False, False], "abc"), ([True, True, False], "aab"), ([True, False, False], "abc"), ([], "")],
)
def test_no_interval_without_two_families_to_find(truths: list[bool], families: str) -> None:
    assert average_precision_interval([0.5] * len(truths), truths, families) is None


def test_an_interval_of_perfect_scores_is_a_point() -> None:
    assert average_precision_interval([0.9, 0.8, 0.1, 0.2], [True, True, False, False], "abcd") == (1.0, 1.0)


def test_interval_of_unequal_lengths() -> None:
    with pytest.raises(ValueError, match="one length"):
        average_precision_interval([0.5], [True], "ab")


def test_confusion() -> None:
    confusion = count_confusion([0.9, 0.2, 0.6, 0.1], [True, True, False, False], 0.5)
    assert confusion == (1, 1, 1, 1)
    assert (confusion.precision, confusion.recall, confusion.f1) == (0.5, 0.5, 0.5)
    assert count_confusion([0.5], [True], 0.5) == Confusion(1, 0, 0, 0)
    assert count_confusion([0.1], [False], 0.5).precision is None
    assert count_confusion([0.9], [False], 0.5).f1 is None
    assert count_flagged([True, True, False], [False, True, True]) == Confusion(1, 1, 1, 0)


def test_calibration() -> None:
    assert reliability([0.95, 1.0, 0.12, 0.0], [True, False, False, False]) == [
        ReliabilityBin(1, 0.0, 0.0),
        ReliabilityBin(1, 0.12, 0.0),
        ReliabilityBin(2, pytest.approx(0.975), 0.5),
    ]
    assert reliability([], []) == []
    assert calibration_error([0.95, 0.95], [True, False]) == pytest.approx(0.45)
    assert calibration_error([0.25] * 4, [True, False, False, False]) == pytest.approx(0.0)
    assert calibration_error([], []) == 0.0
