"""Where the base model and the shipped weights lie."""

from pathlib import Path

import classifiers

BASE_MODEL = "e5-small"


def default_base_folder() -> Path:
    """`.cache/models/e5-small` of the checkout that the package was installed from; ignored by git."""
    return Path(classifiers.__file__).resolve().parents[1] / ".cache" / "models" / BASE_MODEL


def shipped_weights() -> Path:
    return Path(__file__).resolve().parent / "weights"
