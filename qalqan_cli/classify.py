"""`qalqan classify` and `qalqan evaluate`: the text classifier on files."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from qalqan.config import load_settings
from qalqan.errors import UsageError

if TYPE_CHECKING:
    from classifiers.text.evaluate import EvaluationReport


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: `qalqan classify --input posts.jsonl --output scores.jsonl`")(classify)
    app.command(epilog="Example: `qalqan evaluate --input judged.jsonl --json`")(evaluate)


def _lines(path: Path) -> Iterator[str]:
    if not path.is_file():
        raise UsageError(f"no file {path}")
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        yield from stream


def classify(
    input_: Annotated[Path, typer.Option("--input", help='JSON Lines of {"id": ..., "text": ...}.')],
    output: Annotated[Path, typer.Option("--output", help="Where to write one line of scores per line read.")],
) -> None:
    """Score texts: per label a number in [0, 1], the words that speak for it, the language and the model."""
    from classifiers.text import open_text_classifier
    from classifiers.text.classify_lines import BadLine, classify_lines
    from pipelines.language import detect_language

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    failed = done = 0
    lines = _lines(input_)
    classifier = open_text_classifier(load_settings().classifier)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".partial")
    with partial.open("wb") as sink, console.status("classifying") as status:
        for result in classify_lines(lines, classifier, detect_language):
            if isinstance(result, BadLine):
                failed += 1
                console.print(f"{input_}:{result.number}: {result.reason}", style="red", markup=False)
                continue
            done += 1
            sink.write(orjson.dumps(result, option=orjson.OPT_APPEND_NEWLINE))
            status.update(f"classifying: {done} lines")
    partial.replace(output)
    console.print(f"{done} lines scored, {failed} refused: {output}", markup=False)
    if failed:
        raise typer.Exit(3)


def evaluate(
    input_: Annotated[Path, typer.Option("--input", help='As for classify, with "labels": [...] on each line.')],
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")] = False,
) -> None:
    """Measure the classifier on judged texts: average precision, precision, recall and calibration per label."""
    from classifiers.text import open_text_classifier
    from classifiers.text.evaluate import evaluate_rows
    from classifiers.text.rows import TextRow, parse_row

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    rows: list[TextRow] = []
    refused = 0
    for number, line in enumerate(_lines(input_), start=1):
        if not line.strip():
            continue
        try:
            rows.append(parse_row(orjson.loads(line)))
        except (ValueError, TypeError) as error:
            refused += 1
            console.print(f"{input_}:{number}: {error}", style="red", markup=False)
    with console.status(f"scoring {len(rows)} texts"):
        report = evaluate_rows(rows, open_text_classifier(load_settings().classifier))
    if json:
        typer.echo(report.to_json())
    else:
        Console().print(_table(report))
    if refused:
        raise typer.Exit(3)


def _table(report: "EvaluationReport") -> Table:
    table = Table(title=f"{report.texts} texts, {report.model}", box=None, header_style="bold")
    table.add_column("label")
    table.add_column("of")
    for name in ("texts", "positive", "avg. precision", "precision", "recall", "F1", "calibration error"):
        table.add_column(name, justify="right")
    for label, parts in report.labels.items():
        for name, figures in {"all": parts.overall, **parts.by_language, **parts.by_group}.items():
            values = (
                figures.average_precision,
                figures.precision,
                figures.recall,
                figures.f1,
                figures.calibration_error,
            )
            shown = ["–" if value is None else f"{value:.3f}" for value in values]
            table.add_row(label, name, str(figures.texts), str(figures.positive), *shown)
        table.add_section()
    return table
