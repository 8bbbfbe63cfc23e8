"""What surrounds training: rows, their division, disguises, calibration."""

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from text_classifier_base import make_tiny_base

from classifiers.text import rows as rows_module
from classifiers.text.augmentation import disguise, mix_alphabets, space_out, vary_contacts, write_signs
from classifiers.text.calibration import (
    choose_logit,
    choose_sure_threshold,
    choose_threshold,
    fit_platt,
    threshold_of_share,
)
from classifiers.text.measures import average_precision
from classifiers.text.model_card import Calibration
from classifiers.text.rows import TextRow, corpus_files, divide, families, key_of_text, parse_row, read_rows
from classifiers.text.training_run import _LEAST_OF_A_CODE, Recipe, TrainingRun, code_vocabulary, run_epochs
from qalqan.errors import ClassifierError
from qalqan.rationale import CODES
from qalqan.records import LABELS, Label


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


def test_our_corpus_is_large_various_and_says_why() -> None:
    rows = [item for path in corpus_files() for item in read_rows(path)]
    assert len({item.id for item in rows}) == len(rows) >= 3000
    assert {item.lang for item in rows} == {"ru", "kk", "en"}
    for label in LABELS:
        counts = Counter(item.lang for item in rows if label in item.labels)
        assert counts["ru"] >= 250 and counts["kk"] >= 200, (label, counts)
    assert sum(not item.labels for item in rows) >= 1500
    assert len(corpus_files()) >= 10 and len({item.kinship for item in rows}) > 500
    for item in rows:
        assert item.codes is not None, item.id
        groups = {CODES[code].group for code in item.codes}
        assert groups <= (item.labels if item.labels else {"exculpatory"}), item.id


def test_no_text_of_the_corpus_is_there_twice() -> None:
    plain = Counter(
        key_of_text(item.text)
        for path in [*corpus_files(), Path(rows_module.__file__).with_name("pinned.jsonl")]
        for item in read_rows(path)
    )
    assert [text for text, count in plain.items() if count > 1] == []


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


def test_thresholds_favour_recall_but_few_harmless_texts_pass() -> None:
    scores = [0.9, 0.8, 0.3, 0.2, 0.1]
    truths = [True, True, True, False, False]
    assert choose_threshold(scores, truths, [not truth for truth in truths]) == pytest.approx(0.21)
    assert choose_threshold([0.1, 0.2], [False, False], [True, True]) == 0.5
    harmless = [step / 1000 for step in range(1000)]
    labelled = [0.5 + step / 200 for step in range(100)]
    scores, truths = [*harmless, *labelled], [False] * 1000 + [True] * 100
    queue = choose_threshold(scores, truths, [not truth for truth in truths])
    assert queue == pytest.approx(0.99, abs=0.01)
    assert sum(score >= queue for score in harmless) <= 1000 * 0.05 / 3
    sure = choose_sure_threshold(scores, truths, [not truth for truth in truths], 0.5)
    assert sum(score >= sure for score in harmless) <= 1000 * 0.02 / 3


def test_the_share_of_harmless_texts_is_kept() -> None:
    scores = [0.9, 0.5, 0.5, 0.4, 0.1]
    assert threshold_of_share(scores, [True] * 5, 0.2) == 0.501
    assert threshold_of_share(scores, [True] * 5, 0.0) == 0.901
    assert threshold_of_share(scores, [False] * 5, 0.2) == 0.0


def test_a_suggestion_is_made_from_the_best_logit() -> None:
    assert choose_logit([-1.0, 0.0, 1.234, 3.0], [False, False, True, True]) == 1.23
    assert choose_logit([1.0, 2.0], [False, False]) > 50


