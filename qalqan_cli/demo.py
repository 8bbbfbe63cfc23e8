"""`qalqan demo`: everything at once, on pages that ship with the project."""

import json
import os
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.panel import Panel

from classifiers.text.folders import default_base_folder
from demo_site.server import DemoServer, DemoSource, demo_sources
from qalqan.clock import from_iso, now, to_iso
from qalqan.config import Settings, load_settings
from qalqan.errors import ConfigurationError
from qalqan.store import DocumentQuery, open_store
from qalqan_cli.processes import Together, require_free_port
from qalqan_cli.site import open_site

# (user name, first name, last name, roles); invented people
PEOPLE = (
    ("moderator1", "Айгерім", "Үлгібаева", ["moderator"]),
    ("moderator2", "Данияр", "Сынақов", ["moderator"]),
    ("officer", "Елена", "Мысалова", ["officer"]),
    ("operator", "Берик", "Примеров", ["operator"]),
)


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: `qalqan demo --port 8080`; what it stores lies in $QALQAN_HOME/demo.")(demo)


def demo(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the site (default 8000).")] = None,
) -> None:
    """Crawl the demonstration pages, classify them and open the review site, with printed logins."""
    console = Console(highlight=False)
    home = load_settings().home.resolve() / "demo"
    home.mkdir(parents=True, exist_ok=True)
    os.environ["QALQAN_HOME"] = str(home)
    if port is not None:
        os.environ["QALQAN_REVIEW__PORT"] = str(port)
    server = DemoServer(port=0, anchor=_anchor(home))
    server.start()
    os.environ["QALQAN_CRAWLER__REPLAY_PREFIX"] = server.replay_prefix
    os.environ.setdefault("QALQAN_SCHEDULE__INTAKE_SECONDS", "3")
    settings = load_settings()
    _check_model(settings)
    require_free_port(settings.review)
    open_site(settings)
    passwords = _make_people(home)
    _make_sources(demo_sources())
    address = f"http://{settings.review.host}:{settings.review.port}/"
    log_file = home / "demo.log"
    with Together(home, log_file) as together:
        _say_when_ready(console, settings, address, passwords)
        code = together.wait()
    server.stop()
    if code:
        console.print(f"a process ended by itself; its last words are in {log_file}", style="red", markup=False)
    raise typer.Exit(code)


def _anchor(home: Path) -> datetime:
    """The moment the demo's posts are dated from: its first start, so that a restart keeps their dates."""
    path = home / "anchor"
    if not path.exists():
        path.write_text(to_iso(now()))
    anchor = from_iso(path.read_text().strip())
    if now() - anchor > timedelta(days=3):  # an old demo should look fresh again
        anchor = now()
        path.write_text(to_iso(anchor))
    return anchor


def _check_model(settings: Settings) -> None:
    folder = Path(settings.classifier.base_model) if settings.classifier.base_model else default_base_folder()
    if not (folder / "model.safetensors").exists():
        raise ConfigurationError(f"the pretrained encoder is missing in {folder}: run `make model` (or `make setup`)")


def _make_people(home: Path) -> dict[str, str]:
    """Accounts with random passwords, kept beside the demo's data so that a restart prints the same ones."""
    from review_ui.accounts.models import User

    path = home / "demo-logins.json"
    passwords: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    for name, first, last, roles in PEOPLE:
        passwords.setdefault(name, secrets.token_urlsafe(9))
        user, is_new = User.objects.get_or_create(username=name)
        if is_new or not user.check_password(passwords[name]):
            user.first_name, user.last_name, user.roles = first, last, roles
            user.set_password(passwords[name])
            user.save()
    path.touch(mode=0o600)
    path.write_text(json.dumps(passwords, indent=1))
    return passwords


def _make_sources(sources: Sequence[DemoSource]) -> None:
    from review_ui.sources.models import Source

    for source in sources:
        Source.objects.get_or_create(
            url=source.url, defaults={"title": source.title, "interval_minutes": source.interval_minutes}
        )


def _say_when_ready(console: Console, settings: Settings, address: str, passwords: dict[str, str]) -> None:
    """Wait in the background for the site and the first crawl, telling how far they are."""

    def watch() -> None:
        is_up = False
        before = 0
        with open_store(settings.store_url, settings.store_options) as store:
            for _ in range(300):
                if not is_up and _answers(address):
                    is_up = True
                    logins = "\n".join(f"{name:<11} {passwords[name]}" for name, *_ in PEOPLE)
                    console.print(
                        Panel.fit(
                            f"{address}\n\n{logins}\n\nTwo moderators decide, the officer signs the package.\n"
                            f"Data and log: {settings.home}   Stop: Ctrl-C",
                            title="Qalqan demo",
                        )
                    )
                total = store.count(DocumentQuery())
                if total != before:
                    flagged = store.count(DocumentQuery(flagged=True))
                    console.print(f"crawled {total} posts, {flagged} flagged")
                elif is_up and total:
                    console.print("the first crawl is through: the queue is ready")
                    return
                before = total
                time.sleep(3)

    threading.Thread(target=watch, daemon=True).start()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
