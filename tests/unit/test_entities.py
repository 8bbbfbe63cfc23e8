"""Entities are found with their exact place, checked where they can be, and never at the price of time or an error."""

import re
import time
from itertools import pairwise

import base58
import bech32
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.entities import add_entities, extract_entities
from qalqan.clock import now
from qalqan.records import Document, Entity, Site

ACCOUNT = bytes(range(20))
BTC = base58.b58encode_check(b"\x00" + ACCOUNT).decode()
BTC_SCRIPT = base58.b58encode_check(b"\x05" + ACCOUNT).decode()
SEGWIT = bech32.encode("bc", 0, list(ACCOUNT))
TAPROOT = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"  # BIP 350, test vectors
TRX = base58.b58encode_check(b"\x41" + ACCOUNT).decode()
ETH = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # EIP-55, test vectors
IBAN = "KZ86125KZT5004100100"  # the IBAN registry's example


def with_check_digit(eleven: str) -> str:
    for shift in (0, 2):
        control = sum(int(digit) * ((place + shift) % 11 + 1) for place, digit in enumerate(eleven)) % 11
        if control < 10:
            return f"{eleven}{control}"
    raise ValueError(f"no check digit for {eleven}")


IIN = with_check_digit("84022930012")
BIN = with_check_digit("12034000567")


