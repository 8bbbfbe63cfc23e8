"""Rationale codes and the formulas that a confirmation must meet (domain study, sections 5 and 8)."""

import csv
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

# Not a code of its own: the tick "a contact or a way to order is seen" in the formula of the drug shop.
CONTACT = "contact"

OFFENDER = "offender"


@dataclass(frozen=True, slots=True)
class Code:
    """One reason. group: a label or `exculpatory`.

    kind: core (needed in the formula), strong (enough alone), support, call, nexus, priority, task; of the exculpatory
    ones reject, narrow, return; refer in both. short_*: for a tick box of a few words.
    """

    code: str
    group: str
    kind: str
    ru: str
    kk: str
    en: str
    short_ru: str
    short_kk: str


def _read_codes() -> dict[str, Code]:
    text = files("qalqan").joinpath("rationale_codes.csv").read_text("utf-8")
    return {row["code"]: Code(**row) for row in csv.DictReader(text.splitlines())}


CODES: dict[str, Code] = _read_codes()


@dataclass(frozen=True, slots=True)
class Formula:
    """`required`: of every group at least one; or any one of `strong` in place of all groups."""

    required: tuple[tuple[str, ...], ...]
    strong: tuple[str, ...] = ()


# Start values, to be tuned on material that two people reviewed. A post that advertises graffiti, rather than
# showing a wall, is proved by DG10.
FORMULAS: dict[str, Formula] = {
    "financial_pyramid": Formula((("FP15",), ("FP02", "FP11"), ("FP01", "FP03")), strong=("FP00",)),
    "drug_shop": Formula((("DS01", "DS02", "DS03", "DS05"), (CONTACT,)), strong=("DS13", "DS14")),
    "drug_graffiti": Formula((("DG01", "DG02"), ("DG03", "DG04", "DG05", "DG06")), strong=("DG10",)),
}

# Each of these says "this is lawful"; a second reviewer may hold against it, with a text.
EXCULPATORY: frozenset[str] = frozenset({*(f"EX{n:02}" for n in range(1, 11)), "EX13"})

# Each of these asks for another outcome than a confirmation; nobody may hold against it.
OTHER_OUTCOME: dict[str, str] = {"EX12": "return", "EX14": "reject", "EX15": "hand_over", "DS16": "hand_over"}

NARROW = "EX11"


@dataclass(frozen=True, slots=True)
class Part:
    """One group of the formula; `alternatives` holds codes, or `CONTACT`."""

    alternatives: tuple[str, ...]
    is_met: bool


@dataclass(frozen=True, slots=True)
class FormulaResult:
    """What the ticked codes come to.

    is_met: every part, or a strong code. strong: the label's strong codes, each with whether it is ticked.
    exculpatory: ticked codes that block. other_outcome: ticked codes that ask for another outcome.
    """

    is_met: bool
    parts: tuple[Part, ...]
    strong: tuple[Part, ...]
    exculpatory: tuple[str, ...]
    other_outcome: tuple[str, ...]
    is_offender_speaking: bool

    @property
    def can_confirm(self) -> bool:
        return self.is_met and self.is_offender_speaking and not self.exculpatory and not self.other_outcome

    @property
    def key(self) -> str:
        """met, not_met, exculpatory, other_outcome or speaker: what to tell first."""
        if self.exculpatory:
            return "exculpatory"
        if self.other_outcome:
            return "other_outcome"
        if not self.is_met:
            return "not_met"
        return "met" if self.is_offender_speaking else "speaker"


def check_formula(label: str, codes: Collection[str], *, has_contact: bool, speaker: str) -> FormulaResult:
    """Codes of other labels count for nothing. An unknown label meets no formula."""
    ticked = set(codes) - {CONTACT} | ({CONTACT} if has_contact else set())
    formula = FORMULAS.get(label)
    parts = tuple(Part(group, not ticked.isdisjoint(group)) for group in formula.required) if formula else ()
    strong = tuple(Part((code,), code in ticked) for code in formula.strong) if formula else ()
    return FormulaResult(
        is_met=bool(parts) and (all(part.is_met for part in parts) or any(part.is_met for part in strong)),
        parts=parts,
        strong=strong,
        exculpatory=tuple(sorted(ticked & EXCULPATORY)),
        other_outcome=tuple(sorted(ticked & OTHER_OUTCOME.keys())),
        is_offender_speaking=speaker == OFFENDER,
    )


@cache
def codes_for(label: str) -> tuple[Code, ...]:
    """The codes of one label, core ones first, each kind in the order of the list."""
    order = ("core", "call", "strong", "support", "nexus", "priority", "task", "reject", "narrow", "return", "refer")
    return tuple(sorted((code for code in CODES.values() if code.group == label), key=lambda c: order.index(c.kind)))


def unknown_codes(label: str, codes: Collection[str]) -> tuple[str, ...]:
    """Those that belong neither to the label nor to the exculpatory group."""
    return tuple(sorted(c for c in codes if c not in CODES or CODES[c].group not in {label, "exculpatory"}))


def core_codes(label: str) -> frozenset[str]:
    """Codes that a formula names: each of them should carry a quote."""
    formula = FORMULAS.get(label)
    if formula is None:
        return frozenset()
    return frozenset(code for group in formula.required for code in group) - {CONTACT}
