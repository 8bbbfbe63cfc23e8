"""The landing pages `t.me/<handle>` and `t.me/<handle>/<number>`."""

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urljoin

from lxml.html import HtmlElement

from crawler.parsing.html import element_text, first, is_complete, meta, parse_html, read_text
from crawler.parsing.telegram import AUDIENCE, ChannelFacts, channel_record
from crawler.parsing.telegram_post import parse_count
from qalqan.errors import ParseError
from qalqan.records import Channel, ChannelStatus, Document, document_id
from qalqan.urls import canonical_url, telegram_channel_of

_RESTRICTED = re.compile(
    r"(can.?t|can ?not|could ?n.?t) be (displayed|shown|viewed)"
    r"|\b(is|are) (temporarily )?(unavailable|blocked|restricted)"
    r"|copyright infringement|violat\w+ (the )?(telegram|local|terms)|pornographic",
    re.I,
)


@dataclass(frozen=True, slots=True)
class LandingPage:
    """`t.me/<handle>` or `t.me/<handle>/<number>`.

    channel: None for a person, a bot or anything else that is no channel. post: of a post's landing, the text as far
    as the page's description tells it. extra: the line under the title, "1 474 933 members".
    """

    title: str | None
    page_title: str | None
    extra: str | None
    is_noindex: bool
    preview_path: str | None
    channel: Channel | None
    post: Document | None = None
    embed_url: str | None = None


def parse_landing(url: str, body: bytes, content_type: str | None, fetched_at: datetime) -> LandingPage:
    """The landing page of a channel or post. Raises ParseError where the page is not Telegram's or is cut."""
    tree = parse_html(body, content_type)
    page = first(tree, ".tgme_page")
    if page is None:
        cut = "" if is_complete(body) else " (the page is cut before it)"
        raise ParseError(f"{url}: not a Telegram page, no tgme_page in it{cut}")
    if not is_complete(body):
        raise ParseError(f"{url}: the page is cut off after {len(body)} bytes")
    named = telegram_channel_of(url)
    handle = _resolved_handle(tree) or (named[0] if named else None)
    title = meta(tree, "og:title")
    page_title = first(tree, "title")
    extra = element_text(page, ".tgme_page_extra")
    preview = tree.xpath("//a[starts-with(@href, '/s/')]/@href")
    preview_path = str(preview[0]) if preview else None
    frames = tree.xpath("//iframe[starts-with(@id, 'telegram-post-')]/@src")
    embed_url = urljoin(url, str(frames[0])) if frames else None
    is_noindex = "noindex" in (meta(tree, "robots") or "")
    post, channel = None, None
    if embed_url is not None:
        post = _landing_post(embed_url, meta(tree, "og:description"), fetched_at)
    if handle is not None:
        facts = ChannelFacts(title, element_text(page, ".tgme_page_description"), parse_count(extra) if extra else None)
        channel = _landing_channel(handle, page, facts, preview_path, is_noindex, post is not None, fetched_at)
    return LandingPage(
        title=title,
        page_title=read_text(page_title) if page_title is not None else None,
        extra=extra,
        is_noindex=is_noindex,
        preview_path=preview_path,
        channel=channel,
        post=post,
        embed_url=embed_url,
    )


def _resolved_handle(tree: HtmlElement) -> str | None:
    """The handle in the channel's own spelling, from the link that opens the app."""
    app_url = meta(tree, "al:ios:url") or ""
    found = re.fullmatch(r"tg://resolve\?domain=(\w+)(?:&.*)?", app_url, re.A)
    return found[1] if found else None


def _landing_channel(
    handle: str,
    page: HtmlElement,
    facts: ChannelFacts,
    preview_path: str | None,
    is_noindex: bool,
    is_post: bool,
    fetched_at: datetime,
) -> Channel | None:
    """Restricted, missing, without preview or public; None for who is no channel (a person, a bot)."""
    has_title = first(page, ".tgme_page_title") is not None
    has_audience = bool(AUDIENCE.search(element_text(page, ".tgme_page_extra") or ""))
    status: ChannelStatus
    if preview_path is not None:
        status = "public"
    elif _RESTRICTED.search(facts.description or "") and not has_audience:
        status = "restricted"
    elif has_audience or is_post:
        status = "preview_disabled"
    elif is_noindex and not has_title:
        return channel_record(handle, ChannelFacts(), "missing", fetched_at)
    else:
        return None
    if is_post:
        facts = ChannelFacts(title=facts.title)  # the description of a post's landing is the post's
    return channel_record(handle, facts, status, fetched_at)


def _landing_post(embed_url: str, text: str | None, fetched_at: datetime) -> Document | None:
    named = telegram_channel_of(embed_url)
    if named is None or named[1] is None:
        return None
    handle, number = named[0], named[1]
    url = f"https://t.me/{handle}/{number}"
    return Document(
        id=document_id("telegram", handle, number),
        url=url,
        canonical_url=canonical_url(url),
        site="telegram",
        channel=handle,
        post_id=number,
        fetched_at=fetched_at,
        text=(text or "").strip(),
    )
