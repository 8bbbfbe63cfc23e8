"""Cross-validation by families: what models say of texts whose voices, sources and near-duplicates they never saw."""

import hashlib
import json
import multiprocessing
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from classifiers.text.measures import average_precision
from classifiers.text.rows import TextRow, divide
from classifiers.text.training_run import Recipe, TrainingRun, code_vocabulary, run_epochs
from qalqan.errors import ClassifierError
from qalqan.records import LABELS

# A cell of fewer positive texts says little; it does not choose the epoch.
_LEAST_POSITIVE = 20

Logits = list[list[float]]


class _Lines(Protocol):
    def put(self, line: str) -> None: ...


@dataclass(frozen=True)
class CrossValidation:
    """by_epoch: for every epoch that may be the last the logits of each text by a model that had not seen its family.

    Logits have shape (texts, labels and codes).
    """

    rows: Sequence[TextRow]
    codes: tuple[str, ...]
    folds: Sequence[int]
    by_epoch: dict[int, Logits]

    def best_epoch(self) -> int:
        """The one whose worst label and language is best."""
        return max(sorted(self.by_epoch), key=lambda epoch: min(self.cells(epoch).values(), default=0.0))

    def cells(self, epoch: int) -> dict[tuple[str, str], float]:
        """Average precision by label and language, where there are enough texts with the label."""
        cells: dict[tuple[str, str], float] = {}
        for column, label in enumerate(LABELS):
            for lang in sorted({row.lang for row in self.rows}):
                chosen = [index for index, row in enumerate(self.rows) if row.lang == lang]
                truths = [label in self.rows[index].labels for index in chosen]
                if sum(truths) >= _LEAST_POSITIVE:
                    scores = [self.by_epoch[epoch][index][column] for index in chosen]
                    cells[label, lang] = average_precision(scores, truths) or 0.0
        return cells


@dataclass(frozen=True)
class _Fold:
    number: int
    base: Path
    learnt: list[TextRow]
    held: list[TextRow]
    codes: tuple[str, ...]
    recipe: Recipe
    result: Path


def cross_validate(
    base: Path,
    rows: Sequence[TextRow],
    recipe: Recipe,
    *,
    folds: int,
    folder: Path,
    say: Callable[[str], None],
) -> CrossValidation:
    """`recipe.threads` folds at a time, each on one thread. Finished folds are kept in `folder` and not made again.

    Raises ClassifierError if there are fewer families than folds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = divide(rows, [1 / folds] * folds)
    if not all(parts):
        raise ClassifierError(f"the texts come from too few voices and sources for {folds} folds; give more texts")
    key, codes = _key(rows, recipe, folds), code_vocabulary(rows)
    jobs = []
    for number, held in enumerate(parts):
        own = {row.id for row in held}
        learnt = [row for row in rows if row.id not in own]
        jobs.append(_Fold(number + 1, base, learnt, held, codes, recipe, folder / f"fold-{key}-{number + 1}.json"))
    waiting = [job for job in jobs if not job.result.is_file()]
    if len(waiting) < len(jobs):
        say(f"{len(jobs) - len(waiting)} of {folds} folds are there already")
    _run(waiting, recipe.threads, say)
    place = {row.id: index for index, row in enumerate(rows)}
    fold_of = [0] * len(rows)
    by_epoch: dict[int, Logits] = {}
    for job in jobs:
        for row in job.held:
            fold_of[place[row.id]] = job.number
        for epoch, logits in json.loads(job.result.read_text(encoding="utf-8")).items():
            whole = by_epoch.setdefault(int(epoch), [[] for _ in rows])
            for row, values in zip(job.held, logits, strict=True):
                whole[place[row.id]] = values
    return CrossValidation(rows, codes, fold_of, by_epoch)


def _run(jobs: Sequence[_Fold], workers: int, say: Callable[[str], None]) -> None:
    if not jobs:
        return
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(workers, mp_context=context) as pool:
        lines = manager.Queue()
        pending = {pool.submit(_run_fold, job, lines) for job in jobs}
        while pending:
            done, pending = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
            while True:
                try:
                    say(lines.get_nowait())
                except queue.Empty:
                    break
            for future in done:
                future.result()


def _run_fold(fold: _Fold, lines: _Lines) -> None:
    import torch

    torch.set_num_threads(1)
    began = time.monotonic()
    logits: dict[int, Logits] = {}

    def judge(run: TrainingRun, epoch: int, loss: float) -> None:
        line = f"fold {fold.number}, epoch {epoch} of {fold.recipe.epochs}: loss {loss:.4f}"
        # Before, the rate of learning is still too high for the best epoch.
        if epoch * 2 > fold.recipe.epochs:
            logits[epoch] = run.logits(fold.held)
            line += f", average precision {_mean_precision(logits[epoch], fold.held):.3f}"
        lines.put(f"{line}, {time.monotonic() - began:.0f} s")

    run_epochs(fold.base, fold.learnt, fold.recipe, fold.codes, last=fold.recipe.epochs, after=judge, say=lines.put)
    partial = fold.result.with_suffix(".partial")
    partial.write_text(json.dumps(logits), encoding="utf-8")
    partial.replace(fold.result)


def _mean_precision(logits: Logits, rows: Sequence[TextRow]) -> float:
    areas = [
        average_precision([row[column] for row in logits], [label in row.labels for row in rows])
        for column, label in enumerate(LABELS)
    ]
    known = [area for area in areas if area is not None]
    return sum(known) / len(known) if known else 0.0


def _facts(row: TextRow) -> tuple[object, ...]:
    return row.id, row.text, sorted(row.labels), row.codes, row.kinship, row.weight


def _key(rows: Sequence[TextRow], recipe: Recipe, folds: int) -> str:
    """Of everything that the folds follow from."""
    facts = [folds, asdict(recipe), [_facts(row) for row in rows]]
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode("utf-8", "replace")).hexdigest()[:12]
