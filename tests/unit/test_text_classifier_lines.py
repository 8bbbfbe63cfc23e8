"""Lines in and out, evaluation, measures, suggested codes: over a classifier that looks for words."""

import json
from collections.abc import Sequence
from typing import ClassVar

import pytest

from classifiers.base import TextClassifier
from classifiers.text.classify_lines import BadLine, classify_lines
from classifiers.text.codes import suggest_codes
from classifiers.text.evaluate import Figures, evaluate
from classifiers.text.measures import average_precision, calibration_error, count_confusion
from qalqan.errors import ClassifierError
from qalqan.records import LABELS, Finding


class WordClassifier(TextClassifier):
    """Scores 0.9 for a label whose own word the text holds; else 0.1."""

    model_id = "words/1"
    words: ClassVar = dict(zip(LABELS, ("процент", "закладка", "трафарет"), strict=True))

    def findings(self, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        return [tuple(self._finding(text, *pair) for pair in self.words.items()) for text in texts]

    def _finding(self, text: str, label: str, word: str) -> Finding:
        place = text.find(word)
        return Finding(
            label=label,  # type: ignore[arg-type]
            score=0.9 if place >= 0 else 0.1,
            threshold=0.5,
            flagged=place >= 0,
            spans=((place, place + len(word), 1.0),) if place >= 0 else (),
            model=self.model_id,
        )


def test_lines_come_back_in_order_with_the_bad_ones_named() -> None:
    lines = [
        '{"id": "a", "text": "мой процент"}',
        "",
        "{not json",
        '{"id": "b", "text": 5}',
        '{"id": 7, "text": ""}',
        '{"id": "c", "image": "x.jpg"}',
        "[1]",
        '{"text": "x"}',
        "[" * 100_000,
        '{"id": "d", "text": "\\ud83d закладка", "extra": 1}',
    ]
    scores = {"financial_pyramid": 0.1, "drug_shop": 0.1, "drug_graffiti": 0.1}
    found = list(classify_lines(lines, WordClassifier(), lambda text: "ru" if text else "other"))
    bad = [item for item in found if isinstance(item, BadLine)]
    assert [(item.number, item.id, item.reason.split(":")[0]) for item in bad] == [
        (3, None, "not JSON"),
        (4, "b", "no text"),
        (6, "c", "pictures cannot be classified yet"),
        (7, None, "not a JSON object"),
        (8, None, "no id"),
        (9, None, "not JSON that can be read"),
    ]
    assert [item for item in found if not isinstance(item, BadLine)] == [
        {
            "id": "a",
            "scores": scores | {"financial_pyramid": 0.9},
            "flagged": ["financial_pyramid"],
            "spans": {"financial_pyramid": [[4, 11, 1.0]]},
            "lang": "ru",
            "model": "words/1",
        },
        {"id": "7", "scores": scores, "flagged": [], "spans": {}, "lang": "other", "model": "words/1"},
        {
            "id": "d",
            "scores": scores | {"drug_shop": 0.9},
            "flagged": ["drug_shop"],
            "spans": {"drug_shop": [[2, 10, 1.0]]},
            "lang": "ru",
            "model": "words/1",
        },
    ]


def test_many_lines_are_read_in_parts() -> None:
    lines = (json.dumps({"id": str(number), "text": "x"}) for number in range(600))
    found = list(classify_lines(lines, WordClassifier(), lambda _: "en"))
    assert [item["id"] for item in found if isinstance(item, dict)] == [str(number) for number in range(600)]


def test_evaluation_by_label_language_and_group() -> None:
    rows = [
        {"id": "1", "text": "процент", "labels": ["financial_pyramid"], "lang": "ru", "group": "g"},
        {"id": "2", "text": "другое", "labels": ["financial_pyramid"], "lang": "kk"},
        {"id": "3", "text": "процент", "labels": [], "lang": "ru"},
        {"id": "4", "text": "закладка трафарет", "labels": ["drug_shop", "drug_graffiti"], "lang": "ru"},
    ]
    report = evaluate(rows, WordClassifier())
    pyramid = report.labels["financial_pyramid"]
    assert (report.model, report.texts, pyramid.threshold) == ("words/1", 4, 0.5)
    assert pyramid.overall == Figures(
        texts=4,
        positive=2,
        flagged=2,
        average_precision=0.5,
        precision=0.5,
        recall=0.5,
        f1=0.5,
        calibration_error=0.4,
    )
    assert pyramid.by_language["kk"].recall == 0.0
    assert pyramid.by_group["g"].f1 == 1.0
    assert report.labels["drug_shop"].overall.f1 == 1.0
    assert json.loads(report.to_json())["labels"]["drug_graffiti"]["by_language"]["kk"]["average_precision"] is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "1", "text": "x", "labels": ["casino"]}, "row 1: unknown label casino"),
        ({"id": "1", "text": "x", "labels": "drug_shop"}, "row 1: labels must be a list"),
        ({"id": "1", "labels": []}, "row 1: no text"),
        ({"text": "x", "labels": []}, "row 1: no id"),
        ({"id": "1", "text": "x"}, "row 1: no labels"),
    ],
)
def test_a_wrong_row_is_named(row: dict[str, object], message: str) -> None:
    with pytest.raises(ClassifierError, match=message):
        evaluate([row], WordClassifier())


def test_nothing_to_evaluate() -> None:
    with pytest.raises(ClassifierError, match="no texts"):
        evaluate([], WordClassifier())


def test_average_precision() -> None:
    assert average_precision([0.9, 0.8, 0.7], [True, False, True]) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([0.5, 0.5], [True, False]) == 0.5
    assert average_precision([0.5], [False]) is None


def test_confusion_and_calibration() -> None:
    confusion = count_confusion([0.9, 0.2, 0.6, 0.1], [True, True, False, False], 0.5)
    assert confusion == (1, 1, 1, 1)
    assert (confusion.precision, confusion.recall, confusion.f1) == (0.5, 0.5, 0.5)
    assert count_confusion([0.1], [False], 0.5).precision is None
    assert calibration_error([0.95, 0.95], [True, False]) == pytest.approx(0.45)
    assert calibration_error([], []) == 0.0


@pytest.mark.parametrize(
    ("label", "text", "codes"),
    [
        ("financial_pyramid", "Стабильно 30 % в месяц, пиши «+»", ("FP01", "FP15")),
        ("financial_pyramid", "Күніне 3 пайыз, адам шақырсаң бонус, сілтеме профильде", ("FP01", "FP02", "FP15")),
        ("financial_pyramid", "Deposit in USDT, 5% daily, join us", ("FP01", "FP08", "FP15")),
        ("financial_pyramid", "Вход от 50 000 тенге в кооператив", ("FP03", "FP09")),
        ("drug_shop", "Ищем курьеров, выплаты USDT", ("DS04", "DS05")),
        ("drug_shop", "Меф 1 г, клады по Алматы", ("DS01", "DS02", "DS15")),
        ("drug_graffiti", "Трафарет на стене, QR, отчёт", ("DG01", "DG02", "DG10")),
        ("financial_pyramid", "АФМ предупреждает: признаки пирамиды", ("EX02",)),
        ("drug_shop", "Полиция задержала троих", ("EX01",)),
        ("drug_shop", "Оформление по ТК, резюме на почту", ("EX10",)),
        ("drug_shop", "", ()),
    ],
)
def test_suggested_codes(label: str, text: str, codes: tuple[str, ...]) -> None:
    assert suggest_codes(text, label) == codes  # type: ignore[arg-type]
