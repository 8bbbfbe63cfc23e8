"""The `qalqan` command: its subcommands, and how their failures become exit codes.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 done with some items failed (each named on stderr).
"""

import os
import sys

import typer
from rich.console import Console

from qalqan import __version__
from qalqan.errors import ConfigurationError, QalqanError, UsageError
from qalqan.log import configure_logging
from qalqan_cli import accounts, classify, crawl, demo, doctor, documents, exchange, processes, reindex, train

app = typer.Typer(
    name="qalqan",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Finds public web material that advertises financial pyramids, drug shops or drug graffiti, and shows it "
    "to people who decide. Settings: `qalqan.toml` in `$QALQAN_HOME` (default `./var`), see docs/settings.md.",
)


@app.callback()
def options(
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log more."),
    version: bool = typer.Option(False, "--version", help="Print the version and leave.", is_eager=True),
) -> None:
    if version:
        typer.echo(f"qalqan {__version__}")
        raise typer.Exit
    configure_logging("DEBUG" if verbose else os.environ.get("LOG_LEVEL", "INFO").upper())


for module in (processes, demo, crawl, documents, classify, train, exchange, accounts, reindex, doctor):
    module.register(app)


def run() -> None:
    """The console entry point."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app()
    except (UsageError, ConfigurationError) as error:
        errors.print(f"qalqan: {error}", style="red", markup=False)
        sys.exit(2)
    except QalqanError as error:
        errors.print(f"qalqan: {error}", style="red", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print("qalqan: stopped", style="yellow")
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
