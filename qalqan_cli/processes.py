"""`qalqan up` and the three processes that it runs."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import structlog
import typer
from django.db import close_old_connections
from rich.console import Console

from qalqan.config import ReviewSettings, Settings, load_settings
from qalqan.errors import ConfigurationError, QalqanError
from qalqan.store import open_store
from qalqan_cli.site import open_site

log = structlog.get_logger()

PROCESSES = ("scheduler", "worker", "serve")
STOP_TIMEOUT_S = 20


def register(app: typer.Typer) -> None:
    app.command(epilog="Make an account first: `qalqan user aliya --role moderator`")(up)
    app.command()(scheduler)
    app.command()(worker)
    app.command()(serve)


def up() -> None:
    """Run everything on this machine: scheduler, worker and review site; Ctrl-C stops them together."""
    settings = load_settings()
    require_free_port(settings.review)
    open_site(settings)
    from review_ui.accounts.models import User

    console = Console(stderr=True, highlight=False)
    console.print(f"Qalqan: http://{settings.review.host}:{settings.review.port}/  (Ctrl-C stops it)")
    if not User.objects.exists():
        console.print("Nobody can log in yet; in another terminal: qalqan user NAME --role moderator")
    with Together(settings.home) as together:
        code = together.wait()
    raise typer.Exit(code)


def require_free_port(review: ReviewSettings) -> None:
    """Raises ConfigurationError where something else listens already: said here, it is not lost in a log."""
    with socket.socket(socket.AF_INET6 if ":" in review.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((review.host, review.port))
        except OSError as error:
            raise ConfigurationError(
                f"port {review.port} of {review.host} cannot be used ({error.strerror}); "
                "choose another: QALQAN_REVIEW__PORT=8080, or `make demo PORT=8080`"
            ) from error


class Together:
    """Child processes that live and end together."""

    def __init__(self, home: Path, log_file: Path | None = None) -> None:
        """log_file: where the children write instead of on our stderr."""
        self._environment = {**os.environ, "QALQAN_HOME": str(home)}
        self._log_file = log_file
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._is_stopping = False

    def __enter__(self) -> "Together":
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._on_signal)
        with ExitStack() as stack:
            sink = stack.enter_context(self._log_file.open("ab")) if self._log_file else None
            for name in PROCESSES:
                # A session of its own: Ctrl-C reaches the children through us, once and in order.
                self._children[name] = subprocess.Popen(
                    [sys.executable, "-m", "qalqan_cli", name],
                    env=self._environment,
                    stdout=sink,
                    stderr=sink,
                    start_new_session=True,
                )
        return self

    def _on_signal(self, *_: object) -> None:
        self._is_stopping = True

    def wait(self) -> int:
        """0 after a signal, 1 if a process ended by itself."""
        while not self._is_stopping:
            for name, child in self._children.items():
                if child.poll() is not None:
                    log.error("process_ended", process=name, exit_code=child.returncode)
                    return 1
            time.sleep(0.2)
        return 0

    def __exit__(self, *_: object) -> None:
        for child in self._children.values():
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for name, child in self._children.items():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("process_killed", process=name, after_s=STOP_TIMEOUT_S)
                child.kill()
                child.wait()


def scheduler() -> None:
    """Put due sources into the frontier, and pull flagged documents into cases."""
    settings = load_settings()
    open_site(settings)
    from crawler.scheduler import Job, ScheduledSource, run_scheduler
    from review_ui.sources.models import Source

    def list_sources() -> list[ScheduledSource]:
        return [
            ScheduledSource(id=s.pk, url=s.url, interval_minutes=s.interval_minutes, max_pages=s.max_pages)
            for s in Source.objects.filter(is_active=True)
        ]

    intake = Job("intake", settings.schedule.intake_seconds, partial(_intake, settings))
    run_scheduler(list_sources, settings, extra_jobs=[intake])


def _intake(settings: Settings) -> None:
    """Take flagged documents in and tell the store of their cases; what fails is logged, the next round tries again."""
    from review_ui.casework.case_states import push_case_states
    from review_ui.casework.intake import take_in

    close_old_connections()
    try:
        with open_store(settings.store_url, settings.store_options) as store:
            take_in(store)
            push_case_states(store)
    except QalqanError as error:
        log.error("intake_failed", reason=str(error))
    finally:
        close_old_connections()


def worker() -> None:
    """Take due visits from the frontier, crawl and classify, until stopped. Any number may run."""
    from crawler.worker import run_worker

    run_worker(load_settings())


def serve() -> None:
    """Serve the review site."""
    settings = load_settings()
    open_site(settings)
    from granian import Granian
    from granian.constants import Interfaces

    Granian(
        "review_ui.wsgi:application",
        address=settings.review.host,
        port=settings.review.port,
        interface=Interfaces.WSGI,
        blocking_threads=4,
        log_access=False,
        respawn_failed_workers=True,
    ).serve()
