"""Where a classifier errs: harmless texts over a threshold, by their kind, and the single worst errors."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from classifiers.text.rows import TextRow
from qalqan.records import LABELS, Finding, Label

EXCERPT_CHARACTERS = 160


@dataclass(frozen=True)
class OverThresholds:
    """Counts of harmless texts. sure is None where the classifier tells no sure threshold."""

    queue: int
    sure: int | None


@dataclass(frozen=True)
class LookAlikes:
    """Harmless texts (without any label) of one kind; `over` counts a text once however many labels it scores for."""

    texts: int
    over: OverThresholds
    share_over_queue: float
    share_over_sure: float | None
    by_label: dict[Label, OverThresholds]


@dataclass(frozen=True)
class WorstError:
    """A text on the wrong side of its queue threshold.

    wrong: how far on that side, 0 at the threshold and 1 at the end of the scale. truth: has the text this label;
    labels: all that it has. text: its beginning with contacts hidden; None where no way to hide them was given.
    """

    id: str
    label: Label
    truth: bool
    score: float
    threshold: float
    wrong: float
    labels: tuple[Label, ...]
    group: str
    lang: str
    text: str | None


def _is_sure(finding: Finding) -> bool | None:
    return None if finding.sure_threshold is None else finding.score >= finding.sure_threshold


def count_over(findings: Sequence[Sequence[Finding]]) -> LookAlikes:
    """findings: of harmless texts, at least one, each with those of all labels."""
    by_label = {label: _over([[found[column]] for found in findings]) for column, label in enumerate(LABELS)}
    over = _over(findings)
    return LookAlikes(
        texts=len(findings),
        over=over,
        share_over_queue=round(over.queue / len(findings), 4),
        share_over_sure=None if over.sure is None else round(over.sure / len(findings), 4),
        by_label=by_label,
    )


def _over(findings: Sequence[Sequence[Finding]]) -> OverThresholds:
    told = any(finding.sure_threshold is not None for found in findings for finding in found)
    return OverThresholds(
        queue=sum(any(finding.flagged for finding in found) for found in findings),
        sure=sum(any(_is_sure(finding) for finding in found) for found in findings) if told else None,
    )


def worst_errors(
    rows: Sequence[TextRow],
    findings: Iterable[Sequence[Finding]],
    count: int,
    hide_contacts: Callable[[str], str] | None,
) -> list[WorstError]:
    """The worst first; of equally wrong ones those that come first in the rows."""
    errors = [
        (_wrong(finding), row, finding)
        for row, found in zip(rows, findings, strict=True)
        for finding in found
        if finding.flagged != (finding.label in row.labels)
    ]
    errors.sort(key=lambda error: -error[0])
    return [
        WorstError(
            id=row.id,
            label=finding.label,
            truth=finding.label in row.labels,
            score=finding.score,
            threshold=finding.threshold,
            wrong=round(wrong, 4),
            labels=tuple(label for label in LABELS if label in row.labels),
            group=row.group,
            lang=row.lang,
            text=None if hide_contacts is None else excerpt(row.text, hide_contacts),
        )
        for wrong, row, finding in errors[:count]
    ]


def _wrong(finding: Finding) -> float:
    if finding.flagged:
        return (finding.score - finding.threshold) / (1 - finding.threshold) if finding.threshold < 1 else 0.0
    return (finding.threshold - finding.score) / finding.threshold


def excerpt(text: str, hide_contacts: Callable[[str], str]) -> str:
    """The beginning on one line, without characters that steer a terminal, cut only after contacts were hidden."""
    # Ten thousand characters: enough for what hiding shortens, little enough for patterns on a hostile text.
    line = " ".join(text[:10_000].split())
    hidden = "".join(character for character in hide_contacts(line) if character.isprintable())
    return hidden if len(hidden) <= EXCERPT_CHARACTERS else hidden[: EXCERPT_CHARACTERS - 1].rstrip() + "…"
