"""The classifier of texts over a tiny randomly initialised encoder: everything but what it has learnt."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from text_classifier_base import LETTERS, make_tiny_base
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from classifiers.text import open_text_classifier
from classifiers.text.adapted import load_network, open_adapted
from classifiers.text.e5_conversion import PAD, digest_tensors
from classifiers.text.explanation import strongest_spans, sum_words
from classifiers.text.model_card import ADAPTER, CARD, HEAD, Calibration, EarlyExit, ModelCard, read_card, sha256_of
from classifiers.text.network import AttentionHead, PooledNetwork, load_encoder, merge_adapter
from classifiers.text.windowed import WindowedTextClassifier
from classifiers.text.windows import MAX_WINDOWS, WindowTokenizer
from qalqan.config import ClassifierSettings
from qalqan.errors import ClassifierError
from qalqan.records import LABELS

# Threads gain nothing on a network this small and lose much beside other processes.
torch.set_num_threads(1)

DISGUISED = "Пас\u200bсивті 🚀👨\u200d🎨 табыс күніне 3% – жаз «+»! ｆｕｌｌ"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def weights(base: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    generator = torch.Generator().manual_seed(2)
    adapter = {}
    for layer in range(2):
        stem = f"base_model.model.encoder.layer.{layer}.attention.self.query"
        adapter[f"{stem}.lora_A.weight"] = torch.randn(4, 16, generator=generator).half()
        adapter[f"{stem}.lora_B.weight"] = torch.randn(16, 4, generator=generator).half()
    save_file(adapter, folder / ADAPTER)
    head = {
        "query": torch.randn(3, 16, generator=generator),
        "weight": torch.randn(3, 16, generator=generator),
        "bias": torch.tensor([0.5, -0.5, 0.1]),
    }
    early = {f"early.{name}": torch.zeros_like(values) for name, values in head.items()}
    save_file(head | early, folder / HEAD)
    tensors = {name: values.numpy() for name, values in load_file(base / "model.safetensors").items()}
    write_card(folder, digest_tensors(tensors))
    return folder


def write_card(folder: Path, base_sha256: str) -> None:
    calibration = {label: Calibration(slope=1.0, intercept=0.0) for label in LABELS}
    card = ModelCard(
        version="0",
        labels=LABELS,
        base_model="tiny",
        base_sha256=base_sha256,
        lora_scale=2.0,
        window_tokens=20,
        stride_tokens=15,
        calibration=calibration,
        thresholds=dict.fromkeys(LABELS, 0.01),  # everything is flagged, so everything is explained
        codes={},
        early=EarlyExit(layers=1, least=0.0, calibration=calibration),
        sure_thresholds=dict.fromkeys(LABELS, 0.9),
        files={name: sha256_of(folder / name) for name in (ADAPTER, HEAD)},
        metrics={},
        training={},
    )
    (folder / CARD).write_text(card.model_dump_json(), encoding="utf-8")


@pytest.fixture
def classifier(base: Path, weights: Path) -> WindowedTextClassifier:
    return open_adapted(weights, base)


@pytest.fixture
def tokenizer(base: Path) -> WindowTokenizer:
    return WindowTokenizer.from_file(base / "tokenizer.json", size=20, stride=15)


def test_one_finding_per_label_in_order(classifier: WindowedTextClassifier) -> None:
    rows = classifier.findings(["табыс 30%", "доход"])
    assert [[finding.label for finding in row] for row in rows] == [list(LABELS), list(LABELS)]
    assert {finding.model for row in rows for finding in row} == {classifier.model_id}
    assert all(finding.flagged == (finding.score >= finding.threshold) for row in rows for finding in row)


@pytest.mark.parametrize("text", ["", " \n\t", "\u00a0"])
def test_blank_text_scores_nothing(classifier: WindowedTextClassifier, text: str) -> None:
    assert [(f.score, f.flagged, f.spans, f.codes) for f in classifier.findings([text])[0]] == [
        (0.0, False, (), ())
    ] * 3


def test_no_texts(classifier: WindowedTextClassifier) -> None:
    assert classifier.findings([]) == []


def test_a_text_scores_alike_alone_and_among_others(base: Path, weights: Path) -> None:
    card = read_card(weights)
    classifier = WindowedTextClassifier(
        "m",
        load_network(weights, base, card, torch.float32),
        WindowTokenizer.from_file(base / "tokenizer.json", size=20, stride=15),
        padding_id=PAD,
        calibration=card.calibration,
        thresholds=card.thresholds,
    )
    texts = [DISGUISED, "табыс", "доход " * 40, "", "а"]
    together = classifier.findings(texts)
    assert together == [classifier.findings([text])[0] for text in texts]
    assert together == classifier.findings(texts)


def test_parts_of_words_add_up_to_the_score(base: Path, weights: Path, tokenizer: WindowTokenizer) -> None:
    card = read_card(weights)
    network = load_network(weights, base, card, torch.float32)
    classifier = WindowedTextClassifier(
        "m", network, tokenizer, padding_id=PAD, calibration=card.calibration, thresholds=card.thresholds
    )
    for column, label in enumerate(LABELS):
        explanation = classifier.explain(DISGUISED, label)
        marks = explanation.logit - explanation.base - sum(part for _, _, part in explanation.words)
        assert explanation.base == pytest.approx(network.head.bias[column].item(), abs=1e-5)
        # What is left are the parts of the two marks around a text, which stand for no word.
        (window, *_) = tokenizer.windows(DISGUISED)
        ids = torch.tensor([window.ids])
        parts = network.parts(ids, torch.ones_like(ids), column)[0]
        if len(tokenizer.windows(DISGUISED)) == 1:
            assert marks == pytest.approx((parts[0] + parts[-1]).item(), abs=1e-5)
        assert parts.sum().item() + explanation.base == pytest.approx(
            network.logits(ids, torch.ones_like(ids))[0, column].item(), abs=1e-5
        )
    assert classifier.explain(" ", "drug_shop").words == ()


def test_the_network_suggests_the_codes_that_fit_the_label(
    base: Path, weights: Path, tokenizer: WindowTokenizer
) -> None:
    card = read_card(weights)
    head = AttentionHead(16, len(LABELS) + 4)
    with torch.no_grad():
        head.bias.copy_(torch.tensor([2.0, 2.0, 2.0, 1.0, 1.0, -1.0, 1.0]))
    classifier = WindowedTextClassifier(
        "m",
        PooledNetwork(load_encoder(base), head, AttentionHead(16, len(LABELS)), 1),
        tokenizer,
        padding_id=PAD,
        calibration=card.calibration,
        thresholds=card.thresholds,
        codes={"FP01": 0.5, "DS05": 0.5, "EX01": 0.5, "EX10": 0.5},
    )
    (found,) = classifier.findings(["табыс 30%"])
    assert [finding.codes for finding in found] == [("FP01", "EX10"), ("DS05", "EX10"), ("EX10",)]


def test_merging_equals_the_adapter_beside_the_weights(base: Path, weights: Path) -> None:
    plain, merged = load_encoder(base), load_encoder(base)
    adapter = load_file(weights / ADAPTER)
    merge_adapter(merged, adapter, 2.0)
    name = "encoder.layer.0.attention.self.query"
    down, up = (adapter[f"base_model.model.{name}.lora_{side}.weight"].float() for side in "AB")
    state = torch.randn(1, 5, 16)
    expected = plain.get_submodule(name)(state) + 2.0 * state @ down.T @ up.T
    assert torch.allclose(merged.get_submodule(name)(state), expected, atol=1e-5)


def test_every_token_lies_in_some_window(tokenizer: WindowTokenizer) -> None:
    text = " ".join(f"сөз{number}" for number in range(60))
    windows = tokenizer.windows(text)
    assert all(len(window.ids) <= 22 and len(window.ids) == len(window.offsets) for window in windows)
    covered = {position for window in windows for start, end in window.offsets for position in range(start, end)}
    assert covered == set(range(len(text)))


def test_the_strongest_window_counts(classifier: WindowedTextClassifier, tokenizer: WindowTokenizer) -> None:
    text = "доход 30% в месяц " + "и так далее " * 30
    (row,) = classifier.findings([text])
    each = classifier.findings([text[w.offsets[1][0] : w.offsets[-2][1]] for w in tokenizer.windows(text)])
    for column, finding in enumerate(row):
        assert finding.score == pytest.approx(max(own[column].score for own in each), abs=0.02)


@pytest.mark.parametrize("disguise", ["<s>", "<mask>", "<pad>", "</s>", "＜mask＞", "<ma\u200bsk>"])
def test_special_tokens_in_a_text_are_words(tokenizer: WindowTokenizer, disguise: str) -> None:
    (window,) = tokenizer.windows(f"а {disguise} б")
    assert window.ids[0] == 0 and window.ids[-1] == 2
    assert not {0, 1, 2, len(LETTERS) + 8}.intersection(window.ids[1:-1])


def test_spans_lie_on_words_of_the_original_text(classifier: WindowedTextClassifier) -> None:
    findings = classifier.findings([DISGUISED])[0]
    assert any(finding.spans for finding in findings)
    for finding in findings:
        assert [weight for *_, weight in finding.spans] == sorted((w for *_, w in finding.spans), reverse=True)
        for start, end, weight in finding.spans:
            assert 0 < weight <= 1
            assert DISGUISED[start:end].strip() == DISGUISED[start:end] != ""
            assert start == 0 or DISGUISED[start - 1].isspace()
            assert end == len(DISGUISED) or DISGUISED[end].isspace()


def test_words_sum_their_tokens(tokenizer: WindowTokenizer) -> None:
    text = "🚀 Қазір\u200bгі 👨\u200d🎨 табыс!"
    (window,) = tokenizer.windows(text)
    sums = sum_words(text, window.offsets, [1.0] * len(window.offsets))
    assert [text[start:end] for start, end, _ in sums] == text.split()
    # Special tokens cover nothing; all others belong to a word.
    assert sum(total for *_, total in sums) == len(window.ids) - 2


def test_strongest_spans_join_neighbours_and_leave_out_the_rest() -> None:
    text = "кепілді табыс күн сайын, ал ауа райы жақсы"
    offsets = [(0, 7), (7, 13), (13, 17), (17, 24), (24, 27), (27, 42)]
    spans = strongest_spans(text, offsets, [1.0, 2.0, -1.0, 1.0, 0.0, -3.0])
    assert spans == ((0, 13, 0.75), (18, 24, 0.25))
    assert strongest_spans(text, offsets, [1.0, 20.0, -1.0, 1.0, 0.0, -3.0]) == ((8, 13, 0.9091),)
    assert strongest_spans(text, offsets, [-1.0] * 6) == ()


def test_a_megabyte_is_read_in_bounded_time(tokenizer: WindowTokenizer) -> None:
    for text in ("доход бар " * 100_000, "а" * 1_000_000, "".join(map(chr, range(0x400, 0x800))) * 1_000):
        windows = tokenizer.windows(text)
        assert 1 <= len(windows) <= MAX_WINDOWS
        assert max(end for window in windows for _, end in window.offsets) <= len(text)
    varied = " ".join(map(str, range(150_000)))
    windows = tokenizer.windows(varied)
    assert len(windows) == MAX_WINDOWS
    assert windows[0].offsets[1][0] == 0
    assert windows[-1].offsets[-2][1] == len(varied)


def test_lone_surrogates_keep_their_places(classifier: WindowedTextClassifier) -> None:
    broken, whole = "\ud83d табыс \udc00\ud800 доход", "\ufffd табыс \ufffd\ufffd доход"
    assert classifier.findings([broken]) == classifier.findings([whole])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(), max_size=200))
def test_any_text_is_classified(classifier: WindowedTextClassifier, text: str) -> None:
    for finding in classifier.findings([text])[0]:
        assert 0 <= finding.score <= 1
        assert all(0 <= start < end <= len(text) for start, end, _ in finding.spans)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_base_file_is_named(base: Path, weights: Path, tmp_path: Path, name: str) -> None:
    broken = tmp_path / "base"
    shutil.copytree(base, broken)
    (broken / name).unlink()
    with pytest.raises(ClassifierError, match=rf"{name}.*make model"):
        open_adapted(weights, broken)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_truncated_base_file_is_named(base: Path, weights: Path, tmp_path: Path, name: str) -> None:
    broken = tmp_path / "base"
    shutil.copytree(base, broken)
    content = (broken / name).read_bytes()
    (broken / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ClassifierError, match=rf"{name}.*make model"):
        open_adapted(weights, broken)


@pytest.mark.parametrize("name", [ADAPTER, HEAD, CARD])
@pytest.mark.parametrize("truncate", [False, True])
def test_a_missing_or_truncated_weights_file_is_named(base: Path, weights: Path, name: str, truncate: bool) -> None:
    content = (weights / name).read_bytes()
    (weights / name).unlink()
    if truncate:
        (weights / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ClassifierError, match=name):
        open_adapted(weights, base)


def test_another_base_model_is_refused(base: Path, weights: Path) -> None:
    write_card(weights, "0" * 64)
    with pytest.raises(ClassifierError, match="not the base model"):
        open_adapted(weights, base)


def test_an_adapter_of_another_encoder_is_refused(base: Path) -> None:
    stem = "base_model.model.encoder.layer.9.attention.self.query"
    adapter = {f"{stem}.lora_A.weight": torch.zeros(4, 16), f"{stem}.lora_B.weight": torch.zeros(16, 4)}
    with pytest.raises(ClassifierError, match=r"layer\.9"):
        merge_adapter(load_encoder(base), adapter, 1.0)


def test_weights_with_other_labels_are_refused(base: Path, weights: Path) -> None:
    card = json.loads((weights / CARD).read_text(encoding="utf-8"))
    card["labels"] = ["drug_shop", "financial_pyramid", "drug_graffiti"]
    (weights / CARD).write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ClassifierError, match="instead of financial_pyramid, drug_shop, drug_graffiti"):
        open_adapted(weights, base)


def save_checkpoint(folder: Path, base: Path, labels: list[str]) -> None:
    config = BertConfig.from_pretrained(base)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    torch.manual_seed(3)
    model = BertForSequenceClassification(config)
    nn.init.normal_(model.classifier.weight)
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_file=str(base / "tokenizer.json"),
        unk_token="<unk>",
        pad_token="<pad>",
        cls_token="<s>",
        sep_token="</s>",
    ).save_pretrained(folder)


def test_a_foreign_checkpoint_with_our_labels_loads(base: Path, tmp_path: Path) -> None:
    order = ["drug_graffiti", "financial_pyramid", "drug_shop"]
    save_checkpoint(tmp_path, base, order)
    classifier = open_text_classifier(ClassifierSettings(text_model=str(tmp_path), threads=1))
    (row,) = classifier.findings(["табыс 30% " * 5])
    model = BertForSequenceClassification.from_pretrained(tmp_path).eval()
    (window,) = WindowTokenizer.from_file(tmp_path / "tokenizer.json", size=508, stride=300).windows("табыс 30% " * 5)
    with torch.inference_mode():
        scores = torch.sigmoid(model(input_ids=torch.tensor([window.ids])).logits[0])
    assert [f.label for f in row] == list(LABELS)
    assert [f.score for f in row] == pytest.approx([scores[order.index(label)].item() for label in LABELS], abs=1e-3)
    assert any(finding.spans for finding in row if finding.flagged)


def test_a_checkpoint_with_other_labels_is_named(base: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, base, ["spam", "ham", "drug_shop"])
    with pytest.raises(ClassifierError, match="spam, ham, drug_shop"):
        open_text_classifier(ClassifierSettings(text_model=str(tmp_path)))


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match="nowhere"):
        open_text_classifier(ClassifierSettings(text_model=str(tmp_path / "nowhere")))


def test_our_own_folder_is_opened_by_its_path(base: Path, weights: Path) -> None:
    classifier = open_text_classifier(ClassifierSettings(text_model=str(weights), base_model=str(base)))
    assert classifier.model_id == read_card(weights).model_id


def test_without_a_query_the_head_reads_the_mean_of_the_states() -> None:
    head = AttentionHead(2, 1)
    nn.init.ones_(head.weight)
    states = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, 200.0]]])
    assert head(states, torch.tensor([[1, 1, 0]])).tolist() == [[6.0]]


def test_our_way_through_the_layers_is_that_of_transformers(base: Path) -> None:
    encoder = load_encoder(base)
    head = AttentionHead(16, len(LABELS))
    nn.init.normal_(head.weight, generator=torch.Generator().manual_seed(1))
    network = PooledNetwork(encoder, head, AttentionHead(16, len(LABELS)), 1)
    ids, mask = torch.tensor([[1, 8, 9, 10], [1, 7, PAD, PAD]]), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    with torch.inference_mode():
        expected = head(encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask)
    assert network.logits(ids, mask).numpy() == pytest.approx(expected.numpy(), abs=1e-5)
    states, _ = network.begin(ids, mask)
    assert network.finish(states, mask).numpy() == pytest.approx(expected.numpy(), abs=1e-5)


def test_the_early_head_answers_for_what_it_finds_harmless_and_for_nothing_else(
    base: Path, weights: Path, tokenizer: WindowTokenizer
) -> None:
    card = read_card(weights)
    network = load_network(weights, base, card, torch.float32)
    nn.init.normal_(network.early.weight, generator=torch.Generator().manual_seed(1))
    texts = ["табыс", DISGUISED, "", "доход " * 40, "как дела, сосед", "а"]

    def scores(least: float | None) -> list[tuple[float, ...]]:
        classifier = WindowedTextClassifier(
            "m",
            network,
            tokenizer,
            padding_id=PAD,
            calibration=card.calibration,
            thresholds=dict.fromkeys(LABELS, 0.9999),
            early=None if least is None else EarlyExit(layers=1, least=least, calibration=card.calibration),
        )
        found = classifier.findings(texts)
        assert found == [classifier.findings([text])[0] for text in texts]
        return [tuple(finding.score for finding in own) for own in found]

    whole, dismissed = scores(None), scores(0.999)
    assert scores(0.0) == whole
    assert all(one != other for one, other, text in zip(whole, dismissed, texts, strict=True) if text)
    highest = sorted(max(own) for own, text in zip(dismissed, texts, strict=True) if text)
    some = scores(highest[2])
    assert sum(own in dismissed for own in some) == 3  # two of the texts and the blank one
    assert all(own in whole or own in dismissed for own in some)
