"""Opens the store that the settings name."""

from importlib import import_module
from urllib.parse import urlsplit

from qalqan.config import StoreSettings
from qalqan.errors import ConfigurationError
from qalqan.store.base import (
    DocumentPage,
    DocumentQuery,
    Facet,
    Fingerprint,
    Neighbour,
    Store,
    StoredDocument,
    WriteCount,
)

__all__ = [
    "DocumentPage",
    "DocumentQuery",
    "Facet",
    "Fingerprint",
    "Neighbour",
    "Store",
    "StoredDocument",
    "WriteCount",
    "open_store",
]

# URL scheme -> "module:class" of the engine; a new engine is one line here and one file beside this one.
ENGINES = {
    "sqlite": "qalqan.store.sqlite:SqliteStore",
    "http": "qalqan.store.elasticsearch.engine:ElasticsearchStore",
    "https": "qalqan.store.elasticsearch.engine:ElasticsearchStore",
}


def open_store(url: str, options: StoreSettings | None = None) -> Store:
    """The engine for `sqlite:///path` or `https://elasticsearch:9200/prefix`.

    options: credentials, patience and the like; those of an engine mean nothing to another. Raises ConfigurationError
    for an unknown scheme or what cannot be a URL of the engine, StoreError if it cannot open.
    """
    scheme = urlsplit(url).scheme
    if scheme not in ENGINES:
        raise ConfigurationError(f"no store engine for {scheme!r}: known are {', '.join(sorted(ENGINES))}")
    module, name = ENGINES[scheme].split(":")
    try:
        engine: type[Store] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name not in ("elasticsearch", "elastic_transport"):
            raise
        raise ConfigurationError(
            "the store's URL names an Elasticsearch, whose client is not installed: pip install 'qalqan[elasticsearch]'"
        ) from error
    return engine(url, options or StoreSettings())  # type: ignore[call-arg]  # every engine takes these two
