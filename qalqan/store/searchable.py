"""What a text search sees: text and query folded to the same plain words, in every engine."""

import re
import unicodedata

_QUERY_PIECE = re.compile(r'"([^"]*)"|([^\s"]+)')


class _Fold(dict[int, str | None]):
    """A translation table that is filled as characters are met.

    Pictograms become words of their own (sellers write in emoji), format characters vanish (a zero-width space
    inside a word hides it from nobody), whatever is no letter, digit or mark becomes a space.
    """

    def __missing__(self, code: int) -> str | None:
        category = unicodedata.category(chr(code))
        folded: str | None = " "
        if category == "Cf" or 0xFE00 <= code <= 0xFE0F:
            folded = None
        elif category == "So":
            folded = f" emoji{code:x} "
        elif category[0] in "LMN":
            folded = "е" if code == ord("ё") else chr(code)
        self[code] = folded
        return folded


_FOLD = _Fold()


def searchable(text: str) -> str:
    """The words of the text, folded, joined by single spaces. Kazakh letters stay what they are; ё becomes е."""
    # Lower-casing may bring combining marks apart from their letters again (İ), hence the second composition.
    composed = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    return " ".join(composed.translate(_FOLD).split())


def query_phrases(query: str) -> list[tuple[str, ...]]:
    """The phrases that must all occur, each as its folded words, without repeats, in the order of the query.

    A word is a phrase of one; a word such as `t.me/shop` is a phrase of several. Everything else in the query
    (operators, brackets, a lone quote) is only text.
    """
    phrases: dict[tuple[str, ...], None] = {}
    for quoted, word in _QUERY_PIECE.findall(query):
        words = tuple(searchable(quoted or word).split())
        if words:
            phrases[words] = None
    return list(phrases)
