"""Disguises and typing habits laid over training texts, so that a spelling never decides about a label.

They touch adverts and harmless texts alike.
"""

import random
import re
import string
from collections.abc import Callable

from qalqan.normalise import without_kazakh_letters

_LOOK_ALIKES = dict(zip("аеорсухкмтнвіАЕОРСУХКМТНВІ", "aeopcyxkmthbiAEOPCYXKMTHBI", strict=True))
_DIGITS_AND_SIGNS = {"о": "0", "а": "@", "з": "3", "ч": "4", "е": "€", "б": "6", "o": "0", "a": "@", "e": "3", "i": "1"}
_KAZAKH_LATIN = {
    **dict(zip("аәбвгғдежзийкқлмнңоөпрстуұүфхһыі", "aábvgǵdejzııkqlmnńoóprstýuúfhhyi", strict=True)),
    **{"ц": "ts", "ч": "ch", "ш": "sh", "щ": "sh", "ъ": "", "ь": "", "э": "e", "ю": "ıý", "я": "ıa", "ё": "ıo"},
}
# What an OCR programme takes for what.
_MISREAD = {
    **{"о": "0", "з": "3", "б": "6", "ш": "щ", "ъ": "ь", "й": "и", "ё": "е", "і": "1", "ұ": "y", "қ": "к", "ә": "э"},
    **{"ң": "н", "ғ": "г", "ө": "е", "l": "1", "o": "0", "s": "5", "b": "6", "c": "с", "и": "н", "п": "л"},
}
_RUSSIAN_LATIN = {
    **dict(zip("абвгдезийклмнопрстуфыэ", "abvgdeziyklmnoprstufye", strict=True)),
    **{"ж": "zh", "х": "h", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sch", "ъ": "", "ь": "", "ю": "yu", "я": "ya"},
    "ё": "yo",
}
_EMOJI = "🔥💰🚀✅💎⚡❗👇📲🎁💸🌟👉🏆📈"
_ZERO_WIDTH = "\u200b\u200c\u2060\ufeff"

_MASKED_HANDLE = re.compile(r"@[A-Za-z]\w{3,31}")
_MASKED_NUMBER = re.compile(r"\+?X{5,}|\+7[ (-]*7\d\d[\d ()-]{7,12}")
_WORD = re.compile(r"[^\W\d_]{3,}")


def _random_handle(rng: random.Random) -> str:
    name = "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(4, 9)))
    return (
        rng.choice(("@", "@", "t.me/", "https://t.me/"))
        + name
        + rng.choice(("", "_kz", "_bot", str(rng.randint(1, 999))))
    )


def _random_number(rng: random.Random) -> str:
    return "+7 700 " + " ".join(str(rng.randint(lowest, 10 * lowest - 1)) for lowest in (100, 10, 10))


def vary_contacts(text: str, rng: random.Random) -> str:
    """Masks of contacts are marks of a source, not of an advert; each becomes another made-up contact."""
    text = _MASKED_HANDLE.sub(lambda match: _random_handle(rng) if rng.random() < 0.7 else match[0], text)
    return _MASKED_NUMBER.sub(lambda match: _random_number(rng) if rng.random() < 0.7 else match[0], text)


def transliterate(text: str, lang: str) -> str:
    """Russian, or Kazakh (`kk`), in Latin letters; other letters stay."""
    table = _KAZAKH_LATIN if lang == "kk" else _RUSSIAN_LATIN
    return "".join(
        table.get(character, character)
        if character.islower() or character.lower() not in table
        else table[character.lower()].capitalize()
        for character in text
    )


def _in_words(text: str, rng: random.Random, share: float, change: Callable[[str], str]) -> str:
    return _WORD.sub(lambda match: change(match[0]) if rng.random() < share else match[0], text)


def mix_alphabets(text: str, rng: random.Random) -> str:
    return "".join(_LOOK_ALIKES.get(letter, letter) if rng.random() < 0.5 else letter for letter in text)


def write_signs(text: str, rng: random.Random) -> str:
    return _in_words(
        text,
        rng,
        0.5,
        lambda word: "".join(
            _DIGITS_AND_SIGNS.get(letter, letter) if rng.random() < 0.5 else letter for letter in word
        ),
    )


def space_out(text: str, rng: random.Random) -> str:
    between = rng.choice((" ", ".", "-", "_", "*", " . "))
    return _in_words(text, rng, 0.2, between.join)


def hide_zero_width(text: str, rng: random.Random) -> str:
    sign = rng.choice(_ZERO_WIDTH)
    return _in_words(text, rng, 0.5, lambda word: word[: len(word) // 2] + sign + word[len(word) // 2 :])


def scatter_emoji(text: str, rng: random.Random) -> str:
    return "".join(
        rng.choice(_EMOJI) + (" " if rng.random() < 0.5 else "") if letter == " " and rng.random() < 0.2 else letter
        for letter in text
    )


def stretch(text: str, rng: random.Random) -> str:
    return _in_words(text, rng, 0.2, lambda word: word + word[-1] * rng.randint(1, 4))


def misread(text: str, rng: random.Random) -> str:
    """As read off a photograph: one letter of twelve taken for another, one of sixty lost."""
    return "".join(
        _MISREAD.get(letter, letter) if rng.random() < 0.08 else letter for letter in text if rng.random() >= 1 / 60
    )


_DISGUISES: tuple[Callable[[str, random.Random], str], ...] = (
    mix_alphabets,
    write_signs,
    space_out,
    hide_zero_width,
    scatter_emoji,
    stretch,
    misread,
)


def disguise(text: str, lang: str, rng: random.Random) -> str:
    """The text as someone else might have typed it: half of the time unchanged but for its contacts."""
    text = vary_contacts(text, rng)
    if lang == "kk" and rng.random() < 0.33:
        typed_plainly = rng.random() < 0.6
        text = without_kazakh_letters(text) if typed_plainly else transliterate(text, lang)
    elif lang == "ru" and rng.random() < 0.04:
        text = transliterate(text, lang)
    draw = rng.random()
    if draw < 0.08:
        text = text.upper()
    elif draw < 0.2:
        text = text.lower()
    if rng.random() < 0.25:
        text = rng.choice(_DISGUISES)(text, rng)
    return text
