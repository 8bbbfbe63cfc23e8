"""Crawls in processes of their own, because a reactor runs once per process.

As a script: `crawl_process.py crawl HOME MAX_PAGES SEEDS...` prints the report as JSON;
`crawl_process.py worker HOME` runs a worker. Other settings come from the environment.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qalqan.config import Settings, load_settings
from qalqan.log import configure_logging
from qalqan.records import PageOfDocuments, ProcessedPage
from qalqan.store import Store

PROCESSOR = "crawl_process.open_processor"


class StoringProcessor:
    """The shortest real processor: what was read is stored, nothing is added.

    After CRAWL_TEST_KILL_AFTER pages the process kills itself, as hard as kill -9.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pages_left = int(os.environ.get("CRAWL_TEST_KILL_AFTER", "-1"))

    def process(self, page: PageOfDocuments) -> ProcessedPage:
        if page.documents and self._pages_left == 0:
            os.kill(os.getpid(), 9)
        self._pages_left -= bool(page.documents)
        if page.channel is not None:
            self._store.put_channel(page.channel)
        count = self._store.put_documents(page.documents)
        return ProcessedPage(documents=page.documents, new=count.new, changed=count.changed, unchanged=count.unchanged)

    def close(self) -> None:
        pass


def open_processor(_settings: Settings, store: Store) -> StoringProcessor:
    return StoringProcessor(store)


def environment(prefix: str | None, **settings: object) -> dict[str, str]:
    """QALQAN_CRAWLER__… variables; quick and without pauses unless said otherwise."""
    defaults: dict[str, object] = {"delay_s": 0, "retries": 0, "concurrency_per_host": 8}
    if prefix is not None:
        defaults["replay_prefix"] = prefix
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("QALQAN_")}
    named = {f"QALQAN_CRAWLER__{k.upper()}": str(v) for k, v in (defaults | settings).items()}
    return inherited | named


def start(arguments: Sequence[str], env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def crawl(home: Path, seeds: Sequence[str], env: dict[str, str], max_pages: int = 20) -> dict[str, Any]:
    """The report of one crawl; the process must end well."""
    process = start(["crawl", str(home), str(max_pages), *seeds], env)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    report: dict[str, Any] = json.loads(output)
    report["stderr"] = errors
    return report


def peak_kib() -> int:
    """The most memory this program ever held; getrusage would count what the process was before it became this one."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])


def main(task: str, home: str, *arguments: str) -> None:
    configure_logging(json=True)
    settings = load_settings(home=Path(home))
    if task == "worker":
        from crawler.worker import run_worker

        run_worker(settings, processor=PROCESSOR)
    else:
        from crawler.runner import run_crawl

        max_pages, *seeds = arguments
        report = run_crawl(seeds, settings, max_pages=int(max_pages), processor=PROCESSOR)
        print(json.dumps(report.to_json() | {"peak_kib": peak_kib()}, ensure_ascii=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
