"""Scrapy's item pipeline: hands each page to the processor, then tells the spider, which decides what to fetch next."""

import structlog
from scrapy.crawler import Crawler

from crawler.site_spider import running_spider
from qalqan.errors import QalqanError
from qalqan.records import PageOfDocuments

log = structlog.get_logger()


class ProcessPages:
    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "ProcessPages":
        return cls(crawler)

    async def process_item(self, item: PageOfDocuments) -> PageOfDocuments:
        spider = running_spider(self.crawler)
        try:
            processed = await spider.session.process(item)
        except QalqanError as error:
            log.error("page_not_stored", url=item.capture.url, error=str(error))
            spider.page_failed(item, error)
        except Exception as error:
            # The worker's loop: one page that the processor stumbles over stops no other.
            log.exception("processing_crashed", url=item.capture.url)
            spider.page_failed(item, error)
        else:
            for request in spider.page_stored(item, processed):
                self.crawler.engine.crawl(request)
        return item
