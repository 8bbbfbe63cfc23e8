"""Starts Django inside a command: settings found, database migrated by one process at a time."""

import fcntl
import os

from qalqan.config import Settings


def open_site(settings: Settings) -> None:
    """After this Django's models can be imported and used. Safe to call from several processes at once."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "review_ui.settings")
    os.environ["QALQAN_HOME"] = str(settings.home)
    import django
    from django.core.management import call_command

    django.setup()
    with (settings.home / "migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        call_command("migrate", verbosity=0, interactive=False)
