"""Windows of like length together, in batches of few shapes."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from classifiers.text.windows import Window

# A batch has one of few shapes, filled up with padding: the rounding of bfloat16 depends on the shape, and a text must
# score alike whatever stands beside it. A small batch wastes little on a single post.
_LENGTHS = (16, 24, 32, 40, 48, 56, 64, 80, 96, 128, 192, 256, 384, 512)
_BATCH_TOKENS = 512


class Batch(NamedTuple):
    """indices: of the windows in it, in the order of its rows; rows of padding come after them."""

    indices: list[int]
    ids: Tensor
    mask: Tensor


def batches(windows: Sequence[Window], padding_id: int) -> Iterator[Batch]:
    by_length: defaultdict[int, list[int]] = defaultdict(list)
    for index, window in enumerate(windows):
        by_length[next(length for length in _LENGTHS if length >= len(window.ids))].append(index)
    for length, indices in sorted(by_length.items()):
        rows = _BATCH_TOKENS // length
        for start in range(0, len(indices), rows):
            chosen = indices[start : start + rows]
            ids = torch.full((rows, length), padding_id, dtype=torch.long)
            mask = torch.zeros_like(ids)
            mask[len(chosen) :, 0] = 1  # attention over no token at all is no number
            for row, index in enumerate(chosen):
                own = windows[index].ids
                ids[row, : len(own)] = torch.tensor(own)
                mask[row, : len(own)] = 1
            yield Batch(chosen, ids, mask)
