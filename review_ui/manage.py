"""Django's own commands: `python -m review_ui.manage migrate`."""

import os
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "review_ui.settings")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
