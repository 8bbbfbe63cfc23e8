"""Real saved pages of Telegram: every field that the index of the pages states. Skipped where they are absent."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crawler.parsing.telegram import parse_preview
from crawler.parsing.telegram_landing import parse_landing
from crawler.parsing.telegram_post import parse_count
from qalqan.clock import from_iso
from qalqan.records import Document

SHARED = Path(os.environ.get("QALQAN_SHARED", Path(__file__).parents[3] / "shared"))
INDEX = SHARED / "pages" / "index.jsonl"
FETCHED_AT = datetime(2026, 11, 25, tzinfo=UTC)


def rows(*kinds: str) -> list[Any]:
    if not INDEX.is_file():
        return [pytest.param(None, marks=pytest.mark.skip(f"{INDEX} is absent (set QALQAN_SHARED)"))]
    found = [json.loads(line) for line in INDEX.read_text(encoding="utf-8").splitlines()]
    return [pytest.param(r, id=Path(r["file"]).stem) for r in found if r["site"] == "telegram" and r["kind"] in kinds]


def saved(row: dict[str, Any]) -> tuple[str, bytes, str, datetime]:
    body = (SHARED / "pages" / row["file"].split("/", 1)[1]).read_bytes()
    return row["url_if_known"].split()[0], body, "text/html; charset=utf-8", FETCHED_AT


def fold(text: str, length: int) -> str:
    return " ".join(text.split())[:length]


def counted(document: Document, kind: str) -> int:
    return sum(media.kind == kind for media in document.media)


@pytest.mark.parametrize("row", rows("channel_preview", "channel_preview_page2"))
def test_preview(row: dict[str, Any]) -> None:
    page = parse_preview(*saved(row))
    expected = row["expected"]
    names = [f"{d.channel}/{d.post_id}" for d in page.documents]
    assert names == [r["post"] for r in expected["rows"]]
    assert (len(names), names[0], names[-1]) == (
        expected["posts"],
        expected["first_post_id"],
        expected["last_post_id"],
    )
    assert page.documents[0].published_at == from_iso(expected["first_date"])
    assert page.documents[-1].published_at == from_iso(expected["last_date"])
    assert fold(page.documents[0].text, 80) == expected["first_text80"]
    assert page.channel is not None
    assert page.channel.title == expected["channel_title"]
    assert page.channel.subscribers == parse_count(expected["counters"][0])
    assert page.channel.status == "public"
    assert f"/s/{page.channel.handle}?before={page.before}" == expected["prev"][0] == expected["more"][0]
    assert page.problems == ()


@pytest.mark.parametrize("row", rows("channel_preview", "channel_preview_page2"))
def test_posts_of_preview(row: dict[str, Any]) -> None:
    for document, expected in zip(parse_preview(*saved(row)).documents, row["expected"]["rows"], strict=True):
        assert document.url == f"https://t.me/{expected['post']}"
        assert document.published_at == from_iso(expected["date"])
        assert fold(document.text, 120) == expected.get("text", "")
        assert "Please open Telegram" not in document.text
        assert document.views == parse_count(expected["views"])
        assert counted(document, "photo") == expected.get("photos", 0)
        assert counted(document, "video") == expected.get("videos", 0)
        assert len(document.reactions) == expected.get("react", 0)
        assert document.edited == expected.get("edited", False)
        forward = document.forwarded_from
        assert ([forward.name, forward.url] if forward else None) == expected.get("fwd")
        previews = expected.get("lp", [])
        assert set(previews) <= set(document.links)
        assert len(document.links) == expected.get("links", 0)


GOLD_KINDS = {"round-video": "round_video", "photo": "photo", "video": "video", "link": "location"}


@pytest.mark.parametrize("row", rows("single_message_fragment"))
def test_single_message(row: dict[str, Any]) -> None:
    (document,) = parse_preview(*saved(row)).documents
    gold = row["expected"]["gold"]
    assert (document.channel, document.post_id) == (gold["channel"], str(gold["id"]))
    assert f"{document.channel}/{document.post_id}" == row["expected"]["post"]
    assert document.published_at == from_iso(gold["created_at"])
    assert document.author == gold["author"]
    assert document.edited == gold["edited"]
    assert document.views == gold["views"]
    assert document.text == (gold["text"] or "")
    assert document.reply_to == (str(gold["reply_to_id"]) if "reply_to_id" in gold else None)
    if gold["type"] in ("text", "service"):
        assert document.media == ()
        assert list(document.links) == [url for kind, url in gold["urls"] if kind == "link"]
        assert not gold.get("preview_url") or gold["preview_url"] in document.links
    elif gold["type"] == "sticker":
        assert [(m.kind, m.url) for m in document.media] == [("sticker", gold["urls"][0][1])]
    else:
        wanted = [(GOLD_KINDS[kind], url) for kind, url in gold["urls"] if kind in GOLD_KINDS]
        assert sorted((m.kind, m.url) for m in document.media) == sorted(wanted)


@pytest.mark.parametrize("row", rows("channel_landing", "post_landing"))
def test_landing(row: dict[str, Any]) -> None:
    page = parse_landing(*saved(row))
    expected = row["expected"]
    assert page.title == expected["og_title"]
    assert page.page_title == expected["page_title"]
    assert page.extra == expected["extra_found"] == expected.get("extra", expected["extra_found"])
    assert page.preview_path == expected["preview_link_found"] == expected.get("preview_link", page.preview_path)
    assert page.is_noindex == bool(expected["noindex"])
    assert page.channel is not None
    assert (page.channel.status == "missing") == (not expected.get("exists", True))
    assert page.channel.title == (expected["og_title"] if expected.get("exists", True) else None)
    members = int("".join(filter(str.isdigit, page.extra))) if page.extra else None
    assert page.channel.subscribers == members
    assert page.embed_url == expected.get("iframe_src")
    assert (page.post.post_id if page.post else None) == (str(expected["post_id"]) if "post_id" in expected else None)
    assert page.post is None or page.post.text
