"""Questions that a writer must have answered: asked again while the server is busy or away."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from elasticsearch import ApiError, TransportError

from qalqan.errors import StoreError
from qalqan.store.elasticsearch.bulk import ServerAway
from qalqan.store.elasticsearch.connection import translated

_PASSING = (429, 502, 503, 504)
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.1, 10.0
_JITTER = random.SystemRandom()

Answer = TypeVar("Answer")


def ask(question: Callable[[], Answer], name: str, patience_s: float) -> Answer:
    """Raises ServerAway after `patience_s` without an answer; any other error at once, as it is."""
    deadline = time.monotonic() + patience_s
    bound_s = _SHORTEST_WAIT_S
    while True:
        try:
            return question()
        except (ApiError, TransportError) as error:
            if isinstance(error, ApiError) and error.meta.status not in _PASSING:
                raise
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise ServerAway(_advice(error, name), (), {}) from error
            time.sleep(min(left_s, _JITTER.uniform(0, bound_s)))
            bound_s = min(_LONGEST_WAIT_S, 2 * bound_s)


def _advice(error: ApiError | TransportError, name: str) -> str:
    try:
        with translated(name):
            raise error
    except StoreError as told:
        return str(told)
