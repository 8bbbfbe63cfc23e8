"""`import_protected FILE.csv`: the operator's protected list (columns `address` and `reason`)."""

import csv
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from review_ui.audit.chain import record
from review_ui.casework.addresses import host_of
from review_ui.casework.models import ProtectedTarget


class Command(BaseCommand):
    help = "Adds to the protected list from a CSV with the columns address and reason; known addresses get the reason."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"cannot read {path}: {error}") from error
        with transaction.atomic():
            for number, row in enumerate(rows, 2):
                address, reason = (row.get("address") or "").strip().lower(), (row.get("reason") or "").strip()
                if not address or not reason:
                    raise CommandError(f"{path}, line {number}: address and reason are needed; nothing was imported")
                if not address.startswith("@"):
                    address = host_of(address if "://" in address else f"https://{address}")
                if not address or len(address) > 300:
                    raise CommandError(f"{path}, line {number}: no host name or @handle; nothing was imported")
                ProtectedTarget.objects.update_or_create(address=address, defaults={"reason": reason[:300]})
            record("protected.imported", actor="system:import_protected", details={"rows": len(rows)})
        self.stderr.write(f"{len(rows)} entries taken from {path}")
