"""House rules that no linter knows: names of packages, settings documented, light imports, no traces of machines."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

from qalqan.config import Settings

ROOT = Path(__file__).parents[2]
OURS = {"qalqan", "crawler", "pipelines", "classifiers", "review_ui", "demo_site", "qalqan_cli"}


def test_top_level_names_are_ours_alone():
    owners = importlib.metadata.packages_distributions()
    for name in OURS:
        assert set(owners.get(name, ["qalqan"])) == {"qalqan"}, f"{name} belongs to another distribution, too"


def test_every_setting_is_documented():
    text = (ROOT / "docs" / "settings.md").read_text()
    for section, field in Settings.model_fields.items():
        keys = getattr(field.annotation, "model_fields", None)
        for key in keys or ():
            assert f"| `{section}.{key}` |" in text, f"docs/settings.md does not name {section}.{key}"


def test_review_site_and_help_start_without_heavy_libraries():
    heavy = ("torch", "transformers", "scrapy", "twisted.internet", "playwright")
    for module in ("review_ui.casework.models", "qalqan.store", "qalqan.evidence"):
        setup = "import django, os; os.environ['DJANGO_SETTINGS_MODULE'] = 'review_ui.settings'; django.setup(); "
        code = f"{setup}import {module}, sys; print([m for m in {heavy!r} if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]", f"{module} imports {done.stdout}"
    code = f"import qalqan_cli.main, sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_repository_names_no_machine():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    # Written in halves, so that this file does not name what it forbids.
    forbidden = ["/wo" + "rk/main", "/wo" + "rk/shared", "pypi" + ".org", "download.pyto" + "rch", "deb.deb" + "ian"]
    for name in filter(None, tracked):
        path = ROOT / name
        if path.suffix in {".png", ".mo", ".safetensors", ".pem"} or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        for word in forbidden:
            assert word not in text, f"{name} names {word}"
