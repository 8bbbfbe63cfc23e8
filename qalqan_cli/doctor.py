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
    """is_well: None where it is only to be known."""

    what: str
    is_well: bool | None
    detail: str


_MARKS = {True: ("ok  ", "green"), False: ("FAIL", "red"), None: ("info", "default")}


def doctor() -> None:
    """Check Python, the model, the store and its server, keys, disk and browser; say what to do about each fault."""
    settings = load_settings()
    console = Console(highlight=False, soft_wrap=True)
    faults = 0
    for finding in _examine(settings):
        faults += finding.is_well is False
        mark, style = _MARKS[finding.is_well]
        console.print(f"{mark} {finding.what}: {finding.detail}", style=style, markup=False)
    if faults:
        raise typer.Exit(1)


def _examine(settings: Settings) -> Iterator[Finding]:
    yield Finding("python", sys.version_info >= (3, 11), sys.version.split()[0])
    yield Finding("sqlite", sqlite3.sqlite_version_info >= (3, 34), f"{sqlite3.sqlite_version} with FTS5")
    yield Finding("scrapy", True, importlib.metadata.version("scrapy"))
    yield _model(settings)
    yield from _store(settings)
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


def _store(settings: Settings) -> Iterator[Finding]:
    from qalqan.store import DocumentQuery, open_store

    if settings.store_url.startswith("http"):
        signs = _server(settings)
        yield from signs
        if any(sign.what == "store" and not sign.is_well for sign in signs):
            return
    try:
        with open_store(settings.store_url, settings.store_options) as store:
            yield Finding("documents", True, f"{store.count(DocumentQuery())} in {settings.store_url}")
    except QalqanError as error:
        yield Finding("documents", False, str(error))


def _server(settings: Settings) -> list[Finding]:
    from qalqan.store.elasticsearch.health import examine

    try:
        signs = list(examine(settings.store_url, settings.store_options))
    except QalqanError as error:
        return [Finding("store", False, str(error))]
    return [Finding(sign.what, sign.is_well, sign.detail) for sign in signs]
