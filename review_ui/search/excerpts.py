"""A post's text on a few lines, cut around what was asked for."""

from collections.abc import Sequence

from qalqan.store.terms import find_hits
from review_ui.casework.views.marked import Piece

Place = tuple[int, int]

# A longer text is looked through to here: a page holds many results.
LOOKED_THROUGH = 50_000
LONGEST = 420
_AROUND = 110
_FRAGMENTS = 3


def places_of(text: str, query: str) -> list[Place]:
    """Where the words of the query stand, in characters; none of an empty query."""
    return find_hits(text[:LOOKED_THROUGH], query) if query else []


def excerpt(text: str, hits: Sequence[Place]) -> list[Piece]:
    """The whole text where it is short, else the parts around the first hits, with dots where something is left out.

    hits: in order, none overlapping. A hit has level 1, everything else 0; dots stand at -1.
    """
    flat = text.translate({ord(sign): " " for sign in "\r\n\t"})
    hits = [(start, min(end, len(flat))) for start, end in hits if start < min(end, len(flat))]
    pieces: list[Piece] = []
    stop = 0
    for begin, stop in _fragments(flat, hits):
        if begin:
            pieces.append(Piece(-1, " … "))
        pieces += _pieces(flat, begin, stop, hits)
    return [*pieces, Piece(-1, " …")] if stop < len(flat) else pieces


def _pieces(flat: str, begin: int, stop: int, hits: Sequence[Place]) -> list[Piece]:
    pieces: list[Piece] = []
    at = begin
    for start, end in hits:
        start, end = max(start, at), min(end, stop)
        if start >= end:
            continue
        if at < start:
            pieces.append(Piece(at, flat[at:start]))
        pieces.append(Piece(start, flat[start:end], level=1))
        at = end
    if at < stop:
        pieces.append(Piece(at, flat[at:stop]))
    return pieces


def _fragments(flat: str, hits: Sequence[Place]) -> list[Place]:
    """Begin and end of what is shown, in order, with something left out between any two; together about `LONGEST`."""
    if len(flat) <= LONGEST:
        return [(0, len(flat))] if flat else []
    fragments: list[Place] = []
    left = LONGEST
    for start, end in hits or [(0, 0)]:
        around = _AROUND if hits else LONGEST
        begin, stop = _at_words(flat, max(0, start - around), start, end, min(len(flat), end + around))
        if fragments and begin <= fragments[-1][1]:
            before = fragments.pop()
            left += before[1] - before[0]
            begin = before[0]
        elif len(fragments) == _FRAGMENTS or left < _AROUND:
            break
        if stop > begin + left:
            begin, stop = _at_words(flat, begin, begin, begin + left - _AROUND, begin + left)
        fragments.append((begin, stop))
        left -= stop - begin
    return fragments


def _at_words(flat: str, begin: int, start: int, end: int, stop: int) -> Place:
    """The same part with no word cut at its ends, if there is a space near enough."""
    if begin:
        begin = flat.find(" ", begin, start) + 1 or begin
    if stop < len(flat):
        space = flat.rfind(" ", end, stop)
        stop = space if space > end else stop
    return begin, stop
