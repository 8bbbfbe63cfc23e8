"""`qalqan reindex` and `qalqan purge`: the store made anew, moved, and rid of what is too old."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from qalqan.config import Settings, load_settings
from qalqan.errors import StoreError, UsageError
from qalqan.store import DocumentQuery, Store, open_store
from qalqan.store.keys import start_of_month

OnProgress = Callable[[int, int], None]


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Examples:\n\n"
        "`qalqan reindex` – after an upgrade, while everything runs (SQLite: while nothing does)\n\n"
        "`qalqan reindex --drop-old` – once all is well; the replaced indices are kept until then\n\n"
        "`qalqan reindex --to https://es1.example:9200/qalqan` – from SQLite to Elasticsearch, or back with "
        "`--to sqlite:///var/store.sqlite`; what was copied before is written over\n\n"
        "`qalqan reindex --install` – templates and missing indices, with the admin's key\n\n"
        "Exit code 3: some documents were refused; each is named."
    )(reindex)
    app.command(
        epilog="Examples:\n\n`qalqan purge --documents-before 2025-01`\n\n"
        "`qalqan purge --documents-before 2025-01 --yes` – from a timer"
    )(purge)


def reindex(
    to: Annotated[str | None, typer.Option(metavar="URL", help="Copy everything into this store instead.")] = None,
    install: Annotated[
        bool, typer.Option("--install", help="Make templates and missing indices, and no more.")
    ] = False,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Delete the indices that were replaced.")] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="Clear up after one that was cut off.")] = False,
) -> None:
    """Make the store's indices anew, without standing still on Elasticsearch; or copy the store into another one."""
    if sum((to is not None, install, drop_old, abandon)) > 1:
        raise UsageError("choose one of --to, --install, --drop-old and --abandon")
    settings = load_settings()
    is_elasticsearch = settings.store_url.startswith("http")
    if (install or drop_old or abandon) and not is_elasticsearch:
        raise UsageError(f"only an Elasticsearch has indices of its own; the store is {settings.store_url}")
    # Stopped by `kill` it clears up as after Ctrl-C.
    signal.signal(signal.SIGTERM, _on_sigterm)
    if to is not None:
        _copy(settings, to)
    elif install:
        _install(settings)
    elif drop_old:
        _say_removed(settings, "deleted", abandoned=False)
    elif abandon:
        _say_removed(settings, "cleared up; deleted", abandoned=True)
    elif is_elasticsearch:
        _reindex(settings)
    else:
        _rebuild(settings)


def purge(
    documents_before: Annotated[str, typer.Option(metavar="MONTH", help="Published before this month, e.g. 2025-01.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete old documents from the store, by whole months; undated ones, captures and evidence stay."""
    try:
        start = start_of_month(documents_before)
    except StoreError as error:
        raise UsageError(f"--documents-before: {error}") from error
    settings = load_settings()
    with open_store(settings.store_url, settings.store_options) as store:
        if not yes:
            _ask(store, DocumentQuery(until=start), documents_before)
        dropped = store.drop_months_before(documents_before)
    typer.echo(f"{dropped} documents published before {documents_before} were deleted", err=True)


def _ask(store: Store, query: DocumentQuery, month: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to be asked: add --yes")
    states = store.counts(query, "case_state")
    cases = ", ".join(f"{state}: {count}" for state, count in states.items()) or "none"
    typer.echo(f"Up to {store.count(query)} documents published before {month}; with a case: {cases}", err=True)
    typer.confirm("Delete them for good?", abort=True, err=True)


def _copy(settings: Settings, to: str) -> None:
    from qalqan.store.moving import copy_store

    if to.rstrip("/") == settings.store_url.rstrip("/"):
        raise UsageError("--to names the store that is in use; without it, `qalqan reindex` makes that one anew")
    options = settings.store_options
    with open_store(settings.store_url, options) as source:
        source.put_documents([])  # what waits in its spool goes along
        # A target that is away ends the copy: nothing of it waits on this disk.
        with open_store(_soon_searchable(to), options.model_copy(update={"spool": None})) as target, _bar() as progress:
            count = copy_store(source, target, progress=progress)
    for document_id in count.refused:
        typer.echo(f"refused: {document_id}", err=True)
    typer.echo(
        f"{count.documents - len(count.refused)} documents, {count.captures} captures and {count.channels} channels "
        f"are in {to}; set store.url to use it (docs/elasticsearch.md, Moving)",
        err=True,
    )
    if count.refused:
        raise typer.Exit(3)


def _soon_searchable(url: str) -> str:
    """A copy does not wait for the next refresh after each batch."""
    return f"{url}?refresh=true" if url.startswith("http") and "?" not in url else url


def _install(settings: Settings) -> None:
    from qalqan.store.elasticsearch.reindex import install

    has_retention = install(settings.store_url, settings.store_options)
    kept = (
        f"ILM drops them after {settings.store.keep_months} months" if has_retention else "nothing drops them by itself"
    )
    typer.echo(f"templates and indices are in place at {settings.store_url}; old documents: {kept}", err=True)


def _say_removed(settings: Settings, what: str, *, abandoned: bool) -> None:
    from qalqan.store.elasticsearch.reindex import abandon, drop_old

    names = (abandon if abandoned else drop_old)(settings.store_url, settings.store_options)
    typer.echo(f"{what}: {', '.join(names) or 'nothing was there'}", err=True)


def _reindex(settings: Settings) -> None:
    from qalqan.store.elasticsearch.reindex import reindex as reindex_server

    with _bar() as progress:
        done = reindex_server(settings.store_url, settings.store_options, progress)
    typer.echo(
        f"{done.records} records lie in new indices of generation {done.generation}; nobody could write for "
        f"{done.stopped_s:.1f} s. The old ones are kept: `qalqan reindex --drop-old` deletes them",
        err=True,
    )


def _rebuild(settings: Settings) -> None:
    from qalqan.store.sqlite_file import path_of
    from qalqan.store.sqlite_rebuild import rebuild

    path = path_of(settings.store_url)
    if path is None:
        raise UsageError("a store in memory ends with its process: there is nothing to be made anew")
    with _bar() as progress:
        documents = rebuild(path, progress)
    typer.echo(f"{documents} documents were indexed anew in {path}", err=True)


@contextmanager
def _bar() -> Iterator[OnProgress]:
    """Shown on a terminal alone."""
    console = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("documents", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _on_sigterm(*_: object) -> None:
    sys.exit(143)
