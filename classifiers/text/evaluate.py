"""Quality of a classifier on labelled texts: per label, language and group, with its confusions and worst errors."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from classifiers.base import TextClassifier
from classifiers.text.measures import (
    Interval,
    ReliabilityBin,
    average_precision,
    average_precision_interval,
    calibration_error,
    count_flagged,
    recall_at_precision,
    reliability,
)
from classifiers.text.mistakes import LookAlikes, WorstError, count_over, worst_errors
from classifiers.text.rows import TextRow, families, parse_row
from qalqan.errors import ClassifierError
from qalqan.records import LABELS, Finding, Label

WORST_ERRORS = 20
_TEXTS_AT_ONCE = 256


@dataclass(frozen=True)
class Figures:
    """None where a figure has no meaning: no positive text, nothing flagged, or one family only for the interval.

    precision, recall, f1: at the queue threshold. average_precision_interval: 90 %, over families of texts.
    """

    texts: int
    positive: int
    flagged: int
    average_precision: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    calibration_error: float
    recall_at_precision_95: float | None = None
    average_precision_interval: Interval | None = None


@dataclass(frozen=True)
class GroupFigures(Figures):
    """Within a group nearly all texts are alike, so its ranking means little.

    `among_negatives`: its positives ranked among all texts of its language without the label.
    """

    average_precision_among_negatives: float | None = None
    recall_at_precision_95_among_negatives: float | None = None


@dataclass(frozen=True)
class LabelReport:
    """threshold, sure_threshold: those that most texts were held against; every text counts at its own."""

    threshold: float
    overall: Figures
    by_language: dict[str, Figures]
    by_group: dict[str, GroupFigures]
    by_language_and_group: dict[str, dict[str, GroupFigures]]
    sure_threshold: float | None
    reliability: list[ReliabilityBin]


@dataclass(frozen=True)
class HarmlessReport:
    """overall is None without harmless texts."""

    overall: LookAlikes | None
    by_language: dict[str, LookAlikes]
    by_group: dict[str, LookAlikes]


@dataclass(frozen=True)
class EvaluationReport:
    model: str
    texts: int
    labels: dict[Label, LabelReport]
    look_alikes: HarmlessReport
    worst_errors: list[WorstError]

    def to_json(self, baselines: Mapping[str, "EvaluationReport"] | None = None) -> str:
        values = asdict(self)
        if baselines:
            values["baselines"] = {name: asdict(report) for name, report in baselines.items()}
        return json.dumps(values, ensure_ascii=False)


def measure(scores: Sequence[float], truths: Sequence[bool], threshold: float) -> Figures:
    """Without an interval, which asks for families."""
    flagged = [score >= threshold for score in scores]
    return _measure(_Judged(list(scores), list(truths), flagged, list(range(len(scores)))))


def evaluate_rows(
    rows: Sequence[TextRow],
    classifier: TextClassifier,
    *,
    worst: int = WORST_ERRORS,
    hide_contacts: Callable[[str], str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> EvaluationReport:
    """worst: how many errors are listed. hide_contacts: without it they are listed without their text.

    progress is told how many texts are scored.
    Raises ClassifierError if there is nothing to evaluate.
    """
    if not rows:
        raise ClassifierError("no texts to evaluate; give lines with id, text and labels")
    findings: list[tuple[Finding, ...]] = []
    for start in range(0, len(rows), _TEXTS_AT_ONCE):
        findings += classifier.findings([row.text for row in rows[start : start + _TEXTS_AT_ONCE]])
        if progress is not None:
            progress(len(findings))
    return EvaluationReport(
        model=classifier.model_id,
        texts=len(rows),
        labels={
            label: _report_label(rows, label, [found[column] for found in findings])
            for column, label in enumerate(LABELS)
        },
        look_alikes=_report_harmless(rows, findings),
        worst_errors=worst_errors(rows, findings, worst, hide_contacts),
    )


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


@dataclass(frozen=True)
class _Judged:
    """One label of some texts. family: a number that texts of one origin share."""

    scores: list[float]
    truths: list[bool]
    flagged: list[bool]
    family: list[int]

    def of(self, indices: Sequence[int]) -> "_Judged":
        return _Judged(
            [self.scores[index] for index in indices],
            [self.truths[index] for index in indices],
            [self.flagged[index] for index in indices],
            [self.family[index] for index in indices],
        )


def _measure(judged: _Judged) -> Figures:
    confusion = count_flagged(judged.flagged, judged.truths)
    return Figures(
        texts=len(judged.truths),
        positive=sum(judged.truths),
        flagged=sum(judged.flagged),
        average_precision=_rounded(average_precision(judged.scores, judged.truths)),
        precision=_rounded(confusion.precision),
        recall=_rounded(confusion.recall),
        f1=_rounded(confusion.f1),
        calibration_error=round(calibration_error(judged.scores, judged.truths), 4),
        recall_at_precision_95=_rounded(recall_at_precision(judged.scores, judged.truths, 0.95)),
    )


def _measure_with_interval(judged: _Judged) -> Figures:
    interval = average_precision_interval(judged.scores, judged.truths, judged.family)
    rounded = None if interval is None else Interval(round(interval.low, 4), round(interval.high, 4))
    return replace(_measure(judged), average_precision_interval=rounded)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _measure_group(judged: _Judged, group: Sequence[int], around: Iterable[int]) -> GroupFigures:
    """around: the texts among which the group's positives are to stand out."""
    positive = [index for index in group if judged.truths[index]]
    among = judged.of([*positive, *(index for index in around if not judged.truths[index])])
    return GroupFigures(
        **vars(_measure(judged.of(group))),
        average_precision_among_negatives=_rounded(average_precision(among.scores, among.truths)),
        recall_at_precision_95_among_negatives=_rounded(recall_at_precision(among.scores, among.truths, 0.95)),
    )


