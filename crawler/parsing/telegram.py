"""The public web preview of a Telegram channel, `t.me/s/<handle>`, and the embedded post."""

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from lxml.html import HtmlElement

from crawler.parsing.html import element_text, first, is_complete, parse_html, read_text, select
from crawler.parsing.telegram_post import parse_count, parse_post
from qalqan.errors import ParseError
from qalqan.records import Channel, ChannelStatus, Document
from qalqan.urls import telegram_channel_of

_MESSAGE = ".js-widget_message[data-post]"
AUDIENCE = re.compile(r"\b(members?|subscribers?)\b", re.I)
_NO_POSTS = re.compile(r"no (posts|messages)|nothing here|is empty", re.I)


@dataclass(frozen=True, slots=True)
class PreviewPage:
    """Up to twenty posts, oldest first.

    channel: None where the page holds posts only (an embedded post). before: the number to page backwards from.
    problems: what could not be read, one line each; the documents are what could. damaged: the page was cut, newer
    posts of it are missing.
    """

    channel: Channel | None
    documents: tuple[Document, ...]
    before: int | None
    problems: tuple[str, ...] = ()
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    title: str | None = None
    description: str | None = None
    subscribers: int | None = None


def parse_preview(url: str, body: bytes, content_type: str | None, fetched_at: datetime) -> PreviewPage:
    """A page of `t.me/s/<handle>` or an embedded post.

    Raises ParseError where the page is not Telegram's, or is cut before its first complete post.
    """
    tree = parse_html(body, content_type)
    messages = select(tree, _MESSAGE)
    damaged = not is_complete(body)
    info = first(tree, ".tgme_channel_info")
    history = first(tree, ".tgme_channel_history")
    if not messages and info is None and history is None:
        if (error := first(tree, ".tgme_widget_message_error")) is not None:
            raise ParseError(f"{url}: {read_text(error)}")
        cut = " (the page is cut before it)" if damaged and b"telegram" in body.lower() else ""
        raise ParseError(f"{url}: not a Telegram preview, no channel and no post in it{cut}")
    if damaged:
        messages = messages[:-1]  # whether the last one is whole cannot be told
        if not messages:
            raise ParseError(f"{url}: the page is cut off after {len(body)} bytes, no complete post in it")
    documents, problems = _read_posts(messages, fetched_at)
    if damaged:
        problems.insert(0, f"{url}: the page is cut off after {len(body)} bytes; {len(documents)} complete posts kept")
    facts = _preview_facts(info) if info is not None else ChannelFacts()
    username = (element_text(info, ".tgme_channel_info_header_username") if info is not None else None) or ""
    handle = username.lstrip("@") or (documents[-1].channel if documents else None) or _handle_in(url)
    status = "public" if messages else _empty_status(history)
    channel = (
        channel_record(handle, facts, status, fetched_at) if handle and (info is not None or not messages) else None
    )
    return PreviewPage(channel, tuple(documents), _older(tree), tuple(problems), damaged)


def _read_posts(messages: list[HtmlElement], fetched_at: datetime) -> tuple[list[Document], list[str]]:
    documents: dict[str, Document] = {}
    problems = []
    for message in messages:
        try:
            document = parse_post(message, fetched_at)
        except ParseError as error:
            problems.append(str(error))
        else:
            documents[document.id] = document
    return list(documents.values()), problems


def _preview_facts(info: HtmlElement) -> ChannelFacts:
    subscribers = None
    for counter in select(info, ".tgme_channel_info_counter"):
        if AUDIENCE.search(text := read_text(counter)):
            subscribers = parse_count(text)
    return ChannelFacts(
        title=element_text(info, ".tgme_channel_info_header_title"),
        description=element_text(info, ".tgme_channel_info_description"),
        subscribers=subscribers,
    )


def _older(tree: HtmlElement) -> int | None:
    links = tree.xpath("//a[contains(@class, 'js-messages_more')]/@href | //link[@rel='prev']/@href")
    numbers = [parse_qs(urlsplit(str(link)).query).get("before", [""])[0] for link in links]
    return min((int(n) for n in numbers if re.fullmatch(r"\d{1,12}", n, re.A)), default=None)


def _empty_status(history: HtmlElement | None) -> ChannelStatus:
    """A channel without posts says nothing or that there are none; any other notice explains why it hides them."""
    notice = read_text(history) if history is not None else ""
    return "empty" if not notice or _NO_POSTS.search(notice) else "restricted"


def channel_record(handle: str, facts: ChannelFacts, status: ChannelStatus, checked_at: datetime) -> Channel:
    return Channel(
        site="telegram",
        handle=handle,
        url=f"https://t.me/{handle}",
        title=facts.title,
        description=facts.description,
        subscribers=facts.subscribers,
        status=status,
        checked_at=checked_at,
    )


def _handle_in(url: str) -> str | None:
    named = telegram_channel_of(url)
    return named[0] if named else None
