"""Fetches addresses without a replay prefix and prints what became of each: `fetch_process.py HOME URL...`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from crawl_process import PROCESSOR
from scrapy import Request
from scrapy.http import Response

from crawler.report import OpenVisit
from crawler.scrapy_process import run_spiders
from crawler.scrapy_settings import scrapy_settings
from crawler.session import CrawlSession
from crawler.site_spider import SiteSpider, as_visits
from qalqan.config import load_settings
from qalqan.log import configure_logging
from qalqan.records import PageOfDocuments


class FetchSpider(SiteSpider):
    name = "fetch"
    site = "web"

    def begin(self, visit: OpenVisit) -> Request:
        return self.fetch(visit, visit.url, self.read)

    def read(self, visit: OpenVisit, response: Response) -> Iterator[PageOfDocuments]:
        yield self.page(visit, response, None, ())


def main(home: str, *urls: str) -> None:
    configure_logging(json=True)
    settings = load_settings(home=Path(home))
    options = scrapy_settings(settings, PROCESSOR)
    visits = [OpenVisit(url, 1) for url in urls]
    session = CrawlSession(settings, PROCESSOR)
    try:
        run_spiders(options, session, {FetchSpider: as_visits(visits)})
    finally:
        session.close()
    print(json.dumps([v.report().error for v in visits]))


if __name__ == "__main__":
    main(*sys.argv[1:])
