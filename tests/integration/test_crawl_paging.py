"""Paging backwards: only what is unknown, nothing lost when a visit breaks off, resumed where it stopped."""

import json
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

from bad_server import BadServer, bad_server
from crawl_process import crawl, environment, start

from qalqan.evidence import verify_captures
from qalqan.store import DocumentQuery, open_store

LONG = "https://t.me/s/long"
FLAKY = "https://t.me/s/flaky"
ALL = ["10", "11", "13", "20", "21", "23", "30", "32", "33", "40", "41", "43"]


def stored_posts(home: Path) -> list[str]:
    with open_store(f"sqlite:///{home / 'store.sqlite'}") as store:
        return sorted((d.post_id or "" for d in store.scan(DocumentQuery())), key=int)


def asked(server: BadServer) -> list[str]:
    pages = [u for u in server.requests if not u.endswith("robots.txt")]
    server.requests.clear()
    return pages


def test_whole_history_then_nothing_again(tmp_path: Path) -> None:
    with bad_server() as server:
        first = crawl(tmp_path, [LONG], environment(server.prefix))
        assert asked(server) == [LONG, f"{LONG}?before=40", f"{LONG}?before=30", f"{LONG}?before=20"]
        assert stored_posts(tmp_path) == ALL
        assert (first["seeds"][0]["pages"], first["seeds"][0]["new"]) == (4, 12)
        second = crawl(tmp_path, [LONG], environment(server.prefix))
        assert asked(server) == [LONG]
        assert (second["seeds"][0]["status"], second["seeds"][0]["new"]) == ("unchanged", 0)


def test_budget_bounds_the_history_and_a_larger_one_goes_deeper(tmp_path: Path) -> None:
    with bad_server() as server:
        env = environment(server.prefix)
        crawl(tmp_path, [LONG], env, max_pages=2)
        assert asked(server) == [LONG, f"{LONG}?before=40"]
        crawl(tmp_path, [LONG], env, max_pages=2)
        assert asked(server) == [LONG]
        crawl(tmp_path, [LONG], env, max_pages=9)
        assert asked(server) == [LONG, f"{LONG}?before=30", f"{LONG}?before=20"]
        assert stored_posts(tmp_path) == ALL


def test_failure_in_the_middle_is_made_up_for(tmp_path: Path) -> None:
    with bad_server() as server:
        env = environment(server.prefix)
        first = crawl(tmp_path, [FLAKY], env)
        assert first["seeds"][0]["status"] == "failed"
        assert first["seeds"][0]["error"] == f"{FLAKY}?before=30: HTTP 503 Service Unavailable"
        assert stored_posts(tmp_path) == ALL[6:]
        server.broken.clear()
        asked(server)
        second = crawl(tmp_path, [FLAKY], env)
        assert asked(server) == [FLAKY, f"{FLAKY}?before=30", f"{FLAKY}?before=20"]
        assert (second["seeds"][0]["status"], second["seeds"][0]["new"]) == ("ok", 6)
        assert stored_posts(tmp_path) == ALL


def test_kill_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    with bad_server() as server:
        env = environment(server.prefix)
        killed = start(["crawl", str(tmp_path), "20", LONG], env | {"CRAWL_TEST_KILL_AFTER": "2"})
        killed.communicate(timeout=60)
        assert killed.returncode == -9
        assert stored_posts(tmp_path) == ALL[6:]
        asked(server)
        crawl(tmp_path, [LONG], env)
        assert asked(server) == [LONG, f"{LONG}?before=30", f"{LONG}?before=20"]
        assert stored_posts(tmp_path) == ALL
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        problems = [v.problem for v in verify_captures(str(tmp_path / "evidence"), store.scan_captures())]
    assert problems == [None] * 8  # robots.txt twice, three pages before the kill, three after


def test_interrupt_stores_the_page_in_flight_and_reports(tmp_path: Path) -> None:
    with bad_server() as server:
        sleepy = "https://t.me/s/sleepy"
        process = start(["crawl", str(tmp_path), "20", sleepy], environment(server.prefix))
        while f"{sleepy}?before=40" not in server.requests:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    (seed,) = json.loads(output)["seeds"]
    assert (seed["status"], seed["posts"]) == ("failed", 6)
    assert seed["error"] == f"{sleepy}: interrupted before it was finished; the next crawl goes on from there"
    assert stored_posts(tmp_path) == ALL[6:]


def test_same_page_twice_is_crawled_once(tmp_path: Path) -> None:
    with bad_server() as server:
        report = crawl(tmp_path, [LONG, "https://telegram.me/s/Long"], environment(server.prefix))
        assert [s["url"] for s in report["seeds"]] == [LONG]
        assert len(asked(server)) == 4


def test_single_post_comes_whole_from_its_embedded_page(tmp_path: Path) -> None:
    post = "https://t.me/album/13"
    with bad_server() as server:
        report = crawl(tmp_path, [post, "https://t.me/s/album/17"], environment(server.prefix))
        assert sorted(asked(server)) == ["https://t.me/album/13", f"{post}?embed=1&mode=tme", "https://t.me/s/album/17"]
    assert [(s["status"], s["pages"], s["posts"]) for s in report["seeds"]] == [("ok", 2, 1), ("ok", 1, 1)]
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        stored = {d.post_id: d for d in store.scan(DocumentQuery())}
    assert stored.keys() == {"13", "17"}
    assert (stored["13"].views, stored["13"].links) == (1100, ("https://example.kz/",))
    assert stored["13"].published_at == datetime(2026, 3, 3, 8, tzinfo=UTC)
