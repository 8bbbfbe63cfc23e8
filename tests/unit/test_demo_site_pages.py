"""Pages of the demonstration read like Telegram's preview: well formed, complete, in order."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from parsel import Selector

from demo_site.content import DemoChannel, demo_channels
from demo_site.markup import post_text_html, short_count, spaced_count
from demo_site.server import Answer, DemoSite, demo_sources
from qalqan.records import LABELS

ANCHOR = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATE = ANCHOR + timedelta(hours=3)
PUBLIC = [channel for channel in demo_channels().values() if channel.status == "public"]
VOID = {"meta", "link", "br", "img", "input", "base"}


class StrictParser(HTMLParser):
    """Fails where a browser would forgive."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> repeats an attribute"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID, f"<{tag}/> closes itself"

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing at {self.getpos()}"


@pytest.fixture
def site() -> DemoSite:
    return DemoSite(ANCHOR, now=lambda: LATE)


def page(answer: Answer) -> str:
    assert (answer.status, answer.content_type) == (200, "text/html; charset=utf-8")
    text = answer.body.decode()
    parser = StrictParser()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return text


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r'data-post="\w+/(\d+)"', text)]


def bubble(site: DemoSite, name: str) -> Selector:
    return Selector(page(site.answer(f"https://t.me/{name}?embed=1"))).css(".tgme_widget_message")


@pytest.mark.parametrize("channel", PUBLIC, ids=lambda channel: channel.handle)
def test_pages_lead_back_to_the_first_post_and_forth_again(site: DemoSite, channel: DemoChannel) -> None:
    expected = [post.number for post in channel.posts]
    back: list[int] = []
    address = f"/s/{channel.handle}"
    while address:
        text = page(site.answer(f"https://t.me{address}"))
        assert len(numbers(text)) <= 20
        back = numbers(text) + back
        address = Selector(text).css('link[rel="prev"]::attr(href)').get(default="")
        assert address == Selector(text).css(".tme_messages_more[data-before]::attr(href)").get(default="")
    assert back == expected

    forth: list[int] = []
    address = f"/s/{channel.handle}?after=0"
    while address:
        text = page(site.answer(f"https://t.me{address}"))
        forth += numbers(text)
        address = Selector(text).css('link[rel="next"]::attr(href)').get(default="")
    assert forth == expected


@pytest.mark.parametrize("channel", PUBLIC, ids=lambda channel: channel.handle)
def test_labels_and_kinds_stay_behind(site: DemoSite, channel: DemoChannel) -> None:
    pages = [
        page(site.answer(f"https://t.me/s/{channel.handle}?after={after}")) for after in (0, channel.posts[10].number)
    ]
    pages.append(page(site.answer(f"https://t.me/{channel.handle}")))
    for secret in (*LABELS, "look_alike", "clone_of"):
        assert secret not in "".join(pages)


def test_a_full_bubble(site: DemoSite) -> None:
    message = bubble(site, "ulgi_token_demo/8")
    assert message.attrib["data-post"] == "ulgi_token_demo/8"
    assert message.css(".tgme_widget_message_owner_name span").xpath("string()").get() == "ULGI TOKEN | Третий раунд 🚀"
    assert message.css(".tgme_widget_message_views::text").get() == "7.01K"
    assert message.css("time.time::attr(datetime)").get() == "2026-02-06T10:00:00+00:00"
    assert message.css(".tgme_widget_message_date::attr(href)").get() == "https://t.me/ulgi_token_demo/8"
    assert "edited" in message.css(".tgme_widget_message_meta").xpath("string()").get(default="")
    text = message.css(".js-message_text")
    assert text.css("code::text").getall() == ["TBXSw8fM4jpQkGc6zZjsVABFpVN7UvXPdV", "4000 0000 0000 0002"]
    assert text.css("a::attr(href)").getall() == ["https://t.me/ulgi_token_demo_bot"]
    assert text.css("i.emoji b::text").getall() == ["🥉", "🥈", "🥇", "💎"]


def test_reactions_and_author(site: DemoSite) -> None:
    message = bubble(site, "ulgi_token_demo/5")
    assert [reaction.xpath("string()").get() for reaction in message.css(".tgme_reaction")] == ["🔥301", "💯77", "👏45"]
    author = bubble(site, "ulgi_token_demo/4").css(".tgme_widget_message_from_author::text").get()
    assert author == "Айгерим, лидер Алматы"


