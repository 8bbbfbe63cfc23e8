"""Canonical addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qalqan.errors import UsageError
from qalqan.urls import canonical_url, host_of, telegram_channel_of


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTP://Example.KZ:80", "http://example.kz/"),
        ("https://example.kz:443/a#top", "https://example.kz/a"),
        ("https://example.kz:8443/a", "https://example.kz:8443/a"),
        ("https://example.kz/?utm_source=tg&b=2&fbclid=1&a=1&yclid=3", "https://example.kz/?a=1&b=2"),
        ("https://example.kz/?ref=partner7", "https://example.kz/?ref=partner7"),
        ("example.kz/page", "https://example.kz/page"),
        ("//example.kz./", "https://example.kz/"),
        ("https://user:secret@example.kz/", "https://example.kz/"),
        ("https://пример.рф/путь", "https://xn--e1afmkfd.xn--p1ai/%D0%BF%D1%83%D1%82%D1%8C"),
        ("https://[2001:DB8::1]:443/", "https://[2001:db8::1]/"),
        ("https://www.youtube.com/watch?v=abc&si=share", "https://www.youtube.com/watch?v=abc"),
        ("https://t.me/s/Channel?before=40", "https://t.me/channel"),
        ("http://telegram.me/Channel/7?single", "https://t.me/channel/7"),
        ("https://telegram.dog/s/channel/7", "https://t.me/channel/7"),
        ("https://channel.t.me/7", "https://t.me/channel/7"),
        ("https://t.me/group/5/77", "https://t.me/group/77"),
        ("https://t.me/joinchat/AbC-1", "https://t.me/+AbC-1"),
        ("https://t.me/+AbC-1", "https://t.me/+AbC-1"),
        ("https://t.me/c/123/4", "https://t.me/c/123/4"),
    ],
)
def test_canonical(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical
    assert canonical_url(canonical) == canonical


@pytest.mark.parametrize(
    "url",
    [
        "",
        "  ",
        "javascript:alert(1)",
        "data:text/html,x",
        "mailto:a@example.kz",
        "tg://resolve?domain=x",
        "ftp://example.kz/",
        "https:///x",
        "http://[::1",
        "http://a b/",
        "http://example.kz:99999/",
        "https://exa<mple.kz/",
    ],
)
def test_junk_is_refused(url: str) -> None:
    for function in (canonical_url, host_of, telegram_channel_of):
        with pytest.raises(UsageError):
            function(url)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("https://t.me/Channel", ("Channel", None)),
        ("https://t.me/s/Channel/", ("Channel", None)),
        ("https://t.me/Channel/12", ("Channel", "12")),
        ("https://t.me/s/Channel/12", ("Channel", "12")),
        ("t.me/channel/0012", ("channel", "12")),
        ("https://channel.t.me", ("channel", None)),
        ("https://t.me/+AbC", None),
        ("https://t.me/joinchat/AbC", None),
        ("https://t.me/c/1234/5", None),
        ("https://t.me/addstickers/set", None),
        ("https://t.me/", None),
        ("https://t.me/s/", None),
        ("https://example.kz/channel/12", None),
        ("https://not-t.me/channel", None),
    ],
)
def test_telegram_channel(url: str, named: tuple[str, str | None] | None) -> None:
    assert telegram_channel_of(url) == named


def test_host() -> None:
    assert host_of("https://www.Example.kz:8000/x") == "example.kz"


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_clear_error(text: str) -> None:
    try:
        canonical = canonical_url(text)
    except UsageError as error:
        assert str(error)
    else:
        assert canonical_url(canonical) == canonical


@given(
    st.from_regex(
        r"(https?://)?[a-z0-9.]{1,12}(:[0-9]{1,4})?(/[ -~]{0,12}){0,2}(\?[ -~]{0,16})?(#[ -~]{0,4})?", fullmatch=True
    )
)
def test_canonical_is_stable(url: str) -> None:
    try:
        canonical = canonical_url(url)
    except UsageError:
        return
    assert canonical_url(canonical) == canonical
