"""What people decided, gathered for training: joins the casework, which may not import the pipeline, with its sense
for repeated texts."""

from datetime import timedelta
from typing import TYPE_CHECKING

from qalqan import clock
from qalqan.config import Settings
from qalqan.ids import sha256_hex
from qalqan_cli.site import open_site

if TYPE_CHECKING:
    from review_ui.casework.training_lines import TrainingLines

QUARANTINE_DAYS = 14


def gather_decisions(settings: Settings, quarantine_days: int) -> "TrainingLines":
    """Opens the casework database of the home."""
    open_site(settings)
    from review_ui.casework.training_lines import training_lines

    return training_lines(text_key, decided_before=clock.now() - timedelta(days=quarantine_days))


def text_key(text: str) -> str:
    """The same for texts that differ in contacts, numbers and decoration only."""
    from pipelines.near_duplicates import fingerprint

    found = fingerprint("", text)
    return found.text_sha256 if found else sha256_hex(" ".join(text.casefold().split()).encode("utf-8", "replace"))
