"""A small web archive of the demonstration channels on 127.0.0.1: `<prefix><original URL>` answers as Telegram would.

Nothing is stored: a page is drawn for the moment it is asked for, so new posts can appear while the demonstration runs.
"""

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from threading import Thread
from typing import Self
from urllib.parse import parse_qs, urlsplit

import structlog

from demo_site.content import DemoChannel, DemoPost, demo_channels
from demo_site.message import published_at
from demo_site.render import (
    channel_landing_page,
    missing_landing_page,
    page_of_posts,
    post_landing_page,
    post_widget_page,
    preview_page,
)
from qalqan import clock

log = structlog.get_logger()

HTML = "text/html; charset=utf-8"

_HANDLE = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}")


@dataclass(frozen=True)
class DemoSource:
    url: str
    title: str
    interval_minutes: int


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str = "text/plain; charset=utf-8"
    body: bytes = b""
    location: str | None = None


NOT_HERE = Answer(404, body=b"not in the demonstration")


def demo_sources() -> list[DemoSource]:
    """What `qalqan demo` visits: every channel, the closed, empty and missing ones too."""
    return [
        DemoSource(f"https://t.me/s/{channel.handle}", channel.title, channel.interval_minutes)
        for channel in demo_channels().values()
    ]


def _html(page: str) -> Answer:
    return Answer(200, HTML, page.encode())


def _file(folder: str, name: str, content_type: str) -> Answer:
    entry = files(folder) / name
    return Answer(200, content_type, entry.read_bytes()) if entry.is_file() else NOT_HERE


def _number(value: str | None) -> int | None:
    return int(value) if value is not None and value.isascii() and value.isdecimal() and len(value) < 10 else None


class DemoSite:
    """The answers, apart from sockets: what an original URL gives at a moment."""

    def __init__(self, anchor: datetime, now: Callable[[], datetime] = clock.now) -> None:
        self.anchor = anchor.astimezone(UTC).replace(microsecond=0)
        self._now = now

    def visible_posts(self, channel: DemoChannel) -> tuple[DemoPost, ...]:
        moment = max(self._now(), self.anchor)
        return tuple(post for post in channel.posts if published_at(post, self.anchor) <= moment)

    def answer(self, url: str) -> Answer:
        try:
            address = urlsplit(url)
        except ValueError:
            return NOT_HERE
        host = (address.hostname or "").removeprefix("www.")
        path = [part for part in address.path.split("/") if part]
        if path == ["robots.txt"]:
            return Answer(200, body=b"User-agent: *\nDisallow:\n")
        if host == "telegram.org" and path == ["css", "telegram-web.css"]:
            return _file("demo_site", "style.css", "text/css; charset=utf-8")
        if host != "t.me":
            return NOT_HERE
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        match path:
            case ["file", name]:
                return _file("demo_site.pictures", name, "image/jpeg") if name.endswith(".jpg") else NOT_HERE
            case ["s", handle, *_] | [handle, *_] if not _HANDLE.fullmatch(handle):
                return NOT_HERE
            case ["s", handle]:
                return self._preview(handle, _number(query.get("before")), _number(query.get("after")))
            case ["s", handle, number]:
                return self._preview(handle, around=_number(number))
            case [handle]:
                return self._landing(handle)
            case [handle, number]:
                return self._post(handle, _number(number), is_embedded="embed" in query)
            case _:
                return NOT_HERE

    def _preview(
        self, handle: str, before: int | None = None, after: int | None = None, around: int | None = None
    ) -> Answer:
        channel = demo_channels().get(handle.lower())
        if channel is None or channel.status in ("preview_disabled", "missing"):
            return Answer(302, location=f"https://t.me/{handle}")
        posts = self.visible_posts(channel)
        return _html(preview_page(channel, posts, page_of_posts(posts, before, after, around), self.anchor))

    def _landing(self, handle: str) -> Answer:
        channel = demo_channels().get(handle.lower())
        if channel is None or channel.status == "missing":
            return _html(missing_landing_page(handle))
        return _html(channel_landing_page(channel))

    def _post(self, handle: str, number: int | None, *, is_embedded: bool) -> Answer:
        channel = demo_channels().get(handle.lower())
        if channel is None or channel.status != "public":
            return Answer(302, location=f"https://t.me/{handle}")
        for post in self.visible_posts(channel):
            if number is not None and post.number <= number <= post.last_number:
                return _html(
                    post_widget_page(channel, post, self.anchor) if is_embedded else post_landing_page(channel, post)
                )
        return _html(channel_landing_page(channel))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, site: DemoSite) -> None:
        self.site = site
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = 30

    def do_GET(self) -> None:
        answer = self.server.site.answer(self.path.removeprefix("/id_/")) if self.path.startswith("/id_/") else NOT_HERE
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.location:
            self.send_header("Location", answer.location)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(answer.body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        log.debug("demo_site.request", line=self.requestline)


class DemoServer:
    """Serves from its own thread between start() and stop(), or inside a `with`.

    port 0 takes a free one. anchor is the moment that posts count from: the present one if none is given.
    """

    def __init__(self, port: int = 0, anchor: datetime | None = None, now: Callable[[], datetime] = clock.now) -> None:
        self._server = _Server(port, DemoSite(anchor or now(), now))
        self._thread = Thread(target=self._server.serve_forever, name="demo-site", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def replay_prefix(self) -> str:
        return f"http://127.0.0.1:{self.port}/id_/"

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def join(self) -> None:
        """Waits until someone stops the server."""
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def run(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m demo_site.server", description="Serve the demonstration channels.")
    parser.add_argument("--port", type=int, default=8901)
    parser.add_argument("--started-minutes-ago", type=int, default=0, help="move the moment that posts count from")
    options = parser.parse_args(arguments)
    anchor = clock.now() - timedelta(minutes=options.started_minutes_ago)
    with DemoServer(options.port, anchor) as server:
        posts = sum(len(channel.posts) for channel in demo_channels().values())
        sys.stdout.write(f"{len(demo_channels())} channels, {posts} posts on {server.replay_prefix}\n")
        sys.stdout.flush()
        try:
            server.join()
        except KeyboardInterrupt:
            sys.stdout.write("stopped\n")


if __name__ == "__main__":
    run()
