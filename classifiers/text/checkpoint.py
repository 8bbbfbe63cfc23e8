"""Any sequence-classification checkpoint of `transformers` whose labels are ours, in place of the shipped model."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from classifiers.labels import load_labels
from classifiers.text.attribution import token_parts
from classifiers.text.model_card import Calibration
from classifiers.text.windowed import WindowedTextClassifier
from classifiers.text.windows import WindowTokenizer
from qalqan.errors import ClassifierError
from qalqan.records import LABELS

_WINDOW = 510


class CheckpointNetwork:
    """Logits in the order of LABELS."""

    def __init__(self, model: PreTrainedModel, order: list[int], padding_id: int) -> None:
        self._model, self._order, self._padding_id = model, order, padding_id

    def logits(self, ids: Tensor, mask: Tensor) -> Tensor:
        with torch.inference_mode():
            logits: Tensor = self._model(input_ids=ids, attention_mask=mask).logits
        return logits[:, self._order].float()

    def parts(self, ids: Tensor, mask: Tensor, column: int) -> Tensor:
        embeddings = self._model.get_input_embeddings()
        parts = torch.zeros(ids.shape)
        for row, length in enumerate(mask.sum(dim=1).tolist()):
            own = ids[row, :length]
            parts[row, :length] = token_parts(embeddings, self._logits_of_embedded, own, column, self._padding_id)
        return parts

    def _logits_of_embedded(self, embedded: Tensor, mask: Tensor) -> Tensor:
        logits: Tensor = self._model(inputs_embeds=embedded, attention_mask=mask).logits
        return logits[:, self._order].float()


def _label_order(names: dict[int, str], source: str) -> list[int]:
    """The checkpoint's output for each of LABELS. Raises ClassifierError that names other labels."""
    if sorted(names.values()) != sorted(LABELS):
        raise ClassifierError(
            f"{source} has the labels {', '.join(names.values())}; text_model needs exactly {', '.join(LABELS)}"
        )
    places = {name: index for index, name in names.items()}
    return [places[label] for label in LABELS]


def open_checkpoint(source: str) -> WindowedTextClassifier:
    """From a folder or a hub name. Scores are uncalibrated sigmoids; thresholds are those of the labels' files.

    Raises ClassifierError if the checkpoint cannot be loaded or has other labels.
    """
    try:
        config = AutoConfig.from_pretrained(source)
        order = _label_order({int(index): name for index, name in config.id2label.items()}, source)
        tokenizer = AutoTokenizer.from_pretrained(source)
        model = AutoModelForSequenceClassification.from_pretrained(source, dtype=torch.float32)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise ClassifierError(f"text_model {source} cannot be loaded: {reason}") from error
    if not tokenizer.is_fast:
        raise ClassifierError(f"text_model {source} has no fast tokenizer, so words cannot be traced; convert it first")
    positions = getattr(config, "max_position_embeddings", _WINDOW + 2)
    # RoBERTa's positions begin after the padding's: two places fewer.
    size = min(_WINDOW, positions - 4)
    padding_id = tokenizer.pad_token_id or 0
    return WindowedTextClassifier(
        f"{Path(source).name}+{hashlib.sha256(config.to_json_string().encode()).hexdigest()[:8]}",
        CheckpointNetwork(model.eval().requires_grad_(False), order, padding_id),
        WindowTokenizer(tokenizer.backend_tokenizer, size=size, stride=max(1, size * 3 // 4)),
        padding_id=padding_id,
        calibration={label: Calibration(slope=1.0, intercept=0.0) for label in LABELS},
        thresholds={label: definition.threshold for label, definition in load_labels().items()},
    )
