"""The stem of a Kazakh word: a known root, or what is left without its endings.

Everything is in plain letters (`without_kazakh_letters`), as half of Kazakh is typed: а and е, ы and и are the two
colours of one ending, к and г are also қ and ғ. Which endings may follow each other, and which may follow which sound,
keeps the guesses about unknown words small.
"""

import re
import tomllib
from importlib.resources import files

from qalqan.normalise.transliteration import without_kazakh_letters

_VOWELS = frozenset("аеиоуыэюя")
_VOICELESS = frozenset("пфктсшщхцчбвгд")  # б, в, г, д end only Russian words, and there they are
_VOICED = {"п": "б", "к": "г"}
_VOICELESS_OF = {"б": "п", "г": "к"}
_ANY = ("",)
_VOWEL_ENDINGS = ("ы", "и", "а", "е", "у")
_SHORTEST_GUESS = 3
_LONGEST_ENDINGS = 18

# From the shape of a root to the root and to how endings after that shape begin.
_Roots = dict[str, tuple[str, tuple[str, ...]]]

# Nouns: number, owner and case; an owner's ending decides the form of the case.
_OWNED = (
    "(?:с?[ыи](?:н(?:[ыи]н|[ае]н?|д[ае]н?|)|мен)?"
    "|[ыи]?[мн](?:н[ыи]н|[ае]|д[ыи]|д[ае]|н[ае]н|мен)?"
    "|[ыи]?[мн][ыи]з(?:д[ыи]н?|г[ае]|д[ае]н?|бен)?)"
)
_CASE = "(?:[ндт][ыи]н?|[гк][ае]|[дт][ае]н?|н[ае]н|[мбп]ен(?:ен)?)"
_PLURAL = "[лдт][ае]р"
_NUMBERED = f"{_PLURAL}(?:{_OWNED}|д[ыи]н?|г[ае]|д[ае]н?|мен)?"
_BELONGING = f"(?:{_PLURAL})?(?:(?:с?[ыи]н)?[дт][ае]г[ыи](?:{_NUMBERED}|{_OWNED}|{_CASE})?|[ндт][ыи]к[ыи])"
_DERIVED = "(?:ш[ыи]|[лдт][ыи]к|[лдт][ыи]г(?=[ыи])|л[ыи]|с[ыи]з)"
_PERSON = "(?:[мбп][ыи]н|с[ыи]н|[мбп][ыи]з|с[ыи]з|с[ыи][нз]д[ае]р)"
_NOUN = f"{_DERIVED}{{0,2}}(?:{_NUMBERED}|{_OWNED}|{_CASE}|{_BELONGING}|(?:[дт][ае])?{_PERSON})?"

# Verbs: denial, then time, condition, wish or request with a person, or a form that is used as a noun.
_SHORT_PERSON = "(?:м|н|н[ыи]з|к|нд[ае]р|н[ыи]зд[ае]р)"
_FINITE = (
    "(?:[аей](?:д[ыи]|т[ыи]н|м|м[ыи]н|с[ыи]н|м[ыи]з|с[ыи]з|с[ыи][нз]д[ае]р)?"
    f"|[дт][ыи]{_SHORT_PERSON}?|с[ае]{_SHORT_PERSON}?|[ыи]?п(?:т[ыи]{_SHORT_PERSON}?)?"
    "|[ыи]?н[ыи]з(?:д[ае]р)?|[ыи]?нд[ае]р|с[ыи]н|[ае]?й[ыи][нк])(?:ш[ыи])?"
)
_VERBAL_NOUN = f"(?:[гк][ае]н|[аей]т[ыи]н|[ую]ш[ыи]|[ую](?![сткп]|л[ыи])){_NOUN}"
_VERB = f"(?:[мбп][ае](?=[йсгдн]))?(?:{_FINITE}|{_VERBAL_NOUN})|[мбп][ае]с?|[ае]?р(?:{_PERSON})?"

_NOUN_ENDINGS = re.compile(_NOUN)
_VERB_ENDINGS = re.compile(_VERB)
# Endings of one colour whatever the word's.
_COLOURLESS = re.compile("[мбп]ен(?:ен)?$|ики$")
# What an unknown word more often has within its root: the root's last two letters, then the endings.
_DOUBTFUL = re.compile(
    "..-(?:[аеймн]|[ае]м|[мбп][ае]с?|с[ае]|[ае]?р.*)|.[аеиоуыэюяс]-с[ае].*|.[^ае]-п"
    "|.[^я]-[мн](?:[дн].*|[ае]|мен)"  # адам-ды and дүкен-дер, not ада-мды, дүке-ндер
    "|..-[ае]с[ыи][нз].*"  # ақша-сын, not ақш-асын
    "|[^шкжг][ыи]-с[ыи](?!з).*"  # табыс-ы, not табы-сы; but жалақы-сы
    "|.о-[дн][ыи].*|.[аеиоуыэюя]-л[ыи].*"  # телефон-ы, доход-ы, ауыл-ы
)


