"""Everything that can be wrong with a site: one clear line each, and the rest of the crawl goes on."""

import socket
from pathlib import Path

from bad_server import bad_server
from crawl_process import crawl, environment

from qalqan.store import DocumentQuery, open_store


def test_every_trouble_in_one_crawl(tmp_path: Path) -> None:
    names = ["notfound", "broken500", "loop", "away", "scheme", "huge", "declared", "bomb", "slow", "hangup", "badgzip"]
    names += ["nonsense", "forbidden", "cut", "cutearly", "cyrillic", "album", "empty", "restricted", "disabled"]
    seeds = [f"https://t.me/s/{name}" for name in names]
    seeds += ["https://t.me/blocked", "https://t.me/missing", "https://t.me/person", "https://t.me/+AbCdEf"]
    seeds += ["https://t.me/long/41", "https://nowhere.example/x", "javascript:alert(1)"]
    with bad_server() as server:
        report = crawl(tmp_path, seeds, environment(server.prefix, timeout_s=2))
        peer = server.prefix.split("/")[2]
        requests = list(server.requests)

    results = {s["url"].removeprefix("https://t.me/").removeprefix("s/"): s for s in report["seeds"]}
    assert {name: s["error"] for name, s in results.items() if s["status"] == "failed"} == {
        "notfound": "https://t.me/s/notfound: HTTP 404 Not Found",
        "broken500": "https://t.me/s/broken500: HTTP 500 Internal Server Error",
        "loop": "https://t.me/s/loop: more than 5 redirects (limit crawler.max_redirects)",
        "away": "https://t.me/s/away → http://169.254.169.254/latest/meta-data/: 169.254.169.254 is not a public "
        "address; to crawl it, add its network to crawler.allowed_networks",
        "scheme": "https://t.me/s/scheme: HTTP 302 Found, leads to file:///etc/passwd, which is not followed",
        "huge": "https://t.me/s/huge: body larger than 20 MB (limit crawler.max_body_bytes)",
        "declared": "https://t.me/s/declared: body larger than 20 MB (limit crawler.max_body_bytes)",
        "bomb": "https://t.me/s/bomb: body larger than 20 MB after decompression (limit crawler.max_body_bytes)",
        "badgzip": "https://t.me/s/badgzip: the body cannot be decompressed: Not a gzipped file (b'th')",
        "slow": f"https://t.me/s/slow: no complete answer from {peer} within 2 s (limit crawler.timeout_s)",
        "hangup": "https://t.me/s/hangup: the page is cut off after 4911 bytes; 2 complete posts kept",
        "nonsense": "https://t.me/s/nonsense: not a Telegram preview, no channel and no post in it",
        "forbidden": "https://t.me/s/forbidden: robots.txt forbids it (setting crawler.obey_robots_txt)",
        "cut": "https://t.me/s/cut: the page is cut off after 3599 bytes; 2 complete posts kept",
        "cutearly": "https://t.me/s/cutearly: the page is cut off after 1590 bytes, no complete post in it",
        "person": "https://t.me/person: a person, a bot or a private chat, not a public channel; not crawled",
        "+AbCdEf": "https://t.me/+AbCdEf: names no public channel or post of Telegram"
        " (invites, private chats and sticker sets are not crawled)",
        "long/41": "https://t.me/long/41: HTTP 404 Not Found",
        "https://nowhere.example/x": "https://nowhere.example/x: no spider reads nowhere.example;"
        " there are: telegram (--spider chooses one)",
        "javascript:alert(1)": "javascript:alert(1): not a web address: 'javascript:alert(1)'"
        " (only http and https are crawled, not javascript:)",
    }
    assert {name: (s["status"], s["posts"]) for name, s in results.items() if s["status"] != "failed"} == {
        "cyrillic": ("ok", 1),
        "album": ("ok", 7),
        "empty": ("empty", 0),
        "restricted": ("restricted", 0),
        "disabled": ("preview_disabled", 0),
        "blocked": ("restricted", 0),
        "missing": ("missing", 0),
    }
    assert "https://t.me/s/forbidden" not in requests
    assert "Traceback" not in report["stderr"]
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        assert store.count(DocumentQuery()) == 1 + 7 + 2  # what hung up were posts of the album
        assert {c.status for c in store.scan_captures()} == {200, 302, 404, 500}
    # 200 MB came in, and at most 20 MB of it were ever held.
    assert report["peak_kib"] < 400_000


def test_unreachable_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    prefix = f"http://127.0.0.1:{port}/id_/"
    report = crawl(tmp_path, ["https://t.me/s/album", "https://t.me/s/long"], environment(prefix))
    assert [s["error"] for s in report["seeds"]] == [
        f"https://t.me/s/album: connection refused by 127.0.0.1:{port}",
        f"https://t.me/s/long: connection refused by 127.0.0.1:{port}",
    ]


def test_unknown_host(tmp_path: Path) -> None:
    prefix = "http://no-such-host.invalid/id_/"
    report = crawl(tmp_path, ["https://t.me/s/album"], environment(prefix))
    assert [s["error"] for s in report["seeds"]] == [
        "https://t.me/s/album: the host name no-such-host.invalid cannot be resolved (DNS)"
    ]


def test_failures_are_tried_again(tmp_path: Path) -> None:
    with bad_server() as server:
        crawl(tmp_path, ["https://t.me/s/broken500", "https://t.me/s/hangup"], environment(server.prefix, retries=2))
        assert sorted(server.requests) == sorted(
            ["https://t.me/robots.txt"] + ["https://t.me/s/broken500"] * 3 + ["https://t.me/s/hangup"] * 3
        )


def test_deleted_channel_keeps_what_it_said_of_itself(tmp_path: Path) -> None:
    seed = "https://t.me/s/album"
    with bad_server() as server:
        crawl(tmp_path, [seed], environment(server.prefix))
        server.gone.add("album")
        report = crawl(tmp_path, [seed], environment(server.prefix))
    assert [(s["status"], s["error"]) for s in report["seeds"]] == [("missing", None)]
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        channel = store.get_channel("telegram", "album")
        assert store.count(DocumentQuery()) == 7
    assert channel is not None
    assert (channel.status, channel.title, channel.subscribers) == ("missing", "Альбом", 1250)