def _report_label(rows: Sequence[TextRow], label: Label, findings: Sequence[Finding]) -> LabelReport:
    judged = _Judged(
        scores=[finding.score for finding in findings],
        truths=[label in row.labels for row in rows],
        flagged=[finding.flagged for finding in findings],
        family=_family_numbers(rows),
    )
    languages = _places(row.lang for row in rows)
    return LabelReport(
        threshold=Counter(finding.threshold for finding in findings).most_common(1)[0][0],
        overall=_measure_with_interval(judged),
        by_language={lang: _measure_with_interval(judged.of(own)) for lang, own in languages.items()},
        by_group={
            group: _measure_group(judged, own, range(len(rows)))
            for group, own in _places(row.group for row in rows).items()
        },
        by_language_and_group={
            lang: {
                group: _measure_group(judged, [own[place] for place in places], own)
                for group, places in _places(rows[index].group for index in own).items()
            }
            for lang, own in languages.items()
        },
        sure_threshold=Counter(finding.sure_threshold for finding in findings).most_common(1)[0][0],
        reliability=[_rounded_bin(one) for one in reliability(judged.scores, judged.truths)],
    )


def _family_numbers(rows: Sequence[TextRow]) -> list[int]:
    numbers = [0] * len(rows)
    for number, members in enumerate(families(rows)):
        for index in members:
            numbers[index] = number
    return numbers


def _rounded_bin(one: ReliabilityBin) -> ReliabilityBin:
    return ReliabilityBin(one.texts, round(one.mean_score, 4), round(one.share_positive, 4))


def _places(names: Iterable[str]) -> dict[str, list[int]]:
    """Where each name stands, names in their order; one that is not told is `?`."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        places[name or "?"].append(place)
    return dict(sorted(places.items()))


def _report_harmless(rows: Sequence[TextRow], findings: Sequence[Sequence[Finding]]) -> HarmlessReport:
    harmless = [index for index, row in enumerate(rows) if not row.labels]
    found = [findings[index] for index in harmless]

    def split(names: Iterable[str]) -> dict[str, LookAlikes]:
        return {name: count_over([found[place] for place in places]) for name, places in _places(names).items()}

    return HarmlessReport(
        overall=count_over(found) if found else None,
        by_language=split(rows[index].lang for index in harmless),
        by_group=split(rows[index].group for index in harmless),
    )
