"""Posts for measurements of the store: as many as wanted, the same ones every time, each made from its number alone.

Texts are as long as public ones and in their languages; their words follow Zipf's law: first our own texts' most
frequent ones, then words of made-up syllables. 5 % are adverts, 30 % near-copies of an earlier post (the same again, or
with another contact, other emoji, another price, one sentence more). They appear over two years, in no order.
"""

import random
import re
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise

from classifiers.text.rows import corpus_files, read_rows
from qalqan.ids import sha256_hex
from qalqan.records import LABELS, Document, Entity, Finding, Label, Language, Reaction, document_id
from qalqan.store import Fingerprint

FIRST_DAY, DAYS = datetime(2024, 7, 1, tzinfo=UTC), 730
ADVERTS, COPIES = 0.05, 0.30
CHANNELS, HOSTS = 2000, 200

_ON_THE_WEB = 0.2
_DISGUISED = 0.1  # of the adverts
_REAL_WORDS = 300
_EMOJI = "🔥✅📌👍🙏🎉"
_CONTACTS = (("telegram", "@"), ("telegram_invite", "https://t.me/+"), ("domain", "https://"))
_LOOK_ALIKES = str.maketrans("аеорсух", "aeopcyx")
_SHORTEST_DISGUISED = 5


@dataclass(frozen=True, slots=True)
class _Language:
    """Measured on 4,332 public posts.

    share: of the posts. lengths: in characters, the quantiles of `_QUANTILES`. words: how many different ones there
    are in a million posts.
    """

    share: float
    lengths: tuple[int, ...]
    words: int
    consonants: str
    vowels: str


_QUANTILES = (0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)
_LANGUAGES: dict[Language, _Language] = {
    "ru": _Language(
        0.636,
        (12, 28, 31, 40, 54, 75, 108, 149, 227, 363, 617, 864, 1150, 2323),
        200_000,
        "бвгджзклмнпрстфхцчшщ",
        "аеёиоуыэюя",
    ),
    "kk": _Language(
        0.191,
        (26, 31, 35, 46, 55, 64, 75, 86, 99, 118, 171, 256, 450, 1030),
        80_000,
        "бгғджзйкқлмнңпрстшһ",
        "аәеоөұүыі",
    ),
    "en": _Language(
        0.173,
        (19, 36, 43, 67, 119, 150, 185, 237, 300, 369, 604, 866, 1467, 1499),
        40_000,
        "bcdfghjklmnprstvwz",
        "aeiouy",
    ),
}


class Words:
    """Words by frequency; the share of the one at rank r (from 1) falls as 1 / (r + 1.5), as in the texts measured."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        weights = [1 / (rank + 1.5) for rank in range(1, len(words) + 1)]
        self._sums = list(accumulate(weights))
        self.mean_length = sum(len(w) * share for w, share in zip(words, weights, strict=True)) / self._sums[-1]

    def draw(self, rng: random.Random, count: int) -> list[str]:
        return rng.choices(self.words, cum_weights=self._sums, k=count)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A text before its contacts. origin: number of the post that it repeats, or its own."""

    origin: int
    lang: Language
    label: Label | None
    text: str


