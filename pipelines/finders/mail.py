"""E-mail addresses whose domain exists in the Public Suffix List."""

import re
from collections.abc import Iterator

from pipelines.finders.addresses import has_public_suffix
from qalqan.records import Entity

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@(?P<host>[A-Za-z0-9][A-Za-z0-9-]*+(?:\.[A-Za-z0-9-]++)++)"
)


def find_emails(text: str) -> Iterator[Entity]:
    for match in _EMAIL.finditer(text):
        if has_public_suffix(match["host"].lower()):
            yield Entity(kind="email", value=match[0].lower(), start=match.start(), end=match.end())
