"""Training: a LoRA adapter and a head over the frozen base model, measured and calibrated on other voices."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import torch
from safetensors.torch import save_file

from classifiers.text.base_model import TENSORS_SHA256, check_base_model
from classifiers.text.calibration import choose_threshold, fit_platt
from classifiers.text.evaluate import measure
from classifiers.text.folders import BASE_MODEL, default_base_folder
from classifiers.text.measures import average_precision
from classifiers.text.model_card import ADAPTER, CARD, HEAD, Calibration, ModelCard, sha256_of
from classifiers.text.rows import TextRow, corpus_files, divide, read_rows
from classifiers.text.training_run import STRIDE, WINDOW, Recipe, TrainingRun
from qalqan.errors import ClassifierError
from qalqan.records import LABELS, Label

log = structlog.get_logger()

VERSION = "0.1.0"
# Part for training, for early stopping and calibration, for the report.
_SHARES = (0.7, 0.15, 0.15)


@dataclass(frozen=True)
class TrainingReport:
    """metrics: of a model that saw neither the voices nor the sources of the texts it was measured on."""

    output: Path
    rows: int
    left_out: int
    best_epoch: int
    seconds: float
    metrics: dict[str, Any]

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"output": str(self.output)}, ensure_ascii=False)


def read_training_rows(data: Sequence[Path]) -> tuple[list[TextRow], int]:
    """Rows of our corpus and the given files, each text once, and how many were left out.

    Left out are repeated texts and texts under a licence that forbids commercial use (those may only measure).
    Raises ClassifierError if a file cannot be read or nothing remains.
    """
    rows: list[TextRow] = []
    seen: set[str] = set()
    left_out = 0
    for path in [*corpus_files(), *data]:
        for row in read_rows(path):
            folded = " ".join(row.text.casefold().split())
            if folded in seen or "NC" in row.licence.split("-"):
                left_out += 1
                continue
            seen.add(folded)
            rows.append(row)
    for label in LABELS:
        if not any(label in row.labels for row in rows):
            raise ClassifierError(f"no text with the label {label} to learn from; give more files by --data")
    return rows, left_out


def _column(values: Sequence[Sequence[float]], column: int) -> list[float]:
    return [row[column] for row in values]


def _precisions(logits: Sequence[Sequence[float]], rows: Sequence[TextRow]) -> list[float]:
    """Average precision of every label; 0 where the rows hold no text with it."""
    return [
        average_precision(_column(logits, column), [label in row.labels for row in rows]) or 0.0
        for column, label in enumerate(LABELS)
    ]


def _calibrate(
    logits: Sequence[Sequence[float]], rows: Sequence[TextRow]
) -> tuple[dict[Label, Calibration], dict[Label, float]]:
    calibration: dict[Label, Calibration] = {}
    thresholds: dict[Label, float] = {}
    for column, label in enumerate(LABELS):
        truths = [label in row.labels for row in rows]
        calibration[label] = fit_platt(_column(logits, column), truths)
        scores = _probabilities(_column(logits, column), calibration[label])
        thresholds[label] = choose_threshold(scores, truths)
    return calibration, thresholds


def _probabilities(logits: Sequence[float], calibration: Calibration) -> list[float]:
    values: list[float] = torch.sigmoid(torch.tensor(logits) * calibration.slope + calibration.intercept).tolist()
    return values


def _measure(
    logits: Sequence[Sequence[float]],
    rows: Sequence[TextRow],
    calibration: dict[Label, Calibration],
    thresholds: dict[Label, float],
) -> dict[str, Any]:
    """Figures under "label/language" and "label/all"."""
    figures: dict[str, Any] = {}
    for column, label in enumerate(LABELS):
        scores = _probabilities(_column(logits, column), calibration[label])
        for lang in ("", *sorted({row.lang for row in rows})):
            chosen = [index for index, row in enumerate(rows) if lang in ("", row.lang)]
            own, truths = [scores[index] for index in chosen], [label in rows[index].labels for index in chosen]
            figures[f"{label}/{lang or 'all'}"] = asdict(measure(own, truths, thresholds[label]))
    return figures


def train(
    data: Sequence[Path],
    output: Path,
    *,
    seed: int = Recipe.seed,
    epochs: int = Recipe.epochs,
    threads: int = Recipe.threads,
    base: Path | None = None,
    report: Callable[[str], None] | None = None,
) -> TrainingReport:
    """Train on our corpus and the given files, and leave weights in `output` (see `classifiers.text.model_card`).

    First on a part, to find the number of epochs, the calibration, the thresholds and honest figures on voices and
    sources that were left out; then on everything. `report` is told of the progress, a line at a time.
    Raises ClassifierError if the base model or a file of texts cannot be used.
    """
    recipe = Recipe(seed=seed, epochs=epochs, threads=threads)
    say = report or (lambda line: log.info("training", progress=line))
    base = base or default_base_folder()
    check_base_model(base)
    began = time.monotonic()
    torch.set_num_threads(threads or torch.get_num_threads())
    rows, left_out = read_training_rows(data)
    learnt, tuned, measured = divide(rows, _SHARES)
    say(f"{len(rows)} texts, {left_out} left out")
    say(f"{len(learnt)} to learn from, {len(tuned)} to tune with, {len(measured)} to measure with")

    run = TrainingRun(base, learnt, recipe, epochs)
    best_epoch, best_value, best = 0, -1.0, run.state()
    for epoch in range(1, epochs + 1):
        run.epoch(partial(_tell, say, f"epoch {epoch}/{epochs}"))
        if epoch * 2 <= epochs:
            continue  # the rate of learning is still too high for the best epoch
        precisions = _precisions(run.logits(tuned), tuned)
        value = sum(precisions) / len(precisions)
        each = ", ".join(f"{area:.3f}" for area in precisions)
        say(f"epoch {epoch}/{epochs}: average precision {value:.4f} ({each}), {time.monotonic() - began:.0f} s")
        if value > best_value:
            best_epoch, best_value, best = epoch, value, run.state()
        elif epoch - best_epoch >= 2:
            break
    run.restore(best)
    tuned_logits, measured_logits = run.logits(tuned), run.logits(measured)
    calibration, thresholds = _calibrate(tuned_logits, tuned)
    metrics = _measure(measured_logits, measured, calibration, thresholds)
    for name, figures in metrics.items():
        say(f"{name}: {figures}")

    say(f"again on all {len(rows)} texts, {best_epoch} epochs")
    final = TrainingRun(base, rows, recipe, best_epoch)
    for epoch in range(1, best_epoch + 1):
        final.epoch(partial(_tell, say, f"again {epoch}/{best_epoch}"))
    calibration, thresholds = _calibrate([*tuned_logits, *measured_logits], [*tuned, *measured])
    seconds = time.monotonic() - began
    training = {
        "command": "qalqan train text",
        "recipe": asdict(recipe),
        "best_epoch": best_epoch,
        "rows": len(rows),
        "left_out": left_out,
        "seconds": round(seconds),
        "rows_by_language_and_labels": _count_rows(rows),
        "measured_rows": len(measured),
    }
    _write(output, final, calibration, thresholds, metrics, training)
    say(f"written to {output} after {seconds:.0f} s")
    return TrainingReport(output, len(rows), left_out, best_epoch, seconds, metrics)


def _tell(say: Callable[[str], None], what: str, share: float, loss: float) -> None:
    say(f"{what} {share:4.0%} loss {loss:.4f}")


def _count_rows(rows: Sequence[TextRow]) -> dict[str, int]:
    counts = Counter(f"{row.lang or '?'} {'+'.join(sorted(row.labels)) or 'harmless'}" for row in rows)
    return dict(sorted(counts.items()))


def _write(
    output: Path,
    run: TrainingRun,
    calibration: dict[Label, Calibration],
    thresholds: dict[Label, float],
    metrics: dict[str, Any],
    training: dict[str, Any],
) -> None:
    output.mkdir(parents=True, exist_ok=True)
    state = run.state()
    # float16 halves the adapter; the head decides in full precision.
    save_file({name: values.half().contiguous() for name, values in state["adapter"].items()}, output / ADAPTER)
    save_file({name: values.float().contiguous() for name, values in state["head"].items()}, output / HEAD)
    run.config.save_pretrained(str(output))
    for name in (ADAPTER, HEAD):
        (output / name).chmod(0o644)  # safetensors writes 0600
    card = ModelCard(
        version=VERSION,
        labels=LABELS,
        base_model=BASE_MODEL,
        base_sha256=TENSORS_SHA256,
        lora_scale=run.config.lora_alpha / run.config.r,
        window_tokens=WINDOW,
        stride_tokens=STRIDE,
        calibration=calibration,
        thresholds=thresholds,
        files={name: sha256_of(output / name) for name in (ADAPTER, HEAD)},
        metrics=metrics,
        training=training,
    )
    (output / CARD).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
