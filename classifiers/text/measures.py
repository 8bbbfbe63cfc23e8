"""Figures of quality over scores and truths of one label; equal scores always count together.

scikit-learn has the same average precision and curve (a test holds both beside each other), but it answers 0 with a
warning where there is nothing to find, and takes a millisecond a call, which an interval asks for a thousand times.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_RESAMPLES_AT_ONCE = 100


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


class Interval(NamedTuple):
    low: float
    high: float


@dataclass(frozen=True)
class ReliabilityBin:
    """What scores of about one height promise (mean_score) and keep (share_positive)."""

    texts: int
    mean_score: float
    share_positive: float


def count_flagged(flagged: Sequence[bool], truths: Sequence[bool]) -> Confusion:
    hit = sum(1 for flag, truth in zip(flagged, truths, strict=True) if flag and truth)
    alarm, positive = sum(flagged) - hit, sum(truths)
    return Confusion(hit, alarm, positive - hit, len(truths) - positive - alarm)


def count_confusion(scores: Sequence[float], truths: Sequence[bool], threshold: float) -> Confusion:
    return count_flagged([score >= threshold for score in scores], truths)


def _ranked(scores: Sequence[float]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places of the scores, the highest first, and the last place of every run of equal scores."""
    values = np.asarray(scores, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    falls = np.flatnonzero(np.diff(values[order]))
    return order, np.append(falls, len(order) - 1)


def average_precision(scores: Sequence[float], truths: Sequence[bool]) -> float | None:
    """Area under precision over recall, by steps. None without a positive text."""
    if not any(truths):
        return None
    order, ends = _ranked(scores)
    hits = np.cumsum(np.asarray(truths, dtype=np.float64)[order])[ends]
    return float(np.sum(np.diff(hits, prepend=0.0) * hits / (ends + 1)) / hits[-1])


def recall_at_precision(scores: Sequence[float], truths: Sequence[bool], precision: float = 0.95) -> float | None:
    """Highest recall of all thresholds with at least this precision; 0 where none has it. None without a positive."""
    if not any(truths):
        return None
    order, ends = _ranked(scores)
    hits = np.cumsum(np.asarray(truths, dtype=np.float64)[order])[ends]
    return float(np.max(hits, where=hits / (ends + 1) >= precision, initial=0.0) / hits[-1])


def average_precision_interval(
    scores: Sequence[float],
    truths: Sequence[bool],
    families: Sequence[Hashable],
    *,
    share: float = 0.9,
    resamples: int = 1000,
    seed: int = 20,
) -> Interval | None:
    """Where the average precision would lie, `share` of the time, had other families of the same kind been met.

    families: for every text the name of what it shares its origin with. Texts of one campaign are not independent, so
    whole families are drawn anew, with repetition (percentile bootstrap); a draw without a positive text is left out.
    None where the positive texts are of fewer than two families: nothing then tells how much families differ.
    A ranking without a fault gives (1, 1) however few the texts: there is no fault to draw more often.
    """
    numbers: dict[Hashable, int] = {}
    family = np.array([numbers.setdefault(name, len(numbers)) for name in families], dtype=np.intp)
    positive = np.asarray(truths, dtype=np.float64)
    if len(family) != len(scores) or len(positive) != len(scores):
        raise ValueError("scores, truths and families must be of one length")
    if len(set(family[positive > 0].tolist())) < 2:
        return None
    order, ends = _ranked(scores)
    family, positive = family[order], positive[order]
    rng = np.random.default_rng(seed)
    found: list[NDArray[np.float64]] = []
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        draws = min(_RESAMPLES_AT_ONCE, resamples - start)
        often = rng.multinomial(len(numbers), np.full(len(numbers), 1 / len(numbers)), size=draws)[:, family]
        above = np.cumsum(often, axis=1)[:, ends]
        hits = np.cumsum(often * positive, axis=1)[:, ends]
        any_hit = hits[:, -1] > 0
        above, hits = above[any_hit], hits[any_hit]
        precision = np.divide(hits, above, out=np.zeros_like(hits), where=above > 0)
        found.append(np.sum(np.diff(hits, axis=1, prepend=0.0) * precision, axis=1) / hits[:, -1])
    low, high = np.quantile(np.concatenate(found), [(1 - share) / 2, (1 + share) / 2])
    return Interval(float(low), float(high))


def reliability(scores: Sequence[float], truths: Sequence[bool], bins: int = 10) -> list[ReliabilityBin]:
    """Equal bins of the score from 0 to 1, those without texts left out."""
    inside: dict[int, list[tuple[float, bool]]] = {}
    for score, truth in zip(scores, truths, strict=True):
        inside.setdefault(min(int(score * bins), bins - 1), []).append((score, truth))
    return [
        ReliabilityBin(
            len(pairs),
            sum(score for score, _ in pairs) / len(pairs),
            sum(truth for _, truth in pairs) / len(pairs),
        )
        for _, pairs in sorted(inside.items())
    ]


def calibration_error(scores: Sequence[float], truths: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error over equal bins of the score; 0 without texts."""
    gaps = sum(one.texts * abs(one.mean_score - one.share_positive) for one in reliability(scores, truths, bins))
    return gaps / len(scores) if scores else 0.0