def kazakh_stem(word: str) -> str:
    """`word` is lower-case and in plain letters, and so is its stem; a word that is not Kazakh may lose an end, too."""
    stem, shorter, is_verb = "", word, False
    while shorter != stem and not is_verb:
        stem = shorter
        if root := _known_root(stem):
            return root
        shorter, is_verb = _guess(stem)
    if known := _VERBS.get(shorter):
        return known[0]
    stem = shorter.removesuffix("ь") or shorter
    return stem[:-1] + _VOICELESS_OF.get(stem[-1:], stem[-1:])


def _known_root(word: str) -> str | None:
    """The longest root that the word is a form of."""
    for length in range(len(word), max(1, len(word) - _LONGEST_ENDINGS), -1):
        beginning, endings = word[:length], word[length:]
        for roots, pattern in ((_NOUNS, _NOUN_ENDINGS), (_VERBS, _VERB_ENDINGS)):
            root, first = roots.get(beginning, ("", _ANY))
            if root and endings.startswith(first) and _are_endings(pattern, beginning, endings):
                return root
    return None


def _guess(word: str) -> tuple[str, bool]:
    """Without the longest row of endings that leaves a root with a vowel; whether the endings are a verb's."""
    for length in range(max(_SHORTEST_GUESS, len(word) - _LONGEST_ENDINGS), len(word)):
        root, endings = word[:length], word[length:]
        if _VOWELS.isdisjoint(root) or _DOUBTFUL.fullmatch(f"{root[-2:]}-{endings}"):
            continue
        if _are_endings(_NOUN_ENDINGS, root, endings):
            return root, False
        if length > _SHORTEST_GUESS and root[-1] not in "оэюя" and _are_endings(_VERB_ENDINGS, root, endings):
            return root, True
    return word, False


def _are_endings(pattern: re.Pattern[str], root: str, endings: str) -> bool:
    return not endings or bool(
        _fit(root[-1], endings) and pattern.fullmatch(endings) and _are_of_one_colour(root, endings)
    )


def _fit(last: str, endings: str) -> bool:
    """Whether endings that begin so may follow this sound."""
    first, is_vowel = endings[0], last in _VOWELS
    if first == "п" and endings[1:2] not in ("а", "е"):
        return is_vowel
    if first in "ткп":
        return last in _VOICELESS
    if first in "дг":
        return last not in _VOICELESS
    if first in "ыиае":
        return not is_vowel or last == "у"
    if first == "с" and endings[1:2] in ("ы", "и") and endings[2:3] not in ("з", "н"):
        return is_vowel and last != "у"
    return {
        "л": is_vowel or last in "рйл",
        "н": is_vowel or last in "мн",
        "м": is_vowel or last in "йлмнр",
        "б": last in "зжмн",
        "й": is_vowel,
    }.get(first, True)


def _are_of_one_colour(root: str, endings: str) -> bool:
    """Dark (а, ы) or light (е, и) throughout. The root tells its colour by its last vowel, if plain letters show it."""
    coloured = _COLOURLESS.sub("", endings)
    is_dark, is_light = "а" in coloured or "ы" in coloured, "е" in coloured or "и" in coloured
    if is_dark and is_light:
        return False
    vowels = [letter for letter in root if letter in _VOWELS]
    if root[-1] == "ь" or (vowels and vowels[-1] in "еэ"):
        return not is_dark
    if vowels and (vowels[-1] == "ы" or (vowels[-1] == "а" and len(vowels) > 1 and root[-1] != "л")):
        return not is_light
    return True


def _read_roots() -> tuple[_Roots, _Roots]:
    """The nouns and the verbs."""
    content = tomllib.loads((files("qalqan.normalise") / "kazakh_roots.toml").read_text(encoding="utf-8"))
    nouns, verbs = (without_kazakh_letters(content[kind]).split() for kind in ("nouns", "verbs"))
    # оқы: оқиды, and оқу takes the endings of nouns.
    narrow = [root for root in verbs if root[-1] in "ыи"]
    infinitives = {root[:-1] + "у": (root, _ANY) for root in narrow}
    presents = {root[:-1] + "и": (root, _ANY) for root in narrow}
    return _in_every_shape(nouns) | infinitives, presents | _in_every_shape(verbs)


def _in_every_shape(roots: list[str]) -> _Roots:
    shapes: _Roots = {}
    for root in roots:
        before, last = root[:-1], root[-1]
        if last == "ь":
            shapes[before] = root, _VOWEL_ENDINGS
        if last in _VOICED:
            shapes[before + _VOICED[last]] = root, _VOWEL_ENDINGS
        if last == "п":
            shapes[before + "у"] = root, ("ып", "ип")
        if re.fullmatch(".+[рлузйм][ыи][нкзпмс]", root):
            shapes[root[:-2] + last] = root, ("ы", "и")
    return shapes | {root: (root, _ANY) for root in roots}


_NOUNS, _VERBS = _read_roots()
