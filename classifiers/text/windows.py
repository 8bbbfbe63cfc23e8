"""Texts as windows of token ids, with every token's place in the original text."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from classifiers.text.reading import Reader
from qalqan.errors import ClassifierError
from qalqan.normalise import Folded

# A hostile page may be megabytes long: of more windows than this an even selection is read, first and last included.
MAX_WINDOWS = 512
# The tokenizer's time grows faster than the length of what it is given at once.
_PIECE_CHARACTERS = 20_000

_SURROGATES = re.compile("[\ud800-\udfff]")
_BREAK = re.compile(r"\s\S*\Z")


@dataclass(frozen=True, slots=True)
class Window:
    """ids include the model's own special tokens; offsets are characters of the whole text, (0, 0) for special ones."""

    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]


def _even_selection(count: int, limit: int) -> Iterator[int]:
    if count <= limit:
        yield from range(count)
        return
    for position in range(limit):
        yield position * (count - 1) // (limit - 1)


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """The text in pieces that end before white space where there is any, with their first character's offset."""
    start = 0
    while len(text) - start > _PIECE_CHARACTERS:
        piece = text[start : start + _PIECE_CHARACTERS]
        if (found := _BREAK.search(piece, _PIECE_CHARACTERS - 1_000)) is not None and found.start() > 0:
            piece = piece[: found.start()]
        yield start, piece
        start += len(piece)
    yield start, text[start:]


class WindowTokenizer:
    """Splits texts for one encoder.

    size and stride are tokens of text in a window and from one window's start to the next one's. read: what is
    tokenized of a text; offsets lead back to the text itself.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, size: int, stride: int, read: Callable[[str], Folded] = Folded.of
    ) -> None:
        if not 0 < stride <= size:
            raise ValueError(f"stride {stride} does not fit windows of {size} tokens")
        self.size, self.stride = size, stride
        self._read = read
        self._tokenizer = tokenizer
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        frame = tokenizer.encode("a")
        is_text = [not special for special in frame.special_tokens_mask]
        first = is_text.index(True)
        last = len(is_text) - is_text[::-1].index(True)
        self._prefix, self._suffix = tuple(frame.ids[:first]), tuple(frame.ids[last:])
        # Words of a text such as "<s>" or "<mask>" must stay words: never special tokens, which would steer the model.
        self._tokenizer.encode_special_tokens = True
        special = {token.content: id_ for id_, token in tokenizer.get_added_tokens_decoder().items() if token.special}
        self._unknown = next((special[name] for name in ("<unk>", "[UNK]") if name in special), None)
        self._special_ids = frozenset(special.values())

    @classmethod
    def from_file(cls, path: Path, *, size: int, stride: int) -> "WindowTokenizer":
        """For an encoder that was trained on texts as `Reader` reads them.

        Raises ClassifierError if the file is missing or truncated.
        """
        try:
            content = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ClassifierError(f"{path}: {error.strerror}; run `make model`") from error
        if not content.rstrip().endswith("}"):
            raise ClassifierError(f"{path} is truncated; run `make model`")
        tokenizer = Tokenizer.from_str(content)
        model = json.loads(content)["model"]
        scores = [score for _, score in model["vocab"]] if model["type"] == "Unigram" else []
        return cls(tokenizer, size=size, stride=stride, read=Reader(tokenizer, scores).read)

    def read(self, text: str) -> Folded:
        """What is tokenized of the text."""
        return self._read(_SURROGATES.sub("\ufffd", text))

    def windows(self, text: str) -> list[Window]:
        """At least one window unless the text is blank; no two with the same ids, in the order of the text."""
        return self.windows_of(self.read(text))

    def windows_of(self, reading: Folded) -> list[Window]:
        """As `windows`, of a text that was read already; offsets are places in the text itself."""
        ids, places = self._split(reading.text)
        if not ids:
            return []
        offsets = [reading.span(*place) for place in places]
        last_start = max(0, len(ids) - self.size)
        starts = [*range(0, last_start, self.stride), last_start]
        found: dict[tuple[int, ...], Window] = {}
        for start in starts:
            window = self._frame(ids[start : start + self.size], offsets[start : start + self.size])
            found.setdefault(window.ids, window)
        different = list(found.values())
        return [different[index] for index in _even_selection(len(different), MAX_WINDOWS)]

    def _frame(self, ids: Sequence[int], offsets: Sequence[tuple[int, int]]) -> Window:
        return Window(
            (*self._prefix, *ids, *self._suffix),
            (*[(0, 0)] * len(self._prefix), *offsets, *[(0, 0)] * len(self._suffix)),
        )

    def _split(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        if not text.strip():
            return ids, offsets
        for start, piece in _pieces(text):
            encoding = self._tokenizer.encode(piece, add_special_tokens=False)
            for id_, (begin, end) in zip(encoding.ids, encoding.offsets, strict=True):
                if id_ in self._special_ids:
                    # A vocabulary may hold its special tokens as pieces, too, so "<s>" can come out of plain text.
                    if self._unknown is None:
                        continue
                    id_ = self._unknown
                ids.append(id_)
                offsets.append((start + begin, start + end))
        return ids, offsets
