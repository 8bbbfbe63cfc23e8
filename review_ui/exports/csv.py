"""The exchange table: CSV with semicolons for Excel and for the ministry's upload form."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from review_ui.exports.base import Exporter, Row
from review_ui.exports.fields import DEFAULT_COLUMNS, FIELDS, read_columns

# A cell that begins so would be run as a formula by spreadsheets (OWASP, "CSV Injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class CsvExporter(Exporter):
    """UTF-8 with a byte order mark, CRLF; the columns come from `exchange.toml`, else the built-in ones."""

    name = "csv"
    extension = "csv"

    def __init__(self, columns: Mapping[str, str] = DEFAULT_COLUMNS) -> None:
        """columns: column -> field."""
        self.columns = columns

    @classmethod
    def configured(cls, home: Path) -> "CsvExporter":
        return cls(read_columns(home))

    def write(self, rows: Iterable[Row], out: BinaryIO) -> int:
        text = io.TextIOWrapper(out, encoding="utf-8-sig", newline="", write_through=True)
        writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
        writer.writerow(self.columns)
        count = 0
        for row in rows:
            writer.writerow(_safe(FIELDS[field](row)) for field in self.columns.values())
            count += 1
        text.detach()
        return count


def _safe(cell: str) -> str:
    cell = cell.replace("\0", "")
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
