"""The Telegram spider's parser reads back from the demonstration what was written into it."""

from datetime import UTC, datetime, timedelta

import pytest

from crawler.parsing.telegram import parse_preview
from demo_site.content import DemoChannel, DemoPost, demo_channels
from demo_site.markup import plain_text
from demo_site.message import published_at
from demo_site.server import DemoSite
from qalqan.records import Document

ANCHOR = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATE = ANCHOR + timedelta(hours=3)
PUBLIC = [channel for channel in demo_channels().values() if channel.status == "public"]


def read_all(channel: DemoChannel) -> list[Document]:
    site = DemoSite(ANCHOR, now=lambda: LATE)
    documents: list[Document] = []
    address: str | None = f"https://t.me/s/{channel.handle}"
    while address:
        answer = site.answer(address)
        page = parse_preview(address, answer.body, answer.content_type, LATE)
        assert page.problems == ()
        documents = [*page.documents, *documents]
        address = page.before and f"https://t.me/s/{channel.handle}?before={page.before}"
    return documents


def media_kinds(post: DemoPost) -> list[str]:
    shown = {
        "video": post.video_s,
        "voice": post.voice_s,
        "document": post.file,
        "poll": post.poll,
        "unsupported": post.unsupported,
    }
    return ["photo"] * len(post.photos) + [kind for kind, there in shown.items() if there]


@pytest.mark.parametrize("channel", PUBLIC, ids=lambda channel: channel.handle)
def test_every_post_comes_back_as_written(channel: DemoChannel) -> None:
    read = [
        (
            int(document.post_id or 0),
            document.published_at,
            {reaction.emoji: reaction.count for reaction in document.reactions},
            document.author,
            document.reply_to,
            document.edited,
            document.forwarded_from and (document.forwarded_from.name, document.forwarded_from.url),
            [media.kind for media in document.media],
        )
        for document in read_all(channel)
    ]
    assert read == [
        (
            post.number,
            published_at(post, ANCHOR),
            post.reactions,
            post.author,
            str(post.reply_to) if post.reply_to else None,
            post.edited,
            post.forwarded and (post.forwarded.name, post.forwarded.url),
            media_kinds(post),
        )
        for post in channel.posts
    ]


@pytest.mark.parametrize("channel", PUBLIC, ids=lambda channel: channel.handle)
def test_every_text_comes_back_as_written(channel: DemoChannel) -> None:
    documents = {int(document.post_id or 0): document.text for document in read_all(channel)}
    written = {post.number: plain_text(post.text) for post in channel.posts if post.poll is None}
    assert {number: documents[number] for number in written} == written
