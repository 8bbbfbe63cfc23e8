"""One message of Telegram's public web preview, as a document."""

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from urllib.parse import urljoin

from lxml.html import HtmlElement

from crawler.parsing.html import background_url, first, read_text, select
from qalqan.clock import from_iso
from qalqan.errors import ParseError
from qalqan.records import Document, Forward, Media, Reaction, document_id
from qalqan.urls import canonical_url, telegram_channel_of

_COUNT = re.compile(r"(\d[\d\s,]*(?:\.\d+)?)([KMB](?!\w))?")
_MULTIPLIER = {"": 1, "K": 1_000, "M": 1_000_000, "B": 1_000_000_000}
_POST = re.compile(r"([A-Za-z]\w{2,31})/(\d{1,12})", re.A)
# `.tgme_widget_message_text` inside a reply is the quoted post, not this one's.
_OWN_TEXT = ".js-message_text"


def parse_count(text: str) -> int | None:
    """`10.7K` → 10700, `1 474 933 members` → 1474933; None where no (or an impossible) number is written."""
    found = _COUNT.search(text[:100])
    if found is None:
        return None
    count = int(Decimal(re.sub(r"[\s,]", "", found[1])) * _MULTIPLIER[found[2] or ""])
    return count if count < 10**15 else None


def post_name(message: HtmlElement) -> tuple[str, str]:
    """The channel's handle and the post's number. Raises ParseError where the message names none."""
    found = _POST.fullmatch(message.get("data-post") or "")
    if found is None:
        raise ParseError(f"a message without a channel and number (data-post={message.get('data-post')!r})")
    return found[1], str(int(found[2]))


def parse_post(message: HtmlElement, fetched_at: datetime) -> Document:
    """The document of one `.js-widget_message`; an album is one document.

    Raises ParseError where channel, number or time cannot be read.
    """
    channel, post_id = post_name(message)
    url = f"https://t.me/{channel}/{post_id}"
    media = tuple(_read_media(message))
    text_element = first(message, _OWN_TEXT)
    texts = [read_text(text_element)] if text_element is not None else []
    texts += [_read_poll(poll) for poll in select(message, ".tgme_widget_message_poll")]
    texts += [read_text(contact) for contact in select(message, ".tgme_widget_message_contact_wrap")]
    author = first(message, ".tgme_widget_message_from_author")
    views = first(message, ".tgme_widget_message_views")
    info = first(message, ".tgme_widget_message_meta")
    return Document(
        id=document_id("telegram", channel, post_id),
        url=url,
        canonical_url=canonical_url(url),
        site="telegram",
        channel=channel,
        post_id=post_id,
        author=read_text(author) if author is not None else None,
        published_at=_published_at(message, url),
        fetched_at=fetched_at,
        text="\n".join(t for t in texts if t),
        views=parse_count(read_text(views)) if views is not None else None,
        reactions=tuple(_read_reactions(message)),
        forwarded_from=_read_forward(message),
        reply_to=_read_reply(message),
        edited=info is not None and bool(re.search(r"\bedited\b", _without_author(info))),
        media=media,
        links=tuple(dict.fromkeys(_read_links(message, url))),
    )


def _published_at(message: HtmlElement, url: str) -> datetime:
    times = select(message, ".tgme_widget_message_date time[datetime]")
    if not times:
        raise ParseError(f"{url}: no time of publication")
    try:
        return from_iso(times[-1].get("datetime"))
    except (ValueError, OverflowError) as error:
        raise ParseError(f"{url}: unreadable time of publication {times[-1].get('datetime')!r}") from error


def _without_author(info: HtmlElement) -> str:
    author = first(info, ".tgme_widget_message_from_author")
    text = str(info.text_content())
    return text.replace(str(author.text_content()), "") if author is not None else text


def _read_poll(poll: HtmlElement) -> str:
    lines = select(poll, ".tgme_widget_message_poll_question, .tgme_widget_message_poll_option_text")
    return "\n".join(read_text(line) for line in lines)


def _read_reactions(message: HtmlElement) -> Iterator[Reaction]:
    """A custom emoji has no character: it is named `custom:<id>`; a paid star is a star."""
    for reaction in select(message, ".tgme_reaction"):
        emoji = first(reaction, ".emoji")
        name = read_text(emoji) if emoji is not None else ""
        custom = first(reaction, "tg-emoji[emoji-id]")
        if not name and custom is not None:
            name = f"custom:{custom.get('emoji-id')}"
        if not name and "tgme_reaction_paid" in reaction.get("class", ""):
            name = "⭐"
        count = parse_count(read_text(reaction).removeprefix(name))
        if name and count is not None:
            yield Reaction(emoji=name, count=count)


