"""The base of every site's spider: visits in, pages of documents out, one failure never stops another visit."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

import structlog
from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.signals import spider_closed
from twisted.python.failure import Failure

from crawler.failures import describe_failure
from crawler.report import OpenVisit
from crawler.session import CrawlSession
from qalqan.config import load_settings
from qalqan.errors import ParseError, QalqanError
from qalqan.records import Capture, Channel, Document, PageOfDocuments, ProcessedPage, Site
from qalqan.urls import host_of

log = structlog.get_logger()

Step = Callable[[OpenVisit, Response], Iterable[PageOfDocuments | Request]]
# None: a failure of the visit. A list, even an empty one: dealt with, and this is what there is to store.
ErrorStep = Callable[[OpenVisit, BaseException], list[PageOfDocuments] | None]
Then = Callable[[], Request | None]


class SiteSpider(Spider):
    """A site overrides `site`, `hosts` and `begin`; its steps are generators that end in `page` and `fetch`.

    A visit goes one step at a time: the next page is asked for when the last one is stored, so that what is known
    about a channel is never ahead of what is in the store.
    """

    site: ClassVar[Site]
    hosts: ClassVar[frozenset[str]] = frozenset()
    session: CrawlSession
    _visits: AsyncIterator[OpenVisit]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._after_storing: dict[str, tuple[OpenVisit, Then]] = {}

    @classmethod
    def from_crawler(
        cls,
        crawler: Crawler,
        seeds: str = "",
        session: CrawlSession | None = None,
        visits: AsyncIterator[OpenVisit] | None = None,
        max_pages: str | None = None,
        **kwargs: Any,
    ) -> "SiteSpider":
        """The runner passes `session` and `visits`; `scrapy crawl` passes `seeds`, separated by white space."""
        spider: SiteSpider = super().from_crawler(crawler, **kwargs)
        if session is None:
            session = CrawlSession(load_settings(), crawler.settings["QALQAN_PROCESSOR"])
            crawler.signals.connect(spider._close_session, signal=spider_closed)
        spider.session = session
        pages = int(max_pages) if max_pages else session.settings.crawler.max_pages
        spider._visits = visits or as_visits([OpenVisit(url, pages) for url in seeds.split()])
        return spider

    def _close_session(self) -> None:
        self.session.close()

    @classmethod
    def accepts(cls, url: str) -> bool:
        """Whether the address is one of this site's. Raises UsageError for what is no web address."""
        host = host_of(url)
        return host in cls.hosts or host.partition(".")[2] in cls.hosts

    @abstractmethod
    def begin(self, visit: OpenVisit) -> Request:
        """The first request of a visit. Raises UsageError where the site has nothing public at the address."""

    async def start(self) -> AsyncIterator[Request]:
        async for visit in self._visits:
            self.session.open_visits.add(visit)
            visit.site = self.site
            try:
                request = self.begin(visit)
            except QalqanError as error:
                self._fail(visit, f"{visit.url}: {error}")
                self._close_if_done(visit)
            else:
                yield request

    def fetch(self, visit: OpenVisit, url: str, step: Step, on_error: ErrorStep | None = None) -> Request:
        """A request whose answer goes to `step`, or whose failure to `on_error`."""
        visit.steps += 1
        return Request(
            url,
            callback=self._answered,
            errback=self._not_answered,
            dont_filter=True,
            cb_kwargs={"visit": visit, "step": step},
            meta={"visit": visit, "on_error": on_error},
        )

    def page(
        self,
        visit: OpenVisit,
        response: Response,
        channel: Channel | None,
        documents: Sequence[Document],
        then: Then = lambda: None,
    ) -> PageOfDocuments:
        """What was read, with the capture it came from. `then` runs once it is stored; it may give the next request."""
        capture: Capture = response.meta["capture"]
        visit.steps += 1
        if channel is not None:
            visit.channel = channel.handle
            visit.status = channel.status
            channel = channel.model_copy(update={"capture_id": capture.id})
        self._after_storing[capture.id] = (visit, then)
        return PageOfDocuments(
            capture=capture,
            channel=channel,
            documents=tuple(d.model_copy(update={"capture_id": capture.id}) for d in documents),
        )

    def _answered(self, response: Response, visit: OpenVisit, step: Step) -> Iterator[PageOfDocuments | Request]:
        visit.pages += 1
        try:
            yield from step(visit, response)
        except ParseError as error:
            self._fail(visit, str(error))
        except Exception as error:
            # The worker's loop: a mistake of ours ends this visit, and no other.
            log.exception("step_crashed", url=response.url)
            self._fail(visit, f"{response.url}: internal error: {type(error).__name__}: {error}")
        self._end_step(visit)

    def _not_answered(self, failure: Failure) -> Iterator[PageOfDocuments]:
        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy adds it
        visit: OpenVisit = request.meta["visit"]
        on_error: ErrorStep | None = request.meta["on_error"]
        error: BaseException = failure.value  # type: ignore[assignment]  # an errback always has one
        pages = on_error(visit, error) if on_error is not None else None
        if pages is None:
            url = " → ".join(dict.fromkeys([*request.meta.get("redirect_urls", [])[:1], request.url]))
            self._fail(visit, describe_failure(error, url, self.session.settings.crawler))
        yield from pages or ()
        self._end_step(visit)

    def page_stored(self, page: PageOfDocuments, processed: ProcessedPage) -> list[Request]:
        """What is to be fetched next of the page's visit."""
        visit, then = self._after_storing.pop(page.capture.id)
        visit.add(processed)
        try:
            request = then()
        except QalqanError as error:
            self._fail(visit, str(error))
            request = None
        self.session.page_stored(visit, processed)
        if request is not None and visit.is_lost:
            visit.steps -= 1
            self._fail(visit, f"{visit.url}: given up, another worker has taken the visit over")
            request = None
        if request is not None and self.session.is_stopping:
            # The step stays open, so the visit does, and its claim is given back when the session closes.
            request = None
        self._end_step(visit)
        return [request] if request is not None else []

    def page_failed(self, page: PageOfDocuments, error: Exception) -> None:
        """The visit ends here: what is known about the channel must not run ahead of what is stored."""
        visit, _ = self._after_storing.pop(page.capture.id)
        self._fail(visit, f"{page.capture.url}: not stored: {error}")
        self._end_step(visit)

    def _fail(self, visit: OpenVisit, problem: str) -> None:
        visit.fail(problem)
        log.debug("visit_problem", url=visit.url, problem=problem)

    def _end_step(self, visit: OpenVisit) -> None:
        visit.steps -= 1
        self._close_if_done(visit)

    def _close_if_done(self, visit: OpenVisit) -> None:
        if visit.steps == 0 and not visit.is_closed:
            visit.is_closed = True
            self.session.open_visits.discard(visit)
            self.session.visit_closed(visit)


async def as_visits(visits: Iterable[OpenVisit]) -> AsyncIterator[OpenVisit]:
    for visit in visits:
        yield visit


def running_spider(crawler: Crawler) -> SiteSpider:
    """The spider that a Scrapy component belongs to."""
    if not isinstance(crawler.spider, SiteSpider):
        raise TypeError(f"{crawler.spider!r} is no SiteSpider; Qalqan's middlewares and pipeline need one")
    return crawler.spider
