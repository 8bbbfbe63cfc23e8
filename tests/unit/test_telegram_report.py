"""What a crawl tells a person and a script."""

from datetime import UTC, datetime

from crawler.report import CrawlReport, OpenVisit, SeedReport, failed_seed
from qalqan.records import Document, ProcessedPage

MOMENT = datetime(2026, 11, 25, 9, tzinfo=UTC)
URL = "https://t.me/s/channel"


def stored(*numbers: int, new: int) -> ProcessedPage:
    documents = tuple(
        Document(
            id=str(n),
            url=f"https://t.me/channel/{n}",
            canonical_url=f"https://t.me/channel/{n}",
            site="telegram",
            post_id=str(n),
            fetched_at=MOMENT,
        )
        for n in numbers
    )
    return ProcessedPage(documents=documents, new=new, changed=0, unchanged=len(numbers) - new)


def test_visit_adds_up() -> None:
    visit = OpenVisit(URL, 5, site="telegram", channel="channel", pages=2)
    visit.add(stored(100, 9, new=2))
    visit.add(stored(8, new=0))
    report = visit.report()
    assert report == SeedReport(
        url=URL,
        site="telegram",
        channel="channel",
        status="ok",
        pages=2,
        posts=3,
        new=2,
        changed=0,
        known=1,
        first_post="8",
        last_post="100",
    )
    visit.fail("it\n broke")
    visit.fail("it broke")
    assert (visit.report().status, visit.report().error, visit.report().posts) == ("failed", "it broke", 3)


def test_statuses() -> None:
    assert OpenVisit(URL, 5, status="public").report().status == "unchanged"
    assert OpenVisit(URL, 5, status="missing").report().status == "missing"


def test_json() -> None:
    visit = OpenVisit(URL, 5, site="telegram", channel="channel", pages=1)
    visit.add(stored(7, new=1))
    bad = failed_seed("x:", "x: is\nnothing")
    report = CrawlReport("run", MOMENT, MOMENT, (visit.report(), bad))
    assert report.failed == (bad,)
    assert report.to_json() == {
        "run_id": "run",
        "started_at": "2026-11-25T09:00:00Z",
        "finished_at": "2026-11-25T09:00:00Z",
        "seeds": [
            {
                "url": URL,
                "site": "telegram",
                "channel": "channel",
                "status": "ok",
                "pages": 1,
                "posts": 1,
                "new": 1,
                "changed": 0,
                "known": 0,
                "first_post": "7",
                "last_post": "7",
                "error": None,
            },
            {
                "url": "x:",
                "site": None,
                "channel": None,
                "status": "failed",
                "pages": 0,
                "posts": 0,
                "new": 0,
                "changed": 0,
                "known": 0,
                "first_post": None,
                "last_post": None,
                "error": "x: is nothing",
            },
        ],
        "totals": {"seeds": 2, "failed": 1, "pages": 1, "posts": 1, "new": 1, "changed": 0, "known": 0},
    }
