"""What the encoder reads of a text: disguises undone, and Russian and Kazakh in Latin letters back in Cyrillic.

Whether Latin words are English or transliterated is decided by the encoder's own vocabulary: its pieces carry the
logarithms of their probabilities, and the reading that they explain best is taken.
"""

import re
from collections.abc import Sequence

from tokenizers import Tokenizer

from qalqan.normalise import Folded, fold, to_cyrillic

_JUDGED_CHARACTERS = 600
_LEAST_LETTERS = 6
# Logarithm of probability per character by which English may look worse and still be English: on public texts no
# English one of 300 came below +0.6, half of the transliterated ones lay below -0.3.
_MARGIN = 0.3

_LATIN = re.compile(r"(?<![@/.\w])[a-zà-öø-ɏ]+(?![./@]?\w)")
_CYRILLIC = re.compile("[\u0400-\u052f]+")


class Reader:
    """Reads for one encoder. scores: of every piece of a Unigram vocabulary its logarithm of probability, by id."""

    def __init__(self, tokenizer: Tokenizer, scores: Sequence[float]) -> None:
        self._tokenizer, self._scores = tokenizer, scores

    def read(self, text: str) -> Folded:
        """What is tokenized of the text, with the places it came from."""
        folded = fold(text)
        if not self._scores:
            return folded
        sample = folded.part(0, _JUDGED_CHARACTERS)
        latin = sum(map(len, _LATIN.findall(sample.text)))
        if latin < _LEAST_LETTERS or latin < 1.5 * sum(map(len, _CYRILLIC.findall(sample.text))):
            return folded
        readings = {lang: self._probability(to_cyrillic(sample, lang).text) for lang in ("ru", "kk")}
        likely = max(readings, key=readings.__getitem__)
        as_written = self._probability(sample.text)
        if readings[likely] - as_written > -_MARGIN * len(sample.text):
            return to_cyrillic(folded, likely)
        return folded

    def _probability(self, text: str) -> float:
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        return sum(self._scores[id_] for id_ in ids if id_ < len(self._scores))
