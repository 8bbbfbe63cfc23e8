"""`qalqan crawl`: visit addresses once, in the foreground."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from crawler.report import CrawlProgress, CrawlReport, SeedReport
from qalqan.config import Settings, load_settings
from qalqan.records import Document
from qalqan.store import open_store


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Examples:\n\n"
        "`qalqan crawl https://t.me/s/some_channel --max-pages 5`\n\n"
        "`qalqan crawl https://t.me/s/one https://t.me/s/two --json > run.json`\n\n"
        "A second crawl of the same channel fetches only what is new. Exit code 3: some addresses failed."
    )(crawl)


def crawl(
    urls: Annotated[list[str], typer.Argument(metavar="URL...", help="Public pages: a channel, a post.")],
    spider: Annotated[str | None, typer.Option(help="Use this spider instead of the one the address implies.")] = None,
    browser: Annotated[bool, typer.Option("--browser", help="Fetch in a real browser.")] = False,
    max_pages: Annotated[
        int | None, typer.Option(min=1, help="Pages per address (default: crawler.max_pages).")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")] = False,
) -> None:
    """Visit addresses once, store and classify what is new, and say what was found."""
    from crawler.runner import run_crawl

    settings = load_settings()
    found: list[dict[str, Any]] = []
    console = Console(stderr=True, highlight=False)

    def keep(documents: Sequence[Document]) -> None:
        if json:
            found.extend(document.line() for document in documents)

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("visiting", total=len(urls))

        def show(progress: CrawlProgress) -> None:
            bar.update(
                task,
                completed=progress.seeds_done,
                description=f"pages {progress.pages}, posts {progress.posts}, new {progress.new}",
            )

        report = run_crawl(
            urls,
            settings,
            spider=spider,
            max_pages=max_pages,
            browser=browser,
            on_progress=show,
            on_documents=keep,
        )

    for seed in report.seeds:
        if seed.error:
            console.print(f"failed: {seed.error}", style="red", markup=False, soft_wrap=True)
    if json:
        facts = {"channels": _channels(report, settings), "documents": found}
        sys.stdout.buffer.write(orjson.dumps(report.to_json() | facts, option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.buffer.flush()
    else:
        for seed in report.seeds:
            if not seed.error:
                typer.echo(_sentence(seed))
    if report.failed:
        raise typer.Exit(3)


def _channels(report: CrawlReport, settings: Settings) -> list[dict[str, Any]]:
    """What the visited channels say of themselves."""
    with open_store(settings.store_url, settings.store_options) as store:
        visited = {(seed.site, seed.channel) for seed in report.seeds if seed.site and seed.channel}
        channels = [store.get_channel(site, handle) for site, handle in sorted(visited)]
    return [channel.model_dump(mode="json") for channel in channels if channel is not None]


def _sentence(seed: SeedReport) -> str:
    """What a visit found, for a person."""
    name = f"@{seed.channel}" if seed.channel else seed.url
    match seed.status:
        case "ok":
            span = f" (№ {seed.first_post} to {seed.last_post})" if seed.first_post else ""
            return (
                f"{name}: {seed.new} new, {seed.changed} changed; posts read: {seed.posts}{span}, pages: {seed.pages}"
            )
        case "unchanged":
            return f"{name}: nothing new; posts known: {seed.known}"
        case "preview_disabled":
            return f"{name}: the channel exists, but shows no public preview"
        case "restricted":
            return f"{name}: the channel is restricted; its posts are not shown"
        case "missing":
            return f"{name}: no such channel"
        case "empty":
            return f"{name}: the channel has no posts"
        case "failed":
            return f"{name}: failed"
