"""Evaluation over a classifier that looks for words, and what of it is printed."""

import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from text_classifier_words import WordClassifier

from classifiers.text.evaluate import Figures, GroupFigures, evaluate, evaluate_rows, measure
from classifiers.text.mistakes import LookAlikes, OverThresholds, WorstError, excerpt
from classifiers.text.rows import TextRow, parse_row
from qalqan.errors import ClassifierError
from qalqan.records import LABELS, Finding
from qalqan_cli.evaluate import hide_contacts
from qalqan_cli.evaluation_tables import evaluation_tables

ROWS = [
    {"id": "1", "text": "процент", "labels": ["financial_pyramid"], "lang": "ru", "group": "g"},
    {"id": "2", "text": "другое", "labels": ["financial_pyramid"], "lang": "kk"},
    {"id": "3", "text": "процент", "labels": [], "lang": "ru"},
    {"id": "4", "text": "закладка трафарет", "labels": ["drug_shop", "drug_graffiti"], "lang": "ru"},
]


class SureWordClassifier(WordClassifier):
    """With a sure threshold that two words of one label reach."""

    def findings(self, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        return [
            tuple(self._surer(finding, text) for finding in found)
            for text, found in zip(texts, super().findings(texts), strict=True)
        ]

    def _surer(self, finding: Finding, text: str) -> Finding:
        twice = text.count(self.words[finding.label]) > 1
        return finding.model_copy(update={"sure_threshold": 0.95, "score": 0.99 if twice else finding.score})


def rows(*values: dict[str, Any]) -> list[TextRow]:
    return [parse_row({"id": str(number), **value}) for number, value in enumerate(values, start=1)]


def test_evaluation_by_label_language_and_group() -> None:
    report = evaluate(ROWS, WordClassifier())
    pyramid = report.labels["financial_pyramid"]
    assert (report.model, report.texts, pyramid.threshold, pyramid.sure_threshold) == ("words/1", 4, 0.5, None)
    assert pyramid.overall == Figures(
        texts=4,
        positive=2,
        flagged=2,
        average_precision=0.5,
        precision=0.5,
        recall=0.5,
        f1=0.5,
        calibration_error=0.4,
        recall_at_precision_95=0.0,
        average_precision_interval=(0.25, 1.0),
    )
    assert pyramid.by_language["kk"].recall == 0.0
    assert pyramid.by_group["g"].f1 == 1.0
    assert report.labels["drug_shop"].overall.f1 == 1.0
    assert json.loads(report.to_json())["labels"]["drug_graffiti"]["by_language"]["kk"]["average_precision"] is None


def test_a_group_is_ranked_among_all_negatives_of_its_language() -> None:
    pyramid = evaluate(ROWS, WordClassifier()).labels["financial_pyramid"]
    assert pyramid.by_language_and_group["ru"]["g"] == GroupFigures(
        texts=1,
        positive=1,
        flagged=1,
        average_precision=1.0,
        precision=1.0,
        recall=1.0,
        f1=1.0,
        calibration_error=0.1,
        recall_at_precision_95=1.0,
        average_precision_interval=None,
        average_precision_among_negatives=0.5,
        recall_at_precision_95_among_negatives=0.0,
    )
    in_kazakh = pyramid.by_language_and_group["kk"]["?"]
    assert (in_kazakh.recall, in_kazakh.average_precision_among_negatives) == (0.0, 1.0)
    assert pyramid.by_language_and_group["ru"]["?"].average_precision_among_negatives is None
    assert pyramid.by_group["?"].average_precision_among_negatives == 0.3333


def test_the_report_keeps_its_old_fields() -> None:
    """Scripts outside the repository read them."""
    report = json.loads(evaluate(ROWS, WordClassifier()).to_json())
    assert {"model", "texts", "labels"} <= report.keys()
    assert list(report["labels"]) == list(LABELS)
    label = report["labels"]["drug_shop"]
    assert {"threshold", "overall", "by_language", "by_group"} <= label.keys()
    old = {"texts", "positive", "flagged", "average_precision", "precision", "recall", "f1", "calibration_error"}
    for figures in (label["overall"], label["by_language"]["ru"], label["by_group"]["g"]):
        assert old <= figures.keys()
    assert label["reliability"] == [
        {"texts": 3, "mean_score": 0.1, "share_positive": 0.0},
        {"texts": 1, "mean_score": 0.9, "share_positive": 1.0},
    ]
    assert "baselines" not in report


def test_baselines_stand_beside_the_model() -> None:
    report, other = evaluate(ROWS, WordClassifier()), evaluate(ROWS[:1], WordClassifier())
    values = json.loads(report.to_json({"words": other}))
    assert values["baselines"] == {"words": json.loads(other.to_json())}


def test_families_of_the_rows_make_the_interval() -> None:
    texts = [{"text": f"процент {number}", "labels": ["financial_pyramid"]} for number in range(4)]
    harmless = {"text": "погода", "labels": []}
    apart = evaluate_rows(rows(*texts, harmless), WordClassifier()).labels["financial_pyramid"].overall
    assert apart.average_precision_interval == (1.0, 1.0)
    one_voice = [text | {"voice": "one"} for text in texts]
    together = evaluate_rows(rows(*one_voice, harmless), WordClassifier()).labels["financial_pyramid"].overall
    assert (together.average_precision, together.average_precision_interval) == (1.0, None)


def test_measure_alone_has_no_interval() -> None:
    figures = measure([0.9, 0.2], [True, False], 0.5)
    assert (figures.flagged, figures.f1, figures.average_precision_interval) == (1, 1.0, None)


def test_look_alikes() -> None:
    report = evaluate_rows(
        rows(
            {"text": "процент и ещё процент", "labels": [], "lang": "ru", "group": "bank"},
            {"text": "процент, закладка", "labels": [], "lang": "ru", "group": "bank"},
            {"text": "тихо", "labels": [], "lang": "kk", "group": "news"},
            {"text": "закладка", "labels": ["drug_shop"], "lang": "kk", "group": "shop"},
        ),
        SureWordClassifier(),
    )
    nothing = dict.fromkeys(LABELS, OverThresholds(0, 0))
    bank = LookAlikes(
        texts=2,
        over=OverThresholds(2, 1),
        share_over_queue=1.0,
        share_over_sure=0.5,
        by_label=nothing | {"financial_pyramid": OverThresholds(2, 1), "drug_shop": OverThresholds(1, 0)},
    )
    quiet = LookAlikes(1, OverThresholds(0, 0), 0.0, 0.0, nothing)
    assert report.look_alikes.by_group == {"bank": bank, "news": quiet}
    assert report.look_alikes.by_language == {"kk": quiet, "ru": bank}
    overall = report.look_alikes.overall
    assert overall is not None
    assert (overall.texts, overall.share_over_queue, overall.share_over_sure) == (3, 0.6667, 0.3333)
    assert report.labels["drug_shop"].sure_threshold == 0.95


def test_look_alikes_of_a_classifier_without_a_sure_threshold() -> None:
    look_alikes = evaluate(ROWS, WordClassifier()).look_alikes
    assert look_alikes.overall == LookAlikes(
        1,
        OverThresholds(1, None),
        1.0,
        None,
        dict.fromkeys(LABELS, OverThresholds(0, None)) | {"financial_pyramid": OverThresholds(1, None)},
    )
    assert evaluate(ROWS[:2], WordClassifier()).look_alikes.overall is None


def test_worst_errors_come_with_contacts_hidden() -> None:
    report = evaluate_rows(
        rows(
            {"text": "процент процент, пишите\n@primer_ulgi_00", "labels": [], "group": "bank", "lang": "ru"},
            {"text": "звоните +7 701 000 00 00", "labels": ["drug_shop"], "group": "shop"},
            {"text": "процент", "labels": ["drug_graffiti"]},
            {"text": "процент", "labels": ["financial_pyramid"]},
        ),
        SureWordClassifier(),
        hide_contacts=hide_contacts,
    )
    places = [(error.id, error.label, error.truth, error.wrong) for error in report.worst_errors]
    assert places == [
        ("1", "financial_pyramid", False, 0.98),
        ("2", "drug_shop", True, 0.8),
        ("3", "financial_pyramid", False, 0.8),
        ("3", "drug_graffiti", True, 0.8),
    ]
    assert report.worst_errors[0] == WorstError(
        id="1",
        label="financial_pyramid",
        truth=False,
        score=0.99,
        threshold=0.5,
        wrong=0.98,
        labels=(),
        group="bank",
        lang="ru",
        text="процент процент, пишите •••",
    )
    assert report.worst_errors[1].text == "звоните +7 ••• ••• •• 00"
    assert report.worst_errors[3].labels == ("drug_graffiti",)


def test_errors_are_listed_without_text_where_contacts_cannot_be_hidden() -> None:
    report = evaluate_rows(rows(*ROWS), WordClassifier(), worst=1)
    assert [(error.id, error.text) for error in report.worst_errors] == [("2", None)]


def test_excerpts_are_short_and_steer_nothing() -> None:
    assert excerpt("\x1b[31mа\u202eб\n\n  в", str) == "[31mаб в"
    assert excerpt("а" * 161, str) == "а" * 159 + "…"
    assert excerpt("а" * 160, str) == "а" * 160


@given(st.integers(0, 170), st.sampled_from(["+77010000000", "primer@ulgi.example", "t.me/primer_ulgi_00"]))
def test_a_contact_at_the_cut_is_hidden_whole(before: int, contact: str) -> None:
    shown = excerpt("а" * before + " " + contact + " конец", hide_contacts)
    assert "0000" not in shown
    assert "primer" not in shown


def test_progress_is_told() -> None:
    told: list[int] = []
    evaluate_rows(rows(*[{"text": "x", "labels": []}] * 300), WordClassifier(), progress=told.append)
    assert told == [256, 300]


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


def printed(width: int, *, baselines: bool) -> str:
    report = evaluate_rows(
        rows(
            *({key: value for key, value in row.items() if key != "id"} for row in ROWS),
            {
                "text": "процент [red]\x1b[31m",
                "labels": [],
                "lang": "[b]kk",
                "group": "a_group_with_a_rather_long_name",
            },
        ),
        SureWordClassifier(),
        hide_contacts=hide_contacts,
    )
    stream = io.StringIO()
    others = {"keywords": report, "TF-IDF": report} if baselines else {}
    Console(file=stream, width=width).print(*evaluation_tables(report, others), sep="\n")
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 100, 160])
def test_tables_hold_every_part_and_obey_no_markup(width: int) -> None:
    text = printed(width, baselines=True)
    assert "5 texts, model words/1" in text
    for title in ("financial_pyramid: queue 0.50, sure 0.95", "groups with positive texts", "harmless texts", "worst"):
        assert title in text
    assert "[b]kk" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= width
    if width >= 100:
        assert "…" not in text


def test_baselines_stand_in_the_same_table() -> None:
    table = printed(100, baselines=True).split("drug_shop: queue")[0]
    assert table.count("keywords") == table.count("TF-IDF") == 4
    assert "keywords" not in printed(100, baselines=False)


def test_no_errors_are_told_as_such() -> None:
    report = evaluate(ROWS[3:], WordClassifier())
    stream = io.StringIO()
    Console(file=stream, width=100).print(*evaluation_tables(report, {}), sep="\n")
    assert "no text on the wrong side of a queue threshold" in stream.getvalue()
    assert "harmless texts" not in stream.getvalue()
