"""The frontier over its real SQLite file, shared by several processes."""

import multiprocessing
from datetime import timedelta
from pathlib import Path

import pytest

from crawler.frontier import MAX_CLAIMS, SqliteFrontier, VisitOutcome, open_frontier
from crawler.progress import ChannelState, Gap
from crawler.scheduler import ScheduledSource, enqueue_due
from qalqan.clock import now
from qalqan.errors import StoreError

URL = "https://t.me/s/channel"


def outcome(url: str = URL, status: str = "ok") -> VisitOutcome:
    return VisitOutcome(url, "source-1", now(), status, pages=2, posts=36, new=30, changed=1)


def test_visit_from_schedule_to_outcome(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    due = now()
    assert frontier.schedule(URL, due, source_id="source-1", max_pages=3, spider="telegram")
    visit = frontier.claim("a", 60)
    assert visit is not None
    assert (visit.url, visit.source_id, visit.max_pages, visit.spider) == (URL, "source-1", 3, "telegram")
    assert (visit.worker_id, visit.claims, visit.due_at) == ("a", 1, due)
    assert frontier.claim("b", 60) is None
    ended = outcome()
    assert frontier.complete(visit, ended)
    assert frontier.recent_outcomes(10) == [ended]
    assert frontier.claim("a", 60) is None
    assert frontier.last_scheduled("source-1") == due
    assert frontier.last_scheduled("source-2") is None
    frontier.close()


def test_one_visit_per_page_and_only_when_due(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    assert frontier.schedule(URL, now() + timedelta(hours=1))
    assert not frontier.schedule("https://T.me/channel", now())
    assert frontier.claim("a", 60) is None
    assert frontier.schedule("https://t.me/s/other", now())
    assert frontier.claim("a", 60) is not None
    assert not frontier.schedule("https://t.me/s/other", now())
    frontier.close()


def test_expired_lease_is_claimable_and_the_first_worker_loses_it(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    frontier.schedule(URL, now())
    first = frontier.claim("a", 0)
    second = frontier.claim("b", 60)
    assert first is not None
    assert second is not None
    assert (second.id, second.worker_id, second.claims) == (first.id, "b", 2)
    assert not frontier.renew(first, 60)
    assert not frontier.complete(first, outcome())
    frontier.release(first)
    assert frontier.claim("c", 60) is None
    assert frontier.renew(second, 60)
    frontier.release(second)
    third = frontier.claim("c", 60)
    assert third is not None
    assert third.claims == 2
    assert frontier.recent_outcomes(10) == []
    frontier.close()


def test_visit_that_kills_its_workers_is_put_aside(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    frontier.schedule(URL, now(), source_id="source-1")
    for _ in range(MAX_CLAIMS):
        assert frontier.claim("a", 0) is not None
    assert frontier.claim("a", 0) is None
    (ended,) = frontier.recent_outcomes(10)
    assert (ended.status, ended.error) == ("failed", "put aside: 5 workers died or hung while visiting it")
    frontier.close()


def test_channel_state_survives(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    assert frontier.channel_state("telegram", "Channel") == ChannelState()
    state = ChannelState(43, (Gap(40, 20, 1), Gap(10, 0, 4)))
    assert frontier.update_channel("telegram", "Channel", lambda _: state) == state
    frontier.close()
    reopened = open_frontier(tmp_path)
    assert reopened.channel_state("telegram", "channel") == state
    reopened.close()


def test_failed_change_changes_nothing(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)

    def fail(_state: ChannelState) -> ChannelState:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        frontier.update_channel("telegram", "channel", fail)
    assert frontier.schedule(URL, now())  # no transaction was left open
    frontier.close()


def _claim_all(folder: str, name: str) -> list[str]:
    frontier = SqliteFrontier(Path(folder) / "frontier.sqlite")
    claimed = []
    while (visit := frontier.claim(name, 60)) is not None:
        claimed.append(visit.url)
        frontier.complete(visit, outcome(visit.url))
    frontier.close()
    return claimed


def test_several_processes_share_it_without_taking_a_visit_twice(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    urls = [f"https://t.me/s/channel_{n}" for n in range(60)]
    for url in urls:
        frontier.schedule(url, now())
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        claimed = pool.starmap(_claim_all, [(str(tmp_path), f"worker-{n}") for n in range(3)])
    assert sorted(url for some in claimed for url in some) == sorted(urls)
    assert len(frontier.recent_outcomes(100)) == 60
    frontier.close()


def test_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "frontier.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match=r"frontier\.sqlite cannot be opened"):
        open_frontier(tmp_path)


def test_sources_are_enqueued_once_per_interval(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    sources = [
        ScheduledSource("1", "https://t.me/s/one", 60, max_pages=2),
        ScheduledSource("2", "https://t.me/s/two", 0),
        ScheduledSource("3", "javascript:alert(1)", 60),
    ]
    assert enqueue_due(sources, frontier) == 2  # the first visits at once
    assert enqueue_due(sources, frontier) == 0  # the second source is due again, but its visit still waits
    while (visit := frontier.claim("a", 60)) is not None:
        frontier.complete(visit, outcome(visit.url))
    assert enqueue_due(sources, frontier) == 1  # the hour of the first source has not passed
    frontier.close()


def test_leases_of_the_gone_end_at_once_and_others_run_on(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    frontier.schedule(URL, now())
    frontier.schedule("https://t.me/s/other", now())
    held = [frontier.claim(worker, 60) for worker in ("gone", "alive")]
    assert frontier.end_leases(lambda worker_id: worker_id == "gone") == 1
    taken = frontier.claim("next", 60)
    assert taken is not None
    assert [taken.id] == [visit.id for visit in held if visit is not None and visit.worker_id == "gone"]
    assert frontier.claim("next", 60) is None
    frontier.close()
