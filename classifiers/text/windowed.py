"""The classifier proper: windows in batches of like length through a network, calibrated, explained, coded."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from classifiers.base import TextClassifier
from classifiers.text.codes import suggest_codes
from classifiers.text.explanation import Span, strongest_spans, sum_words
from classifiers.text.inference import Inference
from classifiers.text.model_card import Calibration, EarlyExit
from classifiers.text.network import Network
from classifiers.text.reuse import KeptScores, key_of_copies
from classifiers.text.windows import Window, WindowTokenizer
from qalqan.normalise import Folded
from qalqan.rationale import CODES
from qalqan.records import LABELS, Finding, Label


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a text has its score for a label: logit = base + the words' parts, score = the calibrated logit.

    words: (start, end, part) of the text's strongest window, in its order; parts may be negative.
    """

    label: Label
    score: float
    logit: float
    base: float
    words: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class _Judged:
    """In the order of LABELS. windows: the strongest for each with all its logits.

    None of a text that is blank or that the early head answered for.
    """

    scores: tuple[float, ...]
    windows: list[Window]
    logits: list[list[float]]


class WindowedTextClassifier(TextClassifier):
    """Of a text longer than one window the strongest window counts, for every label apart.

    A harmless text's scores serve for its copies with other contacts or emoji as well (`classifiers.text.reuse`).
    """

    def __init__(
        self,
        model_id: str,
        network: Network,
        tokenizer: WindowTokenizer,
        *,
        padding_id: int,
        calibration: Mapping[Label, Calibration],
        thresholds: Mapping[Label, float],
        sure_thresholds: Mapping[Label, float] | None = None,
        codes: Mapping[str, float] | None = None,
        early: EarlyExit | None = None,
    ) -> None:
        """codes: what the network tells after the labels, and from which logit; without it patterns suggest codes.

        early: when the network's early head answers alone.
        """
        self.model_id = model_id
        self._inference, self._tokenizer = Inference(network, padding_id, early), tokenizer
        self._calibration, self._thresholds, self._sure = calibration, thresholds, sure_thresholds or {}
        self._codes = dict(codes or {})
        self._kept = KeptScores()

    def findings(self, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        readings = [self._tokenizer.read(text) for text in texts]
        keys = [key_of_copies(reading.text) for reading in readings]
        kept = {index: scores for index, key in enumerate(keys) if key and (scores := self._kept.find(key))}
        first: dict[bytes | None, int] = {}
        for index, key in enumerate(keys):
            first.setdefault(key, index)
        fresh = [i for i, key in enumerate(keys) if i not in kept and (key is None or first[key] == i)]
        judged = self._judge(readings, fresh)
        for index, own in judged.items():
            if (key := keys[index]) and self._is_plainly_harmless(own.scores):
                self._kept.keep(key, own.scores)
        copies = [index for index in range(len(texts)) if index not in kept and index not in judged]
        kept |= {index: scores for index in copies if (scores := self._kept.find(keys[index] or b""))}
        judged |= self._judge(readings, [index for index in copies if index not in kept])
        spans = self._spans(texts, judged)
        return [
            tuple(
                Finding(
                    label=label,
                    score=(judged[index].scores if index in judged else kept[index])[column],
                    threshold=self._thresholds[label],
                    sure_threshold=self._sure.get(label),
                    flagged=(index, column) in spans,
                    spans=spans.get((index, column), ()),
                    codes=self._suggest(text, column, judged[index]) if (index, column) in spans else (),
                    model=self.model_id,
                )
                for column, label in enumerate(LABELS)
            )
            for index, text in enumerate(texts)
        ]

    def _judge(self, readings: Sequence[Folded], indices: Sequence[int]) -> dict[int, _Judged]:
        """Those of the texts with the indices, by index."""
        windows = [self._tokenizer.windows_of(readings[index]) for index in indices]
        judged: dict[int, _Judged] = {}
        for index, own, answer in zip(indices, windows, self._inference.answers(windows), strict=True):
            if answer.early is not None or not own:
                judged[index] = _Judged(answer.early or (0.0,) * len(LABELS), [], [])
                continue
            rows = answer.windows
            strongest = [max(range(len(own)), key=lambda at: rows[at][column]) for column in range(len(LABELS))]
            scores = [self._score(label, rows[strongest[at]][at]) for at, label in enumerate(LABELS)]
            judged[index] = _Judged(tuple(scores), [own[at] for at in strongest], [rows[at] for at in strongest])
        return judged

    def _suggest(self, text: str, column: int, judged: _Judged) -> tuple[str, ...]:
        """Codes of the label, and those that would speak for a rejection."""
        if not self._codes:
            return suggest_codes(text, LABELS[column])
        logits = judged.logits[column][len(LABELS) :]
        fitting = (LABELS[column], "exculpatory")
        return tuple(
            code
            for (code, least), logit in zip(self._codes.items(), logits, strict=True)
            if logit >= least and CODES[code].group in fitting
        )

    def _is_plainly_harmless(self, scores: Sequence[float]) -> bool:
        """So far from every threshold that no other emoji or contact would bring a copy there."""
        return all(score < 0.5 * self._thresholds[label] for label, score in zip(LABELS, scores, strict=True))

    def _flags(self, scores: Sequence[float]) -> list[bool]:
        return [score >= self._thresholds[label] for label, score in zip(LABELS, scores, strict=True)]

    def _spans(self, texts: Sequence[str], judged: Mapping[int, _Judged]) -> dict[tuple[int, int], tuple[Span, ...]]:
        """Of every flagged text and label, by index of text and label."""
        spans: dict[tuple[int, int], tuple[Span, ...]] = {}
        for column in range(len(LABELS)):
            flagged = [(i, own.windows[column]) for i, own in judged.items() if self._flags(own.scores)[column]]
            parts = self._inference.parts([window for _, window in flagged], column)
            for (index, window), own_parts in zip(flagged, parts, strict=True):
                spans[index, column] = strongest_spans(texts[index], window.offsets, own_parts)
        return spans

    def explain(self, text: str, label: Label) -> Explanation:
        """Every word's part of the score that the whole network gives; a blank text has none."""
        column = LABELS.index(label)
        windows = self._tokenizer.windows(text)
        if not windows:
            return Explanation(label, 0.0, -math.inf, -math.inf, ())
        logits = [row[column] for row in self._inference.logits(windows)]
        strongest = max(range(len(windows)), key=logits.__getitem__)
        (parts,) = self._inference.parts([windows[strongest]], column)
        logit = logits[strongest]
        return Explanation(
            label,
            self._score(label, logit),
            logit,
            logit - sum(parts),
            tuple(sum_words(text, windows[strongest].offsets, parts)),
        )

    def _score(self, label: Label, logit: float) -> float:
        return self._calibration[label].probability(logit)
