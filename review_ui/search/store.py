"""The store of documents as the site reads it: opened once per process, when a page first asks for it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from qalqan.errors import ConfigurationError, StoreError
from qalqan.store import Store, open_store

# One answer: a person waits for the page, and only a few pages are made at the same time.
_TIMEOUT_S = 10.0
# So long pages say at once that the store is away, instead of each waiting for it.
_QUIET_S = 5.0
# The server makes four pages at a time: a store that hangs must leave some for the rest of the site.
_READERS = 2
_TURN_S = 3.0


class SharedStore:
    """Safe to share between threads."""

    def __init__(self) -> None:
        self._turns = threading.BoundedSemaphore(_READERS)
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._failure = ""
        self._quiet_until = 0.0

    @contextmanager
    def reading(self) -> Iterator[Store]:
        """Raises StoreError where it cannot be opened, which the next page tries again, or others wait for it."""
        if not self._turns.acquire(timeout=_TURN_S):
            raise StoreError("other pages wait for the store already: try again in a moment")
        try:
            yield self._get()
        finally:
            self._turns.release()

    def _get(self) -> Store:
        with self._lock:
            if self._store is None:
                self._store = self._open()
            return self._store

    def _open(self) -> Store:
        if self._failure and time.monotonic() < self._quiet_until:
            raise StoreError(self._failure)
        options = settings.QALQAN.store
        try:
            opened = open_store(
                settings.QALQAN.store_url,
                options.model_copy(update={"timeout_s": min(options.timeout_s, _TIMEOUT_S), "spool": None}),
            )
        except (StoreError, ConfigurationError) as error:
            self._failure, self._quiet_until = str(error), time.monotonic() + _QUIET_S
            raise StoreError(self._failure) from error
        self._failure = ""
        return opened

    def close(self) -> None:
        """The next page opens it anew."""
        with self._lock:
            if self._store is not None:
                self._store.close()
            self._store, self._failure = None, ""


shared_store = SharedStore()
