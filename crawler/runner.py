"""One crawl in the foreground: seeds in, a report out."""

from collections.abc import Callable, Sequence

from crawler.report import CrawlProgress, CrawlReport, OpenVisit, SeedReport, failed_seed
from crawler.scrapy_process import load_spiders, run_spiders, spider_for
from crawler.scrapy_settings import scrapy_settings
from crawler.session import DEFAULT_PROCESSOR, CrawlSession
from crawler.site_spider import SiteSpider, as_visits
from qalqan.clock import now
from qalqan.config import Settings
from qalqan.errors import UsageError
from qalqan.records import Document, ProcessedPage
from qalqan.urls import canonical_url


def run_crawl(
    seeds: Sequence[str],
    settings: Settings,
    *,
    spider: str | None = None,
    max_pages: int | None = None,
    browser: bool = False,
    on_progress: Callable[[CrawlProgress], None] | None = None,
    on_documents: Callable[[Sequence[Document]], None] | None = None,
    processor: str = DEFAULT_PROCESSOR,
) -> CrawlReport:
    """Crawls every seed and blocks until all are done; works once per process.

    max_pages: per seed, instead of crawler.max_pages. A seed that fails is in `report.failed` with one line that says
    why, and stops no other. The same page given twice is crawled once. Raises UsageError for an unknown spider or no
    seed, ConfigurationError for impossible settings.
    """
    if browser:
        raise UsageError("the browser is not built in yet: crawl without --browser")
    if not seeds:
        raise UsageError("no address to crawl; give at least one, such as https://t.me/s/<channel>")
    options = scrapy_settings(settings, processor)
    spiders = load_spiders(options)
    if spider is not None:
        spider_for(seeds[0], spiders, spider)
    pages = max_pages if max_pages is not None else settings.crawler.max_pages
    if pages < 1:
        raise UsageError(f"max_pages is {pages}; at least one page must be fetched")

    reports: dict[str, SeedReport] = {}
    visits: dict[type[SiteSpider], list[OpenVisit]] = {}
    order: dict[str, None] = {}  # the seeds, each once, as they were given
    for seed in seeds:
        try:
            page = canonical_url(seed)
            name = spider_for(seed, spiders, spider)
        except UsageError as error:
            order[seed] = None
            reports[seed] = failed_seed(seed, f"{seed}: {error}")
            continue
        if page not in order:
            order[page] = None
            visits.setdefault(spiders[name], []).append(OpenVisit(seed, pages))

    def count(visit: OpenVisit, processed: ProcessedPage) -> None:
        if on_documents is not None and processed.documents:
            on_documents(processed.documents)
        report_progress(visit)

    def close(visit: OpenVisit) -> None:
        reports[canonical_url(visit.url)] = visit.report()
        report_progress(visit)

    def report_progress(visit: OpenVisit) -> None:
        if on_progress is not None:
            under_way = [*reports.values(), *(v.report() for v in session.open_visits if not v.is_closed)]
            on_progress(
                CrawlProgress(
                    seeds_done=len(reports),
                    seeds_total=len(order),
                    pages=sum(r.pages for r in under_way),
                    posts=sum(r.posts for r in under_way),
                    new=sum(r.new for r in under_way),
                    url=visit.url,
                )
            )

    started_at = now()
    session = CrawlSession(settings, processor, visit_closed=close, page_stored=count)
    try:
        run_spiders(options, session, {cls: as_visits(found) for cls, found in visits.items()})
    finally:
        session.close()
    for visit in (v for found in visits.values() for v in found if not v.is_closed):
        visit.fail(f"{visit.url}: interrupted before it was finished; the next crawl goes on from there")
        reports[canonical_url(visit.url)] = visit.report()
    return CrawlReport(session.run_id, started_at, now(), tuple(reports[page] for page in order))


__all__ = ["CrawlProgress", "CrawlReport", "SeedReport", "run_crawl"]
