"""JSON Lines: every field of every request, one object a line."""

import json
from collections.abc import Iterable
from typing import BinaryIO

from review_ui.exports.base import Exporter, Row


class JsonlExporter(Exporter):
    name = "jsonl"
    extension = "jsonl"

    def write(self, rows: Iterable[Row], out: BinaryIO) -> int:
        count = 0
        for count, row in enumerate(rows, 1):  # noqa: B007  (the count of the last row is the result)
            out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        return count
