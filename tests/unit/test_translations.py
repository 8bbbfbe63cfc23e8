"""Every word of the site is said in Russian and in Kazakh, and the compiled catalogues are those of the sources."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import review_ui

SITE = Path(review_ui.__file__).parent
LANGUAGES = ("ru", "kk")


def message_ids(catalogue: Path) -> set[str]:
    entries = catalogue.read_text().split("\n\n")[1:]
    return {re.search(r'^msgid ((?:".*"\n?)+)', entry, re.M).group(1) for entry in entries if "#~" not in entry}


def needs_gettext() -> None:
    if shutil.which("msgfmt") is None:
        pytest.skip("no msgfmt: apt-get install gettext")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_of_the_sources_is_translated(language: str, tmp_path: Path) -> None:
    needs_gettext()
    copy = tmp_path / "review_ui"
    shutil.copytree(SITE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-m", "django", "makemessages", "-l", language, "--no-wrap", "--add-location=never"],
        cwd=copy,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "review_ui.settings", "QALQAN_HOME": str(tmp_path / "home")},
        capture_output=True,
        check=True,
    )
    name = Path("locale") / language / "LC_MESSAGES" / "django.po"
    assert message_ids(copy / name) == message_ids(SITE / name), "run makemessages and translate (CONTRIBUTING.md)"
    text = (SITE / name).read_text()
    assert "fuzzy" not in text
    empty = [e for e in text.split("\n\n")[1:] if re.search(r'^msgstr(\[\d])? ""\n?(?!")', e + "\n\n", re.M)]
    assert empty == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_compiled_catalogue_is_fresh(language: str, tmp_path: Path) -> None:
    needs_gettext()
    folder = SITE / "locale" / language / "LC_MESSAGES"
    fresh = tmp_path / "django.mo"
    subprocess.run(["msgfmt", "-o", fresh, folder / "django.po"], check=True)
    assert fresh.read_bytes() == (folder / "django.mo").read_bytes(), "run compilemessages (CONTRIBUTING.md)"
