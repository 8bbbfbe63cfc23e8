"""Step: what in a document can be followed or matched (addresses, messenger names, phones, accounts, wallets)."""

from collections.abc import Iterable, Iterator

from pipelines.finders.accounts import find_cards, find_ibans
from pipelines.finders.addresses import find_addresses, find_mentions
from pipelines.finders.identifiers import find_identifiers
from pipelines.finders.mail import find_emails
from pipelines.finders.phones import find_phones
from pipelines.finders.wallets import find_wallets
from qalqan.records import Document, Entity, Site

# Where two find the same characters the earlier wins: it has checked more.
_FINDERS = (find_emails, find_ibans, find_cards, find_identifiers, find_phones)
_FOLLOWED = frozenset({"domain", "telegram", "telegram_invite", "phone", "email"})


def add_entities(document: Document) -> Document:
    return document.model_copy(update={"entities": extract_entities(document.text, document.links, document.site)})


def extract_entities(text: str, links: Iterable[str] = (), site: Site | None = None) -> tuple[Entity, ...]:
    """Entities in the order of the text.

    Spans do not cross; one lies within another only inside a URL (its domain, handle, invite, phone or wallet).
    The value is what the span says without decoration: no `@`, no separators, a domain in lower case.
    links: addresses behind words and buttons. What they lead to (domain, handle, invite, phone, e-mail) and the text
    does not show comes last, with start and end at the end of the text.
    site: where it was posted, which tells whose handle an `@name` is.
    """
    addresses, wallets = list(find_addresses(text)), list(find_wallets(text))
    in_url, taken = bytearray(len(text)), bytearray(len(text))
    for entity in addresses:
        if entity.kind == "url":
            _take(in_url, entity)
    for entity in wallets:
        _take(taken, entity)
    # A wallet often stands in the URL of a block explorer; glued to a word that looks like a host, its checksum wins.
    found = wallets + [one for one in addresses if in_url[one.start] or taken.find(1, one.start, one.end) < 0]
    for entity in found:
        _take(taken, entity)
    for some in (*(finder(text) for finder in _FINDERS), find_mentions(text, site)):
        for entity in some:
            if taken.find(1, entity.start, entity.end) < 0:
                _take(taken, entity)
                found.append(entity)
    found.sort(key=lambda entity: (entity.start, -entity.end))
    return (*found, *_hidden(links, found, len(text)))


def _take(taken: bytearray, entity: Entity) -> None:
    taken[entity.start : entity.end] = b"\x01" * (entity.end - entity.start)


def _hidden(links: Iterable[str], shown: Iterable[Entity], at: int) -> Iterator[Entity]:
    known = {(entity.kind, entity.value.lower()) for entity in shown}
    for link in links:
        scheme, _, rest = link.partition(":")
        match scheme.strip().lower():
            case "http" | "https" | "tg":
                targets = list(find_addresses(link.strip()))
            case "tel":
                targets = list(find_phones(rest.strip()))
            case "mailto":
                targets = list(find_emails(rest.strip()))
            case _:
                continue
        for target in targets:
            key = (target.kind, target.value.lower())
            if target.kind in _FOLLOWED and key not in known:
                known.add(key)
                yield Entity(kind=target.kind, value=target.value, start=at, end=at)
