"""`qalqan classify`: the text classifier on files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from qalqan.config import load_settings
from qalqan.errors import UsageError
from qalqan_cli import evaluate


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: `qalqan classify --input posts.jsonl --output scores.jsonl`")(classify)
    evaluate.register(app)


def _lines(path: Path) -> Iterator[str]:
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

    if not input_.is_file():
        raise UsageError(f"no file {input_}")
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
