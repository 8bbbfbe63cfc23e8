"""A text that was rewritten step by step and still knows where each of its characters came from."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Folded:
    """starts and ends: for every character of `text` the place in the original that it stands for, never falling."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def of(cls, original: str) -> Self:
        return cls(original, range(len(original)), range(1, len(original) + 1))

    @classmethod
    def joined(cls, parts: Iterable["Folded"]) -> Self:
        """Parts of one text, in its order."""
        texts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        for part in parts:
            texts.append(part.text)
            starts.extend(part.starts)
            ends.extend(part.ends)
        return cls("".join(texts), starts, ends)

    def part(self, start: int, end: int) -> "Folded":
        return Folded(self.text[start:end], self.starts[start:end], self.ends[start:end])

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Characters of the original behind characters start to end of `text`; an empty span stays empty."""
        if start >= end:
            place = self.starts[start] if start < len(self.text) else (self.ends[-1] if self.text else 0)
            return place, place
        return self.starts[start], self.ends[end - 1]

    def sub(self, pattern: re.Pattern[str], change: Callable[[re.Match[str]], str]) -> "Folded":
        """Every match rewritten by `change`.

        A match that keeps its length keeps its places one by one; any other rewriting stands as a whole for the match.
        """
        matches = pattern.finditer(self.text)
        if (match := next(matches, None)) is None:
            return self
        parts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        position = 0
        while match is not None:
            begin, end = match.span()
            parts.append(self.text[position:begin])
            starts.extend(self.starts[position:begin])
            ends.extend(self.ends[position:begin])
            new = change(match)
            parts.append(new)
            if len(new) == end - begin:
                starts.extend(self.starts[begin:end])
                ends.extend(self.ends[begin:end])
            elif new:
                starts.extend([self.starts[begin]] * len(new))
                ends.extend([self.ends[end - 1]] * len(new))
            position = end
            match = next(matches, None)
        parts.append(self.text[position:])
        starts.extend(self.starts[position:])
        ends.extend(self.ends[position:])
        return Folded("".join(parts), starts, ends)

    def delete(self, pattern: re.Pattern[str]) -> "Folded":
        return self.sub(pattern, lambda match: "")
