"""`make_user NAME --role moderator`: an account, or new roles and a new password for an existing one."""

import secrets
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from review_ui.accounts.models import Role, User
from review_ui.audit.chain import record


class Command(BaseCommand):
    help = "Makes an account (or changes its roles and password) and prints the password once if none was given."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--role", action="append", choices=Role.values, default=[], help="repeatable")
        parser.add_argument("--first", default="", help="first name")
        parser.add_argument("--last", default="", help="last name")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        name: str = options["name"]
        roles = sorted(set(options["role"]))
        unknown = [role for role in roles if role not in Role.values]
        if unknown:
            raise CommandError(f"unknown role {unknown[0]!r}; known: {', '.join(Role.values)}")
        try:
            User.username_validator(name)
        except ValidationError as error:
            raise CommandError(f"{name!r} is no user name: {' '.join(error.messages)}") from error
        with transaction.atomic():
            user, is_new = User.objects.get_or_create(username=name)
            user.first_name = options["first"] or user.first_name
            user.last_name = options["last"] or user.last_name
            user.roles = roles or user.roles
            password = sys.stdin.readline().rstrip("\r\n") if options["password_stdin"] else secrets.token_urlsafe(12)
            try:
                validate_password(password, user)
            except ValidationError as error:
                raise CommandError(" ".join(error.messages)) from error
            user.set_password(password)
            user.save()
            act = "user.made" if is_new else "user.changed"
            record(act, actor="system:make_user", object=user, details={"name": name, "roles": user.roles})
        self.stderr.write(f"{'made' if is_new else 'changed'} {name}: {', '.join(user.roles) or 'no roles'}")
        if not options["password_stdin"]:
            self.stdout.write(password)
