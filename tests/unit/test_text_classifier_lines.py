"""Lines in and out over a classifier that looks for words, and suggested codes."""

import json

import pytest
from text_classifier_words import WordClassifier

from classifiers.text.classify_lines import BadLine, classify_lines
from classifiers.text.codes import suggest_codes


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
