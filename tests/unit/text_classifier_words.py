"""A classifier that looks for words: everything but the knowledge, at once."""

from collections.abc import Sequence
from typing import ClassVar

from classifiers.base import TextClassifier
from qalqan.records import LABELS, Finding


class WordClassifier(TextClassifier):
    """Scores 0.9 for a label whose own word the text holds; else 0.1."""

    model_id = "words/1"
    words: ClassVar = dict(zip(LABELS, ("процент", "закладка", "трафарет"), strict=True))

    def findings(self, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        return [tuple(self._finding(text, *pair) for pair in self.words.items()) for text in texts]

    def _finding(self, text: str, label: str, word: str) -> Finding:
        place = text.find(word)
        return Finding(
            label=label,  # type: ignore[arg-type]
            score=0.9 if place >= 0 else 0.1,
            threshold=0.5,
            flagged=place >= 0,
            spans=((place, place + len(word), 1.0),) if place >= 0 else (),
            model=self.model_id,
        )
