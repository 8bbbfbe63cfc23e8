"""How much every decision may count in training, so that no campaign, source or class floods the corpus."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from qalqan.clock import to_iso

# A line that counts for less than this only costs time: what does not fit in above it is left out.
LEAST = 0.05
MOST_OF_CASE = 1.0
MOST_OF_SOURCE = 5.0
# Of every label, and of the harmless, about as much as our corpus holds positive texts of one label. Decisions exist
# only for what a model flagged, so they must never outweigh texts that were written without it.
MOST_OF_CLASS = 300.0


@dataclass(frozen=True, slots=True)
class TrainingLine:
    """One text that people decided on, personal data masked. labels: one, or none where it was rejected.

    source: the channel or site, as a hash. cluster: the case. model: whose finding stood before the people.
    weight: in [LEAST, 1].
    """

    id: str
    text: str
    lang: str
    labels: tuple[str, ...]
    codes: tuple[str, ...]
    source: str
    cluster: str
    decided_at: datetime
    model: str
    weight: float = 1.0

    def line(self) -> dict[str, object]:
        """As `qalqan train text` reads it."""
        return {
            "id": self.id,
            "text": self.text,
            "lang": self.lang,
            "labels": list(self.labels),
            "codes": list(self.codes),
            "group": "decision",
            "source": self.source,
            "cluster": self.cluster,
            "weight": self.weight,
            "decided_at": to_iso(self.decided_at),
            "model": self.model,
        }


def share_weights(lines: Sequence[TrainingLine]) -> list[TrainingLine]:
    """The lines with weights that keep every limit above, in their order.

    Where more lines share a limit than fit in at the least weight, the first ones stay.
    """
    kept = _limit(lines, lambda line: line.cluster, MOST_OF_CASE)
    kept = _limit(kept, lambda line: (line.source, line.labels), MOST_OF_SOURCE)
    return _limit(kept, lambda line: line.labels, MOST_OF_CLASS)


def _limit(
    lines: Sequence[TrainingLine], group_of: Callable[[TrainingLine], Hashable], most: float
) -> list[TrainingLine]:
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index, line in enumerate(lines):
        groups[group_of(line)].append(index)
    weights: dict[int, float] = {}
    for members in groups.values():
        fitting = members[: round(most / LEAST)]
        weights |= zip(fitting, scale_down([lines[index].weight for index in fitting], most), strict=True)
    return [replace(lines[index], weight=weight) for index, weight in sorted(weights.items())]


def scale_down(weights: Sequence[float], most: float) -> list[float]:
    """The weights times one factor, none below LEAST and none grown, together at most `most`.

    Weights are at least LEAST, and LEAST times their number is at most `most`.
    """
    low: set[int] = set()
    while True:
        free = sum(weight for index, weight in enumerate(weights) if index not in low)
        factor = min(1.0, (most - LEAST * len(low)) / free) if free else 1.0
        fallen = {index for index, weight in enumerate(weights) if index not in low and weight * factor < LEAST}
        if not fallen:
            break
        low |= fallen
    if factor == 1.0:
        return list(weights)
    # Rounded towards zero: rounded to the nearest, many small ones would exceed the limit together.
    return [
        LEAST if index in low else max(LEAST, int(weight * factor * 1e4) / 1e4) for index, weight in enumerate(weights)
    ]
