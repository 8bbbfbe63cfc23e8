"""`qalqan doctor`: is everything there that this installation needs?"""

import importlib.metadata
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console

from qalqan.config import Settings, load_settings
from qalqan.errors import QalqanError


def register(app: typer.Typer) -> None:
    app.command()(doctor)


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    is_well: bool
    detail: str


def doctor() -> None:
    """Check Python, the model, the store, evidence, keys, disk and browser; say what to do about each fault."""
    settings = load_settings()
    console = Console(highlight=False, soft_wrap=True)
    faults = 0
    for finding in _examine(settings):
        faults += not finding.is_well
        mark, style = ("ok  ", "green") if finding.is_well else ("FAIL", "red")
        console.print(f"{mark} {finding.what}: {finding.detail}", style=style, markup=False)
    if faults:
        raise typer.Exit(1)


def _examine(settings: Settings) -> Iterator[Finding]:
    yield Finding("python", sys.version_info >= (3, 11), sys.version.split()[0])
    yield Finding("sqlite", sqlite3.sqlite_version_info >= (3, 34), f"{sqlite3.sqlite_version} with FTS5")
    yield Finding("scrapy", True, importlib.metadata.version("scrapy"))
    yield _model(settings)
    yield _store(settings)
    free = shutil.disk_usage(settings.home).free
    yield Finding("disk", free > 2_000_000_000, f"{free / 1e9:.0f} GB free in {settings.home}")
    browser = next((p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(p).exists()), None)
    yield Finding("browser", browser is not None, browser or "no Chromium: apt-get install chromium")
    key = settings.home / "keys" / "ed25519.pem"
    if key.exists():
        mode = key.stat().st_mode & 0o777
        yield Finding("signing key", mode == 0o600, f"{key}, mode {mode:o}" + ("" if mode == 0o600 else ": chmod 600"))
    else:
        yield Finding("signing key", True, "made at the first package")


def _model(settings: Settings) -> Finding:
    from classifiers.text import open_text_classifier

    try:
        return Finding("text classifier", True, open_text_classifier(settings.classifier).model_id)
    except QalqanError as error:
        return Finding("text classifier", False, str(error))


def _store(settings: Settings) -> Finding:
    from qalqan.store import DocumentQuery, open_store

    try:
        with open_store(settings.store_url) as store:
            return Finding("store", True, f"{settings.store_url}, {store.count(DocumentQuery())} documents")
    except QalqanError as error:
        return Finding("store", False, str(error))