def found(text: str, *links: str) -> list[tuple[str, str, str]]:
    return [(entity.kind, entity.value, text[entity.start : entity.end]) for entity in extract_entities(text, links)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Telegram
        ("Пиши @Qala_Club, ждём", [("telegram", "Qala_Club", "@Qala_Club")]),
        ("пиши@qala_club сегодня", [("telegram", "qala_club", "@qala_club")]),
        ("_@qala_club_", [("telegram", "qala_club", "@qala_club")]),
        ("@qala_club_bot.", [("telegram", "qala_club_bot", "@qala_club_bot")]),
        ("@abcd и @1abcde и @a_b", []),
        ("@" + "a" * 33, []),
        ("t.me/qala_club", [("telegram", "qala_club", "t.me/qala_club")]),
        ("t.me/abcd", [("telegram", "abcd", "t.me/abcd")]),
        ("T.ME/Qala_ClubПиши", [("telegram", "Qala_Club", "T.ME/Qala_Club")]),
        ("telegram.me/s/qala_club", [("telegram", "qala_club", "telegram.me/s/qala_club")]),
        ("qalaclub.t.me", [("telegram", "qalaclub", "qalaclub.t.me")]),
        (
            "https://t.me/qala_club/15?single",
            [
                ("url", "https://t.me/qala_club/15?single", "https://t.me/qala_club/15?single"),
                ("telegram", "qala_club", "t.me/qala_club"),
            ],
        ),
        (
            "tg://resolve?domain=qala_club",
            [
                ("url", "tg://resolve?domain=qala_club", "tg://resolve?domain=qala_club"),
                ("telegram", "qala_club", "qala_club"),
            ],
        ),
        ("t.me/+AbCd_fGhIjKl-nOp", [("telegram_invite", "AbCd_fGhIjKl-nOp", "t.me/+AbCd_fGhIjKl-nOp")]),
        ("t.me/joinchat/AAAAAbCdEf", [("telegram_invite", "AAAAAbCdEf", "t.me/joinchat/AAAAAbCdEf")]),
        (
            "tg://join?invite=AbCdEf123",
            [
                ("url", "tg://join?invite=AbCdEf123", "tg://join?invite=AbCdEf123"),
                ("telegram_invite", "AbCdEf123", "AbCdEf123"),
            ],
        ),
        ("t.me/+77010000000", [("phone", "+77010000000", "t.me/+77010000000")]),
        ("t.me/addstickers/pack, t.me/share?url=x, t.me/c/1234/5, t.me", []),
        # Web
        ("example.kz", [("domain", "example.kz", "example.kz")]),
        ("Сайт:WWW.Example.KZ.", [("domain", "example.kz", "WWW.Example.KZ")]),
        ("сайт.рф и алматы.қаз", [("domain", "сайт.рф", "сайт.рф"), ("domain", "алматы.қаз", "алматы.қаз")]),
        (
            "(https://shop.example.kz/a_(b)?c=d#e).",
            [
                ("url", "https://shop.example.kz/a_(b)?c=d#e", "https://shop.example.kz/a_(b)?c=d#e"),
                ("domain", "shop.example.kz", "shop.example.kz"),
            ],
        ),
        ("example.kz/path,", [("url", "example.kz/path", "example.kz/path"), ("domain", "example.kz", "example.kz")]),
        (
            "youtube.com/@qala_club",
            [
                ("url", "youtube.com/@qala_club", "youtube.com/@qala_club"),
                ("domain", "youtube.com", "youtube.com"),
            ],
        ),
        ("http://192.0.2.1/x", [("url", "http://192.0.2.1/x", "http://192.0.2.1/x")]),
        ("https://[2001:db8::1]/", [("url", "https://[2001:db8::1]/", "https://[2001:db8::1]/")]),
        ("abcdefgh.onion", [("domain", "abcdefgh.onion", "abcdefgh.onion")]),
        ("конец.Онлайн начало; т.д. 10.5 12.05.2026 1.500.000 file.txt", []),
        ("-a.kz- --a--.kz", [("domain", "a.kz", "a.kz")]),
        ("Name@Example.kz", [("email", "name@example.kz", "Name@Example.kz")]),
        ("first.me@mail.example.com", [("email", "first.me@mail.example.com", "first.me@mail.example.com")]),
        ("a@b, a@b.c, x@y.notasuffix", []),
        (
            "wa.me/77010000000",
            [("phone", "+77010000000", "77010000000")],
        ),
        # Phones
        *(
            (text, [("phone", "+77010000000", text)])
            for text in (
                "+7 701 000 00 00",
                "+7 (701) 000-00-00",
                "8 (701) 000 00 00",
                "87010000000",
                "8-701-000-00-00",
                "77010000000",
                "8 701 0000000",
                "(701) 000-00-00",
                "701 000 00 00",
                "+7(701)0000000",
            )
        ),
        (
            "87010000000,87020000000/+77050000000",
            [
                ("phone", "+77010000000", "87010000000"),
                ("phone", "+77020000000", "87020000000"),
                ("phone", "+77050000000", "+77050000000"),
            ],
        ),
        ("+996 555 000 000", [("phone", "+996555000000", "+996 555 000 000")]),
        ("8 000 000 00 00, 87 010 000 000, 150 000 000, 12.05.2026 12:30, 87010000000 тг, 0.87010000000", []),
        # Accounts
        *(
            (text, [("card", "4111111111111111", text)])
            for text in (
                "4111111111111111",
                "4111 1111 1111 1111",
                "4111-1111-1111-1111",
                "4111\u00a01111\u00a01111\u00a01111",
            )
        ),
        ("карта 4111 1111 1111 1111 12 мая", [("card", "4111111111111111", "4111 1111 1111 1111")]),
        ("378282246310005", [("card", "378282246310005", "378282246310005")]),
        ("3782 822463 10005", [("card", "378282246310005", "3782 822463 10005")]),
        ("4111 1111 1111 1112; 4111 **** **** 1111; 1234 5678 9012 3452; 41111 111111 11111; 4.111111111111111", []),
        (IBAN, [("iban", IBAN, IBAN)]),
        ("kz86 125k zt50 0410 0100 Банк", [("iban", IBAN, "kz86 125k zt50 0410 0100")]),
        ("DE89370400440532013000", [("iban", "DE89370400440532013000", "DE89370400440532013000")]),
        ("KZ87125KZT5004100100 KZ86125KZT50041001001 XX86125KZT5004100100", []),
        (f"ИИН {IIN}", [("iin", IIN, IIN)]),
        (f"БИН: {BIN}.", [("bin", BIN, BIN)]),
        (f"{int(IIN) + 1} {with_check_digit('84023030012')} {with_check_digit('99123150012')} 000000000000", []),
        # Wallets
        (BTC, [("wallet_btc", BTC, BTC)]),
        (BTC_SCRIPT, [("wallet_btc", BTC_SCRIPT, BTC_SCRIPT)]),
        (SEGWIT, [("wallet_btc", SEGWIT, SEGWIT)]),
        (SEGWIT.upper(), [("wallet_btc", SEGWIT.upper(), SEGWIT.upper())]),
        (TAPROOT, [("wallet_btc", TAPROOT, TAPROOT)]),
        (TRX, [("wallet_trx", TRX, TRX)]),
        (ETH, [("wallet_eth", ETH, ETH)]),
        (ETH.lower(), [("wallet_eth", ETH.lower(), ETH.lower())]),
        (f"{BTC[:-1]}2 {SEGWIT[:-1]}q {TAPROOT[:-1]}q {TRX[:-1]}1 {ETH[:-1]}D x{BTC}", []),
        (
            f"https://example.com/{ETH}",
            [
                ("url", f"https://example.com/{ETH}", f"https://example.com/{ETH}"),
                ("domain", "example.com", "example.com"),
                ("wallet_eth", ETH, ETH),
            ],
        ),
        # All at once
        (
            f"Жаз @qala_club, 8 701 000 00 00, карта 4111 1111 1111 1111, USDT {TRX}",
            [
                ("telegram", "qala_club", "@qala_club"),
                ("phone", "+77010000000", "8 701 000 00 00"),
                ("card", "4111111111111111", "4111 1111 1111 1111"),
                ("wallet_trx", TRX, TRX),
            ],
        ),
    ],
)
def test_extract_entities(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert found(text) == expected
    at = len("Ескерту 💊: ")
    shifted = extract_entities(f"Ескерту 💊: {text} 💊")
    assert [(entity.kind, entity.value, entity.start - at) for entity in shifted] == [
        (entity.kind, entity.value, entity.start) for entity in extract_entities(text)
    ]


def test_hidden_links_come_last_and_only_if_the_text_does_not_show_them() -> None:
    text = "Канал t.me/Qala_Club, жми сюда"
    links = (
        "https://t.me/qala_club",
        "https://t.me/other_club?start=1",
        "https://t.me/+AbCdEfGhIjKl",
        "https://www.Example.kz/a",
        "https://example.kz/b",
        "tel:+7-701-000-00-00",
        "mailto:name@example.kz?subject=x",
        "javascript:alert(1)",
        "/relative",
        "",
        "http://[::1",
    )
    end = len(text)
    assert extract_entities(text, links) == (
        Entity(kind="telegram", value="Qala_Club", start=6, end=20),
        Entity(kind="telegram", value="other_club", start=end, end=end),
        Entity(kind="telegram_invite", value="AbCdEfGhIjKl", start=end, end=end),
        Entity(kind="domain", value="example.kz", start=end, end=end),
        Entity(kind="phone", value="+77010000000", start=end, end=end),
        Entity(kind="email", value="name@example.kz", start=end, end=end),
    )


def test_add_entities() -> None:
    document = Document(
        id="1", url="u", canonical_url="u", site="web", fetched_at=now(), text="@qala_club", links=("x",)
    )
    entity = Entity(kind="telegram", value="qala_club", start=0, end=10)
    assert add_entities(document) == document.model_copy(update={"entities": (entity,)})


@pytest.mark.parametrize(
    ("site", "text", "expected"),
    [
        ("instagram", "отметь @qala_club", ()),
        ("vk", "пиши в телеграм: @qala_club", ("qala_club",)),
        ("youtube", "наш тг 👉 @qala_club, @second_club", ("qala_club",)),
        ("tiktok", "t.me/qala_club", ("qala_club",)),
        ("forum", "пиши @qala_club", ("qala_club",)),
    ],
)
def test_whose_handle_it_is(site: Site, text: str, expected: tuple[str, ...]) -> None:
    assert tuple(entity.value for entity in extract_entities(text, (), site)) == expected


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


SAID_BY = {
    "url": lambda value, span: value == span,
    "domain": lambda value, span: value == span.lower().removeprefix("www."),
    "telegram": lambda value, span: value in span,
    "telegram_invite": lambda value, span: value in span,
    "phone": lambda value, span: value[-10:] == _digits(span)[-10:],
    "card": lambda value, span: value == _digits(span),
    "iban": lambda value, span: value == re.sub(r"\s", "", span).upper(),
    "email": lambda value, span: value == span.lower(),
}
PIECES = [
    *(
        "@qala_club",
        "t.me/",
        "+AbCdEfGh",
        "https://",
        "example.kz",
        "/path",
        "8 701 000 00 00",
        "+7",
        "4111 1111",
        "1111 1111",
    ),
    *(
        IBAN,
        IIN,
        BIN,
        BTC,
        SEGWIT,
        TRX,
        ETH,
        "name@example.kz",
        "сайт.рф",
        " ",
        "\n",
        "(",
        ")",
        ".",
        ",",
        "-",
        "_",
        "@",
        "/",
    ),
    *("💊", "ә", "\x00", "\u200b", "İ", "ﷺ", "слово", "tg://resolve?domain=", "wa.me/", "*", "0", "7", "8"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=200))
@example("112D2adLM3UKy4Z4giRbReR6gjWuvHUqBсайт.рф")
@example("https://112D2adLM3UKy4Z4giRbReR6gjWuvHUqBсайт.рф/")
@example("112D2adLM3UKy4Z4giRbReR6gjWuvHUqBсайт.рф/x")
@example("t.me/+74111 1111")
def test_a_span_always_shows_its_value(text: str) -> None:
    entities = extract_entities(text, (text,))
    urls = [(entity.start, entity.end) for entity in entities if entity.kind == "url"]
    for entity in entities:
        assert 0 <= entity.start <= entity.end <= len(text)
        span = text[entity.start : entity.end]
        if entity.start == entity.end == len(text):
            continue  # behind a link
        assert SAID_BY.get(entity.kind, str.__eq__)(entity.value, span), entity
    shown = [entity for entity in entities if entity.start < entity.end and entity.kind != "url"]
    for one, other in pairwise(shown):
        inside_one_url = any(start <= one.start and other.end <= end for start, end in urls)
        assert one.end <= other.start or inside_one_url


def test_a_checksum_wins_over_what_only_looks_like_a_host() -> None:
    wallet = "112D2adLM3UKy4Z4giRbReR6gjWuvHUqB"
    (found,) = extract_entities(f"{wallet}сайт.рф")
    assert (found.kind, found.value, found.start, found.end) == ("wallet_btc", wallet, 0, 33)


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "a",
            "a.",
            "a-",
            "a_",
            "a--",
            "a_-",
            "@",
            "@a",
            "a@",
            "a@b.",
            "http://",
            "https://a",
            "t.me/",
            "t.me/a",
            "x.kz/(",
        ),
        *(
            "1",
            "1 ",
            "4111 ",
            "+7",
            "+1 (",
            "8 ",
            "7(",
            "AB12 ",
            "KZ86 ",
            "0x",
            "T",
            "1A",
            "bc1q",
            ")",
            "я.рф ",
            "💊",
            "\x00",
        ),
    ],
)
def test_time_grows_with_the_text_and_no_faster(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        started = time.process_time()
        extract_entities(text)
        return time.process_time() - started

    assert seconds(200_000) < 5 + 40 * seconds(10_000)
