"""`qalqan train`: make new weights, compare them with those in use, and put them in their place if not worse."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from qalqan.config import Settings, load_settings
from qalqan.errors import ClassifierError, UsageError
from qalqan_cli.decisions import QUARANTINE_DAYS, gather_decisions

if TYPE_CHECKING:
    from classifiers.text.promotion import Comparison
    from classifiers.text.rows import TextRow
    from review_ui.casework.training_lines import TrainingLines

Say = Callable[[str], None]


class Kind(StrEnum):
    TEXT = "text"


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Examples:\n\n`qalqan train text --data more.jsonl --output var/models/next`, then "
        "`QALQAN_CLASSIFIER__TEXT_MODEL=var/models/next qalqan evaluate --input judged.jsonl`\n\n"
        "`qalqan train text --with-decisions --promote`\n\n"
        "Exit code 1: the new weights are worse than those in use and were not promoted; each loss is named."
    )(train)


def train(
    kind: Annotated[Kind, typer.Argument(help="What to train.")],
    data: Annotated[list[Path] | None, typer.Option(help="More labelled JSON Lines (may be repeated).")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the new weights.  [default: models/next in the home]")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most so many passes over the data.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed and data give the same weights.")] = None,
    with_decisions: Annotated[
        bool, typer.Option("--with-decisions", help="Learn from the decided cases of this home as well.")
    ] = False,
    quarantine_days: Annotated[
        int | None,
        typer.Option(min=0, help=f"With decisions: hold back younger ones.  [default: {QUARANTINE_DAYS}]"),
    ] = None,
    promote: Annotated[
        bool, typer.Option("--promote", help="Put the new weights into models/text of the home, unless they are worse.")
    ] = False,
) -> None:
    """Fine-tune the encoder on our corpus and the given texts, calibrate it, and write weights and figures.

    At the end the new weights are compared with those in use on the pinned texts, which no training sees.
    """
    settings = load_settings()
    output = output or settings.home / "models" / "next"
    if quarantine_days is not None and not with_decisions:
        raise UsageError("--quarantine-days goes with --with-decisions")
    # Loading torch takes seconds; what is wrong with the command is said before.
    from classifiers.text.folders import shipped_weights
    from classifiers.text.promotion import promoted_folder
    from classifiers.text.rows import parse_row, pinned_rows

    if output.resolve() == promoted_folder(settings.home).resolve():
        raise UsageError(f"{output} holds the promoted weights: name another --output and use --promote")
    in_use = Path(settings.classifier.text_model) if settings.classifier.text_model else shipped_weights()
    if promote and output.resolve() == in_use.resolve():
        raise UsageError(f"{output} holds the weights in use, with which to compare: name another --output")
    pinned = pinned_rows()
    if promote and not pinned:
        raise ClassifierError("no pinned texts are installed, so nothing can be promoted; install the package anew")
    console = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(line: str) -> None:
        console.print(line, markup=False)

    decisions = _take_decisions(settings, quarantine_days, say) if with_decisions else None
    from classifiers.text.train import train as train_text
    from classifiers.text.training_run import Recipe

    train_text(
        data or [],
        output,
        seed=Recipe.seed if seed is None else seed,
        epochs=Recipe.epochs if epochs is None else epochs,
        base=Path(settings.classifier.base_model) if settings.classifier.base_model else None,
        extra_rows=[parse_row(line.line()) for line in decisions.learnt] if decisions else [],
        report=say,
    )
    if decisions:
        note_in_card(output, decisions.facts())
    if promote:
        promote_weights(output, settings, pinned, say)
    elif pinned and output.resolve() != in_use.resolve():
        try:
            show(compare_weights(output, settings, pinned))
        except ClassifierError as error:
            say(f"not compared with the weights in use: {error}")


def _take_decisions(settings: Settings, quarantine_days: int | None, say: Say) -> "TrainingLines":
    found = gather_decisions(settings, QUARANTINE_DAYS if quarantine_days is None else quarantine_days)
    from review_ui.casework.training_lines import record_learning

    record_learning(found)
    for sentence in found.sentences():
        say(sentence)
    if found.disputed:
        say("disputed texts are not learnt: `qalqan export training` writes them out for a person to look at")
    return found


def note_in_card(weights: Path, facts: dict[str, Any]) -> None:
    """Counts and a hash only: weights travel, texts of cases do not."""
    from classifiers.text.model_card import CARD, read_card

    card = read_card(weights)
    noted = card.model_copy(update={"training": {**card.training, "decisions": facts}})
    (weights / CARD).write_text(noted.model_dump_json(indent=1) + "\n", encoding="utf-8")


def compare_weights(weights: Path, settings: Settings, rows: Sequence["TextRow"]) -> "Comparison":
    """With what the settings put in use. Raises ClassifierError if one of the two cannot be opened."""
    from classifiers.text import open_text_classifier
    from classifiers.text.promotion import compare

    candidate = settings.classifier.model_copy(update={"text_model": str(weights)})
    return compare(open_text_classifier(candidate), open_text_classifier(settings.classifier), rows)


def promote_weights(weights: Path, settings: Settings, rows: Sequence["TextRow"], say: Say) -> None:
    """Raises ClassifierError that names every loss if the weights are worse than those in use."""
    from classifiers.text.promotion import promote

    comparison = compare_weights(weights, settings, rows)
    show(comparison)
    if comparison.worse:
        raise ClassifierError(f"not promoted, {weights} stays where it is: {'; '.join(comparison.worse)}")
    target = promote(weights, settings.home).resolve()
    say(f"promoted {comparison.candidate.model} to {target}")
    in_use = settings.classifier.text_model
    if in_use is None or Path(in_use).resolve() != target:
        say("it comes into use where this is set (or text_model in [classifier] of qalqan.toml), from the next start:")
        typer.echo(f"QALQAN_CLASSIFIER__TEXT_MODEL={target}")
    else:
        say("workers use it from their next start")


def show(comparison: "Comparison") -> None:
    old, new = comparison.current, comparison.candidate
    table = Table(box=None, header_style="bold")
    table.add_column("on the pinned texts", no_wrap=True)
    for column in ("texts", "in use", "new"):
        table.add_column(column, justify="right")
    for label, count in comparison.positive.items():
        for name, before, after in (
            ("average precision", old.average_precision, new.average_precision),
            ("recall", old.recall, new.recall),
        ):
            table.add_row(f"{label}, {name}", str(count), f"{before[label]:.3f}", f"{after[label]:.3f}")
    table.add_row("look-alikes in the queue", str(comparison.harmless), str(old.look_alikes), str(new.look_alikes))
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"in use: {old.model}\nnew: {new.model}", markup=False)
    console.print(table)
    for loss in comparison.worse:
        console.print(f"worse: {loss}", style="red", markup=False)
