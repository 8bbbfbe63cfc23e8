"""Telegram's public web preview: landing, newest page, and backwards as far as it is not known yet."""

from collections.abc import Callable, Iterator
from functools import partial

import structlog
from scrapy import Request
from scrapy.http import Response
from scrapy.spidermiddlewares.httperror import HttpError

from crawler.failures import describe_failure
from crawler.parsing.telegram import PreviewPage, parse_preview
from crawler.parsing.telegram_landing import LandingPage, parse_landing
from crawler.progress import ChannelState, Gap, PageSpan, after_newest, after_older, next_gap
from crawler.report import OpenVisit
from crawler.site_spider import ErrorStep, SiteSpider
from qalqan.errors import ParseError, UsageError
from qalqan.records import Capture, Channel, Document, PageOfDocuments
from qalqan.urls import TELEGRAM_HOSTS, host_of, telegram_channel_of

log = structlog.get_logger()

Results = Iterator[PageOfDocuments | Request]


class TelegramSpider(SiteSpider):
    name = "telegram"
    site = "telegram"
    hosts = TELEGRAM_HOSTS

    def begin(self, visit: OpenVisit) -> Request:
        named = telegram_channel_of(visit.url)
        if named is None:
            raise UsageError(
                "names no public channel or post of Telegram (invites, private chats and sticker sets are not crawled)"
            )
        visit.channel, post_id = named
        is_preview = "/s/" in visit.url
        if post_id is not None:
            path = f"s/{visit.channel}/{post_id}" if is_preview else f"{visit.channel}/{post_id}"
            step = partial(self.read_post_in_context if is_preview else self.read_post_landing, post_id)
            return self.fetch(visit, f"https://t.me/{path}", step)
        if is_preview:
            return self._fetch_newest(visit, None)
        return self.fetch(visit, f"https://t.me/{visit.channel}", self.read_landing)

    def _fetch_newest(self, visit: OpenVisit, landing: Channel | None) -> Request:
        visit.pages_left -= 1
        return self.fetch(visit, f"https://t.me/s/{visit.channel}", partial(self.read_newest, landing))

    def read_landing(self, visit: OpenVisit, response: Response) -> Results:
        page = _parse_landing(response)
        if page.channel is None:
            raise ParseError(f"{response.url}: a person, a bot or a private chat, not a public channel; not crawled")
        then = partial(self._fetch_newest, visit, page.channel) if page.preview_path is not None else lambda: None
        yield self.page(visit, response, page.channel, (), then)

    def read_newest(self, landing: Channel | None, visit: OpenVisit, response: Response) -> Results:
        if not _is_preview(response):
            # Telegram redirects the preview of a channel that has none to its landing page.
            yield from self._read_without_preview(visit, response)
            return
        page = self._read_preview(visit, response)
        channel = page.channel
        if channel is not None and landing is not None and landing.subscribers is not None:
            # The landing page counts exactly, the preview rounds.
            channel = channel.model_copy(update={"subscribers": landing.subscribers})
        yield self.page(visit, response, channel, page.documents, partial(self._after_newest, visit, page))

    def _read_without_preview(self, visit: OpenVisit, response: Response) -> Results:
        channel = _parse_landing(response).channel
        if channel is None:
            raise ParseError(f"{response.url}: a person, a bot or a private chat, not a public channel; not crawled")
        if channel.status == "public":
            channel = channel.model_copy(update={"status": "preview_disabled"})
        yield self.page(visit, response, channel, ())

    def read_older(self, gap: Gap, visit: OpenVisit, response: Response) -> Results:
        if not _is_preview(response):
            raise ParseError(f"{response.url}: the older page led to the landing page; what is older stays to be read")
        page = self._read_preview(visit, response)
        if page.channel is not None and page.channel.status == "restricted":
            raise ParseError(f"{response.url}: Telegram hides the posts of this page; what is older stays to be read")
        if page.documents and int(page.documents[0].post_id or 0) >= gap.before:
            raise ParseError(f"{response.url}: the older page goes no further back; paging stopped")
        yield self.page(visit, response, None, page.documents, partial(self._after_older, visit, gap, page))

    def read_post_in_context(self, post_id: str, visit: OpenVisit, response: Response) -> Results:
        page = self._read_preview(visit, response)
        documents = [d for d in page.documents if d.post_id == post_id]
        if not documents:
            raise ParseError(f"{response.url}: the post is not on the page; it was deleted or never existed")
        yield self.page(visit, response, page.channel, documents)

    def read_post_landing(self, post_id: str, visit: OpenVisit, response: Response) -> Results:
        page = _parse_landing(response)
        if page.post is None or page.embed_url is None or page.post.post_id != post_id:
            raise ParseError(f"{response.url}: no such post; it was deleted or never existed")
        then = partial(self._fetch_embedded, visit, response, page.embed_url, page.post)
        yield self.page(visit, response, page.channel, (), then)

    def _fetch_embedded(self, visit: OpenVisit, landing: Response, embed_url: str, post: Document) -> Request:
        fall_back = partial(self._embedded_missing, landing, post)
        return self.fetch(visit, embed_url, partial(self.read_embedded, fall_back), fall_back)

    def _embedded_missing(
        self, landing: Response, post: Document, visit: OpenVisit, error: BaseException
    ) -> list[PageOfDocuments]:
        """The landing page knows the post's text, and nothing else; a fuller document is not overwritten with it."""
        reason = describe_failure(error, f"{post.url}?embed=1", self.session.settings.crawler)
        log.warning("embedded_post_not_read", url=post.url, reason=reason)
        stored = self.session.stored(post.id)
        is_fuller = stored is not None and stored.published_at is not None
        return [self.page(visit, landing, None, [] if is_fuller else [post])]

    def read_embedded(self, fall_back: ErrorStep, visit: OpenVisit, response: Response) -> Results:
        try:
            page = self._read_preview(visit, response)
        except ParseError as error:
            yield from fall_back(visit, error) or ()
        else:
            yield self.page(visit, response, None, page.documents)

    def _read_preview(self, visit: OpenVisit, response: Response) -> PreviewPage:
        capture: Capture = response.meta["capture"]
        _check_host(response)
        page = parse_preview(response.url, response.body, capture.content_type, capture.fetched_at)
        for problem in page.problems:
            visit.fail(problem)
            log.warning("page_damaged", url=response.url, problem=problem)
        return page

    def _after_newest(self, visit: OpenVisit, page: PreviewPage) -> Request | None:
        span = _span(page)
        if span is None:
            return None
        return self._next_older(visit, self._update(visit, lambda state: after_newest(state, span)))

    def _after_older(self, visit: OpenVisit, gap: Gap, page: PreviewPage) -> Request | None:
        span = _span(page)
        state = self._update(visit, lambda state: after_older(state, gap, span))
        # A page that is cut is tried again by the next visit, not at once.
        return None if page.damaged else self._next_older(visit, state)

    def _next_older(self, visit: OpenVisit, state: ChannelState) -> Request | None:
        gap = next_gap(state, visit.max_pages)
        if gap is None or visit.pages_left <= 0:
            return None
        visit.pages_left -= 1
        url = f"https://t.me/s/{visit.channel}?before={gap.before}"
        return self.fetch(visit, url, partial(self.read_older, gap), partial(self._older_missing, gap))

    def _older_missing(self, gap: Gap, visit: OpenVisit, error: BaseException) -> list[PageOfDocuments] | None:
        """404 or 410: the archive ends here. Anything else leaves the gap for the next visit."""
        if not (isinstance(error, HttpError) and error.response.status in (404, 410)):
            return None
        log.warning("history_ends", url=error.response.url, status=error.response.status)
        self._update(visit, lambda state: after_older(state, gap, None))
        return []

    def _update(self, visit: OpenVisit, change: Callable[[ChannelState], ChannelState]) -> ChannelState:
        return self.session.frontier.update_channel(self.site, visit.channel or "", change)


def _check_host(response: Response) -> None:
    host = host_of(response.url)
    if host not in TELEGRAM_HOSTS and host.partition(".")[2] not in TELEGRAM_HOSTS:
        raise ParseError(f"{response.url}: redirected away from Telegram to {host}; not read")


def _is_preview(response: Response) -> bool:
    return "/s/" in response.url or host_of(response.url) not in TELEGRAM_HOSTS


def _parse_landing(response: Response) -> LandingPage:
    capture: Capture = response.meta["capture"]
    _check_host(response)
    return parse_landing(response.url, response.body, capture.content_type, capture.fetched_at)


def _span(page: PreviewPage) -> PageSpan | None:
    numbers = [int(d.post_id) for d in page.documents if d.post_id]
    return PageSpan(min(numbers), max(numbers), page.before, page.damaged) if numbers else None
