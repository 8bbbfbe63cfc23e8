"""A worker process: visits out of the frontier, stopped and killed at bad moments."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

from bad_server import bad_server
from crawl_process import environment, start

from crawler.frontier import Frontier, open_frontier
from crawler.progress import ChannelState, Gap
from qalqan.clock import now
from qalqan.store import DocumentQuery, open_store


def wait_for(condition: Callable[[], bool], timeout_s: float = 40) -> None:
    ends = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends, "nothing happened in time"
        time.sleep(0.1)


def count_stored(home: Path) -> int:
    with open_store(f"sqlite:///{home / 'store.sqlite'}") as store:
        return store.count(DocumentQuery())


def outcomes(frontier: Frontier) -> dict[str, tuple[str, int]]:
    return {o.url: (o.status, o.new) for o in frontier.recent_outcomes(50)}


def test_worker_crawls_what_is_due_until_it_is_told_to_stop(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    with bad_server() as server:
        worker = start(["worker", str(tmp_path)], environment(server.prefix))
        for name in ("long", "album", "notfound", "empty"):
            frontier.schedule(f"https://t.me/s/{name}", now(), source_id=name, max_pages=3)
        frontier.schedule("https://nowhere.example/", now())
        wait_for(lambda: len(frontier.recent_outcomes(50)) == 5)
        assert outcomes(frontier) == {
            "https://t.me/s/long": ("ok", 9),
            "https://t.me/s/album": ("ok", 7),
            "https://t.me/s/notfound": ("failed", 0),
            "https://t.me/s/empty": ("empty", 0),
            "https://nowhere.example/": ("failed", 0),
        }
        frontier.schedule("https://t.me/s/album", now(), source_id="album")  # the same process goes on
        wait_for(lambda: len(frontier.recent_outcomes(50)) == 6)
        assert frontier.recent_outcomes(1)[0].status == "unchanged"
        worker.send_signal(signal.SIGTERM)
        _, errors = worker.communicate(timeout=30)
    assert worker.returncode == 0, errors
    assert "Traceback" not in errors
    frontier.close()


def test_sigterm_finishes_the_page_and_gives_the_claim_back(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    frontier.schedule("https://t.me/s/sleepy", now(), source_id="sleepy")
    with bad_server() as server:
        env = environment(server.prefix)
        first = start(["worker", str(tmp_path)], env)
        wait_for(lambda: "https://t.me/s/sleepy?before=40" in server.requests)
        first.send_signal(signal.SIGTERM)
        _, errors = first.communicate(timeout=30)
        assert first.returncode == 0, errors
        assert count_stored(tmp_path) == 6  # the second page was in flight, and was stored
        assert frontier.channel_state("telegram", "sleepy") == ChannelState(43, (Gap(30, 0, 2),))

        second = start(["worker", str(tmp_path)], env)
        wait_for(lambda: bool(frontier.recent_outcomes(1)))
        second.send_signal(signal.SIGTERM)
        second.communicate(timeout=30)
    assert outcomes(frontier) == {"https://t.me/s/sleepy": ("ok", 6)}
    assert count_stored(tmp_path) == 12
    frontier.close()


def test_the_next_worker_of_the_machine_goes_on_where_one_was_killed(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    frontier.schedule("https://t.me/s/long", now())
    with bad_server() as server:
        env = environment(server.prefix)
        killed = start(["worker", str(tmp_path)], env | {"CRAWL_TEST_KILL_AFTER": "1"})
        killed.communicate(timeout=60)
        assert killed.returncode == -9
        assert frontier.claim("other", 60) is None  # its lease runs on
        with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
            assert store.count(DocumentQuery()) == 3
        assert frontier.channel_state("telegram", "long") == ChannelState(43, (Gap(40, 0, 1),))
        next_one = start(["worker", str(tmp_path)], env)
        wait_for(lambda: frontier.recent_outcomes(1))
        next_one.send_signal(signal.SIGTERM)
        next_one.communicate(timeout=30)
        assert next_one.returncode == 0
        assert frontier.channel_state("telegram", "long") == ChannelState(43)
    frontier.close()


def test_two_workers_share_the_work(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    with bad_server() as server:
        env = environment(server.prefix)
        workers = [start(["worker", str(tmp_path)], env) for _ in range(2)]
        names = [f"nowhere_{n}" for n in range(20)]
        for name in names:
            frontier.schedule(f"https://t.me/s/{name}", now())
        wait_for(lambda: len(frontier.recent_outcomes(50)) == 20)
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        ends = [worker.communicate(timeout=30)[1] for worker in workers]
        asked = sorted(u for u in server.requests if "nowhere" in u)
    assert [worker.returncode for worker in workers] == [0, 0], ends
    assert asked == sorted(f"https://t.me/s/{name}" for name in names)
    assert outcomes(frontier) == {f"https://t.me/s/{name}": ("failed", 0) for name in names}
    frontier.close()
