"""What one crawling process holds open: store, evidence, frontier and the processor of pages."""

import asyncio
import importlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Protocol

import structlog

from crawler.frontier import open_frontier
from crawler.report import OpenVisit
from qalqan.clock import now
from qalqan.config import Settings
from qalqan.errors import ConfigurationError
from qalqan.evidence import Exchange, WarcWriter
from qalqan.ids import machine_id
from qalqan.records import Capture, Document, PageOfDocuments, ProcessedPage
from qalqan.store import open_store

log = structlog.get_logger()

DEFAULT_PROCESSOR = "pipelines.processor.open_processor"

_SELF_DESCRIPTION = ("title", "description", "subscribers")


class Processor(Protocol):
    """What happens to a page after it was read; `open_processor(settings, store)` makes one.

    When `process` returns, the page's documents and its channel are stored.
    """

    def process(self, page: PageOfDocuments) -> ProcessedPage: ...

    def close(self) -> None: ...


class CrawlSession:
    """Sealing and processing each have one thread, so neither holds up the network nor is run twice at once.

    visit_closed: called in the reactor's thread when nothing of a visit is under way any more.
    page_stored: called there after each stored page. is_stopping: no visit goes on to its next page.
    """

    def __init__(
        self,
        settings: Settings,
        processor: str = DEFAULT_PROCESSOR,
        visit_closed: Callable[[OpenVisit], None] = lambda _: None,
        page_stored: Callable[[OpenVisit, ProcessedPage], None] = lambda _visit, _page: None,
    ) -> None:
        self.settings = settings
        self.visit_closed = visit_closed
        self.page_stored = page_stored
        self.open_visits: set[OpenVisit] = set()
        self.is_stopping = False
        self.started_at = now()
        self.run_id = f"{self.started_at:%Y%m%dT%H%M%S}-{machine_id(self.started_at.isoformat(), str(id(self)))[:8]}"
        with ExitStack() as stack:
            self._store = stack.enter_context(open_store(settings.store_url, settings.store_options))
            self.frontier = open_frontier(settings.home)
            stack.callback(self.frontier.close)
            self._evidence = WarcWriter(
                settings.evidence_url, self.run_id, settings.evidence.max_warc_bytes, settings.home / "evidence-outbox"
            )
            stack.callback(self._evidence.close)
            self._processor: Processor = _load(processor)(settings, self._store)
            stack.callback(self._processor.close)
            self._sealing = ThreadPoolExecutor(1, "sealing")
            stack.callback(self._sealing.shutdown)
            self._processing = ThreadPoolExecutor(1, "processing")
            stack.callback(self._processing.shutdown)
            self._resources = stack.pop_all()

    async def seal(self, exchange: Exchange) -> Capture:
        """Writes the exchange into the WARC file and its capture into the store."""
        return await asyncio.get_running_loop().run_in_executor(self._sealing, self._seal, exchange)

    def _seal(self, exchange: Exchange) -> Capture:
        capture = self._evidence.write(exchange)
        self._store.put_captures([capture])
        return capture

    def stored(self, document_id: str) -> Document | None:
        return self._store.get_document(document_id)

    async def process(self, page: PageOfDocuments) -> ProcessedPage:
        """The page after the pipeline; its documents and channel are stored when this returns."""
        return await asyncio.get_running_loop().run_in_executor(self._processing, self._process, page)

    def _process(self, page: PageOfDocuments) -> ProcessedPage:
        channel = page.channel
        earlier = self._store.get_channel(channel.site, channel.handle) if channel is not None else None
        if channel is not None and earlier is not None:
            # A channel that is gone or hidden says no more of itself than it did before.
            told = {name: getattr(earlier, name) for name in _SELF_DESCRIPTION if getattr(channel, name) is None}
            page = page.model_copy(update={"channel": channel.model_copy(update=told)})
        return self._processor.process(page)

    def close(self) -> None:
        """Gives back the claims of unfinished visits and closes everything. Raises EvidenceError, StoreError."""
        with self._resources:
            for visit in self.open_visits:
                if visit.claim is not None:
                    self.frontier.release(visit.claim)
                    log.info("visit_released", url=visit.url)


def _load(path: str) -> Callable[[Settings, object], Processor]:
    module, _, name = path.rpartition(".")
    try:
        factory: Callable[[Settings, object], Processor] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"the processor {path!r} cannot be loaded: {error}") from error
    return factory
