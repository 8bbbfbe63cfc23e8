"""A network over windows, in batches of like length; plainly harmless texts only through its first layers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from classifiers.text.batches import batches
from classifiers.text.model_card import EarlyExit
from classifiers.text.network import Network, PooledNetwork
from classifiers.text.windows import Window
from qalqan.records import LABELS

# So many windows at a time: their states between the two stages are held in memory, some 70 KiB each.
_PORTION = 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one text: either the probabilities of the early head, which found it plainly harmless, or logits by window."""

    early: tuple[float, ...] | None
    windows: Sequence[list[float]]


class Inference:
    """early: when the network's early head answers alone; without it every text goes through all layers."""

    def __init__(self, network: Network, padding_id: int, early: EarlyExit | None = None) -> None:
        self._network, self._padding_id, self._early = network, padding_id, early

    def answers(self, texts: Sequence[Sequence[Window]]) -> Iterator[Answer]:
        """Of each text, given by its windows, in order."""
        for portion in _portions(texts):
            flat = [window for own in portion for window in own]
            if self._early is None or not isinstance(self._network, PooledNetwork):
                logits = iter(self.logits(flat))
                yield from (Answer(None, [next(logits) for _ in own]) for own in portion)
            else:
                yield from self._in_stages(self._network, self._early, portion, flat)

    def logits(self, windows: Sequence[Window]) -> list[list[float]]:
        logits: list[list[float]] = [[] for _ in windows]
        for batch in batches(windows, self._padding_id):
            values = self._network.logits(batch.ids, batch.mask).tolist()
            for index, row in zip(batch.indices, values, strict=False):
                logits[index] = row
        return logits

    def parts(self, windows: Sequence[Window], column: int) -> list[list[float]]:
        """Of every window its tokens' parts of the label's logit."""
        parts: list[list[float]] = [[] for _ in windows]
        for batch in batches(windows, self._padding_id):
            values = self._network.parts(batch.ids, batch.mask, column).tolist()
            for index, row in zip(batch.indices, values, strict=False):
                parts[index] = row[: len(windows[index].ids)]
        return parts

    def _in_stages(
        self, network: PooledNetwork, early: EarlyExit, texts: Sequence[Sequence[Window]], flat: Sequence[Window]
    ) -> Iterator[Answer]:
        states, early_logits = self._begin(network, flat)
        answered: list[tuple[float, ...] | None] = []
        going_on: list[int] = []
        place = 0
        for own in texts:
            mine = range(place, place + len(own))
            place += len(own)
            probabilities = tuple(
                early.calibration[label].probability(max((early_logits[at][column] for at in mine), default=-700.0))
                for column, label in enumerate(LABELS)
            )
            is_harmless = max(probabilities) < early.least
            answered.append(probabilities if is_harmless else None)
            going_on += [] if is_harmless else mine
        logits = iter(self._finish(network, [flat[at] for at in going_on], [states[at] for at in going_on]))
        for own, probabilities_or_none in zip(texts, answered, strict=True):
            yield Answer(probabilities_or_none, [] if probabilities_or_none else [next(logits) for _ in own])

    def _begin(self, network: PooledNetwork, windows: Sequence[Window]) -> tuple[list[Tensor], list[list[float]]]:
        """Of every window its states after the first layers, as long as its batch, and the early head's logits."""
        states: list[Tensor] = [torch.empty(0)] * len(windows)
        logits: list[list[float]] = [[] for _ in windows]
        for batch in batches(windows, self._padding_id):
            begun, values = network.begin(batch.ids, batch.mask)
            for index, own, row in zip(batch.indices, begun, values.tolist(), strict=False):
                states[index], logits[index] = own, row
        return states, logits

    def _finish(self, network: PooledNetwork, windows: Sequence[Window], states: Sequence[Tensor]) -> list[list[float]]:
        logits: list[list[float]] = [[] for _ in windows]
        for batch in batches(windows, self._padding_id):
            begun = states[batch.indices[0]].new_zeros((*batch.ids.shape, states[batch.indices[0]].shape[-1]))
            for row, index in enumerate(batch.indices):
                begun[row] = states[index]
            values = network.finish(begun, batch.mask).tolist()
            for index, values_of_window in zip(batch.indices, values, strict=False):
                logits[index] = values_of_window
        return logits


def _portions(texts: Sequence[Sequence[Window]]) -> Iterator[Sequence[Sequence[Window]]]:
    begin = held = 0
    for index, own in enumerate(texts):
        if held and held + len(own) > _PORTION:
            yield texts[begin:index]
            begin, held = index, 0
        held += len(own)
    if begin < len(texts):
        yield texts[begin:]
