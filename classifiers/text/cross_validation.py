"""Cross-validation by families: what models say of texts whose voices, sources and near-duplicates they never saw."""

import contextlib
import hashlib
import json
import multiprocessing
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from multiprocessing.queues import Queue
from pathlib import Path

from classifiers.text.measures import average_precision
from classifiers.text.rows import TextRow, divide
from classifiers.text.training_run import Recipe, TrainingRun, code_vocabulary, run_epochs
from qalqan.errors import ClassifierError
from qalqan.records import LABELS

# A cell of fewer positive texts says little; it does not choose the epoch.
_LEAST_POSITIVE = 20

Logits = list[list[float]]


@dataclass(frozen=True)
class CrossValidation:
    """by_epoch: for every epoch that may be the last the logits of each text by a model that had not seen its family.

    Logits have shape (texts, labels, codes and the early head's labels). whole: for the same epochs the weights that
    all texts were learnt by, the adapter's and the heads' tensors. seconds: of each training.
    """

    rows: Sequence[TextRow]
    codes: tuple[str, ...]
    folds: Sequence[int]
    by_epoch: dict[int, Logits]
    whole: dict[int, Path]
    seconds: dict[str, float]

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
class _Run:
    """One training, in a process of its own; of all texts it holds none back and keeps its weights instead."""

    name: str
    base: Path
    learnt: list[TextRow]
    held: list[TextRow]
    codes: tuple[str, ...]
    recipe: Recipe
    result: Path

    def weights(self, epoch: int) -> Path:
        return self.result.with_suffix(f".epoch-{epoch}.safetensors")


def cross_validate(
    base: Path,
    rows: Sequence[TextRow],
    recipe: Recipe,
    *,
    folds: int,
    folder: Path,
    say: Callable[[str], None],
) -> CrossValidation:
    """`recipe.threads` trainings at a time, each on one thread: on all texts, and on all but one fold's for each fold.

    Finished ones are kept in `folder` and not made again. Raises ClassifierError if there are fewer families than
    folds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = divide(rows, [1 / folds] * folds)
    if not all(parts):
        raise ClassifierError(f"the texts come from too few voices and sources for {folds} folds; give more texts")
    key, codes = _key(rows, recipe, folds), code_vocabulary(rows)
    whole = _Run("all texts", base, list(rows), [], codes, recipe, folder / f"whole-{key}.json")
    validations = []
    for number, held in enumerate(parts, start=1):
        own = {row.id for row in held}
        learnt = [row for row in rows if row.id not in own]
        result = folder / f"fold-{key}-{number}.json"
        validations.append(_Run(f"fold {number}", base, learnt, held, codes, recipe, result))
    runs = [whole, *validations]  # the longest first
    waiting = [run for run in runs if not run.result.is_file()]
    if len(waiting) < len(runs):
        say(f"{len(runs) - len(waiting)} of {len(runs)} trainings are there already")
    _run(waiting, recipe.threads, say)
    place = {row.id: index for index, row in enumerate(rows)}
    fold_of = [0] * len(rows)
    by_epoch: dict[int, Logits] = {}
    results = {run.name: json.loads(run.result.read_text(encoding="utf-8")) for run in runs}
    for number, run in enumerate(validations, start=1):
        for row in run.held:
            fold_of[place[row.id]] = number
        for epoch, logits in results[run.name]["logits"].items():
            all_logits = by_epoch.setdefault(int(epoch), [[] for _ in rows])
            for row, values in zip(run.held, logits, strict=True):
                all_logits[place[row.id]] = values
    return CrossValidation(
        rows,
        codes,
        fold_of,
        by_epoch,
        whole={epoch: whole.weights(epoch) for epoch in by_epoch},
        seconds={name: result["seconds"] for name, result in results.items()},
    )


def _run(runs: Sequence[_Run], workers: int, say: Callable[[str], None]) -> None:
    if not runs:
        return
    context = multiprocessing.get_context("spawn")
    lines = context.Queue()
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_take_lines, initargs=(lines,)) as pool:
        pending = {pool.submit(_train, run) for run in runs}
        while pending:
            done, pending = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
            with contextlib.suppress(queue.Empty):
                while True:
                    say(lines.get_nowait())
            for future in done:
                future.result()


_lines: "Queue[str] | None" = None


def _take_lines(lines: "Queue[str]") -> None:
    global _lines
    _lines = lines


def _say(line: str) -> None:
    if _lines is not None:
        _lines.put(line)


def _train(run: _Run) -> None:
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    began = time.monotonic()
    logits: dict[int, Logits] = {}
    epochs = run.recipe.epochs
    told = -1

    def judge(training: TrainingRun, epoch: int, loss: float) -> None:
        line = f"{run.name}, epoch {epoch} of {epochs}: loss {loss:.4f}"
        # Before, the rate of learning is still too high for the best epoch.
        if epoch * 2 > epochs:
            logits[epoch] = training.logits(run.held)
            if run.held:
                line += f", average precision {_mean_precision(logits[epoch], run.held):.3f}"
            else:
                save_file(training.adapter() | training.heads(), run.weights(epoch))
        _say(f"{line}, {time.monotonic() - began:.0f} s")

    def progress(epoch: int, share: float, loss: float) -> None:
        nonlocal told
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():
            raise SystemExit("the command was killed")
        tenth = int(10 * (epoch - 1 + share) / epochs)
        if tenth > told:
            told = tenth
            _say(f"{run.name}: {tenth * 10} %, epoch {epoch} of {epochs}, loss {loss:.4f}")

    run_epochs(run.base, run.learnt, run.recipe, run.codes, after=judge, say=_say, progress=progress)
    partial = run.result.with_suffix(".partial")
    result = {"seconds": time.monotonic() - began, "logits": logits}
    partial.write_text(json.dumps(result), encoding="utf-8")
    partial.replace(run.result)


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
