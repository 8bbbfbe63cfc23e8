"""The image and the compose file run commands that exist, and need nothing that the set-up does not know."""

import re
from pathlib import Path

import yaml
from typer.main import get_command

from qalqan.config import Settings
from qalqan_cli.main import app

ROOT = Path(__file__).parents[2]
COMMANDS = set(get_command(app).commands)  # type: ignore[attr-defined]


def compose() -> dict:
    return yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())


def test_services_run_the_processes_of_up():
    ours = {name: service for name, service in compose()["services"].items() if name != "postgresql"}
    assert set(ours) == {"scheduler", "worker", "serve"}
    assert {name: service["command"] for name, service in ours.items()} == {name: [name] for name in ours}
    assert set(ours) <= COMMANDS


def test_environment_names_only_known_settings_and_no_password():
    environment = compose()["x-qalqan"]["environment"]
    sections = set(Settings.model_fields)
    for key in environment:
        if key.startswith("QALQAN_"):
            section, name = key.removeprefix("QALQAN_").lower().split("__")
            assert section in sections
            assert name in Settings.model_fields[section].annotation.model_fields
    assert "${POSTGRES_PASSWORD:?" in environment["DATABASE_URL"]


def test_image_is_set_up_by_make_and_starts_a_known_command():
    lines = (ROOT / "docker" / "Dockerfile").read_text()
    assert "make setup" in lines
    assert re.search(r"^setup:", (ROOT / "Makefile").read_text(), re.M)
    assert re.search(r'^CMD \["(\w+)"\]$', lines, re.M).group(1) in COMMANDS
    assert re.search(r'^ENTRYPOINT \["qalqan"\]$', lines, re.M)
    assert re.search(r"^USER qalqan$", lines, re.M), "the container must not run as root"


def test_readme_and_compose_publish_only_on_loopback():
    assert compose()["services"]["serve"]["ports"] == ["127.0.0.1:8000:8000"]
