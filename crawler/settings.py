"""Settings of the `scrapy` command in this folder; `qalqan crawl` and the worker build theirs from the same source."""

from crawler.scrapy_settings import scrapy_settings
from qalqan.config import load_settings

globals().update(scrapy_settings(load_settings()))
