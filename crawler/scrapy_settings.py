"""Scrapy's settings from Qalqan's."""

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from crawler.safety import parse_networks
from crawler.session import DEFAULT_PROCESSOR
from qalqan.config import Settings
from qalqan.errors import ConfigurationError

_HANDLER = "crawler.download.CheckedDownloadHandler"


def scrapy_settings(settings: Settings, processor: str = DEFAULT_PROCESSOR) -> dict[str, Any]:
    """Raises ConfigurationError for an impossible replay prefix or network."""
    crawler = settings.crawler
    parse_networks(crawler.allowed_networks)
    delay_s = 0.0 if _is_local_replay(crawler.replay_prefix) else crawler.delay_s
    return {
        "BOT_NAME": "qalqan",
        "SPIDER_MODULES": ["crawler.spiders"],
        "NEWSPIDER_MODULE": "crawler.spiders",
        "USER_AGENT": crawler.user_agent,
        "DEFAULT_REQUEST_HEADERS": {
            "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
            # Counters and service messages are parsed in English.
            "Accept-Language": "en",
        },
        "ROBOTSTXT_OBEY": crawler.obey_robots_txt,
        "DOWNLOAD_HANDLERS": {
            "http": _HANDLER,
            "https": _HANDLER,
            "data": None,
            "file": None,
            "ftp": None,
            "s3": None,
        },
        "TWISTED_DNS_RESOLVER": "crawler.resolver.CheckedResolver",
        "DOWNLOADER_MIDDLEWARES": {
            "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
            "crawler.middlewares.SteadyRobotsTxtMiddleware": 100,
            "scrapy.downloadermiddlewares.retry.RetryMiddleware": None,
            "crawler.middlewares.BackoffRetryMiddleware": 550,
            # A proxy would connect to addresses that nobody checked.
            "scrapy.downloadermiddlewares.httpproxy.HttpProxyMiddleware": None,
            "scrapy.downloadermiddlewares.redirect.MetaRefreshMiddleware": None,
            "crawler.middlewares.EvidenceMiddleware": 950,
        },
        "ITEM_PIPELINES": {"crawler.item_pipeline.ProcessPages": 500},
        "DOWNLOAD_DELAY": delay_s,
        "CONCURRENT_REQUESTS_PER_DOMAIN": crawler.concurrency_per_host,
        "DOWNLOAD_TIMEOUT": crawler.timeout_s,
        "DOWNLOAD_MAXSIZE": crawler.max_body_bytes,
        "DOWNLOAD_WARNSIZE": 0,
        "DOWNLOAD_FAIL_ON_DATALOSS": False,
        "REDIRECT_MAX_TIMES": crawler.max_redirects,
        "RETRY_TIMES": crawler.retries,
        "RETRY_GIVE_UP_LOG_LEVEL": "DEBUG",
        "COOKIES_ENABLED": False,
        "REFERER_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "STATS_DUMP": False,
        "LOG_LEVEL": "WARNING",
        "LOG_INSTALL_ROOT_HANDLER": False,
        "QALQAN_PROCESSOR": processor,
        "QALQAN_REPLAY_PREFIX": crawler.replay_prefix,
        "QALQAN_ALLOWED_NETWORKS": crawler.allowed_networks,
        "QALQAN_BACKOFF_S": delay_s,
    }


def _is_local_replay(prefix: str | None) -> bool:
    if prefix is None:
        return False
    parts = urlsplit(prefix)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"setting crawler.replay_prefix: {prefix!r} is no web address; write it as http://127.0.0.1:8900/id_/"
        )
    try:
        return ip_address(parts.hostname).is_loopback
    except ValueError:
        return parts.hostname == "localhost"
