"""From logits of texts that were not trained on to probabilities and two thresholds, for every label apart."""

import math
from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from classifiers.text.measures import count_confusion
from classifiers.text.model_card import Calibration
from qalqan.records import LABELS

# A queue misses worse than it bores: recall counts twice.
_BETA = 2.0
_LOWEST, _HIGHEST = 0.1, 0.9
# Of our look-alikes at most the first share may pass into the queue, at most the second as sure, over all labels
# together.
QUEUE_SHARE, SURE_SHARE = 0.05, 0.02
_SURE_PRECISION = 0.95
_NEVER = 100.0
# Of the adverts that the whole network finds, the early head may dismiss at most this share.
DISMISSED_SHARE = 0.002
_HIGHEST_DISMISSED = 0.1


def fit_platt(logits: Sequence[float], truths: Sequence[bool]) -> Calibration:
    """Platt's scaling; without both kinds of text, or where logits say nothing, the plain sigmoid."""
    if len(set(truths)) < 2:
        return Calibration(slope=1.0, intercept=0.0)
    fitted = LogisticRegression(C=10.0).fit(np.array(logits)[:, None], np.array(truths))
    slope = float(fitted.coef_[0, 0])
    if slope <= 0:
        return Calibration(slope=1.0, intercept=0.0)
    return Calibration(slope=round(slope, 6), intercept=round(float(fitted.intercept_[0]), 6))


def choose_threshold(scores: Sequence[float], truths: Sequence[bool], harmless: Sequence[bool]) -> float:
    """For the queue: the best F2 of those that few harmless texts pass; 0.5 where there is nothing to find."""
    if not any(truths):
        return 0.5
    least = threshold_of_share(scores, harmless, QUEUE_SHARE / len(LABELS))
    steps = [step / 100 for step in range(round(_LOWEST * 100), round(_HIGHEST * 100) + 1)]
    allowed = [step for step in steps if step >= least] or [max(steps[-1], least)]
    return max(allowed, key=lambda step: (count_confusion(scores, truths, step).f_beta(_BETA) or 0.0, -step))


def choose_sure_threshold(
    scores: Sequence[float], truths: Sequence[bool], harmless: Sequence[bool], queue: float
) -> float:
    """Not below the queue's: hardly a harmless text passes, and of what passes nearly all have the label."""
    least = max(queue, threshold_of_share(scores, harmless, SURE_SHARE / len(LABELS)))
    steps = [step / 1000 for step in range(1, 1000) if step / 1000 >= least]
    precise = (step for step in steps if (count_confusion(scores, truths, step).precision or 0.0) >= _SURE_PRECISION)
    return next(precise, round(max(least, 0.999), 3))


def threshold_of_share(scores: Sequence[float], harmless: Sequence[bool], share: float) -> float:
    """The lowest of three digits that at most this share of the harmless texts reaches; 0 without such texts."""
    own = sorted((score for score, is_harmless in zip(scores, harmless, strict=True) if is_harmless), reverse=True)
    if not own:
        return 0.0
    highest_below = own[min(int(share * len(own)), len(own) - 1)]
    return math.floor(highest_below * 1000 + 1) / 1000


def choose_logit(logits: Sequence[float], truths: Sequence[bool]) -> float:
    """For a suggestion: the logit, of two digits, with the best F1; where there is nothing to find, none reaches it."""
    if not any(truths):
        return _NEVER
    candidates = sorted({round(logit, 2) for logit in logits})
    rounded = [round(logit, 2) for logit in logits]
    return max(candidates, key=lambda logit: count_confusion(rounded, truths, logit).f1 or 0.0)


def choose_dismissal(highest: Sequence[float], found: Sequence[bool]) -> float:
    """The probability of four digits below which the early head answers alone.

    highest: of each text, the early head's highest probability. found: whether the whole network rightly finds it.
    """
    own = sorted(score for score, is_found in zip(highest, found, strict=True) if is_found)
    if not own:
        return 0.0
    return min(math.floor(own[int(DISMISSED_SHARE * len(own))] * 1e4) / 1e4, _HIGHEST_DISMISSED)
