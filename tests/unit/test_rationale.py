"""Codes and formulas of the decision card."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qalqan.rationale import CODES, EXCULPATORY, Part, check_formula, codes_for, core_codes, unknown_codes
from qalqan.records import LABELS


def met(label: str, *codes: str, has_contact: bool = False) -> bool:
    return check_formula(label, codes, has_contact=has_contact, speaker="offender").is_met


def test_the_list_is_whole() -> None:
    numbers = {
        "FP": range(16), "DS": range(1, 17), "DG": range(1, 11), "EX": range(1, 16),
    }  # fmt: skip
    assert list(CODES) == [f"{prefix}{n:02}" for prefix, all_of in numbers.items() for n in all_of]
    for code in CODES.values():
        assert all([code.ru, code.kk, code.en, code.short_ru, code.short_kk])
        assert max(len(code.short_ru), len(code.short_kk)) <= 32
    assert set(EXCULPATORY) == {f"EX{n:02}" for n in (*range(1, 11), 13)}


@pytest.mark.parametrize("label", LABELS)
def test_codes_of_a_label_begin_with_core_ones(label: str) -> None:
    kinds = [code.kind for code in codes_for(label)]
    assert kinds[0] == "core"
    assert [kind for kind, _ in itertools.groupby(kinds)] == sorted(set(kinds), key=kinds.index)


def test_financial_pyramid() -> None:
    for recruiting, promise in itertools.product(("FP02", "FP11"), ("FP01", "FP03")):
        assert met("financial_pyramid", "FP15", recruiting, promise)
        assert not met("financial_pyramid", recruiting, promise)
        assert not met("financial_pyramid", "FP15", promise)
        assert not met("financial_pyramid", "FP15", recruiting)
    assert met("financial_pyramid", "FP00")
    assert not met("financial_pyramid", *(f"FP{n:02}" for n in (4, 5, 6, 7, 8, 9, 10, 12, 13, 14)))


def test_drug_shop() -> None:
    for code in ("DS01", "DS02", "DS03", "DS05"):
        assert met("drug_shop", code, has_contact=True)
        assert not met("drug_shop", code)
        assert not met("drug_shop", code, "contact")  # a tick of its own, never a code
    assert met("drug_shop", "DS13")
    assert met("drug_shop", "DS14")
    assert not met("drug_shop", "DS11", "DS04", has_contact=True)


def test_drug_graffiti() -> None:
    for surface, sign in itertools.product(("DG01", "DG02"), ("DG03", "DG04", "DG05", "DG06")):
        assert met("drug_graffiti", surface, sign)
        assert not met("drug_graffiti", surface)
        assert not met("drug_graffiti", sign)
    assert met("drug_graffiti", "DG10")


def test_what_blocks_a_confirmation() -> None:
    codes = ["FP00", "EX02", "EX12"]
    result = check_formula("financial_pyramid", codes, has_contact=False, speaker="reporter")
    assert (result.is_met, result.exculpatory, result.other_outcome) == (True, ("EX02",), ("EX12",))
    assert (result.is_offender_speaking, result.can_confirm, result.key) == (False, False, "exculpatory")
    clean = check_formula("financial_pyramid", ["FP00"], has_contact=False, speaker="offender")
    assert (clean.can_confirm, clean.key, clean.strong) == (True, "met", (Part(("FP00",), True),))


@given(st.sets(st.sampled_from(sorted(CODES))), st.sampled_from(LABELS), st.booleans())
def test_more_codes_never_undo_a_formula_and_other_labels_never_help(
    codes: set[str], label: str, contact: bool
) -> None:
    own = {code for code in codes if CODES[code].group == label}
    assert met(label, *codes, has_contact=contact) == met(label, *own, has_contact=contact)
    if met(label, *own, has_contact=contact):
        assert met(label, *own, *core_codes(label), has_contact=contact)
    assert set(unknown_codes(label, codes)) == {c for c in codes if CODES[c].group not in {label, "exculpatory"}}


def test_an_unknown_label_meets_nothing() -> None:
    assert not met("", *CODES, has_contact=True)
    assert core_codes("other") == frozenset()
