"""The labels' files: what they say, and how wrong ones are refused."""

from importlib.resources import files

import pytest

from classifiers.labels import LabelDefinition, load_labels, read_label
from qalqan.errors import ClassifierError
from qalqan.rationale import codes_for
from qalqan.records import LABELS


def test_every_label_is_defined_in_order() -> None:
    labels = load_labels()
    assert tuple(labels) == LABELS
    assert [definition.codes[0] for definition in labels.values()] == ["FP00", "DS01", "DG01"]
    assert [len(definition.codes) for definition in labels.values()] == [16, 16, 10]


def test_codes_are_those_of_the_rationale() -> None:
    for label, definition in load_labels().items():
        assert set(definition.codes) == {code.code for code in codes_for(label)}


def shop_toml() -> str:
    return (files("classifiers.labels") / "drug_shop.toml").read_text(encoding="utf-8")


def test_a_file_reads_back() -> None:
    assert isinstance(read_label("drug_shop", shop_toml()), LabelDefinition)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('label = "drug_shop"', 'label = "drug_graffiti"', "describes drug_graffiti"),
        ('label = "drug_shop"', 'label = "casino"', "label"),
        ("threshold = 0.5", "threshold = 1.5", "threshold"),
        ("threshold = 0.5", "treshold = 0.5", "threshold"),
        ("[definition]", "[definition", "not TOML"),
    ],
)
def test_a_wrong_file_is_refused(old: str, new: str, message: str) -> None:
    toml = shop_toml()
    assert old in toml
    with pytest.raises(ClassifierError, match=message):
        read_label("drug_shop", toml.replace(old, new, 1))
