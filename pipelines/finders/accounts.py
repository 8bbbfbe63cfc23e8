"""Where money is sent to: card (Luhn's check digit and an issuer's prefix) and iban (ISO 13616)."""

import re
from collections.abc import Iterator
from functools import cache

from stdnum import iban, luhn, numdb

from qalqan.records import Entity

# Groups of digits, one separator between two of them.
_DIGITS = re.compile(r"(?<![0-9A-Za-z_+*])(?<!\d[.,/])\d++(?:[ \u00a0-]\d++)*+(?![0-9A-Za-z_*])")
_GROUP = re.compile(r"\d+")
# How people and banks write a number: (sizes of the groups); None stands for one group of 13 to 19 digits.
_SHAPES = ((4, 4, 4, 4, 3), (4, 4, 4, 4, 2), (4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (8, 8))
_WHOLE = range(13, 20)

# Issuer's prefixes (ISO/IEC 7812): (first, last, allowed lengths); the widths of first and last are equal.
_ISSUERS = (
    ("2200", "2204", range(16, 20)),  # Mir
    ("2221", "2720", (16,)),  # Mastercard
    ("300", "305", (14,)),  # Diners Club
    ("34", "34", (15,)),  # American Express
    ("3528", "3589", range(16, 20)),  # JCB
    ("36", "36", range(14, 20)),
    ("37", "37", (15,)),
    ("38", "39", range(14, 20)),
    ("4", "4", (13, 16, 19)),  # Visa
    ("50", "50", range(13, 20)),  # Maestro
    ("51", "55", (16,)),
    ("56", "59", range(13, 20)),
    ("6011", "6011", range(16, 20)),  # Discover
    ("62", "62", range(16, 20)),  # UnionPay
    ("63", "63", range(16, 20)),
    ("644", "659", range(16, 20)),
    ("67", "67", range(16, 20)),
    ("81", "81", range(16, 20)),
    ("8600", "8600", (16,)),  # Uzcard
    ("9112", "9112", (16,)),  # Elcart
    ("9860", "9860", (16,)),  # Humo
)

_IBAN_START = re.compile(r"(?<![0-9A-Za-z])([A-Za-z]{2})[0-9]{2}")


def find_cards(text: str) -> Iterator[Entity]:
    """A masked number (with asterisks) is none."""
    for run in _DIGITS.finditer(text):
        groups = list(_GROUP.finditer(text, *run.span()))
        position = 0
        while position < len(groups):
            taken = next(_cards_from(groups, position), 0)
            if taken:
                start, end = groups[position].start(), groups[position + taken - 1].end()
                value = "".join(group[0] for group in groups[position : position + taken])
                yield Entity(kind="card", value=value, start=start, end=end)
            position += taken or 1


def _cards_from(groups: list[re.Match[str]], position: int) -> Iterator[int]:
    """How many groups make a card number that begins with this one; the longest first."""
    sizes = tuple(group.end() - group.start() for group in groups[position : position + 5])
    for shape in _SHAPES:
        if sizes[: len(shape)] == shape and _is_card("".join(g[0] for g in groups[position : position + len(shape)])):
            yield len(shape)
    if sizes[0] in _WHOLE and _is_card(groups[position][0]):
        yield 1


def _is_card(number: str) -> bool:
    has_issuer = any(
        first <= number[: len(first)] <= last and len(number) in lengths for first, last, lengths in _ISSUERS
    )
    return has_issuer and number.isascii() and luhn.is_valid(number)


def find_ibans(text: str) -> Iterator[Entity]:
    end = 0
    for start in _IBAN_START.finditer(text):
        whole = _iban_of(start[1].upper())
        match = whole.match(text, start.start()) if whole and start.start() >= end else None
        if match is None:
            continue
        value = re.sub(r"[ \u00a0]", "", match[0]).upper()
        if iban.is_valid(value):
            end = match.end()
            yield Entity(kind="iban", value=value, start=match.start(), end=end)


@cache
def _iban_of(country: str) -> re.Pattern[str] | None:
    """As many characters as the country's numbers have, alone or with spaces; None for a country without IBAN."""
    properties = numdb.get("iban").info(country)[0][1]
    if not properties:
        return None
    length = 4 + sum(map(int, re.findall(r"(\d+)!", properties["bban"])))
    return re.compile(rf"[0-9A-Za-z](?:[ \u00a0]?[0-9A-Za-z]){{{length - 1}}}(?![0-9A-Za-z])")
