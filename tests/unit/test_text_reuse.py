"""Copies of harmless texts are answered from memory; whatever may matter is judged anew."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from text_classifier_base import make_tiny_base
from torch import Tensor

from classifiers.text.e5_conversion import PAD
from classifiers.text.model_card import Calibration
from classifiers.text.reuse import KeptScores, key_of_copies
from classifiers.text.windowed import WindowedTextClassifier
from classifiers.text.windows import WindowTokenizer
from qalqan.records import LABELS

TEXT = "сегодня в нашем магазине свежий хлеб и горячие булочки по 200 тенге, пишите @bulka_shop 🥐"
COPIES = [
    "сегодня в нашем магазине свежий хлеб и горячие булочки по 200 тенге пишите @hleb_tut",
    "сегодня, в нашем магазине: свежий хлеб и горячие булочки по 200 тенге! пишите t.me/hleb 🔥🔥🔥",
    "сегодня в нашем магазине свежий хлеб и горячие булочки по 200 тенге. пишите +7 700 123 45 67",
]
OTHERS = [
    "сегодня в нашем магазине свежий хлеб и горячие булочки по 300 тенге, пишите @bulka_shop",
    "завтра в нашем магазине свежий хлеб и горячие булочки по 200 тенге, пишите @bulka_shop",
]


class CountingNetwork:
    """Flags the texts that hold the word; counts the windows that it reads."""

    def __init__(self, word_id: int) -> None:
        self.word_id, self.read = word_id, 0

    def logits(self, ids: Tensor, mask: Tensor) -> Tensor:
        own = (ids != PAD).sum(dim=1) > 1
        self.read += int(own.sum())
        found = (ids == self.word_id).any(dim=1).float()
        return (found * 8 - 4)[:, None].expand(-1, len(LABELS))

    def parts(self, ids: Tensor, mask: Tensor, column: int) -> Tensor:
        return (ids == self.word_id).float()


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> WindowTokenizer:
    base = make_tiny_base(tmp_path_factory.mktemp("base"))
    return WindowTokenizer.from_file(base / "tokenizer.json", size=200, stride=150)


def make(tokenizer: WindowTokenizer) -> tuple[WindowedTextClassifier, CountingNetwork]:
    (window,) = tokenizer.windows("пайыз")
    network = CountingNetwork(window.ids[1])
    classifier = WindowedTextClassifier(
        "m",
        network,
        tokenizer,
        padding_id=PAD,
        calibration={label: Calibration(slope=1.0, intercept=0.0) for label in LABELS},
        thresholds=dict.fromkeys(LABELS, 0.5),
    )
    return classifier, network


def flagged(classifier: WindowedTextClassifier, texts: Sequence[str]) -> list[bool]:
    return [found[0].flagged for found in classifier.findings(texts)]


def test_copies_have_one_key_and_others_have_not() -> None:
    assert len({key_of_copies(text) for text in (TEXT, *COPIES)}) == 1
    assert len({key_of_copies(text) for text in (TEXT, *OTHERS)}) == 3
    assert key_of_copies("соль 24/7 @tuz_bar") is None


def test_copies_of_harmless_texts_are_not_read_again(tokenizer: WindowTokenizer) -> None:
    classifier, network = make(tokenizer)
    first = classifier.findings([TEXT, *COPIES, *OTHERS])
    assert network.read == 3
    assert all(found == first[0] for found in first[:4])
    assert classifier.findings(COPIES) == first[1:4]
    assert network.read == 3


def test_flagged_copies_are_read_each_for_itself(tokenizer: WindowTokenizer) -> None:
    classifier, network = make(tokenizer)
    texts = [f"пайыз {text}" for text in (TEXT, *COPIES)]
    findings = classifier.findings(texts)
    assert [found[0].flagged for found in findings] == [True] * 4
    assert all(text[slice(*found[0].spans[0][:2])] == "пайыз" for text, found in zip(texts, findings, strict=True))
    assert network.read == 4
    assert flagged(classifier, [texts[0], TEXT, f"{TEXT} пайыз"]) == [True, False, True]


def test_the_least_recently_used_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("classifiers.text.reuse._KEPT", 2)
    kept = KeptScores()
    for key in (b"a", b"b"):
        kept.keep(key, [0.1])
    assert kept.find(b"a") == (0.1,)
    kept.keep(b"c", [0.2])
    assert (kept.find(b"a"), kept.find(b"b"), kept.find(b"c")) == ((0.1,), None, (0.2,))


@given(st.text(max_size=300))
def test_any_text_has_a_key_or_none(text: str) -> None:
    key = key_of_copies(text)
    assert key is None or len(key) == 16


def test_the_network_under_test_counts(tokenizer: WindowTokenizer) -> None:
    _, network = make(tokenizer)
    ids = torch.tensor([[0, network.word_id, 2], [0, PAD, PAD]])
    assert network.logits(ids, ids).tolist() == [[4.0] * 3, [-4.0] * 3]
    assert network.read == 1
