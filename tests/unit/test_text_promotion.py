"""New weights take the place of those in use only where they are not worse, and never half."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import test_text_classifier
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_text_classifier import save_checkpoint, write_card

from classifiers.base import TextClassifier
from classifiers.text import open_text_classifier
from classifiers.text.model_card import ADAPTER, CARD, HEAD
from classifiers.text.promotion import compare, promote, promoted_folder
from classifiers.text.rows import TextRow, pinned_rows
from qalqan.config import ClassifierSettings, Settings
from qalqan.errors import ClassifierError
from qalqan.records import LABELS, Finding, Label
from qalqan_cli.train import note_in_card, promote_weights

# Threads gain nothing on a network this small and lose much beside other processes.
torch.set_num_threads(1)

# A tiny encoder, and random weights of ours over it.
base, weights = test_text_classifier.base, test_text_classifier.weights

Scores = Mapping[str, float]

ROWS = [
    *(TextRow(f"{label} {n}", f"{label} {n}", frozenset({label})) for label in LABELS for n in range(20)),
    *(TextRow(f"harmless {n}", f"harmless {n}", frozenset()) for n in range(40)),
]
GOOD: Scores = {f"{label} {n}": 0.9 for label in LABELS for n in range(20)}


class Scorer(TextClassifier):
    """Gives a text the score that is noted for it, for the label that the text begins with, or for all of them."""

    def __init__(self, scores: Scores, model_id: str = "scores-1") -> None:
        self.model_id, self.scores = model_id, scores

    def findings(self, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        return [tuple(self._finding(text, label) for label in LABELS) for text in texts]

    def _finding(self, text: str, label: Label) -> Finding:
        is_about = text.startswith((label, "harmless"))
        score = self.scores.get(text, 0.1) if is_about else 0.1
        return Finding.model_validate(
            {"label": label, "score": score, "threshold": 0.5, "flagged": score >= 0.5, "model": self.model_id}
        )


def test_equal_is_not_worse() -> None:
    comparison = compare(Scorer(GOOD, "new-1"), Scorer(GOOD), ROWS)
    assert comparison.worse == ()
    assert (comparison.candidate.model, comparison.current.model) == ("new-1", "scores-1")
    assert comparison.candidate.average_precision == dict.fromkeys(LABELS, 1.0)
    assert comparison.candidate.recall == dict.fromkeys(LABELS, 1.0)
    assert (comparison.candidate.look_alikes, comparison.harmless) == (0, 40)
    assert comparison.positive == dict.fromkeys(LABELS, 20)


def test_what_is_gained_with_one_label_does_not_pay_for_another() -> None:
    old = {**GOOD, **{f"drug_shop {n}": 0.2 for n in range(10)}, "drug_shop 0": 0.05}
    new = {**GOOD, "drug_graffiti 3": 0.05, "drug_graffiti 4": 0.05}
    assert compare(Scorer(new), Scorer(old), ROWS).worse == (
        "drug_graffiti: average precision 0.920 instead of 1.000",
        "drug_graffiti: recall 0.900 instead of 1.000",
    )


def test_places_changed_at_the_border_are_within_the_margin() -> None:
    old = {**GOOD, "drug_shop 0": 0.6, "harmless 0": 0.55}
    new = {**GOOD, "drug_shop 0": 0.55, "harmless 0": 0.6}
    comparison = compare(Scorer(new), Scorer(old), ROWS)
    assert comparison.candidate.average_precision["drug_shop"] == pytest.approx(0.9976, abs=1e-4)
    assert comparison.worse == ()


def test_one_look_alike_more_is_too_many() -> None:
    old, new = {**GOOD, "harmless 1": 0.51}, {**GOOD, "harmless 1": 0.51, "harmless 2": 0.5}
    assert compare(Scorer(new), Scorer(old), ROWS).worse == ("2 look-alikes in the queue instead of 1",)
    assert compare(Scorer(old), Scorer(new), ROWS).worse == ()


def test_a_set_that_cannot_judge_promotes_nothing() -> None:
    with pytest.raises(ClassifierError, match="no text of drug_graffiti, harmless"):
        compare(Scorer(GOOD), Scorer(GOOD), ROWS[:40])
    with pytest.raises(ClassifierError, match="no text of financial_pyramid, drug_shop, drug_graffiti, harmless"):
        compare(Scorer(GOOD), Scorer(GOOD), [])


@given(st.dictionaries(st.sampled_from([row.text for row in ROWS]), st.floats(0, 1)))
def test_nothing_is_worse_than_itself_and_who_finds_no_advert_is(scores: dict[str, float]) -> None:
    assert compare(Scorer(scores), Scorer(scores), ROWS).worse == ()
    blind = {text: score for text, score in scores.items() if text.startswith("harmless")}
    assert compare(Scorer(blind), Scorer(GOOD), ROWS).worse


def test_a_foreign_checkpoint_is_compared_as_well(base: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    save_checkpoint(checkpoint, base, list(LABELS))
    classifier = open_text_classifier(ClassifierSettings(text_model=str(checkpoint), threads=1))
    comparison = compare(classifier, classifier, ROWS)
    assert (comparison.worse, comparison.candidate) == ((), comparison.current)
    assert comparison.candidate.model == classifier.model_id


def test_pinned_texts_can_judge() -> None:
    assert compare(Scorer({}), Scorer({}), pinned_rows()).worse == ()


def make_weights(folder: Path, content: bytes) -> Path:
    folder.mkdir()
    (folder / ADAPTER).write_bytes(content)
    (folder / HEAD).write_bytes(content)
    write_card(folder, "0" * 64)
    return folder


def test_promotion_keeps_the_one_before(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for content in (b"first", b"second", b"third"):
        weights = make_weights(tmp_path / content.decode(), content)
        assert promote(weights, home) == promoted_folder(home) == home / "models" / "text"
        assert sorted(weights.iterdir()) == [weights / name for name in sorted((ADAPTER, HEAD, CARD))]
    assert sorted(path.name for path in (home / "models").iterdir()) == ["text", "text.previous"]
    assert (home / "models" / "text" / HEAD).read_bytes() == b"third"
    assert (home / "models" / "text.previous" / HEAD).read_bytes() == b"second"
    assert (home / "models" / "text").stat().st_mode & 0o777 == 0o755


def test_damaged_weights_leave_everything_as_it_was(tmp_path: Path) -> None:
    home = tmp_path / "home"
    promote(make_weights(tmp_path / "good", b"good"), home)
    damaged = make_weights(tmp_path / "damaged", b"damaged")
    (damaged / HEAD).write_bytes(b"dam")
    with pytest.raises(ClassifierError, match=HEAD):
        promote(damaged, home)
    assert [path.name for path in (home / "models").iterdir()] == ["text"]
    assert (home / "models" / "text" / HEAD).read_bytes() == b"good"


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file in the way")
    with pytest.raises(ClassifierError, match=r"cannot put the weights into .*models"):
        promote(make_weights(tmp_path / "weights", b"x"), tmp_path)


def test_what_stands_in_the_way_of_the_last_step_brings_the_old_one_back(tmp_path: Path) -> None:
    home = tmp_path / "home"
    promote(make_weights(tmp_path / "good", b"good"), home)
    (home / "models" / "text.previous").write_text("a file in the way")
    with pytest.raises(ClassifierError, match="Not a directory"):
        promote(make_weights(tmp_path / "new", b"new"), home)
    assert (home / "models" / "text" / HEAD).read_bytes() == b"good"
    assert sorted(path.name for path in (home / "models").iterdir()) == ["text", "text.previous"]


class TestTheCommandsLastStep:
    def test_not_worse_is_promoted_and_says_how_it_comes_into_use(
        self, base: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        said: list[str] = []
        settings = settings_of(tmp_path / "home", base, weights)
        promote_weights(weights, settings, ROWS, said.append)
        target = (tmp_path / "home" / "models" / "text").resolve()
        assert said[0].startswith("promoted tiny-lora/0+")
        printed = capsys.readouterr().out
        assert "look-alikes in the queue" in printed
        assert printed.splitlines()[-1] == f"QALQAN_CLASSIFIER__TEXT_MODEL={target}"
        promote_weights(weights, settings_of(tmp_path / "home", base, target), ROWS, said.append)
        assert said[-1] == "workers use it from their next start"
        assert "QALQAN" not in capsys.readouterr().out

    def test_worse_stays_out_and_every_loss_is_named(
        self, base: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        deaf = tmp_path / "deaf"
        shutil.copytree(weights, deaf)
        card = json.loads((deaf / CARD).read_text("utf-8"))
        card["thresholds"] = dict.fromkeys(LABELS, 0.9999)
        (deaf / CARD).write_text(json.dumps(card), encoding="utf-8")
        settings = settings_of(tmp_path / "home", base, weights)
        with pytest.raises(ClassifierError, match=r"not promoted.*drug_shop: recall 0\.000 instead of 1\.000"):
            promote_weights(deaf, settings, ROWS, lambda line: None)
        assert capsys.readouterr().out.count("worse: ") == 3
        assert not promoted_folder(settings.home).exists()


def settings_of(home: Path, base: Path, weights: Path) -> Settings:
    return Settings(home=home, classifier=ClassifierSettings(text_model=str(weights), base_model=str(base), threads=1))


def test_the_card_says_what_was_learnt_without_a_word_of_it(tmp_path: Path) -> None:
    weights = make_weights(tmp_path / "weights", b"x")
    note_in_card(weights, {"rows": 3, "sha256": "0" * 64})
    card = json.loads((weights / CARD).read_text("utf-8"))
    assert card["training"] == {"decisions": {"rows": 3, "sha256": "0" * 64}}
    promote(weights, tmp_path / "home")  # and the card is still whole
