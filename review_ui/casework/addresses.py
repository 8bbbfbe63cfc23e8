"""Addresses as targets: whose host it is, what may never be a target, what the protected list says."""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

import tldextract

from review_ui.casework.models import ProtectedTarget

# Hosts where everybody publishes: a post or an account there may be a target, the host and its subdomains never.
_PLATFORMS = """
    t.me telegram.me telegram.org telegram.dog telegra.ph vk.com vk.ru vkontakte.ru ok.ru youtube.com youtu.be
    instagram.com threads.net facebook.com fb.com fb.me messenger.com wa.me whatsapp.com tiktok.com twitter.com x.com
    t.co discord.gg discord.com viber.com google.com goo.gl forms.gle google.kz apple.com icloud.com microsoft.com
    live.com yandex.ru yandex.kz ya.ru mail.ru dzen.ru rutube.ru twitch.tv linktr.ee taplink.cc bit.ly clck.ru
    tinyurl.com github.com gitlab.com medium.com reddit.com pinterest.com linkedin.com wikipedia.org archive.org
    cloudflare.com amazonaws.com olx.kz kolesa.kz krisha.kz 2gis.kz zoom.us
"""
SHARED_PLATFORMS = frozenset(_PLATFORMS.split())

# Each of these rents out names below it; those may be targets, it may not. The public suffix list knows the others.
_HOSTING = ("wordpress.com", "tilda.cc", "tilda.ws", "taplink.ws", "ucoz.ru", "ucoz.kz", "narod.ru", "livejournal.com")

# State bodies need no entry in the operator's list.
_STATE_SUFFIXES = {"gov.kz": "state body", "mil.kz": "state body", "edu.kz": "education"}

# The list of public suffixes that the package brings: nothing is fetched.
_EXTRACT = tldextract.TLDExtract(
    suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True, extra_suffixes=_HOSTING
)

_IPV4_NUMBER = re.compile(r"(?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]+|\d+)){0,3}", re.I)


def host_of(url: str) -> str:
    """The host in lower case without `www.` and a trailing dot; empty where the URL has none or cannot be read."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return host.lower().rstrip(".").removeprefix("www.")


def registered_domain(host: str) -> str:
    """`primer.example` of `shop.primer.example`; the host itself where nothing is registered under a public suffix."""
    parts = _EXTRACT(host)
    if not parts.suffix:  # a top-level domain that the list does not know
        return ".".join(host.split(".")[-2:])
    return parts.top_domain_under_public_suffix or host


def is_ip_address(host: str) -> bool:
    """Also in the short and numeric forms that browsers read as IPv4."""
    host = host.strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(_IPV4_NUMBER.fullmatch(host))
    return True


def is_shared_platform(host: str) -> bool:
    return any(suffix in SHARED_PLATFORMS for suffix in _suffixes(host))


def is_public_suffix(host: str) -> bool:
    """`com.kz`, `github.io`: whatever stands below belongs to many."""
    return not _EXTRACT(host).domain


def may_restrict_host(host: str) -> bool:
    """False for IP addresses, platforms and public suffixes: never a target as a whole (design, section 8)."""
    return "." in host and not (is_ip_address(host) or is_shared_platform(host) or is_public_suffix(host))


def _suffixes(host: str) -> Iterable[str]:
    labels = host.split(".")
    return (".".join(labels[start:]) for start in range(len(labels)))


def protection_of(*addresses: str) -> str:
    """The first entry of the protected list that one of the addresses hits, with its reason; empty if none.

    addresses: host names (their parent domains count as well) and @handles.
    """
    wanted: list[str] = []
    for address in addresses:
        if address.startswith("@"):
            wanted.append(address.lower())
        elif address:
            wanted.extend(_suffixes(address.lower()))
    for suffix in wanted:
        if suffix in _STATE_SUFFIXES:
            return f"{suffix}: {_STATE_SUFFIXES[suffix]}"
    entries = {entry.address: entry for entry in ProtectedTarget.objects.filter(address__in=wanted)}
    return next((str(entries[one])[:200] for one in wanted if one in entries), "")
