"""What a text search sees, equal in every engine: words without disguise, their stems, queries, hits.

A text becomes three rows of words of one length: as folded (`plain`), read as Russian, read as Kazakh. An engine
indexes the rows, every word as it is (split at blanks and nowhere else), and answers `read_query`; `find_hits` gives
the places to be highlighted.
"""

import re
import threading
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate, pairwise

import Stemmer

from qalqan.normalise import Folded, fold, to_cyrillic, without_kazakh_letters
from qalqan.normalise.alphabets import LATIN
from qalqan.normalise.disguises import ADDRESS
from qalqan.normalise.kazakh_stem import kazakh_stem

_LONGEST_WORD = 64
_SHORTEST_PREFIX = 3
# Nobody asks for more; an engine takes only so many conditions at once.
_MOST_PHRASES = 64

# Pictures that sellers write with are words; arrows, rules and boxes between paragraphs are none.
_PICTOGRAM = "[\u231a-\u23ff\u2600-\u27bf\u2b1b-\u2b55\U0001f000-\U0001f3fa\U0001f400-\U0001faff]"
_IS_PICTOGRAM = re.compile(_PICTOGRAM).fullmatch
_APOSTROPHES = frozenset("'’ʼ")
_OTHER = rf"(?:(?!{_PICTOGRAM})[^\s'])+"
_WORD = re.compile(rf"{_PICTOGRAM}|{_OTHER}(?:(?<=[{LATIN}])'(?=[{LATIN}]){_OTHER})*")
# Between two words they only part them, as a blank does.
_GLUE = re.compile(rf"(?<=\w){_PICTOGRAM}+(?=\w)")
_HANDLE_WITHOUT_SIGN = re.compile(r"(?<!\w)[a-z0-9]++(?:_[a-z0-9]++)+(?!\w)")
_PIECE = re.compile(r'"([^"]*)"|[^\s"]+')
_IS_LATIN = re.compile(rf"[{LATIN}']+").fullmatch
_HAS_KAZAKH_LETTER = re.compile("[әғқңөұүһі]").search

# A wallet or a code, not a disguised word: every sign of it counts.
_LEAST_CODE = 16
# закладок, закладки; денег, деньги: Snowball leaves what comes and goes before a last consonant.
_FLEETING = re.compile("(?<=[бвгджзйклмнпрстфхцчшщ])[ое](?=[кгц]$)")
_SHORTEST_FLEETING = 5
_RUSSIAN = Stemmer.Stemmer("russian", 0)
_RUSSIAN_LOCK = threading.Lock()


