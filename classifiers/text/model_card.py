"""What we trained and ship: a folder with a LoRA adapter, a head and `model.json`, which says everything about them.

adapter_model.safetensors, adapter_config.json   as peft saves them (float16)
head.safetensors                                 query, weight (labels and codes, hidden), bias; early.query, …
model.json                                       `ModelCard`
"""

import hashlib
import math
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qalqan.errors import ClassifierError
from qalqan.records import LABELS, Label

CARD, ADAPTER, HEAD = "model.json", "adapter_model.safetensors", "head.safetensors"
REMEDY = "restore the file from the release, or train again with `qalqan train text`"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Calibration(_Part):
    """Platt: probability = sigmoid(slope * logit + intercept)."""

    slope: float = Field(gt=0)
    intercept: float

    def probability(self, logit: float) -> float:
        """Rounded, so that a repeat prints the same digits."""
        exponent = -(self.slope * logit + self.intercept)
        return round(1 / (1 + math.exp(min(exponent, 700.0))), 4)


class EarlyExit(_Part):
    """The early head after so many layers answers for a text alone if each of its probabilities is below `least`."""

    layers: int = Field(ge=1)
    least: float = Field(ge=0, lt=1)
    calibration: dict[Label, Calibration]


class ModelCard(_Part):
    """codes: what the head tells after the labels, in its order, and the logit from which a code is suggested.

    window_tokens, stride_tokens: see WindowTokenizer. base_sha256: `digest_tensors` of the base model.

    thresholds, sure_thresholds: see Finding. files: SHA-256 of the folder's other files. metrics: on texts that were
    not trained on.
    """

    version: str
    labels: tuple[Label, ...]
    base_model: str
    base_sha256: str
    lora_scale: float
    window_tokens: int = Field(ge=8, le=510)
    stride_tokens: int = Field(ge=1)
    calibration: dict[Label, Calibration]
    thresholds: dict[Label, float]
    sure_thresholds: dict[Label, float]
    codes: dict[str, float]
    early: EarlyExit
    files: dict[str, str]
    metrics: dict[str, Any]
    training: dict[str, Any]

    @property
    def model_id(self) -> str:
        """Name, version and the beginning of the adapter's hash."""
        return f"{self.base_model}-lora/{self.version}+{self.files[ADAPTER][:8]}"


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_card(folder: Path) -> ModelCard:
    """`model.json` of the folder, checked against the folder's files and our labels.

    Raises ClassifierError that names the file and what is wrong.
    """
    path = folder / CARD
    try:
        card = ModelCard.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ClassifierError(f"{path} is missing; {REMEDY}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ClassifierError(f"{path} is damaged at {key or 'its text'} ({first['msg']}); {REMEDY}") from error
    by_label = (card.calibration, card.early.calibration, card.thresholds, card.sure_thresholds)
    if card.labels != LABELS or any(set(values) != set(LABELS) for values in by_label):
        raise ClassifierError(
            f"{path} has the labels {', '.join(card.labels)} instead of {', '.join(LABELS)}; {REMEDY}"
        )
    if card.early.least > min(card.thresholds.values()):
        raise ClassifierError(f"{path} lets the early head dismiss what belongs into the queue; {REMEDY}")
    for name in (ADAPTER, HEAD):
        if not (folder / name).is_file():
            raise ClassifierError(f"{folder / name} is missing; {REMEDY}")
        if sha256_of(folder / name) != card.files.get(name):
            raise ClassifierError(f"{folder / name} is truncated or not the one that {CARD} names; {REMEDY}")
    return card
