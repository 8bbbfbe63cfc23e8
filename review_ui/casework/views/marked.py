"""A post's text cut into pieces: the machine's words, the person's quotes, and the rest.

Offsets are characters (code points) of the document's text; every piece knows where it begins, so that a selection
in the browser can be named by the same offsets.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from review_ui.casework.templatetags.desk import plain, score

Span = tuple[int, int, float]
SNIPPET_BEFORE, SNIPPET_NEAR, SNIPPET_LENGTH = 30, 70, 220
MOST_SPANS = 300
_EMPTY_LINES = re.compile(r"\r?\n(?:[ \t]*\r?\n)+")


@dataclass(frozen=True)
class Piece:
    """level: 0 not marked by the machine, 1 weak to 3 strong. weight: of the strongest span that covers the piece.

    is_gap: nothing but the empty lines between two paragraphs.
    """

    start: int
    text: str
    level: int = 0
    weight: float = 0.0
    is_quoted: bool = False
    is_gap: bool = False

    @property
    def html(self) -> SafeString:
        """The text escaped, every character still one character in the page."""
        shown = escape(plain(self.text)).replace("\r", "&#13;")
        return mark_safe(shown)  # noqa: S308  (escaped above)

    @property
    def at(self) -> str:
        return str(self.start)

    @property
    def title(self) -> str:
        return score(self.weight)


def spans_of(document: dict[str, Any], label: str) -> list[Span]:
    """The machine's spans for `label`, strongest first; none where nothing was found."""
    for finding in document.get("findings", ()):
        if finding["label"] == label:
            return [(int(start), int(end), float(weight)) for start, end, weight in finding["spans"][:MOST_SPANS]]
    return []


def level_of(weight: float, strongest: float) -> int:
    """1 to 3, relative to the strongest word of the same text: weights are parts of one decision."""
    if strongest <= 0 or weight <= 0:
        return 0
    share = weight / strongest
    return 3 if share >= 0.66 else 2 if share >= 0.33 else 1


def cut(text: str, spans: Sequence[Span], quotes: Iterable[tuple[int, int]] = ()) -> list[Piece]:
    """The whole text in pieces, without holes; spans outside the text are cut to it."""
    length = len(text)
    spans = [(max(0, start), min(length, end), weight) for start, end, weight in spans]
    spans = [span for span in spans if span[0] < span[1]]
    quoted = [(max(0, start), min(length, end)) for start, end in quotes]
    gaps = {match.start(): match.end() for match in _EMPTY_LINES.finditer(text)}
    strongest = max((weight for *_, weight in spans), default=0.0)
    edges = {0, length, *gaps.keys(), *gaps.values()}
    for start, end in [*((start, end) for start, end, _ in spans), *quoted]:
        edges |= {start, end}
    borders = sorted(edges)
    pieces: list[Piece] = []
    for start, end in pairwise(borders):
        weight = max((w for s, e, w in spans if s <= start and end <= e), default=0.0)
        is_quoted = any(s <= start and end <= e for s, e in quoted)
        is_gap = any(s <= start and end <= e for s, e in gaps.items())
        level = 0 if is_gap else level_of(weight, strongest)
        pieces.append(Piece(start, text[start:end], level, weight, is_quoted and not is_gap, is_gap))
    return _joined(pieces)


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Neighbouring words of one strength are one mark, the space between them included."""
    joined: list[Piece] = []
    for piece in pieces:
        if len(joined) >= 2 and piece.level and _is_bridge(joined[-2], joined[-1], piece):
            space, before = joined.pop(), joined.pop()
            text = before.text + space.text + piece.text
            piece = Piece(before.start, text, piece.level, max(before.weight, piece.weight), piece.is_quoted)
        joined.append(piece)
    return joined


def _is_bridge(before: Piece, space: Piece, after: Piece) -> bool:
    is_space = not space.level and space.text in {" ", "\u00a0"}
    return is_space and before.level == after.level and before.is_quoted == space.is_quoted == after.is_quoted


def snippet(text: str, spans: Sequence[Span]) -> list[Piece]:
    """The part of the text around its strongest word, on one line."""
    flat = "".join(" " if character in "\r\n\t" else character for character in text)
    strongest = max(spans, key=lambda span: span[2], default=(0, 0, 0.0))
    begin = 0
    if strongest[0] > SNIPPET_NEAR:
        begin = strongest[0] - SNIPPET_BEFORE
        begin = min([begin, *(start for start, end, _ in spans if start < begin < end)])
        space = flat.find(" ", begin, strongest[0])
        begin = space + 1 if space >= 0 and begin not in {start for start, *_ in spans} else begin
    end = min(len(flat), begin + SNIPPET_LENGTH)
    inside = [(start - begin, stop - begin, weight) for start, stop, weight in spans if stop > begin and start < end]
    pieces = cut(flat[begin:end], inside)
    return [Piece(-1, "… "), *pieces] if begin else pieces