class Posts:
    """Safe to share between threads and the same in every process. Numbers begin with 0."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        rows = [row for path in corpus_files() for row in read_rows(path)]
        self.common, self.of_adverts = {}, {}
        for lang, language in _LANGUAGES.items():
            own = [row for row in rows if row.lang == lang]
            frequent = _frequent(row.text for row in own)
            self.common[lang] = Words(_with_made_up(frequent, language, self._rng(f"words {lang}")))
            self.of_adverts[lang] = Words(_frequent(row.text for row in own if row.labels))
        names = self._rng("names")
        self.channels = [f"{_made_up(_LANGUAGES['en'], names)}_{number}" for number in range(CHANNELS)]
        self.hosts = [f"{_made_up(_LANGUAGES['en'], names)}{number}.example" for number in range(HOSTS)]
        self._popular = Words(self.channels)

    def document(self, number: int) -> Document:
        return self.make(number)[0]

    def make(self, number: int) -> tuple[Document, Fingerprint | None]:
        """A post as the pipeline hands it to the store. Its fingerprint is of the right size and shares bands with
        those of its copies, but is no MinHash, which takes longer to compute than everything here.
        """
        draft = self._draft(number)
        rng = self._rng(f"post {number}")
        text, entities = _with_contacts(draft, rng)
        is_page = rng.random() < _ON_THE_WEB
        channel = self._popular.draw(rng, 1)[0]
        host = rng.choice(self.hosts)
        url = f"https://{host}/{number}" if is_page else f"https://t.me/{channel}/{number}"
        published_at = FIRST_DAY + timedelta(seconds=rng.randrange(DAYS * 86_400))
        document = Document(
            id=document_id("web", url) if is_page else document_id("telegram", channel, str(number)),
            url=url,
            canonical_url=url if is_page else f"https://t.me/s/{channel}/{number}",
            site="web" if is_page else "telegram",
            channel=None if is_page else channel,
            post_id=None if is_page else str(number),
            author=" ".join(self.common[draft.lang].draw(rng, 2)).title() if rng.random() < 0.2 else None,
            published_at=published_at,
            fetched_at=published_at + timedelta(minutes=rng.randrange(1, 10_000)),
            title=text[:60] if is_page else None,
            text=text,
            lang=draft.lang,
            views=None if is_page else rng.randrange(20_000),
            reactions=(Reaction(emoji=rng.choice(_EMOJI), count=rng.randrange(1, 300)),) if rng.random() < 0.5 else (),
            entities=tuple(entities),
            capture_id=f"{rng.getrandbits(128):032x}",
            findings=tuple(_finding(label, label == draft.label, text, rng) for label in LABELS),
        )
        return document, _fingerprint(document, draft.origin, rng)

    def _draft(self, number: int) -> _Draft:
        rng = self._rng(f"text {number}")
        if number and rng.random() < COPIES:
            original = self._draft(rng.randrange(number))
            return _Draft(original.origin, original.lang, original.label, _posted_again(original.text, rng))
        lang = rng.choices(list(_LANGUAGES), weights=[language.share for language in _LANGUAGES.values()])[0]
        label = rng.choice(LABELS) if rng.random() < ADVERTS else None
        common = self.common[lang]
        words = common.draw(rng, round(_length(_LANGUAGES[lang], rng) / (common.mean_length + 1)) or 1)
        if label:
            advertising = self.of_adverts[lang].draw(rng, len(words))
            words = [own if rng.random() < 0.5 else other for own, other in zip(advertising, words, strict=True)]
            if rng.random() < _DISGUISED:
                words = [disguised(word) if len(word) >= _SHORTEST_DISGUISED else word for word in words]
        return _Draft(number, lang, label, _as_sentences(words, rng))

    def _rng(self, purpose: str) -> random.Random:
        return random.Random(f"{self._seed} {purpose}")


def disguised(word: str) -> str:
    """With Latin letters for the Cyrillic ones within the word that look the same."""
    return word[0] + word[1:-1].translate(_LOOK_ALIKES) + word[-1]


def _frequent(texts: Iterable[str]) -> list[str]:
    found = Counter(word for text in texts for word in re.findall(r"[^\W\d_]{2,}", text.lower()))
    return [word for word, _ in found.most_common(_REAL_WORDS)]


def _with_made_up(words: Sequence[str], language: _Language, rng: random.Random) -> list[str]:
    all_words = dict.fromkeys(words)
    while len(all_words) < language.words:
        all_words[_made_up(language, rng)] = None
    return list(all_words)


def _made_up(language: _Language, rng: random.Random) -> str:
    syllables = rng.choices((1, 2, 3, 4), weights=(1, 8, 7, 4))[0]
    return "".join(
        rng.choice(language.consonants)
        + rng.choice(language.vowels)
        + (rng.choice(language.consonants) if rng.random() < 0.3 else "")
        for _ in range(syllables)
    )


def _length(language: _Language, rng: random.Random) -> int:
    place = rng.random()
    steps = zip(pairwise(_QUANTILES), pairwise(language.lengths), strict=True)
    low, high, shorter, longer = next((*own, *ends) for own, ends in steps if place <= own[1])
    return round(shorter + (longer - shorter) * (place - low) / (high - low))


def _as_sentences(words: Sequence[str], rng: random.Random) -> str:
    sentences, start = [], 0
    while start < len(words):
        end = start + rng.randrange(4, 14)
        sentences.append(" ".join(words[start:end]).capitalize() + rng.choice(".!…\n"))
        start = end
    return " ".join(sentences)


def _posted_again(text: str, rng: random.Random) -> str:
    return rng.choice(
        (
            text,
            f"{rng.choice(_EMOJI)} {text} {rng.choice(_EMOJI) * 3}",
            f"{text} {rng.randrange(1000, 20000)} тг",
            f"{text}\nПодписывайтесь на канал и ставьте реакции",
        )
    )


def _with_contacts(draft: _Draft, rng: random.Random) -> tuple[str, list[Entity]]:
    """Every advert has a handle, two thirds an invitation as well, one third a site, too."""
    if draft.label is None:
        return draft.text, []
    text, entities = draft.text, []
    for kind, before in _CONTACTS[: rng.randrange(1, len(_CONTACTS) + 1)]:
        value = f"{kind[:2]}{rng.randrange(20_000):05}{'.example' if kind == 'domain' else ''}"
        text += f"\n{before}"
        entities.append(Entity(kind=kind, value=value, start=len(text), end=len(text) + len(value)))
        text += value
    return text, entities


def _finding(label: Label, is_meant: bool, text: str, rng: random.Random) -> Finding:
    score = rng.betavariate(8, 2) if is_meant else rng.betavariate(1, 30)
    words = [match.span() for match in re.finditer(r"\w{4,}", text)][:5] if is_meant else []
    return Finding(
        label=label,
        score=score,
        threshold=0.5,
        sure_threshold=0.8,
        flagged=score >= 0.5,
        spans=tuple((start, end, 0.2) for start, end in words),
        codes=("FP01", "FP02") if is_meant else (),
        model="bench",
    )


def _fingerprint(document: Document, origin: int, rng: random.Random) -> Fingerprint | None:
    words = len(document.text.split())
    if words < 3:
        return None
    if words < 8:
        return Fingerprint(document.id, sha256_hex(document.text.encode()), (), ())
    family = random.Random(origin)
    signature = struct.unpack("<128I", family.randbytes(4 * 96) + rng.randbytes(4 * 32))
    bands = [f"{band:02d}{(family if band < 15 else rng).getrandbits(64):016x}" for band in range(21)]
    return Fingerprint(document.id, sha256_hex(document.text.encode()), tuple(bands), signature)
