"""The classifier proper: windows in batches of like length through a network, calibrated, explained, coded."""

import math
from collections.abc import Iterator, Mapping, Sequence

import structlog
import torch
from torch import Tensor

from classifiers.base import TextClassifier
from classifiers.text.codes import suggest_codes
from classifiers.text.explanation import Span, strongest_spans
from classifiers.text.network import Network
from classifiers.text.weights import Calibration
from classifiers.text.windows import Window, WindowTokenizer
from qalqan.records import LABELS, Finding, Label

log = structlog.get_logger()

# Tokens in a batch, padding included: more gains no speed on a CPU and costs memory.
_BATCH_TOKENS = 4096


def _batches(windows: Sequence[Window]) -> Iterator[list[int]]:
    """Indices of windows of like length, at most _BATCH_TOKENS with padding."""
    batch: list[int] = []
    for index in sorted(range(len(windows)), key=lambda index: (len(windows[index].ids), index)):
        if batch and len(windows[index].ids) * (len(batch) + 1) > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


class WindowedTextClassifier(TextClassifier):
    """Of a text longer than one window the strongest window counts, for every label apart."""

    def __init__(
        self,
        model_id: str,
        network: Network,
        tokenizer: WindowTokenizer,
        *,
        padding_id: int,
        calibration: Mapping[Label, Calibration],
        thresholds: Mapping[Label, float],
    ) -> None:
        self.model_id = model_id
        self._network, self._tokenizer, self._padding_id = network, tokenizer, padding_id
        self._calibration, self._thresholds = calibration, thresholds

    def findings(self, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        windows: list[Window] = []
        owners: list[range] = []
        for text in texts:
            own = self._tokenizer.windows(text)
            owners.append(range(len(windows), len(windows) + len(own)))
            windows.extend(own)
        logits = self._logits(windows)
        strongest = {
            (text, column): max(owned, key=lambda index, column=column: (logits[index][column], -index))  # type: ignore[misc]
            for text, owned in enumerate(owners)
            for column in range(len(LABELS))
            if owned
        }
        scores = {
            (text, column): self._score(LABELS[column], logits[window][column])
            for (text, column), window in strongest.items()
        }
        flagged = {place: strongest[place] for place, score in scores.items() if self._flags(place[1], score)}
        parts = self._parts(windows, sorted(set(flagged.values())))
        found = []
        for text_index, text in enumerate(texts):
            row = []
            for column, label in enumerate(LABELS):
                place = (text_index, column)
                spans: tuple[Span, ...] = ()
                if place in flagged:
                    window = windows[flagged[place]]
                    spans = strongest_spans(text, window.offsets, [values[column] for values in parts[flagged[place]]])
                row.append(
                    Finding(
                        label=label,
                        score=scores.get(place, 0.0),
                        threshold=self._thresholds[label],
                        flagged=place in flagged,
                        spans=spans,
                        codes=suggest_codes(text, label) if place in flagged else (),
                        model=self.model_id,
                    )
                )
            found.append(tuple(row))
        return found

    def _flags(self, column: int, score: float) -> bool:
        return score >= self._thresholds[LABELS[column]]

    def _score(self, label: Label, logit: float) -> float:
        """Calibrated and rounded, so that a repeat prints the same digits."""
        calibration = self._calibration[label]
        exponent = -(calibration.slope * logit + calibration.intercept)
        return round(1 / (1 + math.exp(min(exponent, 700.0))), 4)

    def _logits(self, windows: Sequence[Window]) -> list[list[float]]:
        logits: list[list[float]] = [[] for _ in windows]
        for batch in _batches(windows):
            rows = self._network.logits(*self._tensors([windows[index] for index in batch])).tolist()
            for index, row in zip(batch, rows, strict=True):
                logits[index] = row
        return logits

    def _parts(self, windows: Sequence[Window], wanted: Sequence[int]) -> dict[int, list[list[float]]]:
        parts: dict[int, list[list[float]]] = {}
        chosen = [windows[index] for index in wanted]
        for batch in _batches(chosen):
            tensor = self._network.parts(*self._tensors([chosen[index] for index in batch]))
            for index, values in zip(batch, tensor.tolist(), strict=True):
                parts[wanted[index]] = values[: len(chosen[index].ids)]
        return parts

    def _tensors(self, windows: Sequence[Window]) -> tuple[Tensor, Tensor]:
        longest = max(len(window.ids) for window in windows)
        ids = torch.full((len(windows), longest), self._padding_id, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window.ids)] = torch.tensor(window.ids)
            mask[row, : len(window.ids)] = 1
        return ids, mask
