"""The shipped classifier: the base model with our adapter and head."""

from pathlib import Path

import torch
from torch import nn

from classifiers.text.e5_conversion import PAD
from classifiers.text.model_card import ADAPTER, HEAD, REMEDY, ModelCard, read_card
from classifiers.text.network import AttentionHead, PooledNetwork, load_encoder, load_tensors, merge_adapter
from classifiers.text.processor import has_bfloat16
from classifiers.text.windowed import WindowedTextClassifier
from classifiers.text.windows import WindowTokenizer
from qalqan.errors import ClassifierError


def load_network(weights: Path, base: Path, card: ModelCard, dtype: torch.dtype) -> PooledNetwork:
    """Encoder with the adapter merged, in `dtype`; the heads stay float32. Raises ClassifierError."""
    encoder = load_encoder(base, card.base_sha256)
    merge_adapter(encoder, load_tensors(weights / ADAPTER, REMEDY), card.lora_scale)
    nn.Module.to(encoder, dtype)  # the encoder's own `to` is untyped
    width = encoder.config.hidden_size
    head, early = AttentionHead(width, len(card.labels) + len(card.codes)), AttentionHead(width, len(card.labels))
    network = PooledNetwork(encoder, head, early, card.early.layers)
    try:
        network.load_heads(load_tensors(weights / HEAD, REMEDY))
    except RuntimeError as error:
        raise ClassifierError(
            f"{weights / HEAD} does not fit {len(card.labels)} labels and {len(card.codes)} codes; {REMEDY}"
        ) from error
    return network.eval().requires_grad_(False)


def open_adapted(weights: Path, base: Path) -> WindowedTextClassifier:
    """Raises ClassifierError that names the file that is missing, truncated or foreign."""
    card = read_card(weights)
    tokenizer = WindowTokenizer.from_file(base / "tokenizer.json", size=card.window_tokens, stride=card.stride_tokens)
    network = load_network(weights, base, card, torch.bfloat16 if has_bfloat16() else torch.float32)
    return WindowedTextClassifier(
        card.model_id,
        network,
        tokenizer,
        padding_id=PAD,
        calibration=card.calibration,
        thresholds=card.thresholds,
        sure_thresholds=card.sure_thresholds,
        codes=card.codes,
        early=card.early,
    )
