"""Questions that a writer must have answered: asked again while the server is busy or away."""

import time
from collections.abc import Callable
from typing import TypeVar

from elasticsearch import ApiError, TransportError

from qalqan.store.elasticsearch.bulk import ServerAway, Trouble

Answer = TypeVar("Answer")


def ask(question: Callable[[], Answer], name: str, patience_s: float) -> Answer:
    """Raises ServerAway after `patience_s` without an answer; any other error at once, as it is."""
    deadline = time.monotonic() + patience_s
    fruitless = 0
    while True:
        try:
            return question()
        except (ApiError, TransportError) as error:
            trouble = Trouble(error)
            if not trouble.may_pass:
                raise
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise ServerAway(trouble.advice(name), (), {}) from error
            time.sleep(min(left_s, trouble.pause_s(fruitless)))
            fruitless += 1
