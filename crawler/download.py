"""The download handler: addresses checked on every hop, fetches sent through the replay prefix."""

from urllib.parse import urljoin, urlsplit

from scrapy import Request
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.crawler import Crawler
from scrapy.exceptions import CannotResolveHostError
from scrapy.http import Response

from crawler.resolver import refusal_of
from crawler.safety import check_url, parse_networks
from qalqan.errors import UnsafeAddressError


class CheckedDownloadHandler(HTTP11DownloadHandler):
    """Redirects, retries and robots.txt come through here, too: there is no other way to the network.

    With a replay prefix the request goes to `<prefix><original URL>`; request and response keep the original URL.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._allowed = parse_networks(crawler.settings.getlist("QALQAN_ALLOWED_NETWORKS"))
        self._replay_prefix: str | None = crawler.settings.get("QALQAN_REPLAY_PREFIX")

    async def download_request(self, request: Request) -> Response:
        check_url(request.url, self._allowed)
        fetched = request.replace(url=self._replay_prefix + request.url) if self._replay_prefix else request
        try:
            response = await super().download_request(fetched)
        except CannotResolveHostError as error:
            refusal = refusal_of(urlsplit(fetched.url).hostname or "")
            if refusal is not None:
                raise UnsafeAddressError(refusal) from error
            raise
        if self._replay_prefix is None:
            return response
        response = response.replace(url=request.url)
        location = response.headers.get(b"Location")
        if location is not None:
            # An archive rewrites redirects into itself; the original target is behind the prefix.
            target = urljoin(fetched.url, location.decode("latin-1"))
            if target.startswith(self._replay_prefix):
                response.headers[b"Location"] = target.removeprefix(self._replay_prefix)
        return response