def test_an_album_has_one_number_and_a_link_for_each_photo(site: DemoSite) -> None:
    message = bubble(site, "ulgi_trafaret_demo/42")
    assert message.attrib["data-post"] == "ulgi_trafaret_demo/41"
    tiles = message.css(".tgme_widget_message_grouped_wrap .tgme_widget_message_photo_wrap")
    assert [tile.attrib["href"] for tile in tiles] == [
        f"https://t.me/ulgi_trafaret_demo/{number}?single" for number in (41, 42, 43)
    ]
    assert "https://t.me/file/wall-stencil-2.jpg" in tiles[1].attrib["style"]


def test_forwarded_with_and_without_an_address(site: DemoSite) -> None:
    known = bubble(site, "ulgi_token_demo/14").css(".tgme_widget_message_forwarded_from_name")
    assert (known.attrib["href"], known.css("::text").get()) == ("https://t.me/ulgi_global_demo/118", "ULGI Global")
    hidden = bubble(site, "ulgi_trafaret_demo/58").css("span.tgme_widget_message_forwarded_from_name::text").get()
    assert hidden == "Сова"


def test_a_reply_names_what_it_answers(site: DemoSite) -> None:
    message = bubble(site, "ulgi_taza_qabyrga_demo/83")
    reply = message.css("a.tgme_widget_message_reply")
    assert reply.attrib["href"] == "https://t.me/ulgi_taza_qabyrga_demo/74"
    assert reply.css(".js-message_reply_text::text").get(default="").startswith("Тағы да сол жазу")
    assert message.css(".js-message_text::text").get(default="").startswith("Боялды!")


def test_what_is_not_text(site: DemoSite) -> None:
    assert bubble(site, "ulgi_token_demo/9").css(".tgme_widget_message_voice_duration::text").get() == "1:14"
    assert bubble(site, "ulgi_token_demo/20").css(".message_video_duration::text").get() == "1:36"
    poll = bubble(site, "ulgi_tuman_shop_demo/18")
    assert poll.css(".tgme_widget_message_poll_option_text::text").getall() == ["ск", "бошки", "экстази"]
    assert poll.css(".tgme_widget_message_voters::text").get() == "318"
    assert bubble(site, "ulgi_tuman_shop_demo/9").css(".message_media_not_supported_label")
    document = bubble(site, "ulgi_qarjy_qorgan_demo/303").css(".tgme_widget_message_document_title::text").get()
    assert document == "pamyatka-kredit.pdf"
    assert bubble(site, "ulgi_token_demo/25").css(".link_preview_title::text").get() == "Третий раунд открыт"


def test_the_header_speaks_for_the_channel(site: DemoSite) -> None:
    header = Selector(page(site.answer("https://t.me/s/ulgi_token_demo"))).css(".tgme_channel_info")
    assert header.css(".tgme_channel_info_header_username a::text").get() == "@ulgi_token_demo"
    counters = {
        counter.css(".counter_type::text").get(): counter.css(".counter_value::text").get()
        for counter in header.css(".tgme_channel_info_counter")
    }
    assert counters == {"subscribers": "18.4K", "photos": "7", "video": "1", "links": "7"}


def test_the_landing_page_counts_in_full(site: DemoSite) -> None:
    landing = Selector(page(site.answer("https://t.me/ulgi_token_demo")))
    assert landing.css(".tgme_page_title span").xpath("string()").get() == "ULGI TOKEN | Третий раунд 🚀"
    assert landing.css(".tgme_page_extra::text").get() == "18 420 subscribers"
    assert landing.css(".tgme_page_context_btn a::attr(href)").get() == "/s/ulgi_token_demo"
    assert "@ulgi_token_demo_bot" in landing.css(".tgme_page_description").xpath("string()").get(default="")


def test_a_post_has_a_landing_page(site: DemoSite) -> None:
    landing = Selector(page(site.answer("https://t.me/ulgi_qala_news_demo/5111")))
    frame = landing.css("iframe::attr(src)").get()
    assert frame == "https://t.me/ulgi_qala_news_demo/5111?embed=1&mode=tme"
    assert landing.css('meta[property="og:description"]::attr(content)').get(default="").startswith("Интернет-магазин")
    context = page(site.answer("https://t.me/s/ulgi_qala_news_demo/5103"))
    assert numbers(context)[:3] == [5101, 5102, 5103]
    assert len(numbers(context)) == 13


def test_closed_empty_and_missing_channels(site: DemoSite) -> None:
    for handle in ("ulgi_jabyq_demo", "ulgi_joq_demo", "ulgi_nobody_demo"):
        assert site.answer(f"https://t.me/s/{handle}") == Answer(302, location=f"https://t.me/{handle}")
    closed = Selector(page(site.answer("https://t.me/ulgi_jabyq_demo")))
    assert closed.css(".tgme_page_extra::text").get() == "1 904 subscribers"
    assert not closed.css(".tgme_page_context_btn")
    missing = Selector(page(site.answer("https://t.me/ulgi_joq_demo")))
    assert missing.css(".tgme_username_link::text").get() == "@ulgi_joq_demo"
    assert not missing.css(".tgme_page_title, .tgme_page_extra")
    empty = page(site.answer("https://t.me/s/ulgi_bos_demo"))
    assert numbers(empty) == []
    assert Selector(empty).css(".tme_no_messages_found::text").get() == "No posts found"


