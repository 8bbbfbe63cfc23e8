"""Figures of quality over scores and truths of one label."""

from collections.abc import Sequence
from typing import NamedTuple


class Confusion(NamedTuple):
    """Counts of texts at a threshold."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def precision(self) -> float | None:
        """None where nothing was flagged."""
        flagged = self.true_positive + self.false_positive
        return self.true_positive / flagged if flagged else None

    @property
    def recall(self) -> float | None:
        """None where there is nothing to find."""
        positive = self.true_positive + self.false_negative
        return self.true_positive / positive if positive else None

    @property
    def f1(self) -> float | None:
        """None where there is nothing to find."""
        return self.f_beta(1.0)

    def f_beta(self, beta: float) -> float | None:
        """Recall counts beta times as much as precision. None where there is nothing to find."""
        if not self.true_positive + self.false_negative:
            return None
        weight = beta * beta
        hit = (1 + weight) * self.true_positive
        return hit / (hit + weight * self.false_negative + self.false_positive)


def count_confusion(scores: Sequence[float], truths: Sequence[bool], threshold: float) -> Confusion:
    hit = sum(1 for score, truth in zip(scores, truths, strict=True) if truth and score >= threshold)
    alarm = sum(1 for score, truth in zip(scores, truths, strict=True) if not truth and score >= threshold)
    positive = sum(truths)
    return Confusion(hit, alarm, positive - hit, len(truths) - positive - alarm)


def average_precision(scores: Sequence[float], truths: Sequence[bool]) -> float | None:
    """Area under precision over recall, by steps; equal scores count together. None without a positive text."""
    positives = sum(truths)
    if not positives:
        return None
    ranked = sorted(zip(scores, truths, strict=True), key=lambda pair: -pair[0])
    area, hits, position = 0.0, 0, 0
    while position < len(ranked):
        end = position
        while end < len(ranked) and ranked[end][0] == ranked[position][0]:
            end += 1
        new = sum(1 for _, truth in ranked[position:end] if truth)
        hits += new
        area += new * hits / end
        position = end
    return area / positives


def calibration_error(scores: Sequence[float], truths: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error over equal bins of the score; 0 without texts."""
    gaps = 0.0
    for number in range(bins):
        inside = [
            (score, truth)
            for score, truth in zip(scores, truths, strict=True)
            if min(int(score * bins), bins - 1) == number
        ]
        gaps += abs(sum(score for score, _ in inside) - sum(truth for _, truth in inside))
    return gaps / len(scores) if scores else 0.0
