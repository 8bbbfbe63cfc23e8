"""Addresses in the web and in Telegram: url, domain, telegram, telegram_invite, and what links to a messenger name.

A URL is found with what it leads to: its domain, or the Telegram handle or invite, with the part of the URL that names
it as the span. Telegram's own domain is not reported: the handle says more.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache

from tldextract import TLDExtract

from qalqan.records import Entity, Site

_URL_CHARACTER = r"[^\s<>\"'`|\\^{}«»“”„\x00-\x1f\u200b\u2060\ufeff]"

# A host without scheme begins where no word, address or path does; possessive, so that no text makes it try twice.
_ADDRESS = re.compile(
    rf"""
    (?P<scheme>https?|tg)://
        (?P<user>[^\s/@]{{1,64}}@)?
        (?P<host>[^\W_][\w-]*+(?:\.[\w-]++)*+|\[[0-9a-f:.]{{2,45}}\])?
        {_URL_CHARACTER}{{0,2048}}
    | (?<![^\W_])(?<![@.])(?<!\S[_-])(?<!\w/)
        (?P<bare>[^\W_][\w-]*+(?:\.[\w-]++)++)(?!@)
        (?:(?::\d{{1,5}})?(?:[/?#]{_URL_CHARACTER}{{0,2048}})?)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_TELEGRAM_HOSTS = frozenset({"t.me", "telegram.me", "telegram.dog"})
_TELEGRAM_PATH = re.compile(
    r"/(?:(?:\+|%2b|joinchat/)(?P<invite>[\w-]{5,64})|(?:s/)?@?(?P<handle>[a-z]\w{3,31}))(?![\w-])",
    re.IGNORECASE | re.ASCII,
)
_TELEGRAM_COMMAND = re.compile(
    r"(?:resolve\?(?:\S{0,200}?&)?domain=(?P<handle>[a-z]\w{3,31})|join\?(?:\S{0,200}?&)?invite=(?P<invite>[\w-]{5,64}))"
    r"(?![\w-])",
    re.IGNORECASE | re.ASCII,
)
# First parts of a path at t.me that name no channel, group, bot or person.
_TELEGRAM_SERVICES = frozenset(
    {
        *(
            "addemoji",
            "addlist",
            "addstickers",
            "addtheme",
            "auction",
            "bg",
            "boost",
            "confirmphone",
            "contact",
            "giftcode",
        ),
        *("invoice", "joinchat", "login", "nft", "proxy", "setlanguage", "share", "socks"),
    }
)
_MENTION = re.compile(
    r"(?<![A-Za-z0-9.%+@])(?<![A-Za-z0-9]_)@(?P<handle>[A-Za-z]\w{3,31})(?![\w@])(?!\.[A-Za-z0-9])", re.ASCII
)
_SITES_WITH_HANDLES = frozenset({"vk", "youtube", "instagram", "tiktok", "facebook"})
_SAYS_TELEGRAM = re.compile(r"(?:телегр|telegr|телег[аеу]|\bтг|\btg)[^@\n]{0,40}$", re.IGNORECASE)
_PHONE_LINK = {
    "wa.me": re.compile(r"/\+?(\d{10,15})(?!\d)"),
    "api.whatsapp.com": re.compile(r"\S{0,200}?phone=\+?(\d{10,15})(?!\d)"),
}
_PHONE_LENGTHS = range(10, 16)  # of a number with its country code, as in the links above
_PAIRS = ((")", "("), ("]", "["))
_MENTION_LENGTH = 5  # shorter handles exist, but only a link says that one is meant


def find_addresses(text: str) -> Iterator[Entity]:
    for match in _ADDRESS.finditer(text):
        scheme = match["scheme"]
        group = "host" if scheme else "bare"
        start = match.start()
        end = _without_trailing_punctuation(text, start, match.end())
        if scheme and scheme.lower() == "tg":
            leads_to = list(_telegram_command(text, match.start("host"), end))
            if leads_to:
                yield Entity(kind="url", value=text[start:end], start=start, end=end)
                yield from leads_to
            continue
        host_start, host_end = match.span(group)
        host = (match[group] or "").rstrip("-_")
        if scheme:
            if host_start < 0 or host_start >= end:
                continue
            yield Entity(kind="url", value=text[start:end], start=start, end=end)
        elif not _may_be_bare(host):
            continue
        leads_to = list(_what_host_names(text, host, host_start, host_end, end))
        if not scheme and leads_to and leads_to[0].kind == "domain" and end > host_end + 1:
            yield Entity(kind="url", value=text[start:end], start=start, end=end)
        yield from leads_to


def find_mentions(text: str, site: Site | None = None) -> Iterator[Entity]:
    """Handles written as `@name`; the span includes the `@`.

    On a site with handles of its own a name is Telegram's only where the words before it say so.
    """
    for match in _MENTION.finditer(text):
        handle, start = match["handle"].rstrip("_"), match.start()
        if len(handle) < _MENTION_LENGTH:
            continue
        if site in _SITES_WITH_HANDLES and not _SAYS_TELEGRAM.search(text, max(0, start - 60), start):
            continue
        yield Entity(kind="telegram", value=handle, start=start, end=start + 1 + len(handle))


def _what_host_names(text: str, host: str, start: int, host_end: int, end: int) -> Iterator[Entity]:
    name = host.lower().removeprefix("www.")
    if name in _TELEGRAM_HOSTS:
        yield from _telegram_path(text, start, host_end, end)
        return
    if name.endswith(".t.me") and name.count(".") == 2:
        handle = host[: -len(".t.me")]
        yield Entity(kind="telegram", value=handle, start=start, end=start + len(host))
        return
    if phone_link := _PHONE_LINK.get(name):
        if match := phone_link.match(text, host_end, end):
            yield Entity(kind="phone", value=f"+{match[1]}", start=match.start(1), end=match.end(1))
        return
    if has_public_suffix(name):
        yield Entity(kind="domain", value=name, start=start, end=start + len(host))


def _telegram_path(text: str, start: int, host_end: int, end: int) -> Iterator[Entity]:
    match = _TELEGRAM_PATH.match(text, host_end, end)
    if match is None:
        return
    if handle := match["handle"]:
        if handle.lower() not in _TELEGRAM_SERVICES:
            yield Entity(kind="telegram", value=handle, start=start, end=match.end())
    elif match["invite"].isdigit():
        if len(match["invite"]) in _PHONE_LENGTHS:
            yield Entity(kind="phone", value=f"+{match['invite']}", start=start, end=match.end())
    else:
        yield Entity(kind="telegram_invite", value=match["invite"], start=start, end=match.end())


def _telegram_command(text: str, start: int, end: int) -> Iterator[Entity]:
    match = _TELEGRAM_COMMAND.match(text, start, end) if start >= 0 else None
    if match:
        group = "handle" if match["handle"] else "invite"
        kind = "telegram" if group == "handle" else "telegram_invite"
        yield Entity(kind=kind, value=match[group], start=match.start(group), end=match.end(group))


def _without_trailing_punctuation(text: str, start: int, end: int) -> int:
    """Where the address ends if the sentence's own full stop, quote or bracket follows it."""
    unopened = {
        closing: text.count(closing, start, end) - text.count(opening, start, end) for closing, opening in _PAIRS
    }
    while end > start:
        last = text[end - 1]
        if unopened.get(last, 0) > 0:
            unopened[last] -= 1
        elif last not in ".,;:!?…*_~":
            break
        end -= 1
    return end


def _may_be_bare(host: str) -> bool:
    """False for what only looks like a host: `конец.Начало` of two sentences with the space forgotten."""
    return not host.rsplit(".", 1)[-1].istitle() and len(host) <= 253


@lru_cache(maxsize=20_000)
def has_public_suffix(host: str) -> bool:
    """True if the host lies under a suffix of the Public Suffix List (the package's snapshot; nothing is fetched)."""
    labels = host.split(".")
    if any(not 0 < len(label) <= 63 or label[0] == "-" or label[-1] == "-" for label in labels):
        return False
    found = _suffixes()(host)
    return bool(found.suffix and found.domain) and "_" not in found.domain


@cache
def _suffixes() -> TLDExtract:
    return TLDExtract(suffix_list_urls=(), cache_dir=None)
