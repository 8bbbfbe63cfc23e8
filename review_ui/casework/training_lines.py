"""Decisions that two people stand behind, as lines from which the text classifier may learn."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from qalqan.clock import to_iso
from qalqan.errors import QalqanError
from qalqan.ids import machine_id, sha256_hex
from review_ui.audit.chain import record
from review_ui.audit.masking import mask_personal
from review_ui.casework.models import Case, Decision, Material
from review_ui.casework.training_verdicts import CASE_REASONS, Verdict, verdicts
from review_ui.casework.training_weights import TrainingLine, share_weights

# What is left out, and why; counted in texts.
REASONS: dict[str, str] = {
    **CASE_REASONS,
    "unseen": "added after one of the people had decided",
    "unproven": "another post than the one that was confirmed, or without a sign of the confirmed label",
    "no_text": "no text",
    "long": "a long page without a quote: nobody knows which part was meant",
    "repeated": "repeats a text that is counted already",
    "flood": "more texts of one case, source or class than may count",
}
DISPUTES: dict[str, str] = {
    "decided_otherwise": "the same text was decided otherwise in another case",
    "sure_model": "the model was very sure of the contrary",
    "other_label": "flagged for another label, on which nobody decided: it may hold as well",
}

# A score from which a model is sure of a label; sure of the contrary from 1 - SURE down.
SURE = 0.95

# A page longer than this is cut around what people quoted, with so many characters before it.
_LONGEST = 2000
_BEFORE_QUOTE = 300

# As training expects the masks of numbers, which it varies: `classifiers.text.augmentation`.
_MASK = "X"
_MASKED = frozenset({"phone", "card", "iban", "iin", "bin", "wallet_btc", "wallet_eth", "wallet_trx"})


@dataclass(frozen=True, slots=True)
class Dispute:
    """A line that is not learnt from until a person has looked at it. reason: a key of DISPUTES."""

    line: TrainingLine
    reason: str
    score: float

    def values(self) -> dict[str, object]:
        return {**self.line.line(), "dispute": self.reason, "score": self.score}


@dataclass(frozen=True)
class TrainingLines:
    """learnt: the newest decision first. left_out: texts by a key of REASONS."""

    decided_before: datetime
    learnt: tuple[TrainingLine, ...]
    disputed: tuple[Dispute, ...]
    left_out: Mapping[str, int]

    def content(self) -> bytes:
        """The learnt lines as JSON Lines."""
        return _json_lines(line.line() for line in self.learnt)

    def facts(self) -> dict[str, Any]:
        """Counts and the hash of the lines, without a word of any text."""
        return {
            "decided_before": to_iso(self.decided_before),
            "rows": len(self.learnt),
            "sha256": sha256_hex(self.content()),
            "classes": self._classes(),
            "disputed": len(self.disputed),
            "left_out": dict(self.left_out),
        }

    def sentences(self) -> list[str]:
        """What became of every text, for the person who asked."""
        classes = ", ".join(f"{count} {name}" for name, count in self._classes().items()) or "none"
        reasons = Counter(dispute.reason for dispute in self.disputed)
        return [
            f"{len(self.learnt)} texts of decided cases to learn from: {classes}",
            *(f"disputed {count}: {DISPUTES[reason]}" for reason, count in sorted(reasons.items())),
            *(f"left out {count}: {REASONS[reason]}" for reason, count in self.left_out.items()),
        ]

    def _classes(self) -> dict[str, int]:
        return dict(sorted(Counter("+".join(line.labels) or "harmless" for line in self.learnt).items()))


@dataclass(frozen=True, slots=True)
class _Candidate:
    """score: of the label where it was confirmed, else the highest one. keys: what it shares with its copies."""

    line: TrainingLine
    score: float
    flagged: frozenset[str]
    is_quoted: bool
    keys: tuple[str, ...]

    def dispute(self) -> str | None:
        """What a person should look at first, as a key of DISPUTES."""
        if not self.line.labels:
            return "sure_model" if self.score >= SURE else None
        if self.score <= 1 - SURE:
            return "sure_model"
        # As a line with one label it would teach that the other one does not hold, which nobody has said.
        return "other_label" if self.flagged.difference(self.line.labels) else None


@dataclass(slots=True)
class _Gathered:
    candidates: list[_Candidate] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def training_lines(text_key: Callable[[str], str], *, decided_before: datetime) -> TrainingLines:
    """What may be learnt from all cases.

    text_key: the same for texts that are the same but for contacts and numbers. decided_before: later decisions are
    held back, because somebody may still object to them.
    """
    gathered = _Gathered()
    for case, verdict in verdicts(decided_before):
        materials = list(case.materials.all())
        if isinstance(verdict, Verdict):
            _gather(gathered, case, materials, verdict, text_key)
        else:
            gathered.left_out[verdict] += len(materials)
    return _sift(gathered, decided_before)


def export_training_lines(found: TrainingLines, output: Path) -> Path:
    """Writes the learnt lines to `output` and the disputed ones beside it; returns the path of the latter.

    Raises QalqanError if the folder cannot be written to.
    """
    disputed = output.with_name(f"{output.stem}.disputed{output.suffix}")
    _write_whole(disputed, _json_lines(dispute.values() for dispute in found.disputed))
    _write_whole(output, found.content())
    record("export.written", actor="system:export", details={"format": "training", **found.facts()})
    return disputed


def record_learning(found: TrainingLines) -> None:
    """The journal's entry that these lines go into a training."""
    record("training.lines_taken", actor="system:training", details=found.facts())


