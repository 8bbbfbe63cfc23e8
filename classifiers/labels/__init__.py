"""What every label means and which rationale codes belong to it: one `<label>.toml` each."""

import tomllib
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qalqan.errors import ClassifierError
from qalqan.records import LABELS, Label


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Definition(_Part):
    """One sentence in each language of the moderators."""

    ru: str = Field(min_length=1)
    kk: str = Field(min_length=1)
    en: str = Field(min_length=1)


class LabelDefinition(_Part):
    """codes: those that the machine may suggest. threshold: score from which a document enters the queue, unless the
    weights bring their own. When codes suffice to confirm, `qalqan.rationale` says.
    """

    label: Label
    definition: Definition
    codes: tuple[str, ...] = Field(min_length=1)
    threshold: float = Field(gt=0, lt=1)


def read_label(name: str, toml: str) -> LabelDefinition:
    """Raises ClassifierError that names the label and the wrong key."""
    try:
        definition = LabelDefinition.model_validate(tomllib.loads(toml))
    except tomllib.TOMLDecodeError as error:
        raise ClassifierError(f"classifiers/labels/{name}.toml is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
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
