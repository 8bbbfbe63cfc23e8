"""Whether new weights may take the place of those in use, and putting them there."""

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from classifiers.base import TextClassifier
from classifiers.text.measures import average_precision
from classifiers.text.model_card import read_card
from classifiers.text.rows import TextRow
from qalqan.errors import ClassifierError
from qalqan.records import LABELS, Label

# What a candidate may lose and still count as not worse. A fixed margin and no test of significance: on a set this
# small a test calls hardly any loss significant, so quality would seep away from one promotion to the next. Of twenty
# adverts one that changes places with a harmless text at the border costs less than this, one that sinks below ten of
# them more. In recall, only a label with fifty texts or more may miss one that was found before.
AVERAGE_PRECISION_MARGIN = 0.01
RECALL_MARGIN = 0.02

_TEXTS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class PinnedFigures:
    """recall: at the model's own threshold of the queue. look_alikes: harmless texts that it would put there."""

    model: str
    average_precision: dict[Label, float]
    recall: dict[Label, float]
    look_alikes: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """worse: one sentence for everything that keeps the candidate out; empty: it may be promoted."""

    candidate: PinnedFigures
    current: PinnedFigures
    positive: dict[Label, int]
    harmless: int
    worse: tuple[str, ...]


def compare(candidate: TextClassifier, current: TextClassifier, rows: Sequence[TextRow]) -> Comparison:
    """Both on the same texts, which neither was trained on.

    Raises ClassifierError if the rows say nothing about a label or hold no harmless text.
    """
    positive = {label: sum(label in row.labels for row in rows) for label in LABELS}
    harmless = sum(not row.labels for row in rows)
    lacking = [*(label for label, count in positive.items() if not count), *([] if harmless else ["harmless"])]
    if lacking:
        raise ClassifierError(f"the pinned set holds no text of {', '.join(lacking)}: nothing can be promoted by it")
    new, old = _measure(candidate, rows), _measure(current, rows)
    return Comparison(new, old, positive, harmless, tuple(_losses(new, old)))


def _measure(classifier: TextClassifier, rows: Sequence[TextRow]) -> PinnedFigures:
    findings = [
        found
        for start in range(0, len(rows), _TEXTS_AT_ONCE)
        for found in classifier.findings([row.text for row in rows[start : start + _TEXTS_AT_ONCE]])
    ]
    precisions: dict[Label, float] = {}
    recalls: dict[Label, float] = {}
    for column, label in enumerate(LABELS):
        truths = [label in row.labels for row in rows]
        precisions[label] = average_precision([found[column].score for found in findings], truths) or 0.0
        hits = sum(found[column].flagged for found, truth in zip(findings, truths, strict=True) if truth)
        recalls[label] = hits / sum(truths)
    look_alikes = sum(
        any(finding.flagged for finding in found) for row, found in zip(rows, findings, strict=True) if not row.labels
    )
    return PinnedFigures(classifier.model_id, precisions, recalls, look_alikes)


def _losses(new: PinnedFigures, old: PinnedFigures) -> list[str]:
    losses: list[str] = []
    for name, before, after, margin in (
        ("average precision", old.average_precision, new.average_precision, AVERAGE_PRECISION_MARGIN),
        ("recall", old.recall, new.recall, RECALL_MARGIN),
    ):
        losses += [
            f"{label}: {name} {after[label]:.3f} instead of {before[label]:.3f}"
            for label in LABELS
            # What floats cannot tell apart is no loss.
            if after[label] < before[label] - margin - 1e-9
        ]
    if new.look_alikes > old.look_alikes:
        losses.append(f"{new.look_alikes} look-alikes in the queue instead of {old.look_alikes}")
    return losses


def promoted_folder(home: Path) -> Path:
    return home / "models" / "text"


def promote(weights: Path, home: Path) -> Path:
    """Copies the weights to `models/text` of the home and returns that folder; what lay there becomes text.previous.

    The new folder is complete and checked before it gets its name. Raises ClassifierError if the weights are damaged
    or the folder cannot be written to; what lay there stays.
    """
    read_card(weights)
    target = promoted_folder(home)
    previous = target.with_name("text.previous")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=".text."))
        try:
            shutil.copytree(weights, fresh, dirs_exist_ok=True)
            read_card(fresh)
            fresh.chmod(0o755)  # mkdtemp gives 0700, and copytree what the weights had
            _exchange(fresh, target, previous)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise ClassifierError(f"cannot put the weights into {target}: {error.strerror or error}") from error
    return target


def _exchange(fresh: Path, target: Path, previous: Path) -> None:
    if not target.exists():
        fresh.rename(target)
        return
    if previous.exists():
        shutil.rmtree(previous)
    target.rename(previous)
    try:
        fresh.rename(target)
    except OSError:
        with suppress(OSError):
            previous.rename(target)
        raise
