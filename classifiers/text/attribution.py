"""Which tokens a logit comes from: integrated gradients over the token embeddings.

Sundararajan, Taly and Yan 2017, arXiv:1703.01365. The parts of a text add up to the difference between its logit and
that of the same text with every token blanked out, up to the error of the quadrature. Needed only for checkpoints of
others: our own head tells every token's part exactly.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

# Midpoints of equal steps; with fewer the words blur (three Gauss points did), with more they stay the same.
_STEPS = 6
_POINTS = (torch.arange(_STEPS) + 0.5) / _STEPS


def token_parts(
    embeddings: nn.Module,
    logits_of: Callable[[Tensor, Tensor], Tensor],
    ids: Tensor,
    column: int,
    padding_id: int,
) -> Tensor:
    """Every token's part of one logit of one text, shape (tokens,); zero for the marks at both ends.

    ids: shape (tokens,), without padding. column: the label asked about.
    logits_of: (embedded tokens of shape (points, tokens, width), mask) to logits of shape (points, labels).
    """
    with torch.no_grad():
        embedded = embeddings(ids)
        blank = embeddings(torch.full_like(ids, padding_id))
    blank[[0, -1]] = embedded[[0, -1]]
    path = embedded - blank
    points = (blank + _POINTS.to(path.dtype)[:, None, None] * path).requires_grad_(True)
    with torch.enable_grad():
        mask = torch.ones(points.shape[:2], dtype=torch.long)
        (gradients,) = torch.autograd.grad(logits_of(points, mask)[:, column].sum(), points)
    parts: Tensor = (gradients.float().mean(dim=0) * path.float()).sum(dim=-1)
    return parts