def _json_lines(lines: Iterable[Mapping[str, object]]) -> bytes:
    return b"".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for line in lines)


def _write_whole(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch(mode=0o640)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise QalqanError(f"cannot write {path}: {error.strerror}; name another --output") from error


def _gather(
    gathered: _Gathered, case: Case, materials: list[Material], verdict: Verdict, text_key: Callable[[str], str]
) -> None:
    chosen: list[Material] = []
    for material in materials:
        if reason := _reason_against(material, verdict):
            gathered.left_out[reason] += 1
        else:
            chosen.append(material)
    keys = {material.pk: text_key(material.document["text"]) for material in chosen}
    is_one_text = len(set(keys.values())) == 1
    for material in chosen:
        text = _passage(material, verdict)
        if text is None:
            gathered.left_out["long"] += 1
            continue
        document = material.document
        scores = {finding["label"]: finding["score"] for finding in document["findings"]}
        line = TrainingLine(
            id=f"decision-{material.document_id}",
            text=text,
            lang=document["lang"],
            labels=(verdict.label,) if verdict.label else (),
            codes=_codes(material, verdict, is_alone=is_one_text),
            source=machine_id("training source", case.cluster_key),
            cluster=f"case-{case.number}",
            decided_at=verdict.decided_at,
            model=", ".join(sorted({finding["model"] for finding in document["findings"]})),
        )
        gathered.candidates.append(
            _Candidate(
                line,
                score=scores.get(verdict.label, 0.0) if verdict.label else max(scores.values(), default=0.0),
                flagged=_flagged(document),
                is_quoted=bool(_quotes(material, verdict)),
                keys=(document["near_duplicate_of"] or material.document_id, keys[material.pk]),
            )
        )


def _reason_against(material: Material, verdict: Verdict) -> str | None:
    """Why a document of a decided case teaches nothing."""
    document = material.document
    if not document["text"].strip():
        return "no_text"
    if not all(_was_seen(material, decision) for decision in verdict.decisions):
        return "unseen"
    if not verdict.label:
        return None
    is_meant = document["canonical_url"] == verdict.address if verdict.address else verdict.label in _flagged(document)
    return None if is_meant or _quotes(material, verdict) else "unproven"


def _flagged(document: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(finding["label"] for finding in document["findings"] if finding["flagged"])


def _was_seen(material: Material, decision: Decision) -> bool:
    return any(seen["document"] == material.document_id for seen in decision.seen["materials"])


def _quotes(material: Material, verdict: Verdict) -> list[dict[str, Any]]:
    return [one for decision in verdict.decisions for one in decision.quotes if one["material"] == material.pk]


def _codes(material: Material, verdict: Verdict, *, is_alone: bool) -> tuple[str, ...]:
    """Codes belong to the whole case: of several texts one shows those that were quoted from it."""
    if is_alone or not verdict.label:
        return verdict.codes
    quoted = {quote["code"].upper() for quote in _quotes(material, verdict)}
    return tuple(code for code in verdict.codes if code in quoted)


def _passage(material: Material, verdict: Verdict) -> str | None:
    """What is learnt of the text, masked: all of it, or of a long one the part that people meant; None if unknown."""
    text = _mask_entities(material.document["text"], material.document["entities"])
    if len(text) > _LONGEST:
        starts = [quote["start"] for quote in _quotes(material, verdict)]
        if verdict.label and not starts:
            return None
        begin = max(0, min(starts, default=0) - _BEFORE_QUOTE)
        text = text[begin : begin + _LONGEST]
    return mask_personal(text)


def _mask_entities(text: str, entities: Iterable[Mapping[str, Any]]) -> str:
    """As long as before, so that quotes keep their places."""
    characters = list(text)
    for entity in entities:
        if entity["kind"] in _MASKED:
            for place in range(max(entity["start"], 0), min(entity["end"], len(characters))):
                characters[place] = _MASK
    return "".join(characters)


def _sift(gathered: _Gathered, decided_before: datetime) -> TrainingLines:
    """Each text once, contradictions apart, weights shared out."""
    # Of a case what people quoted comes first: it stays where others no longer fit in.
    candidates = sorted(gathered.candidates, key=lambda one: (-one.line.decided_at.timestamp(), not one.is_quoted))
    classes: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)
    for candidate in candidates:
        for key in candidate.keys:
            classes[key].add(candidate.line.labels)
    learnt: list[TrainingLine] = []
    disputed: list[Dispute] = []
    taken: set[tuple[str, tuple[str, ...]]] = set()
    for candidate in candidates:
        line = candidate.line
        own = {(key, line.labels) for key in candidate.keys}
        is_repeated = not taken.isdisjoint(own)
        taken |= own
        if is_repeated:
            gathered.left_out["repeated"] += 1
        elif any(len(classes[key]) > 1 for key in candidate.keys):
            disputed.append(Dispute(line, "decided_otherwise", candidate.score))
        elif reason := candidate.dispute():
            disputed.append(Dispute(line, reason, candidate.score))
        else:
            learnt.append(line)
    weighed = share_weights(learnt)
    # Whoever lets disputed lines in after all should not let in a flood.
    allowed = {line.id: line for line in share_weights([dispute.line for dispute in disputed])}
    kept = [replace(one, line=allowed[one.line.id]) for one in disputed if one.line.id in allowed]
    if flood := len(learnt) - len(weighed) + len(disputed) - len(kept):
        gathered.left_out["flood"] = flood
    return TrainingLines(decided_before, tuple(weighed), tuple(kept), dict(sorted(gathered.left_out.items())))