def test_a_post_waits_for_its_minute() -> None:
    moment = ANCHOR
    site = DemoSite(ANCHOR, now=lambda: moment)
    assert numbers(page(site.answer("https://t.me/s/ulgi_token_demo")))[-1] == 28
    moment = ANCHOR + timedelta(minutes=5, seconds=59)
    assert numbers(page(site.answer("https://t.me/s/ulgi_token_demo")))[-1] == 28
    moment = ANCHOR + timedelta(minutes=6)
    text = page(site.answer("https://t.me/s/ulgi_token_demo"))
    assert numbers(text)[-1] == 29
    assert Selector(text).css("time.time::attr(datetime)").getall()[-1] == "2026-03-02T09:06:00+00:00"


@pytest.mark.parametrize(
    "url",
    [
        "https://t.me/",
        "https://t.me/s/ab",
        "https://t.me/<script>",
        "https://t.me/file/nothing.jpg",
        "https://t.me/file/..%2Fstyle.css",
        "https://ulgi-token.example/",
        "https://[broken",
        "",
    ],
)
def test_what_is_not_here_is_not_found(site: DemoSite, url: str) -> None:
    assert site.answer(url).status == 404


def test_odd_numbers_are_ignored(site: DemoSite) -> None:
    newest = numbers(page(site.answer("https://t.me/s/ulgi_token_demo")))
    for odd in ("before=x", "before=-1", "after=²", "before=99999999999"):
        assert numbers(page(site.answer(f"https://t.me/s/ulgi_token_demo?{odd}"))) == newest


def test_files_and_robots(site: DemoSite) -> None:
    picture = site.answer("https://t.me/file/wall-stencil-3.jpg")
    assert (picture.status, picture.content_type, picture.body[:3]) == (200, "image/jpeg", b"\xff\xd8\xff")
    assert site.answer("https://telegram.org/css/telegram-web.css?39").content_type == "text/css; charset=utf-8"
    assert site.answer("https://t.me/robots.txt").body == b"User-agent: *\nDisallow:\n"


def test_every_channel_is_a_source() -> None:
    sources = demo_sources()
    assert {source.url for source in sources} == {f"https://t.me/s/{handle}" for handle in demo_channels()}
    assert all(source.title and source.interval_minutes >= 15 for source in sources)


@pytest.mark.parametrize(
    ("count", "short"),
    [(0, "0"), (999, "999"), (1000, "1K"), (1234, "1.23K"), (10800, "10.8K"), (84300, "84.3K"), (1009, "1K")],
)
def test_counts_are_shortened_as_telegram_does(count: int, short: str) -> None:
    assert short_count(count) == short


def test_long_counts() -> None:
    assert (short_count(412_999), short_count(1_054_321), spaced_count(1_904)) == ("412K", "1.05M", "1 904")


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a < b & c", "a &lt; b &amp; c"),
        ("one\ntwo", "one<br/>two"),
        ("@ulgi_bir_demo.", '<a href="https://t.me/ulgi_bir_demo" target="_blank">@ulgi_bir_demo</a>.'),
        ("#жұмыс", '<a href="?q=%23%D0%B6%D2%B1%D0%BC%D1%8B%D1%81">#жұмыс</a>'),
        ("**нет** `x<1`", "<b>нет</b> <code>x&lt;1</code>"),
        ("mail a@ulgi.example", 'mail a@<a href="http://ulgi.example" target="_blank" rel="noopener">ulgi.example</a>'),
        (
            "(https://ulgi.example/a?b=1&c=2).",
            '(<a href="https://ulgi.example/a?b=1&amp;c=2" target="_blank" rel="noopener">'
            "https://ulgi.example/a?b=1&amp;c=2</a>).",
        ),
        (
            "❤️",
            '<i class="emoji" style="background-image:url(\'//telegram.org/img/emoji/40/E29DA4.png\')"><b>❤️</b></i>',
        ),
    ],
)
def test_text_becomes_markup(text: str, html: str) -> None:
    assert post_text_html(text) == html


def test_a_link_can_hide_its_target() -> None:
    link = Selector(post_text_html("[отчёт](https://ulgi.example/x)")).css("a")
    assert (link.attrib["href"], link.css("::text").get()) == ("https://ulgi.example/x", "отчёт")
