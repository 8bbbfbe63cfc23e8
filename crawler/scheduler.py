"""The scheduler: puts every active source into the frontier when its interval has passed."""

import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from crawler.frontier import Frontier, open_frontier
from qalqan.clock import now
from qalqan.config import Settings
from qalqan.errors import QalqanError

log = structlog.get_logger()

TICK_S = 5.0


@dataclass(frozen=True, slots=True)
class ScheduledSource:
    """An active source; max_pages None: crawler.max_pages. When it was last put in is the frontier's to know."""

    id: str | int
    url: str
    interval_minutes: float
    max_pages: int | None = None
    spider: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What else runs every so many seconds, never twice at once."""

    name: str
    every_s: float
    run: Callable[[], None]


def enqueue_due(sources: Sequence[ScheduledSource], frontier: Frontier) -> int:
    """Schedules each source whose interval has passed, a new one at once; how many were put in.

    A source whose last visit still waits or runs is left alone, so visits never pile up. A source with an impossible
    address is logged and stops no other.
    """
    scheduled = 0
    moment = now()
    for source in sources:
        source_id = str(source.id)
        last = frontier.last_scheduled(source_id)
        if last is not None and moment - last < timedelta(minutes=source.interval_minutes):
            continue
        try:
            scheduled += frontier.schedule(
                source.url, moment, source_id=source_id, max_pages=source.max_pages, spider=source.spider
            )
        except QalqanError as error:
            log.error("source_not_scheduled", source_id=source_id, url=source.url, error=str(error))
    return scheduled


def run_scheduler(
    list_sources: Callable[[], Sequence[ScheduledSource]],
    settings: Settings,
    extra_jobs: Sequence[Job] = (),
    stop: threading.Event | None = None,
) -> None:
    """Blocks until `stop` is set or SIGTERM or SIGINT arrives; a job that is running is finished.

    list_sources is asked every few seconds, so changed sources need no restart. A QalqanError of a job is logged, and
    the job runs again at its next time.
    """
    stop = stop or threading.Event()
    frontier = open_frontier(settings.home)

    def enqueue() -> None:
        scheduled = enqueue_due(list_sources(), frontier)
        if scheduled:
            log.info("sources_scheduled", count=scheduled)

    jobs = [Job("enqueue_due", TICK_S, enqueue), *extra_jobs]
    scheduler = BackgroundScheduler(
        executors={"default": ThreadPoolExecutor(len(jobs))},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    for job in jobs:
        scheduler.add_job(_logged(job), "interval", seconds=job.every_s, id=job.name, next_run_time=now())
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: stop.set())
    scheduler.start()
    log.info("scheduler_started", jobs=[job.name for job in jobs])
    try:
        stop.wait()
    finally:
        scheduler.shutdown(wait=True)
        frontier.close()
        log.info("scheduler_stopped")


def _logged(job: Job) -> Callable[[], None]:
    def run() -> None:
        try:
            job.run()
        except QalqanError as error:
            log.error("job_failed", job=job.name, error=str(error))

    return run
