"""The demonstration channels are complete, invented and labelled."""

import re
from collections import Counter
from importlib.resources import files

import base58
import pytest
from stdnum import luhn

from demo_site.content import DemoChannel, demo_channels, parse_channel
from qalqan.errors import ConfigurationError

CHANNELS = list(demo_channels().values())
POSTS = [post for channel in CHANNELS for post in channel.posts]
WRITTEN = {channel.handle: (files("demo_site.channels") / f"{channel.handle}.toml").read_text() for channel in CHANNELS}

MINIMAL = """
handle = "ulgi_bir_demo"
title = "One"
kind = "look_alike"
[[posts]]
number = 4
minutes_ago = 10
text = "first"
photos = ["tea.jpg", "tea.jpg"]
[[posts]]
number = {number}
minutes_ago = {minutes}
text = "second"
{more}
"""


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def test_there_is_enough_to_show() -> None:
    public = [channel for channel in CHANNELS if channel.status == "public"]
    assert len(public) == 17
    assert len(POSTS) >= 320
    assert Counter(channel.status for channel in CHANNELS if channel.status != "public") == {
        "preview_disabled": 1,
        "empty": 1,
        "missing": 1,
    }
    assert Counter(channel.kind for channel in public) == {
        "look_alike": 11,
        "drug_shop": 3,
        "pyramid": 2,
        "drug_graffiti": 1,
    }


def test_every_label_is_shown_in_both_languages() -> None:
    kazakh, russian = re.compile("[әғқңөұүһі]", re.IGNORECASE), re.compile("[ыэёщъ]", re.IGNORECASE)
    for label in ("financial_pyramid", "drug_shop", "drug_graffiti"):
        texts = [post.text for post in POSTS if label in post.labels]
        assert sum(bool(kazakh.search(text)) for text in texts) >= 2, label
        assert sum(bool(russian.search(text)) and not kazakh.search(text) for text in texts) >= 8, label
    harmless = [post.text for post in POSTS if not post.labels]
    assert sum(bool(kazakh.search(text)) for text in harmless) >= 50
    assert sum(bool(re.fullmatch(r"[^а-яёәғқңөұүһі]{60,}", text, re.IGNORECASE)) for text in harmless) >= 3


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.handle)
def test_only_offenders_are_labelled_and_they_chat_too(channel: DemoChannel) -> None:
    labelled = sum(bool(post.labels) for post in channel.posts)
    if channel.kind == "look_alike" or channel.status != "public":
        assert labelled == 0
    else:
        assert 0.6 < labelled / len(channel.posts) < 0.9


@pytest.mark.parametrize("handle", WRITTEN)
def test_nothing_in_a_channel_is_real(handle: str) -> None:
    written = WRITTEN[handle]
    named = re.findall(r"(?<![\w.])@(\w+)", written) + re.findall(r"t\.me/(\w+)", written)
    assert [name for name in named if not re.fullmatch(r"ulgi_\w*demo(_bot)?", name)] == []
    assert re.findall(r"t\.me/\+(?!\w*Demo0+)\w+", written) == []
    hosts = re.findall(r"(?:https?://|\w@)([\w.-]+)", written)
    assert [host for host in hosts if host != "t.me" and not host.endswith(".example")] == []
    phones = re.findall(r"\+7[\d ]+", written)
    assert [phone for phone in phones if not phone.startswith("+7 700 000 00")] == []


def test_cards_and_wallets_are_well_formed_and_nobodys() -> None:
    everything = "".join(WRITTEN.values())
    cards = set(re.findall(r"\b\d{4} \d{4} \d{4} \d{4}\b", everything))
    assert cards == {"4000 0000 0000 0002", "4000 0000 0000 0010", "4000 0000 0000 0028"}
    assert all(luhn.is_valid(card.replace(" ", "")) for card in cards)
    wallets = set(re.findall(r"\bT[1-9A-HJ-NP-Za-km-z]{33}\b", everything))
    decoded = [base58.b58decode_check(wallet) for wallet in wallets]
    assert len(decoded) == 2
    assert all(payload[0] == 0x41 and len(set(payload[1:])) == 1 for payload in decoded)


def test_pictures_are_there_and_none_is_left_over() -> None:
    drawn = {entry.name for entry in files("demo_site.pictures").iterdir() if entry.name.endswith(".jpg")}
    assert {name for post in POSTS for name in post.photos} | {"video.jpg"} == drawn


def test_the_clone_repeats_its_original() -> None:
    (clone,) = [channel for channel in CHANNELS if channel.clone_of]
    original = {post.number: post for post in demo_channels()[clone.clone_of or ""].posts}
    pairs = [(post, original[post.number]) for post in clone.posts if post.number in original and post.text]
    similar = [
        len(words(a.text) & words(b.text)) / len(words(a.text) | words(b.text)) > 0.6
        for a, b in pairs
        if b.text and not b.service
    ]
    assert sum(similar) >= 18
    assert sum(similar) / len(similar) > 0.8
    assert sum(a.text == b.text for a, b in pairs) < len(pairs)


def test_some_posts_appear_while_the_demonstration_runs() -> None:
    later = [post for post in POSTS if post.appears_after_minutes is not None]
    assert len(later) >= 8
    assert any(post.labels for post in later)
    assert any(not post.labels for post in later)


@pytest.mark.parametrize(
    ("number", "minutes", "more", "complaint"),
    [
        (5, 5, "", "post 5 must come after 5"),
        (6, 10, "", "post 6 must be later than post 4"),
        (6, 5, "reply_to = 5", "post 6 answers 5"),
        (6, 5, 'labels = ["casino"]', "labels"),
        (6, 5, "appears_after_minutes = 3", "post 6 needs either"),
        (6, 5, 'colour = "red"', "colour"),
        (6, 5, "= 3", "cannot be used"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name(number: int, minutes: int, more: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as refusal:
        parse_channel(MINIMAL.format(number=number, minutes=minutes, more=more), "ulgi_bir_demo.toml")
    assert "ulgi_bir_demo.toml" in str(refusal.value)


def test_a_right_file_is_read() -> None:
    channel = parse_channel(MINIMAL.format(number=6, minutes=5, more="reply_to = 4"), "ulgi_bir_demo.toml")
    assert [(post.number, post.last_number, post.labels) for post in channel.posts] == [(4, 5, ()), (6, 6, ())]
