"""Opens the store that the settings name."""

from importlib import import_module
from urllib.parse import urlsplit

from qalqan.errors import ConfigurationError
from qalqan.store.base import DocumentPage, DocumentQuery, Fingerprint, Store, WriteCount

__all__ = ["DocumentPage", "DocumentQuery", "Fingerprint", "Store", "WriteCount", "open_store"]

# URL scheme -> "module:class" of the engine; a new engine is one line here and one file beside this one.
ENGINES = {"sqlite": "qalqan.store.sqlite:SqliteStore"}


def open_store(url: str) -> Store:
    """The engine for `sqlite:///path`. ConfigurationError for an unknown scheme, StoreError if it cannot open."""
    scheme = urlsplit(url).scheme
    if scheme not in ENGINES:
        raise ConfigurationError(f"no store engine for {scheme!r}: known are {', '.join(sorted(ENGINES))}")
    module, name = ENGINES[scheme].split(":")
    engine: type[Store] = getattr(import_module(module), name)
    return engine(url)  # type: ignore[call-arg]  # every engine takes its URL
