"""Personal data hidden: bank cards, phone numbers, personal numbers and e-mails inside any text."""

import re

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_IBAN = re.compile(r"\bKZ\d{2}(?:[ \u00a0]?[A-Z0-9]){16}\b", re.I)
# Ten digits or more, with the separators that people write between them; not inside a word or an address, not a date.
_NUMBER = re.compile(r"(?<![\w/=-])(?!\d{4}-\d\d-\d\d|\d\d\.\d\d\.\d{4})\+?\(?\d(?:[ \u00a0().\-–]{0,2}\d){9,}(?!\w)")
# Links that are phone numbers.
_PHONE_LINK = re.compile(r"(?<=wa\.me/)\+?\d{10,}|(?<=phone=)\+?\d{10,}|(?<=tel:)\+?\d{10,}", re.I)
_THOUSANDS = re.compile(r"\d{1,3}(?:[ \u00a0.]\d{3})+")
_CURRENCY = re.compile(r"[ \u00a0]?(?:₸|₽|\$|€|тг|тенге|теңге|руб|usd|kzt)", re.I)


def _hide_number(match: re.Match[str]) -> str:
    """Cards keep six and four digits, other numbers the first one and the last two; separators stay."""
    text = match.group()
    if _THOUSANDS.fullmatch(text) and _CURRENCY.match(match.string, match.end()):
        return text  # an amount of money
    count = sum(character.isdigit() for character in text)
    keep_first, keep_last = (6, 4) if 15 <= count <= 19 else (1, 2)
    shown: list[str] = []
    place = 0
    for character in text:
        if not character.isdigit():
            shown.append(character)
            continue
        shown.append(character if place < keep_first or place >= count - keep_last else "•")
        place += 1
    return "".join(shown)


def _hide_iban(match: re.Match[str]) -> str:
    text = match.group()
    return text[:4] + "•" * (len(text) - 6) + text[-2:]


def mask_personal(text: str) -> str:
    """The same text with personal numbers and e-mails hidden. Addresses of web pages stay as they are."""
    text = _EMAIL.sub("•••@•••", text)
    text = _IBAN.sub(_hide_iban, text)
    text = _PHONE_LINK.sub(_hide_number, text)
    return _NUMBER.sub(_hide_number, text)
