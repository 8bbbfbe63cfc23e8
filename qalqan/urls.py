"""Canonical web addresses, and which Telegram channel or post an address names."""

import re
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from w3lib.url import canonicalize_url

from qalqan.errors import UsageError

TELEGRAM_HOSTS = frozenset({"t.me", "telegram.me", "telegram.dog"})

_SCHEME = re.compile(r"[a-z][a-z0-9+-]*:(?!\d+(?:/|$))", re.I)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_TRACKING = re.compile(
    r"utm_\w+|\w*clid|gbraid|wbraid|igshid|igsh|mc_[ce]id|_openstat|_ga|_gl|ref_src|ref_url|spm|rb_clickid", re.I
)
_YOUTUBE_TRACKING = re.compile(r"si|feature|pp|ab_channel", re.I)

_HANDLE = re.compile(r"[a-z]\w{2,31}", re.I | re.A)
_POST_NUMBER = re.compile(r"\d{1,12}", re.A)
# First path segments of t.me that are functions of the site, never channels.
_RESERVED = frozenset(
    {"a", "addemoji", "addlist", "addstickers", "addtheme", "bg", "boost", "c", "confirmphone", "contact", "giftcode"}
    | {"invoice", "iv", "joinchat", "k", "login", "m", "msg", "proxy", "resolve", "s", "setlanguage", "share", "socks"}
    | {"stickers", "url", "web", "z"}
)


def _split(url: str) -> tuple[SplitResult, str, int | None]:
    """The parts, the host (lower-case ASCII) and the port. Raises UsageError for what no crawler could fetch."""
    stripped = url.strip()
    if not stripped:
        raise UsageError("an empty address; expected something like https://example.kz/page")
    if stripped.startswith("//"):
        stripped = "https:" + stripped
    elif not _SCHEME.match(stripped):
        stripped = "https://" + stripped
    try:
        parts = urlsplit(stripped)
        port = parts.port
        host = _ascii_host(parts.hostname or "")
    except ValueError as error:
        raise UsageError(f"not a web address: {url!r} ({error})") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise UsageError(f"not a web address: {url!r} (only http and https are crawled, not {parts.scheme}:)")
    if not host:
        raise UsageError(f"not a web address: {url!r} (no host)")
    return parts, host, port


def _ascii_host(host: str) -> str:
    host = host.rstrip(".").lower()
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    if re.search(r"[^a-z0-9.:_%-]", host):
        raise ValueError("impossible characters in the host")
    return host


def canonical_url(url: str) -> str:
    """One spelling per page: what differs only in case of host, tracking or anchor becomes equal.

    An address without a scheme is taken as https. Telegram's mirrors become `https://t.me/<handle>[/<number>]`,
    the handle in lower case, because Telegram does not tell its cases apart; invites become `https://t.me/+<code>`.
    Raises UsageError for anything but http and https, and where there is no host.
    """
    parts, host, port = _split(url)
    if named := telegram_channel_of(url):
        handle, post_id = named
        return f"https://t.me/{handle.lower()}" + (f"/{post_id}" if post_id else "")
    scheme = parts.scheme
    if host in TELEGRAM_HOSTS:
        scheme, host, port = "https", "t.me", None
        if invite := re.fullmatch(r"/(?:joinchat/|\+|%20)([\w-]+)/?", parts.path, re.A):
            return f"https://t.me/+{invite[1]}"
    netloc = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[scheme]:
        netloc += f":{port}"
    query = urlencode([(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if not _tracks(host, k)])
    return str(canonicalize_url(SplitResult(scheme, netloc, parts.path or "/", query, "").geturl()))


def _tracks(host: str, key: str) -> bool:
    is_youtube = host == "youtu.be" or host.endswith("youtube.com")
    return bool(_TRACKING.fullmatch(key) or (is_youtube and _YOUTUBE_TRACKING.fullmatch(key)))


def host_of(url: str) -> str:
    """The host in lower-case ASCII without `www.` and port. Raises UsageError as `canonical_url` does."""
    return _split(url)[1].removeprefix("www.")


def telegram_channel_of(url: str) -> tuple[str, str | None] | None:
    """The handle (as spelled in the address) and the post's number, or None where no public channel is named.

    Knows `t.me/h`, `t.me/h/7`, `t.me/s/h`, `t.me/h/<topic>/7`, `h.t.me` and the mirrors; an invite, a private
    `t.me/c/…` link or a sticker set names no public channel. Raises UsageError as `canonical_url` does.
    """
    parts, host, _ = _split(url)
    segments = [s for s in parts.path.split("/") if s]
    subdomain, _, parent = host.partition(".")
    if parent in TELEGRAM_HOSTS and subdomain != "www":
        segments.insert(0, subdomain)
    elif host.removeprefix("www.") not in TELEGRAM_HOSTS:
        return None
    elif len(segments) > 1 and segments[0].lower() == "s":
        segments = segments[1:]
    if not segments or not _HANDLE.fullmatch(segments[0]) or segments[0].lower() in _RESERVED:
        return None
    numbers = segments[1:]
    if numbers and len(numbers) <= 2 and all(_POST_NUMBER.fullmatch(n) for n in numbers):
        return segments[0], numbers[-1].lstrip("0") or None
    return segments[0], None