def test_codes_are_learnt_where_somebody_named_them(tmp_path: Path) -> None:
    hiring = [
        replace(row(n, f"kin {n}", "drug_shop"), text="табыс доход", codes=("DS05",)) for n in range(_LEAST_OF_A_CODE)
    ]
    menus = [replace(row(100 + n, f"kin {n}", "drug_shop"), text="пайыз доход", codes=()) for n in range(30)]
    unnamed = [replace(row(200 + n, f"kin {n}"), text="табыс сосед") for n in range(30)]
    rare = replace(row(300, "kin x", "drug_shop"), text="соль", codes=("DS05", "DS16"))
    rows = [*hiring, *menus, *unnamed, rare]
    assert code_vocabulary(rows) == ("DS05",)
    recipe = Recipe(seed=1, rank=2, adapter_rate=1e-2, head_rate=1e-1)
    run = TrainingRun(make_tiny_base(tmp_path), rows, recipe, 4, code_vocabulary(rows))
    assert run.targets[:, 3].isnan().tolist() == [item.codes is None for item in rows]
    for _ in range(4):
        assert run.epoch() < 10
    scores = [logits[3] for logits in run.logits([*hiring, *menus])]
    assert average_precision(scores, [True] * len(hiring) + [False] * 30) == pytest.approx(1.0)


def test_an_advert_at_the_end_of_a_long_text_is_learnt_from(tmp_path: Path) -> None:
    run = TrainingRun(make_tiny_base(tmp_path), [row(1, "kin", "drug_shop")], Recipe(seed=1, rank=2), 1)
    long = "как дела, сосед, " * 300
    windows = run._windows
    assert len(windows(replace(row(1, "kin", "drug_shop"), text=long), long)) <= 8
    assert len(windows(replace(row(2, "kin"), text=long), long)) <= 2


def test_a_collapsed_run_begins_anew_at_half_the_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("classifiers.text.training_run._BATCH_TOKENS", 64)
    base = make_tiny_base(tmp_path)
    adverts = [replace(row(n, f"kin {n}", *LABELS), text="табыс пайыз доход") for n in range(150)]
    chat = [replace(row(n, f"kin {n}"), text="как дела, сосед") for n in range(150, 300)]
    # So high a rate that nothing is learnt.
    recipe = Recipe(seed=1, epochs=2, rank=2, adapter_rate=5.0, head_rate=5.0)
    told: list[tuple[int, float]] = []
    lines: list[str] = []
    run = run_epochs(
        base,
        [*adverts, *chat],
        recipe,
        (),
        after=lambda run, epoch, loss: told.append((epoch, loss)),
        say=lines.append,
    )
    assert run.recipe.adapter_rate < 5.0
    assert lines[0].startswith("training collapsed") and lines[0].endswith("at the rate 5: again at half of it")
    assert [epoch for epoch, _ in told] == [1, 2]
    assert told[0][1] <= 0.95 * run.constant_loss()


def test_the_loss_of_knowing_nothing_is_that_of_the_best_constant(tmp_path: Path) -> None:
    rows = [row(n, f"kin {n}", *(["drug_shop"] if n % 4 == 0 else [])) for n in range(80)]  # type: ignore[arg-type]
    run = TrainingRun(make_tiny_base(tmp_path), rows, Recipe(seed=1, rank=2), 1)
    best = min(
        sum(
            run.loss(torch.full((80, 3), -9.0).index_fill(1, torch.tensor([1]), constant / 50), run.targets)
            .mean(dim=0)[1:2]
            .tolist()
        )
        for constant in range(-200, 200)
    )
    # The early head learns the same labels, and counts for less.
    assert run.constant_loss() == pytest.approx(1.3 * best / 3, abs=1e-3)


def test_a_run_learns_by_both_heads(tmp_path: Path) -> None:
    adverts = [replace(row(n, f"kin {n}", "financial_pyramid"), text="табыс пайыз доход") for n in range(40)]
    chat = [replace(row(n, f"kin {n}"), text="как дела, сосед") for n in range(40, 80)]
    rows = [*adverts, *chat]
    recipe = Recipe(seed=1, rank=2, adapter_rate=1e-2, head_rate=1e-1)
    run = TrainingRun(make_tiny_base(tmp_path), rows, recipe, 3)
    losses: list[float] = []
    for _ in range(3):
        run.epoch(lambda share, loss: losses.append(loss))
    scores = [logit for logit, *_ in run.logits(rows)]
    assert losses[-1] < losses[0]
    assert average_precision(scores, [True] * 40 + [False] * 40) == pytest.approx(1.0)
    early = [logits[len(LABELS)] for logits in run.logits(rows)]
    assert average_precision(early, [True] * 40 + [False] * 40) == pytest.approx(1.0)
