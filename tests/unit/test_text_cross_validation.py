"""Cross-validation: nobody judges a text of a family it learnt from, and finished folds are kept."""

from dataclasses import replace
from pathlib import Path

import pytest
from text_classifier_base import make_tiny_base

from classifiers.text.cross_validation import CrossValidation, cross_validate
from classifiers.text.rows import TextRow
from classifiers.text.training_run import Recipe
from qalqan.errors import ClassifierError
from qalqan.records import LABELS


def rows() -> list[TextRow]:
    texts = ["табыс пайыз доход", "доход доход", "табыс", "как дела, сосед", "привет всем", "собака потерялась"]
    made = []
    for voice in range(8):
        for number, text in enumerate(texts):
            labels = frozenset(LABELS) if number < 3 else frozenset()
            made.append(TextRow(f"{voice}-{number}", f"{text} {voice}", labels, "ru", kinship=(f"voice ru {voice}",)))
    return made


def test_every_text_is_judged_by_a_model_that_saw_none_of_its_family(tmp_path: Path) -> None:
    base = make_tiny_base(tmp_path)
    recipe = Recipe(seed=1, epochs=3, rank=2, adapter_rate=1e-2, head_rate=1e-1, threads=2)
    lines: list[str] = []
    result = cross_validate(base, rows(), recipe, folds=2, folder=tmp_path / "folds", say=lines.append)
    assert sorted(result.by_epoch) == [2, 3]
    assert all(len(values) == 2 * len(LABELS) for logits in result.by_epoch.values() for values in logits)
    fold_of_voice = {row.kinship: fold for row, fold in zip(result.rows, result.folds, strict=True)}
    assert [fold_of_voice[row.kinship] for row in result.rows] == list(result.folds)
    assert set(result.folds) == {1, 2}
    assert sum(line.startswith("fold 1, epoch ") for line in lines) == 3
    assert {path.is_file() for path in result.whole.values()} == {True} and sorted(result.whole) == [2, 3]
    assert min(result.cells(result.best_epoch()).values()) > 0.9

    again: list[str] = []
    kept = cross_validate(base, rows(), recipe, folds=2, folder=tmp_path / "folds", say=again.append)
    assert again == ["3 of 3 trainings are there already"]
    assert kept.by_epoch == result.by_epoch
    other = replace(recipe, seed=2)
    cross_validate(base, rows(), other, folds=2, folder=tmp_path / "folds", say=again.append)
    assert sum(": loss " in line for line in again) == 9


def test_too_few_families_are_told(tmp_path: Path) -> None:
    few = [replace(row, kinship=("voice ru one",)) for row in rows()]
    with pytest.raises(ClassifierError, match="too few voices"):
        cross_validate(tmp_path, few, Recipe(), folds=2, folder=tmp_path, say=str)


def test_the_epoch_with_the_best_worst_cell_is_chosen() -> None:
    judged = [replace(row, lang=lang, id=f"{lang}{row.id}") for lang in ("ru", "kk") for row in rows()]
    truth = [[1.0 if row.labels else -1.0] * 3 for row in judged]
    lopsided = [
        values if row.lang == "ru" else [-value for value in values] for row, values in zip(judged, truth, strict=True)
    ]
    middling = [[value * (1 if number % 5 else -1) for value in row] for number, row in enumerate(truth)]
    by_epoch = {3: lopsided, 4: middling}
    assert CrossValidation(judged, (), [1] * len(judged), by_epoch, {}, {}).best_epoch() == 4
