"""`qalqan documents`: what is stored."""

import sys
from datetime import datetime
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from qalqan.clock import ALMATY, from_iso
from qalqan.config import load_settings
from qalqan.errors import UsageError
from qalqan.records import LABELS, Document
from qalqan.store import DocumentQuery, open_store


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Examples:\n\n"
        "`qalqan documents --label drug_shop --since 2026-11-01`\n\n"
        "`qalqan documents --host t.me --query 'пассивный доход' --jsonl > found.jsonl`"
    )(documents)


def documents(
    label: Annotated[list[str] | None, typer.Option(help="Flagged with this label (may be repeated).")] = None,
    host: Annotated[str | None, typer.Option(help="Host of the address, e.g. t.me.")] = None,
    query: Annotated[str | None, typer.Option(help='Words that must occur; "quoted words" are a phrase.')] = None,
    since: Annotated[str | None, typer.Option(help="Published at or after (ISO 8601; a bare date is UTC).")] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line, every match.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Rows of the table (without --jsonl).")] = 50,
) -> None:
    """Show stored documents, as a table or as JSON Lines."""
    unknown = sorted(set(label or []) - set(LABELS))
    if unknown:
        raise UsageError(f"no label {', '.join(unknown)}: known are {', '.join(LABELS)}")
    wanted = DocumentQuery(
        labels=tuple(known for known in LABELS if known in (label or [])),
        host=host,
        text=query,
        since=_moment(since) if since else None,
    )
    settings = load_settings()
    with open_store(settings.store_url, settings.store_options) as store:
        if jsonl:
            for document in store.scan(wanted):
                sys.stdout.buffer.write(orjson.dumps(document.line(), option=orjson.OPT_APPEND_NEWLINE))
            sys.stdout.buffer.flush()
            return
        page = store.search(wanted, limit=limit)
    Console().print(_table(page.documents))
    typer.echo(f"{len(page.documents)} of {page.total} documents", err=True)


def _moment(text: str) -> datetime:
    try:
        return from_iso(text if "T" in text else f"{text}T00:00:00+00:00")
    except ValueError as error:
        raise UsageError(f"--since {text}: {error}; write 2026-11-25 or 2026-11-25T08:00:00+05:00") from error


def _table(found: list[Document]) -> Table:
    table = Table(box=None, header_style="bold")
    for column, width in (("published", 16), ("address", 30), ("lang", 5), ("flagged", 12)):
        table.add_column(column, overflow="ellipsis", no_wrap=True, min_width=width)
    table.add_column("text", overflow="ellipsis", no_wrap=True)
    for document in found:
        moment = document.published_at or document.fetched_at
        flags = [f"{f.label} {f.score:.2f}" for f in document.findings if f.flagged]
        table.add_row(
            moment.astimezone(ALMATY).strftime("%d.%m.%Y %H:%M"),
            document.canonical_url.removeprefix("https://"),
            document.lang,
            ", ".join(flags),
            " ".join(document.text.split())[:200],
        )
    return table
