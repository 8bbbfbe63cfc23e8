"""What a simple model reaches on the same texts: character and word n-grams weighed by TF-IDF, and logistic regression.

It learns within a minute, ships nowhere and stands beside the classifier in `qalqan evaluate`; so does the keyword list
of `classifiers.text.keywords`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion

from classifiers.base import TextClassifier
from classifiers.text.rows import TextRow, corpus_files, key_of_text, read_rows
from qalqan.errors import ClassifierError
from qalqan.normalise import fold
from qalqan.records import LABELS, Finding, Label

# The regression weighs both kinds of text alike, so even odds are its natural threshold.
_THRESHOLD = 0.5
_WORD = r"\w+|[^\w\s]"  # an emoji is a word


def read_baseline_rows(data: Sequence[Path], evaluated: Sequence[TextRow]) -> list[TextRow]:
    """Rows of our corpus and the given files, each text once, without those that are evaluated.

    Texts are the same if they fold to the same. Texts whose licence only allows measuring are read as well: nothing
    that learnt from them here is kept. Raises ClassifierError if a file cannot be read.
    """
    seen = {key_of_text(row.text) for row in evaluated}
    rows: list[TextRow] = []
    for path in [*corpus_files(), *data]:
        for row in read_rows(path):
            key = key_of_text(row.text)
            if key not in seen:
                seen.add(key)
                rows.append(row)
    return rows


class TfidfClassifier(TextClassifier):
    """One regression per label over the folded text; the same rows give the same scores."""

    model_id = "TF-IDF"

    def __init__(self, rows: Sequence[TextRow]) -> None:
        """Raises ClassifierError if no row, or every row, has some label."""
        for label in LABELS:
            if len({label in row.labels for row in rows}) < 2:
                raise ClassifierError(f"the TF-IDF baseline needs texts with and without {label} to learn from")
        self._features = FeatureUnion(
            [
                ("characters", _vectorizer(analyzer="char_wb", ngram_range=(2, 5))),
                ("words", _vectorizer(analyzer="word", token_pattern=_WORD)),
            ]
        )
        known = self._features.fit_transform([fold(row.text).text for row in rows])
        self._regressions = [
            LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000).fit(
                known, np.array([label in row.labels for row in rows])
            )
            for label in LABELS
        ]

    def findings(self, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        if not texts:
            return []
        folded = [fold(text).text for text in texts]
        features = self._features.transform(folded)
        columns = [regression.predict_proba(features)[:, 1].tolist() for regression in self._regressions]
        return [
            tuple(
                self._finding(label, score if text.strip() else 0.0)
                for label, score in zip(LABELS, scores, strict=True)
            )
            for text, scores in zip(folded, zip(*columns, strict=True), strict=True)
        ]

    def _finding(self, label: Label, score: float) -> Finding:
        return Finding(
            label=label,
            score=round(score, 4),
            threshold=_THRESHOLD,
            flagged=score >= _THRESHOLD,
            model=self.model_id,
        )


def _vectorizer(**options: Any) -> TfidfVectorizer:
    """lowercase: folding did it."""
    return TfidfVectorizer(lowercase=False, sublinear_tf=True, dtype=np.float32, **options)
