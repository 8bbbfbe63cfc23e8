"""A fresh casework database for every test (SQLite, or PostgreSQL by TEST_DATABASE_URL), and a real store."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qalqan.store import Store, open_store

if TYPE_CHECKING:
    from casework_makers import Desk


@pytest.fixture(scope="session")
def django_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Django over an empty, migrated database; returns the home. Settings are read once per process."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as environment:  # other tests of this process keep theirs
        environment.setenv("QALQAN_HOME", str(home))
        environment.setenv("DJANGO_SETTINGS_MODULE", "review_ui.settings")
        environment.setenv("DATABASE_URL", os.environ.get("TEST_DATABASE_URL", ""))
        import django

        django.setup()
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    connections.close_all()
    yield home
    connections.close_all()


@pytest.fixture
def database(django_site: Path, tmp_path: Path) -> Iterator[str]:
    """A copy of the migrated database for this test alone; returns the vendor. Threads and commits are real."""
    from django.db import connection, connections

    parameters = connections.settings["default"]
    template = parameters["NAME"]
    if connection.vendor == "sqlite":
        fresh = str(tmp_path / "casework.sqlite")
        shutil.copyfile(template, fresh)
    else:
        fresh = f"{template}_{tmp_path.name}_{os.getpid()}".lower()[:60]
        _run_sql(parameters, f'CREATE DATABASE "{fresh}" TEMPLATE "{template}"')
    parameters["NAME"] = fresh
    connection.settings_dict["NAME"] = fresh
    vendor = connection.vendor
    yield vendor
    connections.close_all()
    parameters["NAME"] = template
    connection.settings_dict["NAME"] = template
    if vendor == "postgresql":
        _run_sql(parameters, f'DROP DATABASE "{fresh}" WITH (FORCE)')


def _run_sql(parameters: dict[str, str], statement: str) -> None:
    subprocess.run(
        ["psql", "--quiet", "--set=ON_ERROR_STOP=1", "--command", statement, "postgres"],
        env={
            **os.environ,
            "PGHOST": parameters["HOST"],
            "PGPORT": str(parameters["PORT"]),
            "PGUSER": parameters["USER"],
        },
        check=True,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        yield store


@pytest.fixture
def desk(database: str, django_site: Path, store: Store) -> "Desk":
    """People of every role, and short ways to make documents, cases and decisions (`casework_makers`)."""
    from casework_makers import Desk

    return Desk(django_site, store)
