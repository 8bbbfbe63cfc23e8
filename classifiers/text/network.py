"""Encoder, attention pooling and one linear output per label; the same once more after the first layers."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from classifiers.text.e5_conversion import digest_tensors
from qalqan.errors import ClassifierError


class Network(Protocol):
    """What a classifier of texts asks of its weights; ids and mask have shape (texts, tokens)."""

    def logits(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Shape (texts, labels)."""

    def parts(self, ids: Tensor, mask: Tensor, column: int) -> Tensor:
        """Every token's part of one label's logit, shape (texts, tokens)."""


class AttentionHead(nn.Module):
    """One output per label over the tokens' states.

    logit = bias + sum over tokens of attention · (weight · state), attention = softmax of (query · state) over the
    tokens: every token's part of a logit is exact. With a query of zeros it is the mean over the tokens.
    """

    def __init__(self, width: int, labels: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(labels, width))
        self.weight = nn.Parameter(torch.zeros(labels, width))
        self.bias = nn.Parameter(torch.zeros(labels))

    def parts(self, states: Tensor, mask: Tensor) -> Tensor:
        """Of states (texts, tokens, width) and mask (texts, tokens) the tokens' parts: (texts, tokens, labels)."""
        wide = states.float()
        attention = (wide @ self.query.T).masked_fill(mask[..., None] == 0, -torch.inf).softmax(dim=1)
        return attention * (wide @ self.weight.T)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        return self.parts(states, mask).sum(dim=1) + self.bias


_EARLY = "early."


def early_layers_of(config: BertConfig) -> int:
    """After how many layers the early head stands when a network is trained: 4 of 12."""
    layers: int = config.num_hidden_layers
    return max(1, layers // 3)


class PooledNetwork(nn.Module):
    """An encoder under two heads: one after all its layers and an early one after its first layers.

    The early head tells the labels only. What it finds plainly harmless need not go through the other layers.
    """

    def __init__(self, encoder: BertModel, head: AttentionHead, early: AttentionHead, early_layers: int) -> None:
        super().__init__()
        self.encoder, self.head, self.early, self.early_layers = encoder, head, early, early_layers

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The logits of the head and of the early head."""
        states = self._first(ids, mask)
        return self.head(self._rest(states, mask), mask), self.early(states, mask)

    def logits(self, ids: Tensor, mask: Tensor) -> Tensor:
        with torch.inference_mode():
            logits: Tensor = self.head(self._rest(self._first(ids, mask), mask), mask)
            return logits

    def parts(self, ids: Tensor, mask: Tensor, column: int) -> Tensor:
        with torch.inference_mode():
            return self.head.parts(self._rest(self._first(ids, mask), mask), mask)[:, :, column]

    def begin(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """States of shape (texts, tokens, width) after the first layers, and the early head's logits."""
        with torch.inference_mode():
            states = self._first(ids, mask)
            return states, self.early(states, mask)

    def finish(self, states: Tensor, mask: Tensor) -> Tensor:
        """The head's logits from the states that `begin` gave."""
        with torch.inference_mode():
            logits: Tensor = self.head(self._rest(states, mask), mask)
            return logits

    def heads(self) -> dict[str, Tensor]:
        """The tensors of both heads, those of the early one under "early."."""
        early = {_EARLY + name: values for name, values in self.early.state_dict().items()}
        return self.head.state_dict() | early

    def load_heads(self, tensors: Mapping[str, Tensor]) -> None:
        """Raises RuntimeError if they are heads of other shapes."""
        early = {name.removeprefix(_EARLY): values for name, values in tensors.items() if name.startswith(_EARLY)}
        self.early.load_state_dict(early)
        self.head.load_state_dict({name: values for name, values in tensors.items() if not name.startswith(_EARLY)})

    def _first(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self._through(self.encoder.encoder.layer[: self.early_layers], self.encoder.embeddings(ids), mask)

    def _rest(self, states: Tensor, mask: Tensor) -> Tensor:
        return self._through(self.encoder.encoder.layer[self.early_layers :], states, mask)

    def _through(self, layers: Iterable[nn.Module], states: Tensor, mask: Tensor) -> Tensor:
        lowest = torch.finfo(states.dtype).min
        added = torch.zeros(mask.shape, dtype=states.dtype).masked_fill(mask == 0, lowest)[:, None, None, :]
        for layer in layers:
            states = layer(states, added)
        return states


def load_tensors(path: Path, remedy: str) -> dict[str, Tensor]:
    """Raises ClassifierError with the file's name and the remedy if it is missing or damaged."""
    if not path.is_file():
        raise ClassifierError(f"{path} is missing; {remedy}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ClassifierError(f"{path} is damaged ({error}); {remedy}") from error


def load_encoder(folder: Path, expected_sha256: str | None = None) -> BertModel:
    """The base model in float32, for inference.

    Raises ClassifierError if a file is missing or damaged, or its weights have another `digest_tensors`.
    """
    remedy = "run `make model`"
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise ClassifierError(f"{folder / 'config.json'} is missing; {remedy}") from error
    except ValueError as error:
        raise ClassifierError(f"{folder / 'config.json'} is damaged; {remedy}") from error
    tensors = load_tensors(folder / "model.safetensors", remedy)
    if expected_sha256 is not None:
        found = digest_tensors({name: values.numpy() for name, values in tensors.items()})
        if found != expected_sha256:
            raise ClassifierError(
                f"{folder / 'model.safetensors'} is not the base model that the weights were trained on; {remedy}"
            )
    encoder = BertModel(BertConfig(**values), add_pooling_layer=False)
    try:
        encoder.load_state_dict({name: values.float() for name, values in tensors.items()})
    except RuntimeError as error:
        raise ClassifierError(f"{folder / 'model.safetensors'} does not fit its config.json; {remedy}") from error
    encoder.train(False)
    return encoder


def merge_adapter(encoder: nn.Module, adapter: Mapping[str, Tensor], scale: float) -> None:
    """Add a LoRA adapter (tensors named as peft saves them) to the encoder's weights, in place.

    scale is alpha / r. Raises ClassifierError if the adapter belongs to another encoder.
    """
    modules = dict(encoder.named_modules())
    merged = 0
    for name, down in adapter.items():
        if not name.endswith(".lora_A.weight"):
            continue
        stem = name.removesuffix(".lora_A.weight")
        up = adapter.get(f"{stem}.lora_B.weight")
        linear = modules.get(stem.removeprefix("base_model.model."))
        if up is None or not isinstance(linear, nn.Linear):
            raise ClassifierError(f"the adapter names {stem}, which the base model does not have; train it again")
        change = scale * (up.float() @ down.float())
        if change.shape != linear.weight.shape:
            raise ClassifierError(f"the adapter's {stem} has another shape than the base model's; train it again")
        linear.weight.data += change
        merged += 1
    if merged * 2 != len(adapter):
        raise ClassifierError("the adapter holds tensors that are no LoRA pairs; train it again")
