"""`qalqan user`: people who may log in."""

from typing import Annotated

import typer

from qalqan.config import load_settings
from qalqan.errors import UsageError
from qalqan_cli.site import open_site


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: `qalqan user aliya --role moderator --first Алия --last Үлгібаева`")(user)


def user(
    name: Annotated[str, typer.Argument(help="User name.")],
    role: Annotated[list[str], typer.Option(help="moderator, officer, operator, regulator, auditor (repeatable).")],
    first: Annotated[str, typer.Option(help="First name.")] = "",
    last: Annotated[str, typer.Option(help="Last name.")] = "",
) -> None:
    """Make an account (or change its roles) and print a new password once."""
    open_site(load_settings())
    from django.core.management import CommandError, call_command

    try:
        call_command("make_user", name, role=role, first=first, last=last)
    except CommandError as error:
        raise UsageError(str(error)) from error
