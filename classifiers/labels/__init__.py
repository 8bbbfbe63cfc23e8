"""What every label means, which rationale codes belong to it, and when they suffice: one `<label>.toml` each."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from qalqan.errors import ClassifierError
from qalqan.records import LABELS, Label

# What a formula may ask for beyond codes: a way to order or write; an address that stands on the pyramid list.
Condition = Literal["contact", "matching_address"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Definition(_Part):
    """One sentence in each language of the moderators."""

    ru: str = Field(min_length=1)
    kk: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Alternative(_Part):
    """One way to satisfy a formula: of every group at least one code, and every condition."""

    codes: tuple[tuple[str, ...], ...] = Field(min_length=1)
    conditions: tuple[Condition, ...] = ()

    def is_met(self, codes: frozenset[str], conditions: frozenset[str]) -> bool:
        return all(codes.intersection(group) for group in self.codes) and conditions.issuperset(self.conditions)


class LabelDefinition(_Part):
    """threshold: score from which a document enters the queue, unless the weights bring their own."""

    label: Label
    definition: Definition
    codes: tuple[str, ...] = Field(min_length=1)
    formula: tuple[Alternative, ...] = Field(min_length=1)
    blocked_by: tuple[str, ...]
    threshold: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _formula_uses_own_codes(self) -> Self:
        used = {code for alternative in self.formula for group in alternative.codes for code in group}
        foreign = sorted(used.difference(self.codes))
        if foreign:
            raise ValueError(f"the formula names codes that are not among the label's: {', '.join(foreign)}")
        return self

    def is_satisfied(self, codes: frozenset[str], conditions: frozenset[str] = frozenset()) -> bool:
        """Whether the chosen codes suffice to confirm. An exculpatory code among them does not count here."""
        return any(alternative.is_met(codes, conditions) for alternative in self.formula)

    def blocking_codes(self, codes: frozenset[str]) -> tuple[str, ...]:
        """The chosen codes that stop a confirmation, in their order; empty if there are none."""
        return tuple(code for code in self.blocked_by if code in codes)


def read_label(name: str, toml: str) -> LabelDefinition:
    """Raises ClassifierError that names the label and the wrong key."""
    try:
        definition = LabelDefinition.model_validate(tomllib.loads(toml))
    except tomllib.TOMLDecodeError as error:
        raise ClassifierError(f"classifiers/labels/{name}.toml is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "formula"
        raise ClassifierError(f"classifiers/labels/{name}.toml, {key}: {first['msg']}") from error
    if definition.label != name:
        raise ClassifierError(f"classifiers/labels/{name}.toml describes {definition.label}; rename the file")
    return definition


@cache
def load_labels() -> dict[Label, LabelDefinition]:
    """Every label's definition, in the order of `qalqan.records.LABELS`.

    Raises ClassifierError where a file is missing or wrong.
    """
    folder = files(__name__)
    definitions: dict[Label, LabelDefinition] = {}
    for label in LABELS:
        try:
            toml = (folder / f"{label}.toml").read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise ClassifierError(f"classifiers/labels/{label}.toml is missing; add it") from error
        definitions[label] = read_label(label, toml)
    return definitions
