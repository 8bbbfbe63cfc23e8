"""Scores of harmless texts, kept for their copies: most of a feed is posted again with another contact or emoji."""

import re
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

_KEPT = 50_000
# Of a short text (an inscription on a wall) the contact may be all that tells.
_LEAST_WORDS = 8
_CONTACT = re.compile(r"(?:https?://|www\.)\S+|@\w{3,}|(?:[\w-]+\.)+[a-z]{2,}(?:/\S*)?|\+?\d[\d ()-]{8,}\d")
_WORD = re.compile(r"[^\W_]+")


def key_of_copies(plain: str) -> bytes | None:
    """The same for texts of the same words and numbers, whatever their contacts, emoji and punctuation.

    plain: the text as `Reader` reads it. None for a text too short to be known by its words.
    """
    words = _WORD.findall(_CONTACT.sub(" ", plain))
    if len(words) < _LEAST_WORDS:
        return None
    return blake2b(" ".join(words).encode("utf-8", "replace"), digest_size=16).digest()


class KeptScores:
    """The last scores, in the order of LABELS, by `key_of_copies`; the least recently used are forgotten."""

    def __init__(self) -> None:
        self._scores: OrderedDict[bytes, tuple[float, ...]] = OrderedDict()

    def find(self, key: bytes) -> tuple[float, ...] | None:
        scores = self._scores.get(key)
        if scores is not None:
            self._scores.move_to_end(key)
        return scores

    def keep(self, key: bytes, scores: Sequence[float]) -> None:
        self._scores[key] = tuple(scores)
        if len(self._scores) > _KEPT:
            self._scores.popitem(last=False)
