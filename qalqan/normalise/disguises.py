"""Undoes disguises: look-alikes, invisible marks, spaced-out words, signs for letters, stretched words.

Everything is lower-cased. Addresses and handles keep their letters: there a look-alike is another address. Nothing is
guessed from a vocabulary, so an honest text comes out as it went in but for case, odd signs and long runs.
"""

import re
import unicodedata

from qalqan.normalise.alphabets import (
    CYRILLIC,
    CYRILLIC_OF,
    CYRILLIC_SIGNS,
    LATIN,
    LATIN_OF,
    LATIN_SIGNS,
    STAND_INS,
    TWO_FACED,
    VOWELS,
)
from qalqan.normalise.folded import Folded

# Characters that need no look: ASCII without capitals, Cyrillic without capitals and old letters, common punctuation.
_ODD = re.compile("[^\t\n -@\\[-`{-~а-џғәқңөүұһі«»–—…№₸№“”„’‘•]")
_MARKED = re.compile("(?s).[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e01ef\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")

_LETTER = f"[{CYRILLIC}{LATIN}]"
_SIGN = "[0134689@€$£]"
_EMOJI = "[\u2190-\u2bff\u3030-\u303f\U0001f000-\U0001faff]"

ADDRESS = re.compile(
    r"(?:https?://|www\.)\S{1,2000}|"
    r"(?<![\w.+-])[\w.+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}|"
    r"(?<!\w)@[a-z]\w{2,64}|"
    r"(?<![\w.-])(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}(?![\w.])(?:/\S{0,2000})?"
)
# Letters, each alone, with the same thing between them. A pair of blanks ends the word.
_SPACED = re.compile(
    rf"(?<![\w@#/.])({_LETTER})(\x20|\x20?[.\-_*|·•~=+/\\]\x20?|\x20?{_EMOJI}+\x20?)"
    rf"(?:(?:{_LETTER}|{_SIGN})\2)+{_LETTER}(?!\w)"
)
_LONE_WORDS = frozenset("авикосуяaiоeұ")
_EMOJI_SIGN = re.compile(_EMOJI)
_INSERTED = re.compile(rf"(?<!\w){_LETTER}{{1,2}}{_EMOJI}{_LETTER}|(?<={_LETTER}){_EMOJI}(?={_LETTER}{{1,2}}(?!\w))")
_STROKES = re.compile(rf"(?<={_LETTER})[|~^`´¨°¬]+(?={_LETTER})")
_FIRST_SIGN = rf"(?<![\w@])(?:[034€$£](?=[{CYRILLIC}]{_LETTER})|[$€£](?={_LETTER}{{2}}))"
_WORD = re.compile(rf"(?:{_FIRST_SIGN})?{_LETTER}(?:{_LETTER}|@?{_SIGN}@?(?={_LETTER})|[57](?=[a-z]))*")
_CYRILLIC = re.compile(f"[{CYRILLIC}]")
_LATIN = re.compile(f"[{LATIN}]")
# Not ООО and www, which are nothing but one letter.
_STRETCHED = re.compile(rf"({_LETTER})\1{{2,}}(?:(?<=\w\1\1\1)|(?=\w))")
_HASHTAG = re.compile(r"#\w+")
_RUN = re.compile(r"([^\w\s])\1{3,}")
_BLANKS = re.compile(r"[^\S\n]{3,}")


def fold(text: str) -> Folded:
    """The plain text behind `text`, lower-case; a lone surrogate becomes U+FFFD. The empty text stays empty."""
    folded = Folded.of(text).sub(_SURROGATE, lambda match: "\ufffd")
    if _ODD.search(text):
        folded = folded.sub(_MARKED, _without_marks).delete(_INVISIBLE).sub(_ODD, _plain_character)
    parts: list[Folded] = []
    position = 0
    for match in ADDRESS.finditer(folded.text):
        parts += [_unfold(folded.part(position, match.start())), folded.part(*match.span())]
        position = match.end()
    return Folded.joined([*parts, _unfold(folded.part(position, len(folded.text)))])


def _unfold(folded: Folded) -> Folded:
    for pattern, change in (
        (_SPACED, _close_up),
        (_INSERTED, lambda match: _EMOJI_SIGN.sub("", match[0])),
        (_STROKES, lambda match: ""),
        (_STRETCHED, lambda match: match[1]),
        (_WORD, lambda match: _in_one_alphabet(match[0])),
        (_HASHTAG, lambda match: match[0].replace("_", " ")),
        (_RUN, lambda match: match[1] * 3),
        (_BLANKS, lambda match: "  "),
    ):
        folded = folded.sub(pattern, change)
    return folded


def _without_marks(match: re.Match[str]) -> str:
    """One letter where Unicode has one (й, ё, á), else the bare letter: marks heaped on letters hide them."""
    composed = unicodedata.normalize("NFC", match[0][:2])
    return composed if len(composed) == 1 and len(match[0]) == 2 else match[0][0]


def _plain_character(match: re.Match[str]) -> str:
    character = match[0]
    plain = unicodedata.normalize("NFKC", character).lower()
    if len(plain) > 1:
        plain = _INVISIBLE.sub("", "".join(sign for sign in plain if not unicodedata.combining(sign)))
    return "".join(STAND_INS.get(sign, sign) for sign in plain)


def _close_up(match: re.Match[str]) -> str:
    signs = match[0].replace(match[2], "")
    # "и я в о" are words; three letters beside each other must be more than that.
    if match[2] == " " and (len(signs) < 3 or all(sign in _LONE_WORDS for sign in signs)):
        return match[0]
    return signs


def _in_one_alphabet(word: str) -> str:
    """A word of mixed alphabets or with signs for letters in the one alphabet it is meant in, of the same length."""
    cyrillic, latin = _CYRILLIC.findall(word), _LATIN.findall(word)
    if len(cyrillic) == len(word) or len(latin) == len(word):
        return word
    own_cyrillic = sum(letter not in LATIN_OF for letter in cyrillic)
    own_latin = sum(letter not in TWO_FACED for letter in latin)
    to_cyrillic = own_cyrillic >= own_latin if cyrillic else False
    if not to_cyrillic:
        return "".join(LATIN_OF.get(sign, LATIN_SIGNS.get(sign, sign)) for sign in word)
    letters = [CYRILLIC_OF.get(sign, CYRILLIC_SIGNS.get(sign, sign)) for sign in word]
    for place, sign in enumerate(word):
        if sign == "3":
            beside_vowel = any(letters[at] in VOWELS for at in (place - 1, place + 1) if 0 <= at < len(letters))
            letters[place] = "з" if beside_vowel else "е"
    return "".join(letters)
