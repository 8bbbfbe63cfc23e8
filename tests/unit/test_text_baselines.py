"""The simple models that stand beside the classifier in `qalqan evaluate`."""

import json
from pathlib import Path
from typing import Any

import pytest

from classifiers.base import TextClassifier
from classifiers.text.baselines import TfidfClassifier, read_baseline_rows
from classifiers.text.keywords import KeywordClassifier, read_lexicon
from classifiers.text.rows import TextRow, corpus_files, parse_row, read_rows
from qalqan.errors import ClassifierError
from qalqan.records import LABELS


def rows(*values: dict[str, Any]) -> list[TextRow]:
    return [parse_row({"id": str(number), **value}) for number, value in enumerate(values, start=1)]


TAUGHT = rows(
    {"text": "вложи и получай процент каждый день", "labels": ["financial_pyramid"]},
    {"text": "процент с вклада друзей, приглашай", "labels": ["financial_pyramid"]},
    {"text": "закладка рядом, фото места", "labels": ["drug_shop"]},
    {"text": "закладки по районам", "labels": ["drug_shop"]},
    {"text": "трафарет на стену, оплата за надпись", "labels": ["drug_graffiti"]},
    {"text": "нанести трафарет во дворе", "labels": ["drug_graffiti"]},
    {"text": "погода на завтра, дождь", "labels": []},
    {"text": "сдаю квартиру у метро", "labels": []},
)


@pytest.fixture(scope="module")
def tfidf() -> TfidfClassifier:
    return TfidfClassifier(TAUGHT)


@pytest.fixture
def lexicon(tmp_path: Path) -> Path:
    path = tmp_path / "lexicon.csv"
    path.write_text(
        "label,lang,term,variants,strength,innocent_meaning,source\n"
        "drug_shop,ru,закладка,клад,context,книга,x\n"
        "drug_shop,ru,кладмен (курьер),кл@дмен,strong,,x\n"
        'drug_shop,ru,"соль, скорость",,context,,x\n'
        "drug_shop,ru,приговор,осуждён,negative,,x\n"
        "drug_shop,emoji,💎 ❄️,,context,,x\n"
        "drug_shop,ru,лирика,,refer,,x\n"
        "financial_pyramid,ru,N % в день/неделю,regex: \\d+ ?% (в день|в неделю),strong,,x\n"
        "financial_pyramid,ru,вход от N ₸,,context,,x\n"
        "financial_pyramid,ru,пассивный доход,,context,,x\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture(params=["tf-idf", "keywords"])
def baseline(request: pytest.FixtureRequest, tfidf: TfidfClassifier, lexicon: Path) -> TextClassifier:
    return tfidf if request.param == "tf-idf" else KeywordClassifier(read_lexicon(lexicon))


def test_baselines_are_classifiers(baseline: TextClassifier) -> None:
    found = baseline.findings(["закладка 5% в день", "", "\u200b", "💎", "\ud83d закладка"])
    assert [[finding.label for finding in row] for row in found] == [list(LABELS)] * 5
    for finding in (finding for row in found for finding in row):
        assert 0 <= finding.score <= 1
        assert (finding.flagged, finding.model) == (finding.score >= finding.threshold, baseline.model_id)
    assert [finding.score for row in found[1:3] for finding in row] == [0.0] * 6
    assert baseline.findings([]) == []


def test_tfidf_learns_what_it_is_shown_and_sees_through_disguise(tfidf: TfidfClassifier) -> None:
    texts = ["закладку нашёл", "зaклaдкa", "процент каждую неделю", "солнечная погода"]
    flagged = [[finding.label for finding in found if finding.flagged] for found in tfidf.findings(texts)]
    assert flagged == [["drug_shop"], ["drug_shop"], ["financial_pyramid"], []]
    assert TfidfClassifier(TAUGHT).findings(texts) == tfidf.findings(texts)


def test_tfidf_needs_both_kinds_of_text() -> None:
    with pytest.raises(ClassifierError, match="with and without drug_graffiti"):
        TfidfClassifier([row for row in TAUGHT if "drug_graffiti" not in row.labels])


def test_the_baseline_does_not_learn_what_is_evaluated(tmp_path: Path) -> None:
    more = tmp_path / "more.jsonl"
    more.write_text(
        "\n".join(
            json.dumps({"id": f"more-{number}", "text": text, "labels": []})
            for number, text in enumerate(["Свой  текст", "свой текст", "другой текст", "cвoй тeкcт!"])
        )
    )
    first, *others = read_rows(corpus_files()[0])
    evaluated = [first, *rows({"text": "ДРУГОЙ текст", "labels": []})]
    known = read_baseline_rows([more], evaluated)
    assert [row.id for row in known if row.id.startswith("more")] == ["more-0", "more-3"]
    assert first.text not in {row.text for row in known}
    assert others[0].text in {row.text for row in known}


def test_keywords_add_up(lexicon: Path) -> None:
    classifier = KeywordClassifier(read_lexicon(lexicon))
    texts = {
        "закладки и клад": 0.3935,  # one entry, however often
        "Закладка за соль": 0.6321,
        "кладмены": 0.6321,
        "кладмена осудили: приговор": 0.0,
        "СОЛЬ, скорость": 0.3935,
        "солянка": 0.0,
        "осуждены за клад, кладмен": 0.3935,
        "💎💎": 0.3935,
        "лирика": 0.0,
        "обычный текст": 0.0,
    }
    scores = [found[LABELS.index("drug_shop")].score for found in classifier.findings(list(texts))]
    assert dict(zip(texts, scores, strict=True)) == texts
    pyramid = [
        found[LABELS.index("financial_pyramid")].score
        for found in classifier.findings(["5% в день", "вход от 20000 ₸, пассивного дохода", "вход от банка"])
    ]
    assert pyramid == [0.6321, 0.6321, 0.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("label,term\ndrug_shop,соль\n", "lacks the columns variants, strength"),
        ("", "lacks the columns"),
        ("label,term,variants,strength\n", "holds no keywords"),
        ("label,term,variants,strength\ncasino,x,,strong\n", "line 2: unknown label 'casino'"),
        ("label,term,variants,strength\ndrug_shop,x,,huge\n", "line 2: unknown strength 'huge'"),
        ("label,term,variants,strength\ndrug_shop,,,strong\n", "line 2: no term"),
        ("label,term,variants,strength\ndrug_shop,x,regex: (,strong\n", "line 2: "),
        ("label,term,variants,strength\ndrug_shop,x,regex: a*,strong\n", "finds something in every text"),
    ],
)
def test_a_wrong_lexicon_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "lexicon.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ClassifierError, match=message):
        read_lexicon(path)


def test_a_lexicon_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match="cannot read"):
        read_lexicon(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"label,term,variants,strength\ndrug_shop,\xff,,strong\n")
    with pytest.raises(ClassifierError, match="not UTF-8"):
        read_lexicon(tmp_path / "latin.csv")
