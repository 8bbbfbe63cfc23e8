"""The interface of an export format, and how one is found by its name."""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from qalqan.errors import UsageError

# One request with every field (`rows.request_row`), as JSON would hold it.
Row = dict[str, Any]


class Exporter(ABC):
    """A format for rows of requests: one file in this folder, one class (design, section 7).

    The same rows always give the same bytes.
    """

    name: ClassVar[str]
    extension: ClassVar[str]

    @classmethod
    def configured(cls, home: Path) -> "Exporter":
        """The format with the settings that the home may hold for it."""
        return cls()

    @abstractmethod
    def write(self, rows: Iterable[Row], out: BinaryIO) -> int:
        """Writes all rows in their order; returns how many."""


def exporters() -> dict[str, type[Exporter]]:
    """Every format of this folder by its name."""
    import review_ui.exports as folder

    for module in pkgutil.iter_modules(folder.__path__):
        importlib.import_module(f"{folder.__name__}.{module.name}")
    return {one.name: one for one in Exporter.__subclasses__()}


def find_exporter(name: str, home: Path) -> Exporter:
    """Raises UsageError that lists the formats."""
    known = exporters()
    if name not in known:
        raise UsageError(f"unknown format {name!r}; known: {', '.join(sorted(known))}")
    return known[name].configured(home)
