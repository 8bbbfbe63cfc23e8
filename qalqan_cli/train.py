"""`qalqan train`: make new weights."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


class Kind(StrEnum):
    TEXT = "text"


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Example: `qalqan train text --data more.jsonl --output var/models/next`; "
        "try it with `QALQAN_CLASSIFIER__TEXT_MODEL=var/models/next qalqan evaluate --input judged.jsonl`"
    )(train)


def train(
    kind: Annotated[Kind, typer.Argument(help="What to train.")],
    data: Annotated[list[Path] | None, typer.Option(help="More labelled JSON Lines (may be repeated).")] = None,
    output: Annotated[Path, typer.Option(help="Folder of the new weights.")] = Path("var/models/text"),
    epochs: Annotated[int | None, typer.Option(min=1, help="At most so many passes over the data.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed and data give the same weights.")] = None,
) -> None:
    """Fine-tune the encoder on our corpus and the given files, calibrate it, and write weights and figures."""
    from classifiers.text.train import train as train_text
    from classifiers.text.training_run import Recipe

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    train_text(
        data or [],
        output,
        seed=Recipe.seed if seed is None else seed,
        epochs=Recipe.epochs if epochs is None else epochs,
        report=lambda line: console.print(line, markup=False),
    )
