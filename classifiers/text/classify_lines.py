"""`qalqan classify`: JSON lines with texts in, the contract's JSON lines out (design, section 5)."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from classifiers.base import TextClassifier
from qalqan.records import Finding

_LINES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class BadLine:
    """number counts from 1; id is None where the line has none."""

    number: int
    id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class _TextLine:
    id: str
    text: str


def read_line(number: int, line: str) -> _TextLine | BadLine:
    try:
        values = json.loads(line)
    except ValueError as error:
        return BadLine(number, None, f"not JSON: {error}")
    except RecursionError:
        return BadLine(number, None, "not JSON that can be read: nested too deeply")
    if not isinstance(values, dict):
        return BadLine(number, None, "not a JSON object")
    id_ = values.get("id")
    if isinstance(id_, int) and not isinstance(id_, bool):
        id_ = str(id_)
    if not isinstance(id_, str) or not id_:
        return BadLine(number, None, "no id")
    text = values.get("text")
    if isinstance(text, str):
        return _TextLine(id_, text)
    if "image" in values:
        return BadLine(number, id_, "pictures cannot be classified yet")
    return BadLine(number, id_, "no text")


def output_line(id_: str, findings: tuple[Finding, ...], lang: str) -> dict[str, Any]:
    return {
        "id": id_,
        "scores": {finding.label: finding.score for finding in findings},
        "flagged": [finding.label for finding in findings if finding.flagged],
        "spans": {finding.label: [list(span) for span in finding.spans] for finding in findings if finding.spans},
        "lang": lang,
        "model": findings[0].model,
    }


def classify_lines(
    lines: Iterable[str], classifier: TextClassifier, detect_language: Callable[[str], str]
) -> Iterator[dict[str, Any] | BadLine]:
    """For every line that is not blank its output line or what is wrong with it, in the order of the input."""
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    while batch := list(islice(numbered, _LINES_AT_ONCE)):
        read = [read_line(number, line) for number, line in batch]
        texts = [line.text for line in read if isinstance(line, _TextLine)]
        findings = iter(classifier.findings(texts))
        for line in read:
            if isinstance(line, BadLine):
                yield line
            else:
                yield output_line(line.id, next(findings), detect_language(line.text))
