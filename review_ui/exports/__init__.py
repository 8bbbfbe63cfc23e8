"""What leaves the house: formats for rows of requests (one file each), packages and the audit chain."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from review_ui.exports.writing import ExportReport, export

__all__ = ["ExportReport", "export"]


def __getattr__(name: str) -> Any:
    # Late, because formats are also needed where the models are not loaded yet.
    if name in __all__:
        from review_ui.exports import writing

        return getattr(writing, name)
    raise AttributeError(name)
