"""`qalqan evaluate`: how good the text classifier is on judged texts, beside simple baselines."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console

from qalqan.config import load_settings
from qalqan.errors import UsageError

if TYPE_CHECKING:
    from classifiers.base import TextClassifier
    from classifiers.text.keywords import Entry
    from classifiers.text.rows import TextRow

_PEOPLE_AND_MONEY = frozenset({"telegram", "telegram_invite", "wallet_btc", "wallet_eth", "wallet_trx"})


_WIDTH_OF_FILES = 160


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Examples: `qalqan evaluate --input judged.jsonl --json`; "
        "`qalqan evaluate --input judged.jsonl --baselines --train-data more.jsonl --lexicon lexicon.csv`"
    )(evaluate)


def evaluate(
    input_: Annotated[
        Path,
        typer.Option("--input", help='As for classify, with "labels": [...] and where known "lang" and "group".'),
    ],
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")] = False,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Also measure TF-IDF with logistic regression, trained on our corpus.")
    ] = False,
    train_data: Annotated[
        list[Path] | None, typer.Option(help="More labelled JSON Lines for the TF-IDF baseline (may be repeated).")
    ] = None,
    lexicon: Annotated[
        Path | None,
        typer.Option(help="CSV with label, term, variants and strength: the list of keywords as a baseline, too."),
    ] = None,
    worst: Annotated[int, typer.Option(min=0, help="How many of the worst errors are listed.")] = 20,
) -> None:
    """Measure the classifier on judged texts.

    Per label, language and group: average precision, recall at precision 0.95, precision, recall and F1 at the queue
    threshold, calibration; harmless texts over the thresholds; the worst errors, contacts hidden.
    """
    from classifiers.text import open_text_classifier
    from classifiers.text.baselines import read_baseline_rows
    from classifiers.text.evaluate import EvaluationReport, evaluate_rows
    from classifiers.text.keywords import read_lexicon
    from qalqan_cli.evaluation_tables import evaluation_tables

    if (train_data or lexicon) and not baselines:
        raise UsageError("--train-data and --lexicon serve the baselines; add --baselines")
    for path in [input_, *(train_data or []), *([lexicon] if lexicon else [])]:
        if not path.is_file():
            raise UsageError(f"no file {path}")
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    rows, refused = _read_rows(input_, lambda line: console.print(line, style="red", markup=False))
    learnt = read_baseline_rows(train_data or [], rows) if baselines else []
    entries = read_lexicon(lexicon) if lexicon else []
    with console.status("opening the classifier") as status:

        def measure(name: str, classifier: "TextClassifier") -> EvaluationReport:
            return evaluate_rows(
                rows,
                classifier,
                worst=worst,
                hide_contacts=hide_contacts,
                progress=lambda done: status.update(f"{name}: {done} of {len(rows)} texts scored"),
            )

        report = measure("classifier", open_text_classifier(load_settings().classifier))
        others = {}
        if baselines:
            status.update(f"TF-IDF: learning from {len(learnt)} texts")
            for classifier in _baselines(learnt, entries):
                others[classifier.model_id] = measure(classifier.model_id, classifier)
    if json:
        typer.echo(report.to_json(others))
    else:
        console = Console()
        # In a file or a pipe there is no edge to cut at.
        wide = console if console.is_terminal else Console(width=_WIDTH_OF_FILES)
        wide.print(*evaluation_tables(report, others), sep="\n")
    if refused:
        raise typer.Exit(3)


def _read_rows(path: Path, complain: Callable[[str], None]) -> tuple[list["TextRow"], int]:
    """The rows, and how many lines were refused."""
    from classifiers.text.rows import parse_row

    rows: list[TextRow] = []
    refused = 0
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                values = orjson.loads(line)
                if not isinstance(values, dict):
                    raise ValueError("not a JSON object")
                rows.append(parse_row(values))
            except (ValueError, TypeError) as error:
                refused += 1
                complain(f"{path}:{number}: {error}")
    return rows, refused


def _baselines(learnt: list["TextRow"], entries: list["Entry"]) -> Iterator["TextClassifier"]:
    from classifiers.text.baselines import TfidfClassifier
    from classifiers.text.keywords import KeywordClassifier

    yield TfidfClassifier(learnt)
    if entries:
        yield KeywordClassifier(entries)


def hide_contacts(text: str) -> str:
    """Handles and wallets whole, phones, cards, personal numbers and e-mails as the review site masks them."""
    from pipelines.entities import extract_entities
    from review_ui.audit.masking import mask_personal

    for entity in reversed(extract_entities(text)):
        if entity.kind in _PEOPLE_AND_MONEY:
            text = f"{text[: entity.start]}•••{text[entity.end :]}"
    return mask_personal(text)
