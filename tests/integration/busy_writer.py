"""Writes posts all the time, as a worker does, until its standard input ends: URL of the store, own and common first
number. Its own posts are changed again and again, and most move to another month; the common ones are changed by other
writers as well. Says what the store has acknowledged."""

import json
import random
import select
import sys
from datetime import UTC, datetime

from qalqan.config import StoreSettings
from qalqan.records import Capture, Document
from qalqan.store import open_store

MONTHS = (1, 2, 3)
POSTS = 150


def post(number: int, text: str, month: int, **fields: object) -> Document:
    values: dict[str, object] = {
        "id": f"{number:032x}",
        "url": f"https://t.me/almaty_news/{number}",
        "canonical_url": f"https://t.me/s/almaty_news/{number}",
        "site": "telegram",
        "channel": "almaty_news",
        "published_at": datetime(2026, month, 1 + number % 28, tzinfo=UTC),
        "fetched_at": datetime(2026, 4, 1, tzinfo=UTC),
        "text": text,
        "lang": "ru",
    }
    return Document.model_validate(values | fields)


def capture(number: int) -> Capture:
    return Capture(
        id=f"{number:032x}",
        url=f"https://t.me/s/almaty_news/{number}",
        fetched_at=datetime(2026, 4, 1, tzinfo=UTC),
        status=200,
        content_type="text/html",
        sha256="ab" * 32,
        size_bytes=10,
        warc_file="2026/04/01.warc.gz",
        warc_offset=number,
        warc_length=99,
        warc_record_id=f"<urn:uuid:{number}>",
    )


def write(url: str, own: int, common: int) -> None:
    dice = random.Random(own)
    turn = 0
    with open_store(url, StoreSettings(patience_s=60)) as store:
        while not select.select([sys.stdin], [], [], 0)[0]:
            turn += 1
            numbers = dice.sample(range(own, own + POSTS), 4)
            posts = [post(number, f"слово{turn}", dice.choice(MONTHS)) for number in numbers]
            shared = common + turn % POSTS
            store.put_documents([*posts, post(shared, f"общее {own} {turn}", MONTHS[shared % len(MONTHS)])])
            store.put_captures([capture(own + turn)])
            for one in posts:
                print(json.dumps([one.id, one.text, one.published_at and one.published_at.month]), flush=True)


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
