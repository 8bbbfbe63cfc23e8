"""A long-lived worker: claims visits from the frontier and crawls them in one Scrapy process; models load once."""

import asyncio
import os
import socket
import threading
from collections import defaultdict, deque
from collections.abc import AsyncIterator

import structlog

from crawler.frontier import VisitOutcome
from crawler.report import OpenVisit
from crawler.scrapy_process import load_spiders, run_spiders, spider_for
from crawler.scrapy_settings import scrapy_settings
from crawler.session import DEFAULT_PROCESSOR, CrawlSession
from crawler.site_spider import SiteSpider
from qalqan.clock import now
from qalqan.config import Settings
from qalqan.errors import StoreError, UsageError
from qalqan.records import ProcessedPage

log = structlog.get_logger()

# Longer than one page can take with all its retries; renewed after every stored page.
LEASE_S = 600.0
POLL_S = 1.0
# Visits under way at once; more would only wait for the same hosts.
MAX_OPEN_VISITS = 8


def run_worker(settings: Settings, stop: threading.Event | None = None, processor: str = DEFAULT_PROCESSOR) -> None:
    """Crawls until `stop` is set or SIGTERM or SIGINT arrives; works once per process.

    Fetches in flight are finished and stored, claims of unfinished visits given back; another worker goes on from the
    page where they stopped.
    """
    options = scrapy_settings(settings, processor)
    claims = _Claims(settings, load_spiders(options), stop or threading.Event(), processor)
    log.info("worker_started", worker_id=claims.worker_id)
    try:
        run_spiders(options, claims.session, claims.sources())
    finally:
        claims.session.close()
        log.info("worker_stopped", worker_id=claims.worker_id)


class _Claims:
    def __init__(
        self, settings: Settings, spiders: dict[str, type[SiteSpider]], stop: threading.Event, processor: str
    ) -> None:
        self.worker_id = f"{socket.gethostname()}:{os.getpid()}"
        self.session = CrawlSession(settings, processor, visit_closed=self._complete, page_stored=self._renew)
        self._default_pages = settings.crawler.max_pages
        self._spiders = spiders
        self._stop = stop
        self._waiting: defaultdict[str, deque[OpenVisit]] = defaultdict(deque)
        freed = self.session.frontier.end_leases(_died_here)
        if freed:
            log.info("leases_ended", visits=freed)

    def sources(self) -> dict[type[SiteSpider], AsyncIterator[OpenVisit]]:
        return {spider: self._visits(name) for name, spider in self._spiders.items()}

    async def _visits(self, name: str) -> AsyncIterator[OpenVisit]:
        while not self._stop.is_set():
            waiting = self._waiting[name]
            if not waiting and not self._try_claim():
                await asyncio.sleep(POLL_S)
            while waiting and not self._stop.is_set():
                yield waiting.popleft()
        self.session.is_stopping = True

    def _try_claim(self) -> bool:
        try:
            return self._claim()
        except StoreError as error:
            log.error("claim_failed", error=str(error))
            return False

    def _claim(self) -> bool:
        """Claims one visit for whichever spider it belongs to; False where none is due or enough are under way."""
        if len(self.session.open_visits) >= MAX_OPEN_VISITS:
            return False
        claim = self.session.frontier.claim(self.worker_id, LEASE_S)
        if claim is None:
            return False
        visit = OpenVisit(claim.url, claim.max_pages or self._default_pages, claim)
        self.session.open_visits.add(visit)
        try:
            self._waiting[spider_for(claim.url, self._spiders, claim.spider)].append(visit)
        except UsageError as error:
            visit.fail(f"{claim.url}: {error}")
            self.session.open_visits.discard(visit)
            self._complete(visit)
        return True

    def _complete(self, visit: OpenVisit) -> None:
        if visit.claim is None:
            return
        report = visit.report()
        outcome = VisitOutcome(
            url=report.url,
            source_id=visit.claim.source_id,
            finished_at=now(),
            status=report.status,
            pages=report.pages,
            posts=report.posts,
            new=report.new,
            changed=report.changed,
            error=report.error,
        )
        if not self.session.frontier.complete(visit.claim, outcome):
            log.warning("visit_was_taken_over", url=visit.url)
        log.info("visit_finished", url=visit.url, status=report.status, new=report.new, error=report.error)

    def _renew(self, visit: OpenVisit, _page: ProcessedPage) -> None:
        if visit.claim is not None and not self.session.frontier.renew(visit.claim, LEASE_S):
            visit.is_lost = True


def _died_here(worker_id: str) -> bool:
    """Whether it was a worker of this machine whose process is gone; others are left to their leases."""
    host, _, process_id = worker_id.rpartition(":")
    if host != socket.gethostname() or not process_id.isdecimal():
        return False
    try:
        os.kill(int(process_id), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
