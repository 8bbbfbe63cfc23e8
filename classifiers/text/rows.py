"""Labelled texts as JSON Lines: our corpus and files of others, and their division that keeps voices apart."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from qalqan.errors import ClassifierError
from qalqan.normalise import fold
from qalqan.rationale import CODES
from qalqan.records import LABELS, Label

# Kinds of text without a label of ours, in files with one `label` a row.
_HARMLESS = frozenset({"benign", "other_spam"})


@dataclass(frozen=True, slots=True)
class TextRow:
    """kinship: what must stay on one side of a division: the voice it was written in, or its source and cluster.

    codes: rationale codes that its words support; None where nobody said. weight: how much the text counts in
    training, above 0 and at most 1.
    """

    id: str
    text: str
    labels: frozenset[Label]
    lang: str = ""
    group: str = ""
    licence: str = ""
    kinship: tuple[str, ...] = field(default=())
    codes: tuple[str, ...] | None = None
    weight: float = 1.0


def key_of_text(text: str) -> str:
    """The same for texts that fold to the same: one of them is enough to learn from."""
    return " ".join(fold(text).text.split())


def corpus_files() -> list[Path]:
    return sorted((Path(__file__).resolve().parent / "corpus").glob("*.jsonl"))


def pinned_rows() -> list[TextRow]:
    """The texts that decide whether new weights are promoted, never trained on; empty where none are installed."""
    path = Path(__file__).resolve().parent / "pinned.jsonl"
    return read_rows(path) if path.is_file() else []


def parse_labels(values: object) -> frozenset[Label]:
    """Raises ValueError that names what is no label of ours."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("labels must be a list of names")
    unknown = sorted(set(values).difference(LABELS))
    if unknown:
        raise ValueError(f"unknown label {', '.join(unknown)}; ours are {', '.join(LABELS)}")
    return frozenset(cast("list[Label]", values))


def parse_row(values: Mapping[str, Any]) -> TextRow:
    """A row in our form (labels, group, voice) or with one label, source and cluster. Raises ValueError."""
    text, id_ = values.get("text"), values.get("id")
    if not isinstance(text, str) or not text.strip():
        raise ValueError("no text")
    if not isinstance(id_, str):
        raise ValueError("no id")
    if "labels" in values:
        labels = parse_labels(values["labels"])
    elif values.get("label") in _HARMLESS:
        labels = frozenset()
    elif "label" in values:
        labels = parse_labels([values["label"]])
    else:
        raise ValueError("no labels")
    lang = str(values.get("lang") or "")
    kinship = [f"{key} {values[key]}" for key in ("source", "cluster") if values.get(key)]
    if values.get("voice"):
        kinship.append(f"voice {lang} {values['voice']}")
    return TextRow(
        id=id_,
        text=text,
        labels=labels,
        lang=lang,
        group=str(values.get("group") or values.get("subtype") or values.get("label") or ""),
        licence=str(values.get("source_licence") or ""),
        kinship=tuple(kinship) or (f"id {id_}",),
        codes=_parse_codes(values["codes"]) if "codes" in values else None,
        weight=_parse_weight(values.get("weight", 1.0)),
    )


def _parse_codes(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) and value in CODES for value in values):
        raise ValueError("codes must be a list of rationale codes")
    return tuple(values)


def _parse_weight(value: object) -> float:
    if not isinstance(value, int | float) or not 0 < value <= 1:
        raise ValueError("weight must be a number above 0 and at most 1")
    return float(value)


def read_rows(path: Path) -> list[TextRow]:
    """Raises ClassifierError with the file and the line of the first row that cannot be learnt from."""
    rows: list[TextRow] = []
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    values = json.loads(line)
                    if not isinstance(values, dict):
                        raise ValueError("not a JSON object")
                    rows.append(parse_row(values))
                except ValueError as error:
                    raise ClassifierError(f"{path}, line {number}: {error}") from error
    except OSError as error:
        raise ClassifierError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ClassifierError(f"{path} is not UTF-8 near byte {error.start}") from error
    return rows


def families(rows: Sequence[TextRow]) -> list[list[int]]:
    """Indices of rows that share a kinship, directly or over others; the largest family first."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for row in rows:
        for kin in row.kinship[1:]:
            parent[root(kin)] = root(row.kinship[0])
    members: defaultdict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        members[root(row.kinship[0])].append(index)
    return sorted(members.values(), key=lambda family: (-len(family), rows[family[0]].id))


def _cells(rows: Iterable[TextRow]) -> Counter[tuple[str, str]]:
    return Counter((row.lang, label) for row in rows for label in (row.labels or ("",)))


def divide(rows: Sequence[TextRow], shares: Sequence[float]) -> list[list[TextRow]]:
    """Parts of about these shares in every language and label, no family in two of them. Deterministic.

    Families go by size, the largest first, to the part where they upset the shares least.
    """
    total = _cells(rows)
    counts: list[Counter[tuple[str, str]]] = [Counter() for _ in shares]
    parts: list[list[TextRow]] = [[] for _ in shares]
    for family in families(rows):
        held = _cells(rows[index] for index in family)

        def upset(part: int, held: Counter[tuple[str, str]] = held) -> float:
            # Growth of the squared fullness of the part's cells, each fullness 1 where the part has its share.
            return sum(
                (2 * counts[part][cell] + held[cell]) * held[cell] / (total[cell] ** 2 * shares[part]) for cell in held
            )

        chosen = min(range(len(shares)), key=upset)
        counts[chosen].update(held)
        parts[chosen].extend(rows[index] for index in family)
    return parts
