"""Vectors of texts: packed, and compared one by one where an engine has no index for them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qalqan.errors import StoreError
from qalqan.store.base import VECTOR_SIZE, Neighbour


def unit_vector(vector: Sequence[float]) -> npt.NDArray[np.float32]:
    """The same direction, of length 1. Raises StoreError for another size or no direction at all."""
    values = np.asarray(vector, dtype="<f4")
    length = float(np.linalg.norm(values))
    if values.shape != (VECTOR_SIZE,) or not np.isfinite(length) or length == 0:
        raise StoreError(f"a vector has {VECTOR_SIZE} finite numbers, not all of them zero: got {list(vector)!r:.80}")
    return (values / length).astype("<f4")


def pack_vector(vector: Sequence[float]) -> bytes:
    """As `unit_vector`, little-endian float32."""
    return unit_vector(vector).tobytes()


def nearest(vector: Sequence[float], packed: Sequence[tuple[str, bytes]], limit: int) -> list[Neighbour]:
    """packed: (document id, vector) as `pack_vector` gave it."""
    own = unit_vector(vector)
    if not packed:
        return []
    similarities = np.frombuffer(b"".join(values for _, values in packed), dtype="<f4").reshape(-1, VECTOR_SIZE) @ own
    best = np.argsort(-similarities, kind="stable")[:limit]
    return [Neighbour(packed[index][0], float(similarities[index])) for index in best]


def unpack_vector(packed: bytes) -> tuple[float, ...]:
    return tuple(np.frombuffer(packed, dtype="<f4").tolist())
