"""Training: a LoRA adapter and a head over the frozen base model, measured and calibrated by cross-validation."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import structlog
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig

from classifiers.text.base_model import TENSORS_SHA256, check_base_model
from classifiers.text.calibration import (
    choose_dismissal,
    choose_logit,
    choose_sure_threshold,
    choose_threshold,
    fit_platt,
)
from classifiers.text.cross_validation import CrossValidation, cross_validate
from classifiers.text.evaluate import measure
from classifiers.text.folders import BASE_MODEL, default_base_folder
from classifiers.text.measures import average_precision_interval
from classifiers.text.model_card import ADAPTER, CARD, HEAD, Calibration, EarlyExit, ModelCard, sha256_of
from classifiers.text.network import early_layers_of
from classifiers.text.rows import TextRow, corpus_files, families, key_of_text, pinned_rows, read_rows
from classifiers.text.training_run import STRIDE, WINDOW, Recipe, lora_config
from qalqan.errors import ClassifierError
from qalqan.rationale import CODES
from qalqan.records import LABELS, Label

log = structlog.get_logger()

VERSION = "0.2.0"
FOLDS = 3


@dataclass(frozen=True)
class _Decisions:
    """dismissed: of each text, whether the early head alone answers for it."""

    calibration: dict[Label, Calibration]
    queue: dict[Label, float]
    sure: dict[Label, float]
    codes: dict[str, float]
    early: EarlyExit
    dismissed: list[bool]


@dataclass(frozen=True)
class TrainingReport:
    """metrics: of models that saw neither the voices nor the sources of the texts they were measured on."""

    output: Path
    rows: int
    left_out: int
    best_epoch: int
    seconds: float
    metrics: dict[str, Any]

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"output": str(self.output)}, ensure_ascii=False)


def read_training_rows(data: Sequence[Path], extra: Sequence[TextRow] = ()) -> tuple[list[TextRow], int]:
    """Rows of our corpus, the given files and `extra`, each text once, and how many were left out.

    Left out are repeated texts, pinned texts, and texts under a licence that forbids commercial use (those may only
    measure). Raises ClassifierError if a file cannot be read or nothing remains.
    """
    rows: list[TextRow] = []
    seen = {key_of_text(row.text) for row in pinned_rows()}
    left_out = 0
    for row in chain(*(read_rows(path) for path in [*corpus_files(), *data]), extra):
        key = key_of_text(row.text)
        if key in seen or "NC" in row.licence.split("-"):
            left_out += 1
            continue
        seen.add(key)
        rows.append(row)
    for label in LABELS:
        if not any(label in row.labels for row in rows):
            raise ClassifierError(f"no text with the label {label} to learn from; give more files by --data")
    return rows, left_out


def _column(values: Sequence[Sequence[float]], column: int) -> list[float]:
    return [row[column] for row in values]


def _look_alikes(rows: Sequence[TextRow]) -> list[bool]:
    """Our own harmless texts, written to look like adverts: they are harder than what a feed holds."""
    ours = [not row.labels and row.kinship[0].startswith("voice ") for row in rows]
    return ours if any(ours) else [not row.labels for row in rows]


def _calibrate(
    logits: Sequence[Sequence[float]], rows: Sequence[TextRow], codes: Sequence[str], early_layers: int
) -> _Decisions:
    calibration: dict[Label, Calibration] = {}
    queue: dict[Label, float] = {}
    sure: dict[Label, float] = {}
    look_alikes = _look_alikes(rows)
    for column, label in enumerate(LABELS):
        truths = [label in row.labels for row in rows]
        calibration[label] = fit_platt(_column(logits, column), truths)
        scores = _probabilities(_column(logits, column), calibration[label])
        queue[label] = choose_threshold(scores, truths, look_alikes)
        sure[label] = choose_sure_threshold(scores, truths, look_alikes, queue[label])
    told = [index for index, row in enumerate(rows) if row.codes is not None]
    thresholds: dict[str, float] = {}
    for column, code in enumerate(codes, start=len(LABELS)):
        truths = [code in (rows[index].codes or ()) for index in told]
        thresholds[code] = choose_logit(_column([logits[index] for index in told], column), truths)
    early, dismissed = _choose_early_exit(logits, rows, calibration, queue, early_layers)
    return _Decisions(calibration, queue, sure, thresholds, early, dismissed)


def _choose_early_exit(
    logits: Sequence[Sequence[float]],
    rows: Sequence[TextRow],
    calibration: Mapping[Label, Calibration],
    queue: Mapping[Label, float],
    layers: int,
) -> tuple[EarlyExit, list[bool]]:
    """As many harmless texts as possible, but hardly an advert that the whole network finds."""
    own: dict[Label, Calibration] = {}
    highest, found = [0.0] * len(rows), [False] * len(rows)
    for column, label in enumerate(LABELS):
        truths = [label in row.labels for row in rows]
        early = _column(logits, column - len(LABELS))
        own[label] = fit_platt(early, truths)
        highest = [max(pair) for pair in zip(highest, _probabilities(early, own[label]), strict=True)]
        scores = _probabilities(_column(logits, column), calibration[label])
        found = [
            before or (truth and score >= queue[label])
            for before, truth, score in zip(found, truths, scores, strict=True)
        ]
    least = choose_dismissal(highest, found)
    return EarlyExit(layers=layers, least=least, calibration=own), [score < least for score in highest]


def _probabilities(logits: Sequence[float], calibration: Calibration) -> list[float]:
    values: list[float] = torch.sigmoid(torch.tensor(logits) * calibration.slope + calibration.intercept).tolist()
    return values


def origin_of(row: TextRow) -> str:
    """Where a text comes from: "ours", "decisions", or "public" for files of others."""
    if row.kinship[0].startswith("voice "):
        return "ours"
    return "decisions" if row.group == "decision" else "public"


def _measure(logits: Sequence[Sequence[float]], rows: Sequence[TextRow], decisions: _Decisions) -> dict[str, Any]:
    """Figures under "label/origin/language", each of the two or "all"; and the share of our look-alikes that pass."""
    figures: dict[str, Any] = {}
    family_of = {index: number for number, family in enumerate(families(rows)) for index in family}
    over_queue, over_sure = set[int](), set[int]()
    for column, label in enumerate(LABELS):
        scores = _probabilities(_column(logits, column), decisions.calibration[label])
        over_queue |= {index for index, score in enumerate(scores) if score >= decisions.queue[label]}
        over_sure |= {index for index, score in enumerate(scores) if score >= decisions.sure[label]}
        for origin in ("", *sorted({origin_of(row) for row in rows})):
            for lang in ("", *sorted({row.lang for row in rows})):
                chosen = [
                    index for index, row in enumerate(rows) if lang in ("", row.lang) and origin in ("", origin_of(row))
                ]
                truths = [label in rows[index].labels for index in chosen]
                if not any(truths):
                    continue
                own = [scores[index] for index in chosen]
                name = f"{label}/{origin or 'all'}/{lang or 'all'}"
                interval = average_precision_interval(own, truths, [family_of[index] for index in chosen])
                figures[name] = asdict(measure(own, truths, decisions.queue[label])) | {
                    "average_precision_interval": interval
                }
    look_alikes = [index for index, is_harmless in enumerate(_look_alikes(rows)) if is_harmless]
    figures["look_alikes"] = {
        "texts": len(look_alikes),
        "over_queue": sum(index in over_queue for index in look_alikes),
        "over_sure": sum(index in over_sure for index in look_alikes),
    }
    figures["codes"] = _measure_codes(logits, rows, decisions)
    harmless = [index for index, row in enumerate(rows) if not row.labels]
    figures["dismissed_early"] = {
        "harmless": _share(decisions.dismissed[index] for index in harmless),
        "public_harmless": _share(
            decisions.dismissed[index] for index in harmless if origin_of(rows[index]) == "public"
        ),
        "with_a_label": _share(decisions.dismissed[index] for index, row in enumerate(rows) if row.labels),
    }
    return figures


def _measure_codes(
    logits: Sequence[Sequence[float]], rows: Sequence[TextRow], decisions: _Decisions
) -> dict[str, float | int | None]:
    """As a moderator meets them: the codes suggested for the labels that are flagged, beside those the author gave."""
    right = suggested = given = texts = 0
    for row, values in zip(rows, logits, strict=True):
        flagged = {
            label
            for label, logit in zip(LABELS, values, strict=False)
            if decisions.calibration[label].probability(logit) >= decisions.queue[label]
        }
        if row.codes is None or not flagged:
            continue
        groups = flagged | {"exculpatory"}
        told = {
            code
            for (code, least), logit in zip(decisions.codes.items(), values[len(LABELS) :], strict=False)
            if logit >= least and CODES[code].group in groups
        }
        truth = {code for code in row.codes if CODES[code].group in groups}
        texts += 1
        right += len(told & truth)
        suggested += len(told)
        given += len(truth)
    return {
        "texts": texts,
        "precision": round(right / suggested, 4) if suggested else None,
        "recall": round(right / given, 4) if given else None,
        "suggested_per_text": round(suggested / texts, 2) if texts else None,
    }


def _share(values: Iterable[bool]) -> float | None:
    chosen = list(values)
    return round(sum(chosen) / len(chosen), 4) if chosen else None


def train(
    data: Sequence[Path],
    output: Path,
    *,
    seed: int = Recipe.seed,
    epochs: int = Recipe.epochs,
    threads: int = Recipe.threads,
    folds: int = FOLDS,
    base: Path | None = None,
    extra_rows: Sequence[TextRow] = (),
    report: Callable[[str], None] | None = None,
) -> TrainingReport:
    """Train on our corpus and the given files, and leave weights in `output` (see `classifiers.text.model_card`).

    Beside the training on everything, trainings that hold back voices, sources and clusters, each in its turn, give the
    number of epochs, the calibration, the thresholds and honest figures. `report` is told of the progress, by lines.
    A training that was cut off goes on where it was: what is finished stays in `output`/folds.
    Raises ClassifierError if the base model or a file of texts cannot be used.
    """
    recipe = Recipe(seed=seed, epochs=epochs, threads=threads)
    say = report or (lambda line: log.info("training", progress=line))
    base = base or default_base_folder()
    check_base_model(base)
    began = time.monotonic()
    rows, left_out = read_training_rows(data, extra_rows)
    say(f"{len(rows)} texts, {left_out} left out; cross-validation in {folds} folds")
    validated = cross_validate(base, rows, recipe, folds=folds, folder=output / "folds", say=say)
    best_epoch = validated.best_epoch()
    logits = validated.by_epoch[best_epoch]
    early_layers = early_layers_of(BertConfig.from_json_file(str(base / "config.json")))
    decisions = _calibrate(logits, rows, validated.codes, early_layers)
    metrics = _measure(logits, rows, decisions)
    for name, figures in metrics.items():
        say(f"{name}: {figures}")

    seconds = time.monotonic() - began
    training = {
        "command": "qalqan train text",
        "recipe": asdict(recipe),
        "folds": folds,
        "best_epoch": best_epoch,
        "rows": len(rows),
        "left_out": left_out,
        "seconds": {name: round(taken) for name, taken in validated.seconds.items()},
        "rows_by_origin_language_and_labels": _count_rows(rows),
    }
    _write(output, validated.whole[best_epoch], recipe, decisions, metrics, training)
    _write_scores(output / "cross_validation.jsonl", validated, best_epoch, decisions)
    say(f"written to {output} after {seconds:.0f} s")
    return TrainingReport(output, len(rows), left_out, best_epoch, seconds, metrics)


def _write_scores(path: Path, validated: CrossValidation, epoch: int, decisions: _Decisions) -> None:
    """Of every text its fold and its scores by the model that had not seen it; no texts."""
    columns = [
        _probabilities(_column(validated.by_epoch[epoch], column), decisions.calibration[label])
        for column, label in enumerate(LABELS)
    ]
    with path.open("w", encoding="utf-8") as lines:
        for row, fold, *scores in zip(validated.rows, validated.folds, *columns, strict=True):
            values = {"id": row.id, "fold": fold, "scores": [round(score, 4) for score in scores]}
            lines.write(json.dumps(values, ensure_ascii=False) + "\n")


def _count_rows(rows: Sequence[TextRow]) -> dict[str, int]:
    counts = Counter(f"{origin_of(row)} {row.lang or '?'} {'+'.join(sorted(row.labels)) or 'harmless'}" for row in rows)
    return dict(sorted(counts.items()))


def _write(
    output: Path,
    weights: Path,
    recipe: Recipe,
    decisions: _Decisions,
    metrics: dict[str, Any],
    training: dict[str, Any],
) -> None:
    output.mkdir(parents=True, exist_ok=True)
    tensors = load_file(weights)
    adapter = {name: values for name, values in tensors.items() if ".lora_" in name}
    heads = {name: values for name, values in tensors.items() if ".lora_" not in name}
    # float16 halves the adapter; the heads decide in full precision.
    save_file({name: values.half().contiguous() for name, values in adapter.items()}, output / ADAPTER)
    save_file({name: values.float().contiguous() for name, values in heads.items()}, output / HEAD)
    config = lora_config(recipe)
    config.save_pretrained(str(output))
    for name in (ADAPTER, HEAD):
        (output / name).chmod(0o644)  # safetensors writes 0600
    card = ModelCard(
        version=VERSION,
        labels=LABELS,
        base_model=BASE_MODEL,
        base_sha256=TENSORS_SHA256,
        lora_scale=config.lora_alpha / config.r,
        window_tokens=WINDOW,
        stride_tokens=STRIDE,
        calibration=decisions.calibration,
        thresholds=decisions.queue,
        sure_thresholds=decisions.sure,
        codes=decisions.codes,
        early=decisions.early,
        files={name: sha256_of(output / name) for name in (ADAPTER, HEAD)},
        metrics=metrics,
        training=training,
    )
    (output / CARD).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
