"""What surrounds training: rows, their division, disguises, calibration."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_classifier_base import make_tiny_base

from classifiers.text.augmentation import disguise, mix_alphabets, space_out, vary_contacts, write_signs
from classifiers.text.calibration import choose_threshold, fit_platt
from classifiers.text.measures import average_precision
from classifiers.text.model_card import Calibration
from classifiers.text.rows import TextRow, corpus_files, divide, families, parse_row, read_rows
from classifiers.text.training_run import Recipe, TrainingRun
from qalqan.errors import ClassifierError
from qalqan.records import Label


def row(number: int, kin: str, *labels: Label, lang: str = "ru") -> TextRow:
    return TextRow(str(number), f"text {number}", frozenset(labels), lang, kinship=(kin,))


def test_rows_in_both_forms(tmp_path: Path) -> None:
    lines = [
        {"id": "1", "text": "а", "lang": "kk", "labels": ["drug_shop"], "group": "g", "voice": "v", "note": "n"},
        {
            **{"id": "2", "text": "б", "lang": "ru", "label": "other_spam", "subtype": "casino"},
            **{"source": "s", "cluster": "c", "source_licence": "MIT"},
        },
        {"id": "3", "text": "в", "label": "drug_graffiti"},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n", encoding="utf-8")
    assert read_rows(path) == [
        TextRow("1", "а", frozenset({"drug_shop"}), "kk", "g", "", ("voice kk v",)),
        TextRow("2", "б", frozenset(), "ru", "casino", "MIT", ("source s", "cluster c")),
        TextRow("3", "в", frozenset({"drug_graffiti"}), "", "drug_graffiti", "", ("id 3",)),
    ]


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "1", "text": " "}', '{"id": "1", "text": "x", "label": "spam"}'])
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "0", "text": "x", "labels": []}\n' + line, encoding="utf-8")
    with pytest.raises(ClassifierError, match=r"rows\.jsonl, line 2"):
        read_rows(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match="absent"):
        read_rows(tmp_path / "absent.jsonl")


def test_families_join_over_source_and_cluster() -> None:
    rows = [
        parse_row({"id": str(number), "text": "x", "labels": [], "source": source, "cluster": cluster})
        for number, (source, cluster) in enumerate([("a", "1"), ("b", "1"), ("b", "2"), ("c", "3")])
    ]
    assert families(rows) == [[0, 1, 2], [3]]


def test_division_keeps_families_together_and_fills_every_part() -> None:
    rows = [row(n, f"kin {n // 4}", *(["drug_shop"] if n % 2 else [])) for n in range(200)]  # type: ignore[arg-type]
    parts = divide(rows, (0.6, 0.2, 0.2))
    assert sorted(item.id for part in parts for item in part) == sorted(item.id for item in rows)
    kin = [{item.kinship for item in part} for part in parts]
    assert not kin[0] & kin[1] and not kin[0] & kin[2] and not kin[1] & kin[2]
    assert [len(part) for part in parts] == pytest.approx([120, 40, 40], abs=8)
    assert parts == divide(rows, (0.6, 0.2, 0.2))


def test_our_corpus_can_be_read() -> None:
    rows = [item for path in corpus_files() for item in read_rows(path)]
    assert len({item.id for item in rows}) == len(rows)
    assert {item.lang for item in rows} <= {"ru", "kk", "en"}


def test_disguises_are_repeatable_and_change_what_they_name() -> None:
    text = "Доход каждый день @primer_00 +7 700 000 00 00"
    assert disguise(text, "ru", random.Random(5)) == disguise(text, "ru", random.Random(5))
    assert mix_alphabets("сор", random.Random(1)) != "сор"
    assert write_signs("доход деньги", random.Random(3)) != "доход деньги"
    assert len(space_out("доход " * 50, random.Random(1))) > 300
    varied = vary_contacts("@primer_00 " * 20, random.Random(2)).split()
    assert 3 <= varied.count("@primer_00") <= 10 and len(set(varied)) > 8


@given(st.text(), st.sampled_from(["ru", "kk", "en", ""]), st.integers(0, 2**32))
def test_any_text_can_be_disguised(text: str, lang: str, seed: int) -> None:
    assert isinstance(disguise(text, lang, random.Random(seed)), str)


def test_platt_follows_the_data() -> None:
    logits = [-4.0, -2.0, -1.0, 1.0, 2.0, 4.0] * 10
    fitted = fit_platt(logits, [logit > 0 for logit in logits])
    assert fitted.slope > 1 and abs(fitted.intercept) < 0.1
    plain = Calibration(slope=1.0, intercept=0.0)
    assert fit_platt([1.0, 2.0], [True, True]) == plain
    assert fit_platt([1.0, -1.0] * 5, [False, True] * 5) == plain


def test_thresholds_favour_recall_within_reason() -> None:
    assert choose_threshold([0.9, 0.8, 0.3, 0.2, 0.1], [True, True, True, False, False]) == pytest.approx(0.21)
    assert choose_threshold([0.1, 0.2], [False, False]) == 0.5


def test_a_run_learns_and_restores(tmp_path: Path) -> None:
    adverts = [replace(row(n, f"kin {n}", "financial_pyramid"), text="табыс пайыз доход") for n in range(40)]
    chat = [replace(row(n, f"kin {n}"), text="как дела, сосед") for n in range(40, 80)]
    rows = [*adverts, *chat]
    recipe = Recipe(seed=1, rank=2, adapter_rate=1e-2, head_rate=1e-1, max_tokens=64)
    run = TrainingRun(make_tiny_base(tmp_path), rows, recipe, 3)
    before = run.state()
    untrained = run.logits(rows)
    losses: list[float] = []
    for _ in range(3):
        run.epoch(lambda share, loss: losses.append(loss))
    scores = [logit for logit, *_ in run.logits(rows)]
    assert losses[-1] < losses[0]
    assert average_precision(scores, [True] * 40 + [False] * 40) == pytest.approx(1.0)
    run.restore(before)
    assert run.logits(rows) == untrained
