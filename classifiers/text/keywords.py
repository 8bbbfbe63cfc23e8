"""What a list of keywords reaches on the same texts: the lexicon, its strengths added up.

A CSV with the columns label, term, variants and strength; others are not read. A term may hold several, parted by
commas or ` / `, remarks in brackets, and `N` for any number; variants are parted by `;`, and `regex: …` is an
expression. strength: strong, context or negative; refer, priority and task concern the handling and count nothing.
"""

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from classifiers.base import TextClassifier
from qalqan.errors import ClassifierError
from qalqan.normalise import fold
from qalqan.records import LABELS, Finding, Label

_WEIGHTS = {"strong": 2, "context": 1, "negative": -2, "refer": 0, "priority": 0, "task": 0}
_COLUMNS = ("label", "term", "variants", "strength")
# One strong word, or two that need each other, reach the queue: 1 - exp(-2 / 2) = 0.63, 1 - exp(-1 / 2) = 0.39.
_THRESHOLD = 0.5
_SATURATION = 2.0

_REMARK = re.compile(r"\([^()]*\)")
_PARTS = re.compile(r",\s|\s/\s")
_WORD = re.compile(r"\w+|%")
# Russian and Kazakh put endings to a word; a short word with any ending would be half the dictionary.
_INFLECTED_FROM = 5
_LAST_VOWELS = re.compile(r"(?<=\w{4})[аеёиоуыэюяәөұүійь]{1,2}\Z")
_ENDING = r"\w{0,3}"
_BETWEEN = r"\W{1,6}"


class Entry(NamedTuple):
    """A row of the list. weight: what one or more hits of it add."""

    label: Label
    weight: int
    pattern: re.Pattern[str]


class KeywordClassifier(TextClassifier):
    """Looks in the folded text; every entry counts once, and the sum is mapped to 0 … 1."""

    model_id = "keywords"

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = {label: [entry for entry in entries if entry.label == label] for label in LABELS}

    def findings(self, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        plain = [_plain(text) for text in texts]
        return [tuple(self._finding(label, text) for label in LABELS) for text in plain]

    def _finding(self, label: Label, text: str) -> Finding:
        total = sum(entry.weight for entry in self._entries[label] if entry.pattern.search(text))
        score = round(1 - math.exp(-max(total, 0) / _SATURATION), 4)
        return Finding(label=label, score=score, threshold=_THRESHOLD, flagged=score >= _THRESHOLD, model=self.model_id)


def _plain(text: str) -> str:
    return fold(text).text.replace("ё", "е")


def read_lexicon(path: Path) -> list[Entry]:
    """Raises ClassifierError with the file and the line of the first row that is none."""
    entries: list[Entry] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = csv.DictReader(stream)
            missing = [name for name in _COLUMNS if name not in (lines.fieldnames or ())]
            if missing:
                raise ClassifierError(f"{path} lacks the columns {', '.join(missing)}; give a lexicon as CSV")
            for row in lines:
                try:
                    entries.append(_parse_entry(row))
                except (ValueError, re.error) as error:
                    raise ClassifierError(f"{path}, line {lines.line_num}: {error}") from error
    except OSError as error:
        raise ClassifierError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ClassifierError(f"{path} is not UTF-8 near byte {error.start}") from error
    except csv.Error as error:
        raise ClassifierError(f"{path} is not CSV: {error}") from error
    if not entries:
        raise ClassifierError(f"{path} holds no keywords")
    return entries


def _parse_entry(row: Mapping[str, str | None]) -> Entry:
    values = {name: (row[name] or "").strip() for name in _COLUMNS}
    label = next((label for label in LABELS if label == values["label"]), None)
    if label is None:
        raise ValueError(f"unknown label {values['label']!r}; ours are {', '.join(LABELS)}")
    if values["strength"] not in _WEIGHTS:
        raise ValueError(f"unknown strength {values['strength']!r}; known are {', '.join(_WEIGHTS)}")
    expressions = list(_expressions(values["term"], values["variants"]))
    if not expressions:
        raise ValueError("no term")
    return Entry(label, _WEIGHTS[values["strength"]], re.compile("|".join(expressions), re.IGNORECASE))


def _expressions(term: str, variants: str) -> Iterator[str]:
    for part in [*_PARTS.split(_REMARK.sub("", term)), *variants.split(";")]:
        written = part.strip()
        if written.startswith("regex:"):
            expression = written.removeprefix("regex:").strip().replace("ё", "е")
            if not expression or re.search(expression, ""):
                raise ValueError(f"the expression {expression!r} finds something in every text")
            yield f"(?:{expression})"
        elif _WORD.search(plain := _plain(written)):
            phrase = _BETWEEN.join(map(_inflected, _WORD.findall(plain))).replace(_BETWEEN + "%", r"\s?%")
            yield rf"(?<!\w){phrase}(?!\w)"
        else:
            yield from map(re.escape, plain.split())


def _inflected(word: str) -> str:
    if word == "n":  # "от N ₸"
        return r"\d+"
    if not word.isalpha() or len(word) < _INFLECTED_FROM:
        return re.escape(word)
    return re.escape(_LAST_VOWELS.sub("", word)) + _ENDING
