"""Russian and Kazakh between the Cyrillic and the Latin alphabet, and Kazakh without its own letters."""

import re

from qalqan.normalise.alphabets import LATIN
from qalqan.normalise.folded import Folded

_PLAIN_LETTERS = str.maketrans("әғқңөұүһіӘҒҚҢӨҰҮҺІ", "агкноуухиАГКНОУУХИ")

# What Latin letters stand for. Kazakh holds the letters of both official alphabets (2018 and 2021).
_RUSSIAN = {
    **{"shch": "щ", "sch": "щ", "zh": "ж", "kh": "х", "ts": "ц", "ch": "ч", "sh": "ш", "yu": "ю", "ya": "я", "yo": "ё"},
    **{"ju": "ю", "ja": "я", "iy": "ий", "yy": "ый", "ay": "ай", "ey": "ей", "oy": "ой", "uy": "уй", "yi": "ый"},
    **dict(zip("abvgdezijklmnoprstufhcyw", "абвгдезийклмнопрстуфхцыв", strict=True)),
    **{"x": "кс", "q": "к", "'": "ь", "ı": "и"},
    # Before "ay" and the like are taken for a vowel with й.
    **{
        latin + ending: cyrillic + letter
        for latin, cyrillic in zip("aeiouy", "аеиоуы", strict=True)
        for ending, letter in (("ya", "я"), ("yu", "ю"), ("yo", "ё"))
    },
}
_KAZAKH = {
    **{"sh": "ш", "ch": "ч", "zh": "ж", "kh": "х", "gh": "ғ", "ng": "ң", "ts": "ц", "yu": "ю", "ya": "я", "ıa": "я"},
    **{"ıý": "ю", "ia": "ия", "aı": "ай", "eı": "ей", "oı": "ой", "ei": "ей", "ai": "ай", "oi": "ой"},
    **dict(zip("abvgdejziklmnoprstuwfhyqcx", "абвгдежзиклмнопрстууфхықцх", strict=True)),
    **dict(zip("äáğǵńñöóüúūýşı", "әәғғңңөөүүұуши", strict=True)),
    "'": "",
}
# Two letters or more without a vowel are an abbreviation: QR, TM.
_WORD = re.compile(
    rf"(?<![@/.\w])(?:[a-z](?![{LATIN}'])|(?=[^\W_aeiouy]*[aeiouyı\u00e0-\u024f])[{LATIN}][{LATIN}']*)(?![./@]?\w)"
)


def _reader(table: dict[str, str]) -> tuple[re.Pattern[str], dict[str, str]]:
    return re.compile("|".join(sorted(map(re.escape, table), key=len, reverse=True))), table


_READERS = {"ru": _reader(_RUSSIAN), "kk": _reader(_KAZAKH)}


def to_cyrillic(folded: Folded, lang: str) -> Folded:
    """Words of Latin letters as Russian (`ru`) or Kazakh (`kk`) would be written; addresses and handles stay.

    A guess: Latin spellings of both are many and lose sounds (`y` is й or ы, `s` may be ш).
    """
    pattern, table = _READERS[lang]
    return folded.sub(_WORD, lambda word: pattern.sub(lambda part: table[part[0]], word[0]))


def without_kazakh_letters(text: str) -> str:
    """Kazakh as it is typed on a Russian keyboard, of the same length."""
    return text.translate(_PLAIN_LETTERS)
