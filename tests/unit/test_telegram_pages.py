"""Telegram pages of our own making: everything the real saved pages do not show."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.parsing.html import read_text
from crawler.parsing.telegram import parse_preview
from crawler.parsing.telegram_landing import parse_landing
from crawler.parsing.telegram_post import parse_count
from qalqan.errors import ParseError
from qalqan.records import Channel, Document, Forward, Media, Reaction, document_id

PAGES = Path(__file__).parents[1] / "pages" / "telegram"
FETCHED_AT = datetime(2026, 11, 25, tzinfo=UTC)
HTML = "text/html; charset=utf-8"


def preview(name: str, content_type: str = HTML) -> tuple[str, bytes, str, datetime]:
    handle = name.split(".")[0]
    return f"https://t.me/s/{handle}", (PAGES / f"{name}.html").read_bytes(), content_type, FETCHED_AT


def landing(name: str) -> tuple[str, bytes, str, datetime]:
    return f"https://t.me/{name}", (PAGES / f"{name}.landing.html").read_bytes(), HTML, FETCHED_AT


def post(number: int, day: int, **fields: object) -> Document:
    url = f"https://t.me/album/{number}"
    return Document(
        id=document_id("telegram", "album", str(number)),
        url=url,
        canonical_url=url,
        site="telegram",
        channel="album",
        post_id=str(number),
        published_at=datetime(2026, 3, day, 8, tzinfo=UTC),
        fetched_at=FETCHED_AT,
        **{"views": 12, **fields},
    )


def test_every_kind_of_post() -> None:
    page = parse_preview(*preview("album"))
    assert list(page.documents) == [
        post(
            10,
            1,
            text="Два кадра\nодной записи",
            views=1200,
            media=(
                Media(kind="photo", url="https://cdn.example/file/ten.jpg"),
                Media(kind="video", url="https://cdn.example/file/eleven.mp4"),
            ),
        ),
        post(
            12,
            2,
            text="Куда вложить?\nВ депозит\nВ пирамиду",
            views=None,
            media=(Media(kind="poll", title="Куда вложить?"),),
        ),
        post(
            13,
            3,
            text="Ответ с ссылкой на банк и #метка 🔥",
            author="Айгүл",
            edited=True,
            reply_to="10",
            links=("https://example.kz/?utm_source=tg",),
            reactions=(
                Reaction(emoji="⭐", count=7),
                Reaction(emoji="👍", count=1500),
                Reaction(emoji="custom:5368324170671202286", count=4),
            ),
        ),
        post(
            14,
            4,
            forwarded_from=Forward(name="Скрытый автор"),
            links=("https://t.me/example_shop_bot?start=1",),
            media=(
                Media(kind="document", title="тарифы.pdf"),
                Media(kind="audio", title="гимн.mp3"),
                Media(kind="voice", url="https://cdn.example/file/voice.ogg"),
            ),
        ),
        post(15, 5, media=(Media(kind="animation", url="https://cdn.example/file/loop.mp4"),)),
        post(16, 6, media=(Media(kind="unsupported", title="Please open Telegram to view this post"),)),
        post(17, 7, text="Channel photo updated", views=None),
    ]
    assert page.channel == Channel(
        site="telegram",
        handle="album",
        url="https://t.me/album",
        title="Альбом",
        description="Первая строка\n\nвторая",
        subscribers=1250,
        status="public",
        checked_at=FETCHED_AT,
    )
    assert (page.before, page.problems, page.damaged) == (None, (), False)


@pytest.mark.parametrize(("name", "status"), [("empty", "empty"), ("restricted", "restricted")])
def test_preview_without_posts_says_why(name: str, status: str) -> None:
    page = parse_preview(*preview(name))
    assert page.documents == ()
    assert page.channel is not None
    assert (page.channel.handle, page.channel.status) == (name, status)


@pytest.mark.parametrize(
    ("name", "status", "subscribers"),
    [("disabled", "preview_disabled", 1234), ("blocked", "restricted", None), ("missing", "missing", None)],
)
def test_landing_without_preview_says_why(name: str, status: str, subscribers: int | None) -> None:
    channel = parse_landing(*landing(name)).channel
    assert channel is not None
    assert (channel.handle, channel.status, channel.subscribers) == (name, status, subscribers)


def test_person_is_no_channel() -> None:
    assert parse_landing(*landing("person")).channel is None


def test_cut_page_keeps_complete_posts_and_says_so() -> None:
    url, body, content_type, moment = preview("cut")
    page = parse_preview(url, body, content_type, moment)
    assert [d.post_id for d in page.documents] == ["21", "22"]
    assert page.damaged
    assert page.problems == (f"https://t.me/s/cut: the page is cut off after {len(body)} bytes; 2 complete posts kept",)


def test_page_cut_before_its_first_post_is_an_error() -> None:
    with pytest.raises(ParseError, match=r"cut off after \d+ bytes, no complete post"):
        parse_preview(*preview("cutearly"))


@pytest.mark.parametrize("body", [b"", b"<html><body>hello</body></html>", b"\x00\xff\xfe", b'{"a": 1}'])
def test_other_pages_are_an_error_never_no_posts(body: bytes) -> None:
    with pytest.raises(ParseError):
        parse_preview("https://t.me/s/x_channel", body, HTML, FETCHED_AT)
    with pytest.raises(ParseError):
        parse_landing("https://t.me/x_channel", body, HTML, FETCHED_AT)


@pytest.mark.parametrize("content_type", ["text/html", "text/html; charset=windows-1251"])
def test_windows_1251(content_type: str) -> None:
    (document,) = parse_preview(*preview("cyrillic.cp1251", content_type)).documents
    assert document.text == "Доход каждый день, вывод на карту"


def test_unreadable_post_is_named_and_the_others_stay() -> None:
    url, body, content_type, moment = preview("long")
    body = body.replace(b'datetime="2026-02-21T08:00:00+00:00"', b'datetime="yesterday"', 1)
    page = parse_preview(url, body, content_type, moment)
    assert [d.post_id for d in page.documents] == ["41", "43"]
    assert page.problems[0] == "https://t.me/long/40: unreadable time of publication 'yesterday'"


@given(st.integers(0, 12_110))
def test_any_cut_gives_whole_posts_or_an_error(length: int) -> None:
    url, body, content_type, moment = preview("album")
    whole = {d.id: d for d in parse_preview(url, body, content_type, moment).documents}
    try:
        page = parse_preview(url, body[:length], content_type, moment)
    except ParseError:
        return
    assert all(whole[d.id] == d for d in page.documents)


@given(st.binary(max_size=400), st.integers(0, 12_000))
def test_noise_never_crashes(noise: bytes, at: int) -> None:
    url, body, content_type, moment = preview("album")
    try:
        parse_preview(url, body[:at] + noise + body[at:], content_type, moment)
    except ParseError:
        return


def test_runs_of_spaces_take_linear_time() -> None:
    page = b"<html><body><section class='tgme_channel_history'><div class='js-widget_message' data-post='abc/1'>%b"
    post = b"<div class='js-message_text'>a" + b"<b> </b>" * 300_000 + b"b</div>"
    date = b"<a class='tgme_widget_message_date'><time datetime='2026-01-01T00:00:00+00:00'></time></a></div></html>"
    started = time.monotonic()
    (document,) = parse_preview("https://t.me/s/abc", page % (post + date), HTML, FETCHED_AT).documents
    assert document.text == "a b"
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("10.7K", 10_700),
        ("1.48M", 1_480_000),
        ("1 474 933 members", 1_474_933),
        ("2\xa0805 members", 2_805),
        ("7", 7),
        ("1,234", 1_234),
        ("none", None),
        ("9" * 90 + "M", None),
    ],
)
def test_counts(text: str, count: int | None) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<div>a<br>b<br/><br/>c</div>", "a\nb\n\nc"),
        ("<div>a <b>b\n c</b>d</div>", "a b cd"),
        ("<div><div>a</div><div>b</div></div>", "a\nb"),
        ("<div>a<br><blockquote>b</blockquote>c</div>", "a\nb\nc"),
        ("<div>a<script>x</script>b<style>y</style></div>", "ab"),
        ("<div>\u200b\u200bслово\xa0рядом</div>", "\u200b\u200bслово\xa0рядом"),
        ("<div>  </div>", ""),
    ],
)
def test_visible_text(html: str, text: str) -> None:
    from lxml.html import fragment_fromstring

    assert read_text(fragment_fromstring(html)) == text
