"""Why a fetch failed, in one line for a person."""

import zlib
from gzip import BadGzipFile
from http import HTTPStatus
from urllib.parse import urlsplit

from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
)
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.internet.error import ConnectError, ConnectionClosed

from qalqan.config import CrawlerSettings
from qalqan.errors import QalqanError


def describe_failure(error: BaseException, url: str, settings: CrawlerSettings) -> str:
    """`<url>: <what happened>`; settings that set the limit are named. `url` may be a chain, `a → b`."""
    return f"{url}: {_reason(error, url.rpartition(' ')[2], settings)}"


def _reason(error: BaseException, url: str, settings: CrawlerSettings) -> str:
    place = settings.replay_prefix or url
    server = urlsplit(place).netloc
    match error:
        case QalqanError():
            return str(error).removeprefix(f"{url}: ")
        case HttpError():
            location = (error.response.headers.get(b"Location") or b"").decode("latin-1")
            leads = f", leads to {location}, which is not followed" if location else ""
            return describe_status(error.response.status) + leads
        case CannotResolveHostError():
            return f"the host name {urlsplit(place).hostname} cannot be resolved (DNS)"
        case DownloadConnectionRefusedError():
            return f"connection refused by {server}"
        case DownloadTimeoutError():
            return f"no complete answer from {server} within {settings.timeout_s:g} s (limit crawler.timeout_s)"
        case DownloadCancelledError():
            return f"body larger than {_size(settings.max_body_bytes)} (limit crawler.max_body_bytes)"
        case IgnoreRequest() if "robots.txt" in str(error):
            return "robots.txt forbids it (setting crawler.obey_robots_txt)"
        case IgnoreRequest() if "redirect" in str(error):
            return f"more than {settings.max_redirects} redirects (limit crawler.max_redirects)"
        case IgnoreRequest():
            size = _size(settings.max_body_bytes)
            return f"body larger than {size} after decompression (limit crawler.max_body_bytes)"
        case DownloadFailedError() | ResponseDataLossError() | ConnectionClosed():
            return f"the connection to {server} broke: {_one_line(error)}"
        case BadGzipFile() | zlib.error() | EOFError():
            return f"the body cannot be decompressed: {_one_line(error)}"
        case ConnectError() | OSError():
            return f"{server} cannot be reached: {_one_line(error)}"
        case _:
            return f"{type(error).__name__}: {_one_line(error)}"


def describe_status(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:g} MB" if size_bytes >= 1e6 else f"{size_bytes} bytes"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
