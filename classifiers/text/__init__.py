"""Classification of texts: one finding per label, with the words that speak for it.

Importing this package loads no torch; opening a classifier does.
"""

import os
from pathlib import Path

from classifiers.base import TextClassifier
from classifiers.text.folders import default_base_folder, shipped_weights
from qalqan.config import ClassifierSettings

# Threads of torch that wait for each other must not spin: beside other busy processes that is ten times slower.
# OpenMP reads this once, when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def open_text_classifier(settings: ClassifierSettings) -> TextClassifier:
    """The shipped classifier, or the one that `text_model` names: a folder of ours or any checkpoint for our labels.

    Raises ClassifierError that names what is missing, damaged or foreign, and what to do.
    """
    import torch

    from classifiers.text.adapted import open_adapted
    from classifiers.text.checkpoint import open_checkpoint
    from classifiers.text.model_card import CARD

    if settings.threads:
        torch.set_num_threads(settings.threads)
    if settings.text_model is not None and not (Path(settings.text_model) / CARD).is_file():
        return open_checkpoint(settings.text_model)
    weights = Path(settings.text_model) if settings.text_model is not None else shipped_weights()
    base = Path(settings.base_model) if settings.base_model is not None else default_base_folder()
    return open_adapted(weights, base)
