"""The scheduler process: sources put in once, other jobs run, stopped by SIGTERM."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from crawl_process import environment

from crawler.frontier import VisitOutcome, open_frontier
from qalqan.clock import now

SCRIPT = Path(__file__).with_name("scheduler_process.py")


def test_scheduler(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    command = [sys.executable, str(SCRIPT), str(tmp_path), "https://t.me/s/one", "https://t.me/s/two"]
    with subprocess.Popen(command, env=environment(None), stderr=subprocess.PIPE, text=True) as scheduler:
        claimed = []
        ends = time.monotonic() + 30
        while len(claimed) < 3 and time.monotonic() < ends:
            visit = frontier.claim("a", 60)
            if visit is None:
                time.sleep(0.1)
                continue
            claimed.append(visit.url)
            frontier.complete(visit, VisitOutcome(visit.url, visit.source_id, now(), "ok"))
        # The first visits at once, in the order of the sources; a source comes again only after its interval.
        assert claimed == ["https://t.me/s/one", "https://t.me/s/two", "https://t.me/s/one"]
        scheduler.send_signal(signal.SIGTERM)
        _, errors = scheduler.communicate(timeout=20)
    assert scheduler.returncode == 0, errors
    assert (tmp_path / "ticks").read_text().startswith("xxx")  # beside a job that always fails
    assert "this job always fails" in errors
    assert "Traceback" not in errors
    frontier.close()
