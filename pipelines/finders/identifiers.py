"""Numbers that the state of Kazakhstan gives: iin to people, bin to organisations (twelve digits, one check digit)."""

import re
from collections.abc import Iterator
from datetime import date

from qalqan.clock import ALMATY, now
from qalqan.records import Entity

_TWELVE_DIGITS = re.compile(r"(?<![0-9A-Za-z_+*])(?<![0-9][.,/-])[0-9]{12}(?![0-9A-Za-z_*])(?![.,/-][0-9])")
_FIRST_WEIGHTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
_SECOND_WEIGHTS = (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)
# The seventh digit tells century and sex; nobody born in the nineteenth century (1, 2) is alive. 0: foreigners.
_CENTURIES = {"0": (1900, 2000), "3": (1900,), "4": (1900,), "5": (2000,), "6": (2000,)}


def find_identifiers(text: str) -> Iterator[Entity]:
    for match in _TWELVE_DIGITS.finditer(text):
        number = match[0]
        if not _has_right_check_digit(number):
            continue
        if _is_of_organisation(number):
            yield Entity(kind="bin", value=number, start=match.start(), end=match.end())
        elif _is_of_person(number):
            yield Entity(kind="iin", value=number, start=match.start(), end=match.end())


def _has_right_check_digit(number: str) -> bool:
    digits = [int(digit) for digit in number]
    for weights in (_FIRST_WEIGHTS, _SECOND_WEIGHTS):
        control = sum(digit * weight for digit, weight in zip(digits, weights, strict=False)) % 11
        if control < 10:
            return control == digits[11]
    return False


def _is_of_organisation(number: str) -> bool:
    """Year and month of registration, kind (resident, non-resident, joint enterprise), head office or branch."""
    return 1 <= int(number[2:4]) <= 12 and number[4] in "456" and number[5] in "01234"


def _is_of_person(number: str) -> bool:
    year, month, day = int(number[:2]), int(number[2:4]), int(number[4:6])
    return any(_is_birthday(century + year, month, day) for century in _CENTURIES.get(number[6], ()))


def _is_birthday(year: int, month: int, day: int) -> bool:
    try:
        return date(year, month, day) <= now().astimezone(ALMATY).date()
    except ValueError:
        return False
