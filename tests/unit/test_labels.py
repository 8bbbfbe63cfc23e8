"""The labels' files: what they say, and how wrong ones are refused."""

from importlib.resources import files

import pytest

from classifiers.labels import LabelDefinition, load_labels, read_label
from qalqan.errors import ClassifierError
from qalqan.records import LABELS


def test_every_label_is_defined_in_order() -> None:
    labels = load_labels()
    assert tuple(labels) == LABELS
    assert [definition.codes[0] for definition in labels.values()] == ["FP00", "DS01", "DG01"]
    assert [len(definition.codes) for definition in labels.values()] == [16, 16, 10]


@pytest.mark.parametrize(
    ("label", "codes", "conditions", "satisfied"),
    [
        ("financial_pyramid", {"FP15", "FP02", "FP01"}, set(), True),
        ("financial_pyramid", {"FP15", "FP11", "FP03"}, set(), True),
        ("financial_pyramid", {"FP15", "FP01", "FP03"}, set(), False),
        ("financial_pyramid", {"FP02", "FP01"}, set(), False),
        ("financial_pyramid", {"FP00"}, {"matching_address"}, True),
        ("financial_pyramid", {"FP00"}, set(), False),
        ("drug_shop", {"DS05"}, {"contact"}, True),
        ("drug_shop", {"DS05", "DS04"}, set(), False),
        ("drug_shop", {"DS14"}, set(), True),
        ("drug_shop", {"DS09"}, {"contact"}, False),
        ("drug_graffiti", {"DG01", "DG04"}, set(), True),
        ("drug_graffiti", {"DG01", "DG02"}, set(), False),
        ("drug_graffiti", {"DG10"}, set(), True),
        ("drug_graffiti", set(), set(), False),
    ],
)
def test_formulas(label: str, codes: set[str], conditions: set[str], satisfied: bool) -> None:
    definition = {str(name): value for name, value in load_labels().items()}[label]
    assert definition.is_satisfied(frozenset(codes), frozenset(conditions)) is satisfied


def test_exculpatory_codes_block() -> None:
    definition = load_labels()["drug_shop"]
    assert definition.blocking_codes(frozenset({"DS01", "EX10", "EX01"})) == ("EX01", "EX10")
    assert definition.blocking_codes(frozenset({"DS01", "EX12"})) == ()


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
        ('"DS13", "DS14"]]', '"DS13", "FP01"]]', "FP01"),
        ("[definition]", "[definition", "not TOML"),
    ],
)
def test_a_wrong_file_is_refused(old: str, new: str, message: str) -> None:
    toml = shop_toml()
    assert old in toml
    with pytest.raises(ClassifierError, match=message):
        read_label("drug_shop", toml.replace(old, new, 1))
