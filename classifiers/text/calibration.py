"""From logits of texts that were not trained on to probabilities and thresholds, for every label apart."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from classifiers.text.measures import count_confusion
from classifiers.text.model_card import Calibration

# A queue misses worse than it bores: recall counts twice, as long as the reader's time is not wasted.
_BETA = 2.0
_LEAST_PRECISION = 0.5
_LOWEST, _HIGHEST = 0.15, 0.8


def fit_platt(logits: Sequence[float], truths: Sequence[bool]) -> Calibration:
    """Platt's scaling; without both kinds of text, or where logits say nothing, the plain sigmoid."""
    if len(set(truths)) < 2:
        return Calibration(slope=1.0, intercept=0.0)
    fitted = LogisticRegression(C=10.0).fit(np.array(logits)[:, None], np.array(truths))
    slope = float(fitted.coef_[0, 0])
    if slope <= 0:
        return Calibration(slope=1.0, intercept=0.0)
    return Calibration(slope=round(slope, 6), intercept=round(float(fitted.intercept_[0]), 6))


def choose_threshold(scores: Sequence[float], truths: Sequence[bool]) -> float:
    """The threshold with the best F2 among those of sufficient precision; 0.5 where there is nothing to find."""
    if not any(truths):
        return 0.5
    best, best_value = 0.5, -1.0
    for step in range(round(_LOWEST * 100), round(_HIGHEST * 100) + 1):
        confusion = count_confusion(scores, truths, step / 100)
        value = confusion.f_beta(_BETA) or 0.0
        if (confusion.precision or 0.0) < _LEAST_PRECISION:
            # Only where no threshold is precise enough: then the one that bores least.
            value = (confusion.f_beta(1 / _BETA) or 0.0) - 1.0
        if value > best_value:
            best, best_value = step / 100, value
    return best
