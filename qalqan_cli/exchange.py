"""`qalqan export` and `qalqan verify`: what leaves the house, and whether it is intact."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from qalqan.config import load_settings
from qalqan.errors import UsageError
from qalqan_cli.decisions import QUARANTINE_DAYS, gather_decisions
from qalqan_cli.site import open_site


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Examples:\n\n`qalqan export package --package 7 --output out/`\n\n"
        "`qalqan export csv --since 6 --output list.csv`\n\n`qalqan export audit --output audit.jsonl`\n\n"
        "`qalqan export training --quarantine-days 30 --output decided.jsonl`"
    )(export)
    app.command(
        epilog="Examples:\n\n`qalqan verify var/evidence`\n\n`qalqan verify out/ --key sender.pem`\n\n"
        "Exit code 1: something is not as it was signed or captured; each file is named."
    )(verify)


def export(
    format_: Annotated[str, typer.Argument(metavar="FORMAT", help="csv, jsonl, package, audit or training.")],
    output: Annotated[Path, typer.Option(help="File (a folder for `package`).")],
    package: Annotated[int | None, typer.Option(help="One package by its number.")] = None,
    since: Annotated[int | None, typer.Option(help="Everything signed after this sequence number.")] = None,
    quarantine_days: Annotated[
        int | None,
        typer.Option(min=0, help=f"With `training`: hold back younger decisions.  [default: {QUARANTINE_DAYS}]"),
    ] = None,
) -> None:
    """Write confirmed requests for the addressee, signed; or decided texts to train the classifier with."""
    if package is not None and since is not None:
        raise UsageError("choose either --package or --since")
    if format_ == "training":
        if package is not None or since is not None:
            raise UsageError("training lines come from all cases: leave out --package and --since")
        _export_training(output, QUARANTINE_DAYS if quarantine_days is None else quarantine_days)
        return
    if quarantine_days is not None:
        raise UsageError(f"--quarantine-days belongs to the format training, not to {format_}")
    open_site(load_settings())
    from review_ui.exports import export as write

    report = write(format_, output, package=package, since=since)
    typer.echo(report.sentence(), err=True)


def _export_training(output: Path, quarantine_days: int) -> None:
    found = gather_decisions(load_settings(), quarantine_days)
    from review_ui.casework.training_lines import export_training_lines

    disputed = export_training_lines(found, output)
    for sentence in found.sentences():
        typer.echo(sentence, err=True)
    typer.echo(f"written to {output}; to be looked at by a person first: {disputed}", err=True)


def verify(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Evidence, package, export or audit file.")],
    key: Annotated[Path | None, typer.Option(help="The sender's public key; default: this installation's own.")] = None,
) -> None:
    """Check that evidence, packages, exports and the audit chain are intact, and who signed them."""
    from qalqan_cli.verification import verify_any

    console = Console(highlight=False, soft_wrap=True)
    settings = load_settings()
    broken = 0
    for path in paths:
        if not path.exists():
            raise UsageError(f"no file or folder {path}")
        outcome = verify_any(path, settings, key)
        for problem in outcome.problems:
            console.print(f"changed: {problem}", style="red", markup=False)
        if outcome.problems:
            broken += 1
            console.print(f"NOT INTACT {path}: {outcome.summary}", style="bold red", markup=False)
        else:
            console.print(f"intact {path}: {outcome.summary}", style="green", markup=False)
    if broken:
        raise typer.Exit(1)
