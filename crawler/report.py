"""What a crawl did: one report per seed, their totals, and the progress on the way there."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from crawler.frontier import Visit
from qalqan.clock import to_iso
from qalqan.records import ChannelStatus, ProcessedPage, Site

SeedStatus = Literal["ok", "unchanged", "missing", "restricted", "preview_disabled", "empty", "failed"]


@dataclass(frozen=True, slots=True)
class SeedReport:
    """How one seed went.

    status: `ok` where something new or changed was stored, `unchanged` where all was known; the others say why there
    are no posts. pages: fetched and read. first_post, last_post: the lowest and highest number seen.
    error: one line, only where the status is `failed`; what was stored before the failure stays.
    """

    url: str
    site: Site | None
    channel: str | None
    status: SeedStatus
    pages: int = 0
    posts: int = 0
    new: int = 0
    changed: int = 0
    known: int = 0
    first_post: str | None = None
    last_post: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class CrawlProgress:
    seeds_done: int
    seeds_total: int
    pages: int
    posts: int
    new: int
    url: str


@dataclass(frozen=True, slots=True)
class CrawlReport:
    run_id: str
    started_at: datetime
    finished_at: datetime
    seeds: tuple[SeedReport, ...]

    @property
    def failed(self) -> tuple[SeedReport, ...]:
        return tuple(seed for seed in self.seeds if seed.status == "failed")

    @property
    def totals(self) -> dict[str, int]:
        counts = ("pages", "posts", "new", "changed", "known")
        totals = {name: sum(getattr(seed, name) for seed in self.seeds) for name in counts}
        return {"seeds": len(self.seeds), "failed": len(self.failed)} | totals

    def to_json(self) -> dict[str, Any]:
        """The report as the object that `qalqan crawl --json` prints."""
        return {
            "run_id": self.run_id,
            "started_at": to_iso(self.started_at),
            "finished_at": to_iso(self.finished_at),
            "seeds": [asdict(seed) for seed in self.seeds],
            "totals": self.totals,
        }


@dataclass(slots=True, eq=False)
class OpenVisit:
    """One seed while it is being crawled; closed once nothing of it is under way.

    pages_left: how many more pages with posts may be fetched. steps: requests and pages under way.
    """

    url: str
    max_pages: int
    claim: Visit | None = None
    site: Site | None = None
    channel: str | None = None
    status: ChannelStatus | None = None
    pages: int = 0
    pages_left: int = 0
    posts: int = 0
    new: int = 0
    changed: int = 0
    known: int = 0
    numbers: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    steps: int = 0
    is_closed: bool = False
    is_lost: bool = False

    def __post_init__(self) -> None:
        self.pages_left = self.max_pages

    def fail(self, problem: str) -> None:
        line = " ".join(problem.split())
        if line not in self.problems:
            self.problems.append(line)

    def add(self, processed: ProcessedPage) -> None:
        self.posts += len(processed.documents)
        self.new += processed.new
        self.changed += processed.changed
        self.known += processed.unchanged
        numbers = [int(d.post_id) for d in processed.documents if d.post_id and d.post_id.isdecimal()]
        if numbers:
            self.numbers = [min(numbers + self.numbers), max(numbers + self.numbers)]

    def report(self) -> SeedReport:
        status: SeedStatus
        if self.problems:
            status = "failed"
        elif self.status is not None and self.status != "public":
            status = self.status
        else:
            status = "ok" if self.new or self.changed else "unchanged"
        return SeedReport(
            url=self.url,
            site=self.site,
            channel=self.channel,
            status=status,
            pages=self.pages,
            posts=self.posts,
            new=self.new,
            changed=self.changed,
            known=self.known,
            first_post=str(self.numbers[0]) if self.numbers else None,
            last_post=str(self.numbers[1]) if self.numbers else None,
            error="; ".join(self.problems) or None,
        )


def failed_seed(url: str, error: str) -> SeedReport:
    """The report of a seed that could not even be begun."""
    return SeedReport(url=url, site=None, channel=None, status="failed", error=" ".join(error.split()))
