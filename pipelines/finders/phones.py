"""Telephone numbers in E.164; those of Kazakhstan and Russia also as people write them at home."""

import re
from collections.abc import Iterator

import phonenumbers

from qalqan.records import Entity

_SEPARATOR = r"[ \u00a0().\u2013\u2011-]"
_BEFORE = r"(?<![0-9A-Za-z_+*=])(?<![0-9]\.)(?<!\b0,)"
_AFTER = r"(?![0-9A-Za-z_*])"
_PHONE = re.compile(
    rf"""
    {_BEFORE}(?:
        (?P<seven>(?:\+[ ]?7|8|7)(?:{_SEPARATOR}{{0,3}}[0-9]){{10}}){_AFTER}
      | (?P<abroad>\+[1-9](?:{_SEPARATOR}{{0,3}}[0-9]){{7,14}}){_AFTER}
      | (?P<local>\(?7[0-9]{{2}}(?:\)[ ]?|[ -])[0-9]{{3}}[ -][0-9]{{2}}[ -]?[0-9]{{2}}){_AFTER}
    )
    """,
    re.VERBOSE,
)
_NOT_DIGITS = re.compile(r"[^0-9]+")
# A price or an amount: groups of three after the first, or a currency behind.
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:([ .\u00a0])[0-9]{3})(?:\1[0-9]{3})*")
_CURRENCY = re.compile(r"\s?(?:тг|тенге|теңге|₸|руб|р\.|₽|\$|€|%|usd|kzt|btc)", re.IGNORECASE)


def find_phones(text: str) -> Iterator[Entity]:
    for match in _PHONE.finditer(text):
        written = match[0]
        if not written.startswith("+") and (_THOUSANDS.fullmatch(written) or _CURRENCY.match(text, match.end())):
            continue
        digits = _NOT_DIGITS.sub("", written)
        number = digits if match["abroad"] else "7" + digits[-10:]
        if is_phone(number):
            yield Entity(kind="phone", value=f"+{number}", start=match.start(), end=match.end())


def is_phone(digits: str) -> bool:
    """Country code and number, without `+`: does the numbering plan of the country know such a number?"""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}"))
    except phonenumbers.NumberParseException:
        return False