class _Signs(dict[int, str]):
    """A translation table that keeps every place: letters, digits, marks and pictograms stay, the rest is blank."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        if sign in _APOSTROPHES:
            kept = "'"
        else:
            kept = sign if unicodedata.category(sign)[0] in "LMN" or _IS_PICTOGRAM(sign) else " "
        if code < 0x3000:  # the rest is rare and many
            self[code] = kept
        return kept


_SIGNS = _Signs()


@dataclass(frozen=True, slots=True)
class Terms:
    """The words of a text in its order: one entry per word in each row, at most 64 characters, without white space.

    places: start and end (code points of the original text) of what each word stands for; neither ever falls.
    """

    plain: tuple[str, ...]
    russian: tuple[str, ...]
    kazakh: tuple[str, ...]
    places: Sequence[tuple[int, int]] = field(compare=False)


@dataclass(frozen=True, slots=True)
class QueryPhrase:
    """One thing that must occur; it is never both exact and a prefix.

    Neither: one word, which occurs where a word is equal to it in the plain, the russian or the kazakh row.
    is_exact: its plain words follow each other. is_prefix: one word, and a plain word begins with its plain form.
    """

    words: Terms
    is_exact: bool
    is_prefix: bool


@dataclass(frozen=True, slots=True)
class _Word:
    """start, end: its place in the folded text. Of an address it keeps its own letters."""

    letters: str
    is_of_address: bool
    start: int
    end: int


def read_terms(text: str) -> Terms:
    folded = fold(text)
    return _terms(folded, _words(folded, text))


def read_query(query: str) -> list[QueryPhrase]:
    """The phrases that must all occur, without repeats, in the order of the query; none: the query holds no word.

    Blanks and quotation marks divide a query into pieces. What is quoted is exact. A piece of several words is exact,
    too (`t.me/shop`), unless hyphens alone join them (`онлайн-касса`): those are words of their own. A last word of
    three or more letters before a `*` is a prefix. Everything else (operators, brackets, a lone quote) is only text.
    """
    folded = fold(query)
    phrases: dict[QueryPhrase, None] = {}
    for match in _PIECE.finditer(folded.text):
        is_quoted = match[1] is not None
        piece = folded.part(*match.span(1 if is_quoted else 0))
        words = _words(piece, query)
        if is_quoted:
            found = [QueryPhrase(_terms(piece, words), True, False)] if words else []
        else:
            found = _unquoted(piece, words, query)
        phrases.update(dict.fromkeys(found))
    return list(phrases)[:_MOST_PHRASES]


def _unquoted(piece: Folded, words: list[_Word], query: str) -> list[QueryPhrase]:
    prefixes: list[_Word] = []
    if words and piece.text[words[-1].end :].startswith("*") and len(words[-1].letters) >= _SHORTEST_PREFIX:
        prefixes = [words.pop()]
    if len(words) == 1:
        phrases = [QueryPhrase(_maybe_handle(_terms(piece, words), query), False, False)]
    elif _is_hyphenated(piece.text, words):
        phrases = [QueryPhrase(_terms(piece, [word]), False, False) for word in words]
    else:
        phrases = [QueryPhrase(_terms(piece, words), True, False)]
    return phrases + [QueryPhrase(_maybe_handle(_terms(piece, [word]), query), False, True) for word in prefixes]


def _is_hyphenated(piece: str, words: list[_Word]) -> bool:
    between = {piece[before.end : after.start] for before, after in pairwise(words)}
    return between <= {"-"} and not any(word.is_of_address for word in words)


def _maybe_handle(terms: Terms, query: str) -> Terms:
    """A lone word may be a handle: as a plain word it keeps the signs that `fold` takes for letters (`m0re`)."""
    written = _as_handle(query[slice(*terms.places[0])])
    return replace(terms, plain=(written,)) if written else terms


def find_hits(text: str, query: str) -> list[tuple[int, int]]:
    """Start and end (code points of `text`) of all that a phrase of the query finds, in order, none touching another.

    Phrases are looked for one by one: there are hits even if another phrase does not occur.
    """
    terms = read_terms(text)
    phrases = read_query(query)
    hits = _hits_of_phrases([phrase for phrase in phrases if phrase.is_exact or phrase.is_prefix], terms)
    forms = [phrase.words for phrase in phrases if not (phrase.is_exact or phrase.is_prefix)]
    for row, asked in (
        (terms.plain, {form.plain[0] for form in forms}),
        (terms.russian, {form.russian[0] for form in forms}),
        (terms.kazakh, {form.kazakh[0] for form in forms}),
    ):
        hits += [place for word, place in zip(row, terms.places, strict=True) if word in asked]
    return _merged(hits)


def _hits_of_phrases(phrases: list[QueryPhrase], terms: Terms) -> list[tuple[int, int]]:
    """In time that grows with the text, not with its repeats: of occurrences that overlap the first one counts."""
    hits: list[tuple[int, int]] = []
    joined = f" {' '.join(terms.plain)} "
    blanks = list(accumulate((len(word) + 1 for word in terms.plain), initial=0))  # the place before each word
    for phrase in phrases:
        words = phrase.words.plain
        wanted = f" {' '.join(words)}{'' if phrase.is_prefix else ' '}"
        place = joined.find(wanted)
        while place >= 0:
            first = bisect_left(blanks, place)
            hits.append((terms.places[first][0], terms.places[first + len(words) - 1][1]))
            place = joined.find(wanted, place + len(wanted) - 1)
    return hits


def _merged(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _words(folded: Folded, original: str) -> list[_Word]:
    """`original`: the text that was folded."""
    text = folded.text
    addresses = [match.span() for match in ADDRESS.finditer(text)]
    if "_" in text:
        addresses = sorted(addresses + [match.span() for match in _HANDLE_WITHOUT_SIGN.finditer(text)])
    following = iter([*addresses, (len(text), len(text) + 1)])
    start, end = next(following)
    words: list[_Word] = []
    signs = _GLUE.sub(lambda glue: " " * len(glue[0]), text.translate(_SIGNS))
    for match in _WORD.finditer(signs):
        begin, stop = match.span()
        while begin >= end:
            start, end = next(following)
        letters, is_of_address = match[0], begin >= start
        if is_of_address or stop - begin >= _LEAST_CODE:
            written = _as_handle(original[slice(*folded.span(begin, stop))])
            is_of_address = is_of_address or not (written.isalpha() or written == "")
            letters = written if written and is_of_address else letters
        words.append(_Word(letters[:_LONGEST_WORD], is_of_address, begin, stop))
    return words


def _as_handle(written: str) -> str:
    """Lower-case, if it is of ASCII letters and digits alone, as handles are; else the empty text."""
    return written.lower()[:_LONGEST_WORD] if written.isascii() and written.isalnum() else ""


def _terms(folded: Folded, words: Sequence[_Word]) -> Terms:
    forms = [(_plain(word.letters),) * 3 if word.is_of_address else _forms(word.letters) for word in words]
    plain, russian, kazakh = zip(*forms, strict=True) if forms else ((), (), ())
    return Terms(plain, russian, kazakh, [folded.span(word.start, word.end) for word in words])


@lru_cache(maxsize=1 << 16)
def _forms(word: str) -> tuple[str, str, str]:
    """The folded word as plain one, as Russian stem, as Kazakh stem; only words of letters alone have stems."""
    plain = _plain(word)
    if not plain.isalpha():
        return plain, plain, plain
    if _IS_LATIN(word):
        latin = Folded.of(word)
        russian = _russian_stem(_plain(to_cyrillic(latin, "ru").text[:_LONGEST_WORD]))
        return plain, russian, kazakh_stem(_plain(to_cyrillic(latin, "kk").text[:_LONGEST_WORD]))
    # Letters that Russian lacks: it is Kazakh for certain.
    return plain, plain if _HAS_KAZAKH_LETTER(word) else _russian_stem(plain), kazakh_stem(plain)


def _plain(word: str) -> str:
    if _IS_PICTOGRAM(word):
        return f"emoji{ord(word):x}"
    return without_kazakh_letters(word).replace("ё", "е").replace("'", "")


def _russian_stem(word: str) -> str:
    with _RUSSIAN_LOCK:  # one thread at a time may use a stemmer
        stem = str(_RUSSIAN.stemWord(word)) or word
        if stem.endswith("мен"):  # кладмена gives кладмен, and that кладм
            stem = str(_RUSSIAN.stemWord(stem)) or stem
    stem = stem.replace("ь", "").replace("ъ", "") or stem
    return _FLEETING.sub("", stem) if len(stem) >= _SHORTEST_FLEETING else stem
