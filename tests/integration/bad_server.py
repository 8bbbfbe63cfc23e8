"""A web archive on 127.0.0.1 whose every page is trouble; each path says which."""

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGES = Path(__file__).parents[1] / "pages" / "telegram"


class BadServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Trouble)
        self.requests: list[str] = []
        self.broken = {"flaky"}  # names that answer 503 until taken out
        self.gone: set[str] = set()  # channels that were deleted

    @property
    def prefix(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/id_/"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gives up in the middle is what the tests are about."""


class _Trouble(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BadServer

    def do_GET(self) -> None:
        url = self.path.removeprefix("/id_/")
        self.server.requests.append(url)
        name = url.removeprefix("https://t.me/").removeprefix("s/").split("?")[0].split("/")[0]
        trouble = getattr(self, f"answer_{name}", None)
        if name == "robots.txt":
            self.reply(200, b"User-agent: *\nDisallow: /s/forbidden\nDisallow: /forbidden\n", "text/plain")
        elif name in self.server.gone:
            self.answer_deleted(name, url)
        elif trouble is not None:
            trouble(url)
        else:
            self.page(name, url)

    def page(self, name: str, url: str) -> None:
        """A page of ours: `<name>.html`, see the names in the folder."""
        before = url.partition("before=")[2]
        number = url.partition("?")[0].rpartition("/")[2]
        if "/s/" in url:
            kind = f".before-{before}" if before else ""
        elif number.isdigit():
            kind = f".embed-{number}" if "embed=1" in url else f".post-{number}"
        else:
            kind = ".landing"
        source = "long" if name in ("flaky", "sleepy") else name
        path = PAGES / f"{source}{kind}.html"
        if name in self.server.broken and before == "30":
            self.reply(503, b"later")
        elif path.is_file():
            self.reply(200, path.read_bytes().replace(b"long", name.encode()))
        else:
            self.reply(404, b"<html>nothing here</html>")

    def reply(self, status: int, body: bytes, kind: str = "text/html; charset=utf-8", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for header, value in headers.items():
            self.send_header(header.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def answer_notfound(self, _url: str) -> None:
        self.reply(404, b"<html>no</html>")

    def answer_broken500(self, _url: str) -> None:
        self.reply(500, b"<html>oops</html>")

    def answer_loop(self, url: str) -> None:
        self.reply(302, b"", Location=url)

    def answer_disabled(self, url: str) -> None:
        if "/s/" in url:
            self.reply(302, b"", Location=f"{self.server.prefix}https://t.me/disabled")
        else:
            self.page("disabled", url)

    def answer_deleted(self, name: str, url: str) -> None:
        if "/s/" in url:
            self.reply(302, b"", Location=f"https://t.me/{name}")
        else:
            self.reply(200, (PAGES / "missing.landing.html").read_bytes().replace(b"missing", name.encode()))

    def answer_away(self, _url: str) -> None:
        self.reply(302, b"", Location="http://169.254.169.254/latest/meta-data/")

    def answer_scheme(self, _url: str) -> None:
        self.reply(302, b"", Location="file:///etc/passwd")

    def answer_huge(self, _url: str) -> None:
        """200 MB without a declared length, in pieces."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        piece = b"<p>" + b"x" * 99_997
        for _ in range(2_000):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def answer_declared(self, _url: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "200000000")
        self.end_headers()
        self.wfile.write(b"x" * 1000)
        time.sleep(5)

    def answer_bomb(self, _url: str) -> None:
        self.reply(200, gzip.compress(bytes(60_000_000)), Content_Encoding="gzip")

    def answer_zipped(self, _url: str) -> None:
        body = gzip.compress((PAGES / "album.html").read_bytes(), mtime=0)
        self.reply(200, body, Content_Encoding="gzip", X_Seen="yes")

    def answer_badgzip(self, _url: str) -> None:
        self.reply(200, b"this is no gzip", Content_Encoding="gzip")

    def answer_halfgzip(self, _url: str) -> None:
        body = gzip.compress((PAGES / "album.html").read_bytes())
        self.reply(200, body[: len(body) * 2 // 3], Content_Encoding="gzip")

    def answer_slow(self, _url: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.2)

    def answer_hangup(self, _url: str) -> None:
        """Promises more than it sends, then hangs up."""
        body = (PAGES / "album.html").read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body) * 2))
        self.end_headers()
        self.wfile.write(body[: body.index(b'data-post="album/13"') + 40])
        self.close_connection = True

    def answer_sleepy(self, url: str) -> None:
        time.sleep(1)
        self.page("sleepy", url)

    def answer_nonsense(self, _url: str) -> None:
        self.reply(200, bytes(range(256)) * 40, "application/octet-stream")

    def answer_cyrillic(self, _url: str) -> None:
        self.reply(200, (PAGES / "cyrillic.cp1251.html").read_bytes(), "text/html")

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def bad_server() -> Iterator[BadServer]:
    with BadServer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