def _read_forward(message: HtmlElement) -> Forward | None:
    name = first(message, ".tgme_widget_message_forwarded_from_name")
    return Forward(name=read_text(name), url=name.get("href")) if name is not None else None


def _read_reply(message: HtmlElement) -> str | None:
    """The number of the answered post; a post of another channel is given with its handle: `handle/7`."""
    reply = first(message, "a.tgme_widget_message_reply[href]")
    if reply is None:
        return None
    named = telegram_channel_of(urljoin("https://t.me/", reply.get("href")))
    if named is None or named[1] is None:
        return None
    own_channel = post_name(message)[0]
    return named[1] if named[0].lower() == own_channel.lower() else f"{named[0]}/{named[1]}"


def _read_links(message: HtmlElement, url: str) -> Iterator[str]:
    """Where the post leads: targets of text links, link preview, buttons and places; hashtags lead nowhere."""
    text = first(message, _OWN_TEXT)
    anchors = select(text, "a[href]") if text is not None else []
    anchors += select(
        message,
        "a.tgme_widget_message_link_preview[href], a.tgme_widget_message_inline_button[href],"
        " a.tgme_widget_message_location_wrap[href]",
    )
    for anchor in anchors:
        target = anchor.get("href").strip()
        if target and not target.startswith(("?", "#", "/s/")):
            yield urljoin(url, target)


_MEDIA_KINDS = {
    "tgme_widget_message_photo_wrap": "photo",
    "tgme_widget_message_video_player": "video",
    "tgme_widget_message_roundvideo_player": "round_video",
    "tgme_widget_message_sticker_wrap": "sticker",
    "tgme_widget_message_tgsticker_wrap": "sticker",
    "tgme_widget_message_videosticker_wrap": "sticker",
    "tgme_widget_message_voice_player": "voice",
    "tgme_widget_message_document_wrap": "document",
    "tgme_widget_message_location_wrap": "location",
    "tgme_widget_message_poll": "poll",
    "tgme_widget_message_contact_wrap": "unsupported",
    "tgme_widget_message_game": "unsupported",
    "tgme_widget_message_invoice": "unsupported",
    "tgme_widget_message_story": "unsupported",
}


def _read_media(message: HtmlElement) -> Iterator[Media]:
    found = False
    for element in message.iter():
        classes = (element.get("class") or "").split() if isinstance(element.tag, str) else []
        kind = next((_MEDIA_KINDS[c] for c in classes if c in _MEDIA_KINDS), None)
        if kind is not None:
            found = True
            yield _media(kind, element)
    if not found and first(message, _OWN_TEXT) is None:
        label = first(message, ".message_media_not_supported_label")
        if label is not None:
            yield Media(kind="unsupported", title=read_text(label))


def _media(kind: str, element: HtmlElement) -> Media:
    source = element.xpath(".//video/@src | .//audio/@src | .//source/@srcset | .//img/@src")
    url: str | None = next((str(s) for s in source if str(s).startswith("http")), None)
    title: str | None = None
    if kind == "photo":
        url = background_url(element) or url
    elif kind == "video":
        if select(element, "video[loop]"):
            kind = "animation"
        if url is None and (label := first(element, ".message_media_not_supported_label")) is not None:
            title = read_text(label)
    elif kind == "sticker":
        image = first(element, "[data-webp]")
        url = (image.get("data-webp") if image is not None else None) or url or _sticker_image(element)
    elif kind == "document":
        name = first(element, ".tgme_widget_message_document_title")
        title = read_text(name) if name is not None else None
        kind = "audio" if select(element, ".tgme_widget_message_document_icon.audio") else kind
    elif kind == "location":
        url = element.get("href")
        places = select(element, ".tgme_widget_message_location_title, .tgme_widget_message_location_address")
        title = ", ".join(read_text(p) for p in places) or None
    elif kind == "poll":
        question = first(element, ".tgme_widget_message_poll_question")
        title = read_text(question) if question is not None else None
    elif kind == "unsupported":
        title = read_text(element) or None
    return Media(kind=kind, url=url, title=title)


def _sticker_image(element: HtmlElement) -> str | None:
    return next((u for u in map(background_url, element.iter("i", "div", "a")) if u), None)
