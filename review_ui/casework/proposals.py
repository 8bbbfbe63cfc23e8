"""Which targets a flagged document suggests, from the narrowest on; people choose."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from qalqan.records import Channel, Document
from review_ui.casework.addresses import host_of, is_ip_address, may_restrict_host, protection_of, registered_domain
from review_ui.casework.models import Case, TargetKind

MAX_DOMAINS = 20  # per case: a post with hundreds of links should not bury the card

_BOT = re.compile(r"[a-z][a-z0-9_]{2,28}bot", re.I)
_HOST_KINDS = (TargetKind.SUBDOMAIN, TargetKind.DOMAIN)
_MAX_ADDRESS_BYTES = 2000  # what an index of PostgreSQL still takes


@dataclass(frozen=True, slots=True)
class Proposal:
    kind: TargetKind
    address: str
    url: str
    platform: str
    facts: dict[str, Any] = field(default_factory=dict)


def proposals(document: Document, channel: Channel | None) -> Iterator[Proposal]:
    """Targets of one document. Without the channel's record its URL is made from the handle."""
    if document.site == "web":
        yield from _of_page(document)
    else:
        yield Proposal(TargetKind.MESSAGE, document.canonical_url, document.url, document.site)
    if document.channel:
        yield _of_channel(document, document.channel, channel)
    yield from _of_bots(document)
    yield from _of_linked_hosts(document)


def _of_page(document: Document) -> Iterator[Proposal]:
    host = host_of(document.canonical_url)
    facts = {"https": document.canonical_url.startswith("https:")}
    if host and not is_ip_address(host):
        yield Proposal(TargetKind.PAGE, document.canonical_url, document.url, "web", facts)
    if may_restrict_host(host):
        yield from _of_host(host, facts)


def _of_host(host: str, facts: dict[str, Any]) -> Iterator[Proposal]:
    whole = registered_domain(host)
    if whole != host:
        yield Proposal(TargetKind.SUBDOMAIN, host, f"https://{host}/", "web", facts)
    yield Proposal(TargetKind.DOMAIN, whole, f"https://{whole}/", "web", facts)


def _of_channel(document: Document, handle: str, channel: Channel | None) -> Proposal:
    url = channel.url if channel else f"https://t.me/{handle}" if document.site == "telegram" else document.url
    facts: dict[str, Any] = {}
    if channel and channel.posts_seen:
        facts["posts"] = channel.posts_seen
    if channel and channel.subscribers:
        facts["subscribers"] = channel.subscribers
    return Proposal(TargetKind.CHANNEL, f"@{handle.lower()}", url, document.site, facts)


def _of_bots(document: Document) -> Iterator[Proposal]:
    handles = {entity.value.lower() for entity in document.entities if entity.kind == "telegram"}
    for link in document.links:
        if host_of(link) in {"t.me", "telegram.me"}:
            handles.add(urlsplit(link).path.strip("/").split("/")[0].lower())
    own = (document.channel or "").lower()
    for handle in sorted(handles - {own}):
        if _BOT.fullmatch(handle):
            yield Proposal(TargetKind.BOT, f"@{handle}", f"https://t.me/{handle}", "telegram")


def _of_linked_hosts(document: Document) -> Iterator[Proposal]:
    """Only the host that is named, never the domain above it: that would be a guess."""
    hosts: set[str] = set()
    for entity in document.entities:
        if entity.kind == "domain":
            hosts.add(entity.value.lower().rstrip(".").removeprefix("www."))
        elif entity.kind == "url":
            hosts.add(host_of(entity.value))
    own = host_of(document.canonical_url)
    for host in sorted(hosts):
        if host != own and may_restrict_host(host):
            kind = TargetKind.DOMAIN if registered_domain(host) == host else TargetKind.SUBDOMAIN
            yield Proposal(kind, host, f"https://{host}/", "web", {"https": True})


def add_targets(case: Case, document: Document, channel: Channel | None) -> int:
    """Adds what is new; returns how many. Facts of a channel that is known already are brought up to date."""
    proposed = [one for one in proposals(document, channel) if len(one.address.encode()) <= _MAX_ADDRESS_BYTES]
    there = case.targets.filter(address__in={one.address for one in proposed})
    known = {(target.kind, target.address): target for target in there}
    hosts = case.targets.filter(kind__in=_HOST_KINDS).count()
    added = 0
    for one in proposed:
        target = known.get((one.kind, one.address))
        if target is not None:
            if one.facts and {**target.facts, **one.facts} != target.facts:
                target.facts = {**target.facts, **one.facts}
                target.save(update_fields=["facts"])
            continue
        if one.kind in _HOST_KINDS:
            if hosts >= MAX_DOMAINS:
                continue
            hosts += 1
        protected = protection_of(*([one.address] if one.address.startswith("@") else _hosts_of(one)))
        known[one.kind, one.address] = case.targets.create(
            kind=one.kind,
            address=one.address,
            url=one.url[:2000],
            platform=one.platform,
            facts=one.facts,
            protected=protected,
        )
        added += 1
    return added


def _hosts_of(one: Proposal) -> list[str]:
    host = host_of(one.url)
    return [host] if may_restrict_host(host) else []


def count_what_falls(case: Case) -> None:
    """Brings the numbers of flagged posts in the targets' facts up to date."""
    flagged = case.materials.count()
    case.targets.filter(kind=TargetKind.MESSAGE).update(facts={"flagged": flagged})  # all that a post's facts hold
    for target in case.targets.filter(kind=TargetKind.CHANNEL):
        target.facts["flagged"] = flagged
        target.save(update_fields=["facts"])
