"""The classifier proper: windows in batches of like length through a network, calibrated, explained, coded."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from classifiers.base import TextClassifier
from classifiers.text.codes import suggest_codes
from classifiers.text.explanation import Span, strongest_spans
from classifiers.text.model_card import Calibration
from classifiers.text.network import Network
from classifiers.text.windows import Window, WindowTokenizer
from qalqan.records import LABELS, Finding, Label

# A batch has one of few shapes, filled up with padding: the rounding of bfloat16 depends on the shape, and a text must
# score alike whatever stands beside it. A small batch wastes little on a single post.
_LENGTHS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_BATCH_TOKENS = 512


class _Batch(NamedTuple):
    indices: list[int]
    rows: int
    length: int


def _batches(windows: Sequence[Window]) -> Iterator[_Batch]:
    """Windows of like length together."""
    by_length: defaultdict[int, list[int]] = defaultdict(list)
    for index, window in enumerate(windows):
        by_length[next(length for length in _LENGTHS if length >= len(window.ids))].append(index)
    for length, indices in sorted(by_length.items()):
        rows = _BATCH_TOKENS // length
        for start in range(0, len(indices), rows):
            yield _Batch(indices[start : start + rows], rows, length)


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
        columns = list(zip(*logits, strict=True))
        strongest = {
            (text, column): max(owned, key=columns[column].__getitem__)
            for text, owned in enumerate(owners)
            for column in range(len(LABELS))
            if owned
        }
        scores = {
            (text, column): self._score(LABELS[column], logits[window][column])
            for (text, column), window in strongest.items()
        }
        flagged = {place: strongest[place] for place, score in scores.items() if self._flags(place[1], score)}
        found = []
        for text_index, text in enumerate(texts):
            row = []
            for column, label in enumerate(LABELS):
                place = (text_index, column)
                spans: tuple[Span, ...] = ()
                if place in flagged:
                    window = windows[flagged[place]]
                    parts = self._network.parts(torch.tensor(window.ids), column)
                    spans = strongest_spans(text, window.offsets, parts.tolist())
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
            values = self._network.logits(*self._tensors(windows, batch)).tolist()
            for index, row in zip(batch.indices, values, strict=False):  # rows of padding come last
                logits[index] = row
        return logits

    def _tensors(self, windows: Sequence[Window], batch: _Batch) -> tuple[Tensor, Tensor]:
        ids = torch.full((batch.rows, batch.length), self._padding_id, dtype=torch.long)
        mask = torch.zeros_like(ids)
        mask[len(batch.indices) :, 0] = 1  # a mean over no token at all is no number
        for row, index in enumerate(batch.indices):
            own = windows[index].ids
            ids[row, : len(own)] = torch.tensor(own)
            mask[row, : len(own)] = 1
        return ids, mask
