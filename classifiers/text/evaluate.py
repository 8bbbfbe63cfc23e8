"""Quality of a classifier on labelled texts: per label, and within it per language and group."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from classifiers.base import TextClassifier
from classifiers.text.measures import average_precision, calibration_error, count_confusion
from classifiers.text.rows import TextRow, parse_row
from qalqan.errors import ClassifierError
from qalqan.records import LABELS, Label

_TEXTS_AT_ONCE = 256


@dataclass(frozen=True)
class Figures:
    """None where a figure has no meaning: no positive text, or nothing flagged."""

    texts: int
    positive: int
    flagged: int
    average_precision: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    calibration_error: float


@dataclass(frozen=True)
class LabelReport:
    threshold: float
    overall: Figures
    by_language: dict[str, Figures]
    by_group: dict[str, Figures]


@dataclass(frozen=True)
class EvaluationReport:
    model: str
    texts: int
    labels: dict[Label, LabelReport]

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)


def measure(scores: Sequence[float], truths: Sequence[bool], threshold: float) -> Figures:
    confusion = count_confusion(scores, truths, threshold)
    return Figures(
        texts=len(truths),
        positive=sum(truths),
        flagged=confusion.true_positive + confusion.false_positive,
        average_precision=_rounded(average_precision(scores, truths)),
        precision=_rounded(confusion.precision),
        recall=_rounded(confusion.recall),
        f1=_rounded(confusion.f1),
        calibration_error=round(calibration_error(scores, truths), 4),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def evaluate_rows(rows: Sequence[TextRow], classifier: TextClassifier) -> EvaluationReport:
    """Raises ClassifierError if there is nothing to evaluate."""
    if not rows:
        raise ClassifierError("no texts to evaluate; give lines with id, text and labels")
    findings = [
        found
        for start in range(0, len(rows), _TEXTS_AT_ONCE)
        for found in classifier.findings([row.text for row in rows[start : start + _TEXTS_AT_ONCE]])
    ]
    languages = [row.lang or "?" for row in rows]
    groups = [row.group or "?" for row in rows]
    reports: dict[Label, LabelReport] = {}
    for column, label in enumerate(LABELS):
        scores = [found[column].score for found in findings]
        truths = [label in row.labels for row in rows]
        threshold = findings[0][column].threshold

        def split(
            names: Sequence[str],
            scores: Sequence[float] = scores,
            truths: Sequence[bool] = truths,
            threshold: float = threshold,
        ) -> dict[str, Figures]:
            return {
                name: measure(
                    [score for score, own in zip(scores, names, strict=True) if own == name],
                    [truth for truth, own in zip(truths, names, strict=True) if own == name],
                    threshold,
                )
                for name in sorted(set(names))
            }

        reports[label] = LabelReport(threshold, measure(scores, truths, threshold), split(languages), split(groups))
    return EvaluationReport(classifier.model_id, len(rows), reports)


def evaluate(rows: Iterable[Mapping[str, Any]], classifier: TextClassifier) -> EvaluationReport:
    """Rows as `qalqan evaluate` reads them: id, text, labels, and where known lang and group.

    Raises ClassifierError that names the first row that is not one.
    """
    read: list[TextRow] = []
    for number, values in enumerate(rows, start=1):
        try:
            read.append(parse_row(values))
        except ValueError as error:
            raise ClassifierError(f"row {number}: {error}") from error
    return evaluate_rows(read, classifier)
