"""The shipped classifier of texts against floors, on texts that no training saw.

A floor is lowered only on purpose, with the reason in the commit.
"""

import csv
import json
import os
from pathlib import Path

import pytest

from classifiers.base import TextClassifier
from classifiers.text import open_text_classifier
from classifiers.text.evaluate import EvaluationReport, evaluate
from classifiers.text.folders import default_base_folder
from classifiers.text.rows import corpus_files, read_rows
from qalqan.config import ClassifierSettings
from qalqan.records import Label

HELD_OUT = Path(__file__).with_name("held_out.jsonl")

# label: least average precision, least recall, least precision at the shipped threshold
FLOORS: dict[Label, tuple[float, float, float]] = {
    "financial_pyramid": (0.95, 0.9, 0.9),
    "drug_shop": (0.95, 0.84, 0.84),
    "drug_graffiti": (0.95, 0.85, 0.85),
}
MOST_FLAGGED_LOOK_ALIKES = 3


@pytest.fixture(scope="module")
def classifier() -> TextClassifier:
    if not (default_base_folder() / "model.safetensors").is_file():
        pytest.skip(f"no base model in {default_base_folder()}; run `make model`")
    return open_text_classifier(ClassifierSettings())


@pytest.fixture(scope="module")
def report(classifier: TextClassifier) -> EvaluationReport:
    rows = [json.loads(line) for line in HELD_OUT.read_text(encoding="utf-8").splitlines()]
    return evaluate(rows, classifier)


@pytest.mark.parametrize("label", FLOORS)
def test_floors(report: EvaluationReport, label: Label) -> None:
    least_average, least_recall, least_precision = FLOORS[label]
    figures = report.labels[label].overall
    assert figures.average_precision is not None and figures.recall is not None
    assert figures.average_precision >= least_average, figures
    assert figures.recall >= least_recall, figures
    assert (figures.precision or 0.0) >= least_precision, figures


def test_look_alikes_stay_out_of_the_queue(classifier: TextClassifier) -> None:
    shared = Path(os.environ.get("QALQAN_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    path = shared / "domain" / "hard_negatives.csv"
    if not path.is_file():
        pytest.skip(f"no {path}; set QALQAN_SHARED")
    with path.open(encoding="utf-8", newline="") as stream:
        texts = [row["text"] for row in csv.DictReader(stream)]
    flagged = [
        (text, [finding.score for finding in found])
        for text, found in zip(texts, classifier.findings(texts), strict=True)
        if any(finding.flagged for finding in found)
    ]
    assert len(flagged) <= MOST_FLAGGED_LOOK_ALIKES, flagged


def test_an_advert_in_a_long_page_is_found(classifier: TextClassifier) -> None:
    rows = {row.id: row for row in read_rows(HELD_OUT)}
    harmless = " ".join(
        row.text for row in rows.values() if row.lang == "ru" and row.group in {"news", "bank", "street_art"}
    )
    advert = rows["held-out-02"].text
    page = f"{harmless * 2}\n\n{advert}\n\n{harmless * 2}"
    pyramid, shop, graffiti = classifier.findings([page])[0]
    assert (pyramid.flagged, shop.flagged, graffiti.flagged) == (True, False, False)
    start, end, _ = pyramid.spans[0]
    assert page[start:end] in advert


def test_no_held_out_text_was_trained_on() -> None:
    trained = {" ".join(row.text.casefold().split()) for path in corpus_files() for row in read_rows(path)}
    held_out = {" ".join(row.text.casefold().split()) for row in read_rows(HELD_OUT)}
    assert len(held_out) == 61
    assert not trained & held_out
