"""Makes a home with a filled desk: `python tests/e2e/fill_desk.py HOME`."""

import os
import sys
from pathlib import Path


def main(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    os.environ.update(QALQAN_HOME=str(home), DJANGO_SETTINGS_MODULE="review_ui.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from filled_desk import FilledDesk  # needs Django to be set up

    FilledDesk(home).fill()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
