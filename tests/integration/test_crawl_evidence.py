"""Evidence of a crawl: the bytes as they came, errors and redirects included."""

import gzip
from pathlib import Path

from bad_server import PAGES, bad_server
from crawl_process import crawl, environment
from warcio.archiveiterator import ArchiveIterator

from qalqan.evidence import read_capture, verify_captures, verify_warc
from qalqan.ids import sha256_hex
from qalqan.store import open_store


def test_bytes_as_received(tmp_path: Path) -> None:
    seeds = ["https://t.me/s/zipped", "https://t.me/s/disabled", "https://t.me/s/notfound"]
    with bad_server() as server:
        crawl(tmp_path, seeds, environment(server.prefix))
        prefix = server.prefix
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        captures = {(c.url, c.status): c for c in store.scan_captures()}
    assert captures.keys() == {
        ("https://t.me/robots.txt", 200),
        ("https://t.me/s/zipped", 200),
        ("https://t.me/s/disabled", 302),
        ("https://t.me/disabled", 200),
        ("https://t.me/s/notfound", 404),
    }
    evidence = str(tmp_path / "evidence")
    assert [v.problem for v in verify_captures(evidence, captures.values())] == [None] * 5

    zipped = captures["https://t.me/s/zipped", 200]
    sealed = read_capture(evidence, zipped)
    assert sealed.payload == gzip.compress((PAGES / "album.html").read_bytes(), mtime=0)
    assert zipped.sha256 == sha256_hex(sealed.payload)
    assert (zipped.ip_address, zipped.content_type) == ("127.0.0.1", "text/html; charset=utf-8")
    headers = dict(sealed.headers)
    assert (headers["Content-Encoding"], headers["X-Seen"]) == ("gzip", "yes")
    moved = dict(read_capture(evidence, captures["https://t.me/s/disabled", 302]).headers)
    assert moved["Location"] == "https://t.me/disabled"
    assert prefix not in str(captures)

    (path,) = (tmp_path / "evidence").rglob("*.warc.gz")
    assert verify_warc(path) == []
    with path.open("rb") as file:
        requests = {
            r.rec_headers.get_header("WARC-Target-URI"): r.http_headers
            for r in ArchiveIterator(file)
            if r.rec_type == "request"
        }
    request = requests["https://t.me/s/zipped"]
    assert request.statusline == "/s/zipped HTTP/1.1"
    assert request.get_header("User-Agent") == "QalqanBot/0.1 (+public pages only)"
    assert request.get_header("Host") == "t.me"
