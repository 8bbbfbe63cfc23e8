"""Which words of a text speak for a label: tokens' parts summed per word, as places in the original text."""

import re
from collections.abc import Sequence

MAX_SPANS = 12
# Words below this share of the strongest word's part are noise to a reader.
_LEAST_SHARE = 0.12
# Long runs without a space (links, key mashing) count as several words.
_LONGEST_WORD = 80
_WORD = re.compile(rf"\S{{1,{_LONGEST_WORD}}}")

Span = tuple[int, int, float]


def sum_words(text: str, offsets: Sequence[tuple[int, int]], parts: Sequence[float]) -> list[Span]:
    """(start, end, sum of parts) for every word that has tokens, in the order of the text.

    A token that covers only white space belongs to the word after it; one that covers nothing is left out.
    """
    begin = min((start for start, end in offsets if end > start), default=0)
    stop = max((end for _, end in offsets), default=0)
    sums: list[Span] = []
    tokens = sorted((end - 1, part) for (start, end), part in zip(offsets, parts, strict=True) if end > start)
    position = 0
    # A window may begin or end inside a word, which is shown whole.
    for match in _WORD.finditer(text, max(0, begin - _LONGEST_WORD), stop + _LONGEST_WORD):
        total, count = 0.0, 0
        # The last character of a token decides: its first may be the space before the word.
        while position < len(tokens) and tokens[position][0] < match.end():
            total += tokens[position][1]
            count += 1
            position += 1
        if count:
            sums.append((match.start(), match.end(), total))
    return sums


def strongest_spans(text: str, offsets: Sequence[tuple[int, int]], parts: Sequence[float]) -> tuple[Span, ...]:
    """At most 12 spans of the words that speak for the label, strongest first; neighbours on one line are joined.

    A span's weight is its share of all positive evidence in the window, in (0, 1].
    """
    words = sum_words(text, offsets, parts)
    evidence = sum(weight for _, _, weight in words if weight > 0)
    if evidence <= 0:
        return ()
    least = _LEAST_SHARE * max(weight for _, _, weight in words)
    joined: list[Span] = []
    for start, end, weight in words:
        if weight < least:
            continue
        if joined and not text[joined[-1][1] : start].strip(" \t"):
            first, _, before = joined.pop()
            joined.append((first, end, before + weight))
        else:
            joined.append((start, end, weight))
    strongest = sorted(joined, key=lambda span: (-span[2], span[0]))[:MAX_SPANS]
    return tuple((start, end, round(weight / evidence, 4)) for start, end, weight in strongest)
