"""Real saved pages through the replay server: what is stored is what the index of the pages says."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crawl_process import crawl, environment

from qalqan.clock import from_iso
from qalqan.evidence import verify_captures, verify_warc
from qalqan.store import DocumentQuery, open_store

SHARED = Path(os.environ.get("QALQAN_SHARED", Path(__file__).parents[3] / "shared"))
SEEDS = ["https://t.me/s/aurum_eng", "https://t.me/s/nexta_live"]

pytestmark = pytest.mark.skipif(
    not (SHARED / "replay" / "serve.py").is_file(), reason=f"no saved pages in {SHARED} (set QALQAN_SHARED)"
)


@pytest.fixture(scope="module")
def prefix() -> Iterator[str]:
    script = [sys.executable, str(SHARED / "replay" / "serve.py"), "--port", "0"]
    code = (
        "import runpy, sys, http.server as h\n"
        "serve = h.ThreadingHTTPServer.serve_forever\n"
        "h.ThreadingHTTPServer.serve_forever = lambda s: (print(s.server_port, flush=True), serve(s))\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, *script[1:]], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        port = server.stdout.readline().strip()
        yield f"http://127.0.0.1:{port}/id_/"
        server.terminate()


def expected_rows() -> list[dict[str, Any]]:
    lines = (SHARED / "pages" / "index.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [r for r in rows if r["site"] == "telegram" and r["kind"].startswith("channel_preview")]


def test_two_channels_twice(tmp_path: Path, prefix: str) -> None:
    first = crawl(tmp_path, SEEDS, environment(prefix), max_pages=5)
    assert [(s["channel"], s["status"], s["posts"], s["new"]) for s in first["seeds"]] == [
        ("aurum_eng", "ok", 34, 34),
        ("nexta_live", "ok", 18, 18),
    ]
    assert [(s["first_post"], s["last_post"]) for s in first["seeds"]] == [("3540", "3602"), ("13358", "13377")]
    assert first["totals"] == {
        "seeds": 2,
        "failed": 0,
        "pages": 3,
        "posts": 52,
        "new": 52,
        "changed": 0,
        "known": 0,
    }

    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        stored = {d.url: d for d in store.scan(DocumentQuery())}
        captures = list(store.scan_captures())
    expected = {f"https://t.me/{post['post']}": post for row in expected_rows() for post in row["expected"]["rows"]}
    assert stored.keys() == expected.keys()
    for url, post in expected.items():
        assert stored[url].published_at == from_iso(post["date"])
        assert " ".join(stored[url].text.split())[:120] == post.get("text", "")

    urls = ["https://t.me/robots.txt"]
    urls += ["https://t.me/s/aurum_eng", "https://t.me/s/aurum_eng?before=3581", "https://t.me/s/aurum_eng?before=3540"]
    urls += ["https://t.me/s/nexta_live", "https://t.me/s/nexta_live?before=13358"]
    assert sorted(c.url for c in captures) == sorted(urls)
    assert {d.capture_id for d in stored.values()} <= {c.id for c in captures}
    assert [v.problem for v in verify_captures(str(tmp_path / "evidence"), captures)] == [None] * len(captures)
    saved = SHARED / "pages" / "telegram" / "s_nexta_live_2021.html"
    newest = next(c for c in captures if c.url.endswith("/s/nexta_live"))
    assert newest.size_bytes == saved.stat().st_size
    warcs = sorted((tmp_path / "evidence").rglob("*.warc.gz"))
    assert [verify_warc(path) for path in warcs] == [[]]

    second = crawl(tmp_path, SEEDS, environment(prefix), max_pages=5)
    assert [(s["status"], s["pages"], s["new"], s["known"]) for s in second["seeds"]] == [
        ("unchanged", 1, 0, 16),
        ("unchanged", 1, 0, 18),
    ]
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        assert store.count(DocumentQuery()) == 52
        again = [c.url for c in store.scan_captures() if c.id not in {old.id for old in captures}]
    assert sorted(again) == ["https://t.me/robots.txt", *sorted(SEEDS)]


def test_landing_then_preview(tmp_path: Path, prefix: str) -> None:
    report = crawl(tmp_path, ["https://t.me/nexta_live", "https://t.me/nexta_live1432"], environment(prefix))
    assert [(s["status"], s["pages"], s["posts"]) for s in report["seeds"]] == [("ok", 2, 18), ("missing", 1, 0)]
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        channel = store.get_channel("telegram", "nexta_live")
        missing = store.get_channel("telegram", "nexta_live1432")
    assert channel is not None
    assert (channel.title, channel.subscribers, channel.status) == ("NEXTA Live", 1_474_933, "public")
    assert missing is not None
    assert missing.status == "missing"


def test_single_posts(tmp_path: Path, prefix: str) -> None:
    seeds = ["https://t.me/teslahunt/2351", "https://t.me/s/tchantest/62"]
    report = crawl(tmp_path, seeds, environment(prefix))
    assert [(s["status"], s["posts"], s["last_post"]) for s in report["seeds"]] == [("ok", 1, "2351"), ("ok", 1, "62")]
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        texts = {d.post_id: d.text for d in store.scan(DocumentQuery())}
    assert texts["62"] == "Bigger\ntext\nmessage\nnumber\n34"
    assert texts["2351"].splitlines()[0] == "💥 Reaparición"
