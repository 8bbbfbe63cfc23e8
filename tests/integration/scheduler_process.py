"""Runs a scheduler: `scheduler_process.py HOME URL...`, every URL a source that is due each second."""

import sys
from pathlib import Path

from crawler.scheduler import Job, ScheduledSource, run_scheduler
from qalqan.config import load_settings
from qalqan.errors import StoreError
from qalqan.log import configure_logging


def main(home: str, *urls: str) -> None:
    configure_logging(json=True)
    sources = [ScheduledSource(str(n), url, interval_minutes=1 / 60) for n, url in enumerate(urls)]
    ticks = Path(home) / "ticks"

    def tick() -> None:
        with ticks.open("a") as file:
            file.write("x")

    def fail() -> None:
        raise StoreError("this job always fails")

    jobs = [Job("tick", 0.2, tick), Job("fail", 0.2, fail)]
    run_scheduler(lambda: sources, load_settings(home=Path(home)), jobs)


if __name__ == "__main__":
    main(*sys.argv[1:])
