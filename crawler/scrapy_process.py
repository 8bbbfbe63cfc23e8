"""One Scrapy process with the asyncio reactor; a process can run it once."""

import logging
import threading
from collections.abc import AsyncIterator
from typing import Any

from scrapy.crawler import AsyncCrawlerProcess
from scrapy.settings import Settings as ScrapySettings
from scrapy.spiderloader import SpiderLoader

from crawler.report import OpenVisit
from crawler.session import CrawlSession
from crawler.site_spider import SiteSpider
from qalqan.errors import UsageError
from qalqan.urls import host_of


def load_spiders(scrapy_settings: dict[str, Any]) -> dict[str, type[SiteSpider]]:
    loader = SpiderLoader.from_settings(ScrapySettings(scrapy_settings))
    spiders = {name: loader.load(name) for name in sorted(loader.list())}
    return {name: spider for name, spider in spiders.items() if issubclass(spider, SiteSpider)}


def spider_for(url: str, spiders: dict[str, type[SiteSpider]], name: str | None) -> str:
    """The spider's name. Raises UsageError for an unknown name, a bad address, or a host that no spider reads."""
    if name is not None:
        if name not in spiders:
            raise UsageError(f"no spider {name!r}; there are: {', '.join(spiders)}")
        return name
    host = host_of(url)
    found = next((n for n, spider in spiders.items() if spider.accepts(url)), None)
    if found is None:
        raise UsageError(f"no spider reads {host}; there are: {', '.join(spiders)} (--spider chooses one)")
    return found


def run_spiders(
    scrapy_settings: dict[str, Any],
    session: CrawlSession,
    visits: dict[type[SiteSpider], AsyncIterator[OpenVisit]],
) -> None:
    """Blocks until every spider has finished; SIGINT and SIGTERM let the fetches in flight finish."""
    process = AsyncCrawlerProcess(scrapy_settings)
    _quieten()
    for spider, source in visits.items():
        process.crawl(spider, session=session, visits=source)
    process.start(install_signal_handlers=threading.current_thread() is threading.main_thread())


def _quieten() -> None:
    """What these say as warnings is in the report, once, in our own words."""
    for name in ("core.downloader.handlers.http11", "core.scraper", "downloadermiddlewares.robotstxt"):
        logging.getLogger(f"scrapy.{name}").setLevel(logging.CRITICAL)
