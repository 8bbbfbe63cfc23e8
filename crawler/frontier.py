"""The frontier: what to fetch next, how far each channel has been read, and how the last visits went.

The SQLite engine's layout: `visits` (waiting or claimed), `outcomes` (finished), `schedules` (when a source was last
put in), `channels` (site, handle in lower case, state as JSON). Times are seconds since 1970. Any number of processes
may share the file; every change is one transaction, so a kill loses at most the visit's lease.
"""

import json
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from crawler.progress import ChannelState, Gap
from qalqan.clock import now
from qalqan.errors import StoreError
from qalqan.urls import canonical_url

# A visit whose worker died this often is the likely cause of it, and is put aside.
MAX_CLAIMS = 5
KEPT_OUTCOMES = 100_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS visits (
    id INTEGER PRIMARY KEY, page TEXT NOT NULL UNIQUE, url TEXT NOT NULL, spider TEXT, source_id TEXT,
    max_pages INTEGER, due_at REAL NOT NULL, worker_id TEXT, lease_until REAL, claims INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS visits_due ON visits (due_at);
CREATE TABLE IF NOT EXISTS outcomes (
    id INTEGER PRIMARY KEY, url TEXT NOT NULL, source_id TEXT, finished_at REAL NOT NULL, status TEXT NOT NULL,
    pages INTEGER NOT NULL, posts INTEGER NOT NULL, new INTEGER NOT NULL, changed INTEGER NOT NULL, error TEXT);
CREATE TABLE IF NOT EXISTS schedules (source_id TEXT PRIMARY KEY, scheduled_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS channels (
    site TEXT NOT NULL, handle TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (site, handle));
"""


@dataclass(frozen=True, slots=True)
class Visit:
    """One address to be crawled, claimed by one worker until `lease_until`."""

    id: int
    url: str
    spider: str | None
    source_id: str | None
    max_pages: int | None
    due_at: datetime
    worker_id: str
    lease_until: datetime
    claims: int


@dataclass(frozen=True, slots=True)
class VisitOutcome:
    """How a visit went; `status` as in the crawl report."""

    url: str
    source_id: str | None
    finished_at: datetime
    status: str
    pages: int = 0
    posts: int = 0
    new: int = 0
    changed: int = 0
    error: str | None = None


class Frontier(ABC):
    """Safe to share between threads and processes."""

    @abstractmethod
    def schedule(
        self,
        url: str,
        due_at: datetime,
        *,
        source_id: str | None = None,
        max_pages: int | None = None,
        spider: str | None = None,
    ) -> bool:
        """Puts a visit in. False, and nothing changes, where one of the same page still waits or runs."""

    @abstractmethod
    def claim(self, worker_id: str, lease_s: float) -> Visit | None:
        """The visit that is due longest, none where nothing is due. An expired lease is claimable again."""

    @abstractmethod
    def renew(self, visit: Visit, lease_s: float) -> bool:
        """Prolongs the lease; False where another worker has taken the visit meanwhile."""

    @abstractmethod
    def release(self, visit: Visit) -> None:
        """Gives a claimed visit back, to be claimed by anybody at once."""

    @abstractmethod
    def end_leases(self, is_gone: Callable[[str], bool]) -> int:
        """Makes claimable again what workers hold of whom `is_gone(worker_id)` is true; how many visits that were."""

    @abstractmethod
    def complete(self, visit: Visit, outcome: VisitOutcome) -> bool:
        """Ends the visit; False, and nothing is written, where another worker has taken it meanwhile."""

    @abstractmethod
    def recent_outcomes(self, limit: int) -> list[VisitOutcome]:
        """The last finished visits, newest first."""

    @abstractmethod
    def last_scheduled(self, source_id: str) -> datetime | None: ...

    @abstractmethod
    def channel_state(self, site: str, handle: str) -> ChannelState: ...

    @abstractmethod
    def update_channel(self, site: str, handle: str, change: Callable[[ChannelState], ChannelState]) -> ChannelState:
        """Applies the change to the stored state in one transaction; returns the new state."""

    @abstractmethod
    def close(self) -> None: ...


class SqliteFrontier(Frontier):
    """Raises StoreError where the file cannot be opened or written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"the frontier {path} cannot be opened: {error}") from error
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            with self._writing() as connection:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
        except (StoreError, sqlite3.Error) as error:
            self._connection.close()
            raise StoreError(f"the frontier {path} cannot be opened: {error}") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise StoreError(f"the frontier {self._path} cannot be written: {error}") from error

    def schedule(
        self,
        url: str,
        due_at: datetime,
        *,
        source_id: str | None = None,
        max_pages: int | None = None,
        spider: str | None = None,
    ) -> bool:
        with self._writing() as connection:
            cursor = connection.execute(
                "INSERT INTO visits (page, url, spider, source_id, max_pages, due_at) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (page) DO NOTHING",
                (canonical_url(url), url, spider, source_id, max_pages, due_at.timestamp()),
            )
            if cursor.rowcount and source_id is not None:
                connection.execute(
                    "INSERT INTO schedules VALUES (?, ?)"
                    " ON CONFLICT (source_id) DO UPDATE SET scheduled_at = excluded.scheduled_at",
                    (source_id, due_at.timestamp()),
                )
            return cursor.rowcount == 1

    def claim(self, worker_id: str, lease_s: float) -> Visit | None:
        moment = now().timestamp()
        with self._writing() as connection:
            while True:
                row = connection.execute(
                    "SELECT * FROM visits WHERE due_at <= ? AND (lease_until IS NULL OR lease_until <= ?)"
                    " ORDER BY due_at, id LIMIT 1",
                    (moment, moment),
                ).fetchone()
                if row is None:
                    return None
                if row["claims"] < MAX_CLAIMS:
                    break
                error = f"put aside: {MAX_CLAIMS} workers died or hung while visiting it"
                outcome = VisitOutcome(row["url"], row["source_id"], now(), "failed", error=error)
                self._end(connection, row["id"], outcome)
            lease_until = moment + lease_s
            connection.execute(
                "UPDATE visits SET worker_id = ?, lease_until = ?, claims = claims + 1 WHERE id = ?",
                (worker_id, lease_until, row["id"]),
            )
        return Visit(
            id=row["id"],
            url=row["url"],
            spider=row["spider"],
            source_id=row["source_id"],
            max_pages=row["max_pages"],
            due_at=_moment(row["due_at"]),
            worker_id=worker_id,
            lease_until=_moment(lease_until),
            claims=row["claims"] + 1,
        )

    def renew(self, visit: Visit, lease_s: float) -> bool:
        with self._writing() as connection:
            cursor = connection.execute(
                "UPDATE visits SET lease_until = ? WHERE id = ? AND worker_id = ? AND claims = ?",
                (now().timestamp() + lease_s, visit.id, visit.worker_id, visit.claims),
            )
            return cursor.rowcount == 1

    def release(self, visit: Visit) -> None:
        with self._writing() as connection:
            connection.execute(
                "UPDATE visits SET worker_id = NULL, lease_until = NULL, claims = claims - 1"
                " WHERE id = ? AND worker_id = ? AND claims = ?",
                (visit.id, visit.worker_id, visit.claims),
            )

    def end_leases(self, is_gone: Callable[[str], bool]) -> int:
        with self._writing() as connection:
            held = connection.execute("SELECT id, worker_id FROM visits WHERE worker_id IS NOT NULL").fetchall()
            gone = [(row["id"],) for row in held if is_gone(row["worker_id"])]
            connection.executemany("UPDATE visits SET lease_until = 0 WHERE id = ?", gone)
        return len(gone)

    def complete(self, visit: Visit, outcome: VisitOutcome) -> bool:
        with self._writing() as connection:
            row = connection.execute(
                "SELECT 1 FROM visits WHERE id = ? AND worker_id = ? AND claims = ?",
                (visit.id, visit.worker_id, visit.claims),
            ).fetchone()
            if row is not None:
                self._end(connection, visit.id, outcome)
            return row is not None

    def _end(self, connection: sqlite3.Connection, visit_id: int, outcome: VisitOutcome) -> None:
        values = asdict(outcome) | {"finished_at": outcome.finished_at.timestamp()}
        connection.execute("DELETE FROM visits WHERE id = ?", (visit_id,))
        connection.execute(
            "INSERT INTO outcomes (url, source_id, finished_at, status, pages, posts, new, changed, error) VALUES"
            " (:url, :source_id, :finished_at, :status, :pages, :posts, :new, :changed, :error)",
            values,
        )
        connection.execute("DELETE FROM outcomes WHERE id <= (SELECT max(id) FROM outcomes) - ?", (KEPT_OUTCOMES,))

    def recent_outcomes(self, limit: int) -> list[VisitOutcome]:
        rows = self._read("SELECT * FROM outcomes ORDER BY id DESC LIMIT ?", limit)
        columns = [name for name in VisitOutcome.__slots__ if name != "finished_at"]
        return [VisitOutcome(finished_at=_moment(r["finished_at"]), **{c: r[c] for c in columns}) for r in rows]

    def last_scheduled(self, source_id: str) -> datetime | None:
        rows = self._read("SELECT scheduled_at FROM schedules WHERE source_id = ?", source_id)
        return _moment(rows[0]["scheduled_at"]) if rows else None

    def channel_state(self, site: str, handle: str) -> ChannelState:
        return _state(self._read("SELECT state FROM channels WHERE site = ? AND handle = ?", site, handle.lower()))

    def update_channel(self, site: str, handle: str, change: Callable[[ChannelState], ChannelState]) -> ChannelState:
        key = (site, handle.lower())
        with self._writing() as connection:
            rows = connection.execute("SELECT state FROM channels WHERE site = ? AND handle = ?", key).fetchall()
            state = change(_state(rows))
            connection.execute("INSERT OR REPLACE INTO channels VALUES (?, ?, ?)", (*key, json.dumps(asdict(state))))
        return state

    def _read(self, statement: str, *values: str | int) -> list[sqlite3.Row]:
        with self._lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"the frontier {self._path} cannot be read: {error}") from error

    def close(self) -> None:
        self._connection.close()


def open_frontier(home: Path) -> Frontier:
    """The frontier in the home: `frontier.sqlite`."""
    return SqliteFrontier(home / "frontier.sqlite")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _state(rows: Sequence[sqlite3.Row]) -> ChannelState:
    if not rows:
        return ChannelState()
    stored = json.loads(rows[0]["state"])
    return ChannelState(stored["newest"], tuple(Gap(**gap) for gap in stored["gaps"]))
