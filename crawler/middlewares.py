"""Downloader middlewares: responses sealed as evidence, failures tried again with growing pauses, robots.txt obeyed."""

import asyncio
from collections import defaultdict
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.http import Response

from crawler.site_spider import running_spider
from qalqan.clock import now
from qalqan.evidence import Exchange

_LONGEST_PAUSE_S = 60.0
_ROBOTS_LIFETIME_S = 24 * 3600.0  # RFC 9309, section 2.4


class EvidenceMiddleware:
    """Stands next to the downloader, so it sees the body before decompression, and redirects and errors, too.

    Leaves the capture in `request.meta["capture"]`.
    """

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "EvidenceMiddleware":
        return cls(crawler)

    async def process_response(self, request: Request, response: Response) -> Response:
        exchange = Exchange(
            url=response.url,
            fetched_at=now(),
            method=request.method,
            request_headers=[(k, v) for k, values in request.headers.items() for v in values],
            status=response.status,
            response_headers=[(k, v) for k, values in response.headers.items() for v in values],
            payload=response.body,
            protocol=response.protocol or "HTTP/1.1",
            ip_address=str(response.ip_address) if response.ip_address is not None else None,
        )
        request.meta["capture"] = await running_spider(self.crawler).session.seal(exchange)
        return response


class BackoffRetryMiddleware(RetryMiddleware):
    """Scrapy's retry with a pause before each further try (`delay_s`, twice that, …, or what Retry-After asks).

    An answer that broke off is tried again as well; the last try's half is handed on, its complete posts count.
    """

    # Scrapy awaits either form; its type allows the plain one only.
    async def process_response(  # type: ignore[override]
        self, request: Request, response: Response
    ) -> Request | Response:
        if "dataloss" in response.flags:
            result: Request | Response = self._retry(request, "the answer broke off") or response
        else:
            result = super().process_response(request, response)
        if result is not response:
            await self._pause(request, response.headers.get(b"Retry-After"))
        return result

    async def process_exception(  # type: ignore[override]
        self, request: Request, exception: Exception
    ) -> Request | Response | None:
        result = super().process_exception(request, exception)
        if result is not None:
            await self._pause(request, None)
        return result

    async def _pause(self, request: Request, retry_after: bytes | None) -> None:
        tries: int = request.meta.get("retry_times", 0)
        pause_s = self.crawler.settings.getfloat("QALQAN_BACKOFF_S") * 2**tries
        if retry_after is not None and retry_after.strip().isdigit():
            pause_s = max(pause_s, float(retry_after))
        await asyncio.sleep(min(pause_s, _LONGEST_PAUSE_S))


class SteadyRobotsTxtMiddleware(RobotsTxtMiddleware):
    """Scrapy 2.19 lets all but the first of the requests that wait for one robots.txt through unchecked: they wait
    for one Deferred, which hands its result to the first only. Here they wait in line; the file is kept for a day.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._expires: dict[str, float] = {}

    async def robot_parser(self, request: Request) -> Any:
        netloc = urlsplit(request.url).netloc
        async with self._turns[netloc]:
            if self._expires.get(netloc, 0.0) <= monotonic():
                self._parsers.pop(netloc, None)
                self._expires[netloc] = monotonic() + _ROBOTS_LIFETIME_S
            return await super().robot_parser(request)
