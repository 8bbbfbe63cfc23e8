"""The command line as scripts outside the repository use it: exit codes, stdout, files (design, section 5)."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from classifiers.text.folders import default_base_folder
from demo_site.server import DemoServer

DOCUMENT_FIELDS = (
    *("id", "url", "canonical_url", "site", "channel", "post_id", "author", "published_at", "fetched_at", "title"),
    *("text", "lang", "views", "reactions", "forwarded_from", "reply_to", "edited", "media", "links", "entities"),
    *("capture_id", "near_duplicate_of", "findings"),
)
SHOP, PREVENTION = "https://t.me/s/ulgi_jasyl_duken_demo", "https://t.me/s/ulgi_qarjy_sabaq_demo"


@pytest.fixture(scope="module")
def prefix() -> Iterator[str]:
    if not (default_base_folder() / "model.safetensors").is_file():
        pytest.skip("the pretrained encoder is missing: make model")
    with DemoServer() as server:
        yield server.replay_prefix


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def qalqan(home: Path, *arguments: str, prefix: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("QALQAN_")}
    replay = {"QALQAN_CRAWLER__REPLAY_PREFIX": prefix} if prefix else {}
    return subprocess.run(
        [sys.executable, "-m", "qalqan_cli", *arguments],
        env={**inherited, "QALQAN_HOME": str(home), **replay, **more},
        capture_output=True,
        text=True,
        timeout=120,
    )


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_crawl_twice_then_documents_then_verify(home: Path, prefix: str) -> None:
    first = qalqan(home, "crawl", SHOP, PREVENTION, "--json", prefix=prefix)
    assert first.returncode == 0, first.stderr
    report = json.loads(first.stdout)  # one object, nothing else
    assert [seed["status"] for seed in report["seeds"]] == ["ok", "ok"]
    assert [(c["handle"], c["subscribers"], c["status"]) for c in report["channels"]] == [
        ("ulgi_jasyl_duken_demo", 842, "public"),
        ("ulgi_qarjy_sabaq_demo", 27800, "public"),
    ]
    assert report["totals"]["new"] == len(report["documents"]) > 20
    assert all(tuple(document) == DOCUMENT_FIELDS for document in report["documents"])

    second = qalqan(home, "crawl", SHOP, PREVENTION, prefix=prefix)
    assert second.returncode == 0
    assert second.stdout.count("nothing new") == 2

    stored = lines(qalqan(home, "documents", "--jsonl").stdout)
    assert {document["id"] for document in stored} == {document["id"] for document in report["documents"]}
    flagged = lines(qalqan(home, "documents", "--label", "drug_shop", "--host", "t.me", "--jsonl").stdout)
    assert flagged
    assert {document["channel"] for document in flagged} == {"ulgi_jasyl_duken_demo"}
    assert lines(qalqan(home, "documents", "--since", "2100-01-01", "--jsonl").stdout) == []

    intact = qalqan(home, "verify", str(home / "evidence"))
    assert (intact.returncode, "captures of the store re-read" in intact.stdout) == (0, True), intact.stdout
    (warc, *_) = sorted((home / "evidence").rglob("*.warc.gz"))
    content = bytearray(warc.read_bytes())
    content[len(content) // 2] ^= 1
    warc.write_bytes(content)
    broken = qalqan(home, "verify", str(home / "evidence"))
    assert broken.returncode == 1
    assert warc.name in broken.stdout


def test_one_failed_address_is_named_and_the_rest_goes_on(home: Path, prefix: str) -> None:
    done = qalqan(
        home, "crawl", "https://t.me/s/ulgi_token_demo", "https://unknown.example/shop", "ftp://t.me/s/a", prefix=prefix
    )
    assert done.returncode == 3
    assert "@ulgi_token_demo: " in done.stdout
    assert [line.split(":")[0] for line in done.stderr.splitlines() if line.startswith("failed")] == ["failed"] * 2
    assert "Traceback" not in done.stderr


def test_classify_and_evaluate(tmp_path: Path, prefix: str) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [
        {"id": "a", "text": "Вход от 20 000 ₸, доход 30 % в месяц, приглашай двоих и получай 10 % с каждого взноса"},
        {"id": "b", "text": ""},
        {"id": "c", "image": "x.png"},
    ]
    source.write_text("\n".join([*(json.dumps(row) for row in rows), "not json"]))
    done = qalqan(tmp_path, "classify", "--input", str(source), "--output", str(target))
    assert done.returncode == 3
    assert [line.split(":")[1] for line in done.stderr.splitlines() if line.startswith(str(source))] == ["3", "4"]
    scored = lines(target.read_text())
    assert [list(row) for row in scored] == [["id", "scores", "flagged", "spans", "lang", "model"]] * 2
    assert scored[0]["flagged"] == ["financial_pyramid"]
    for start, end, weight in scored[0]["spans"]["financial_pyramid"]:
        assert rows[0]["text"][start:end].strip()
        assert 0 < weight <= 1
    assert scored[1]["scores"] == {"financial_pyramid": 0.0, "drug_shop": 0.0, "drug_graffiti": 0.0}

    source.write_text("\n".join(json.dumps(row | {"labels": []}) for row in rows[:1]))
    measured = qalqan(tmp_path, "evaluate", "--input", str(source), "--json")
    assert measured.returncode == 0, measured.stderr
    assert json.loads(measured.stdout)["texts"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["documents", "--label", "casino", "--jsonl"], 2, "no label casino"),
        (["documents", "--since", "yesterday", "--jsonl"], 2, "--since yesterday"),
        (["documents", "--colour"], 2, "No such option"),
        (["crawl"], 2, "Missing argument"),
        (["crawl", "https://t.me/s/a", "--browser"], 2, "browser"),
        (["crawl", "https://t.me/s/a", "--spider", "nope"], 2, "nope"),
        (["verify", "nowhere"], 2, "no file or folder"),
        (["export", "xml", "--output", "x"], 2, "xml"),
        (["export", "package", "--package", "7", "--output", "x"], 2, "no package 7"),
        (["user", "aliya", "--role", "king"], 2, "king"),
        (["classify", "--input", "nowhere", "--output", "x"], 2, "no file nowhere"),
    ],
)
def test_wrong_use_and_failure_are_told_apart(tmp_path: Path, arguments: list[str], code: int, says: str) -> None:
    done = qalqan(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_settings_fail(tmp_path: Path) -> None:
    done = qalqan(tmp_path, "documents", QALQAN_CRAWLER__SPEED="9")
    assert done.returncode == 2
    assert "crawler.speed" in done.stderr
    (tmp_path / "qalqan.toml").write_text("[crawler]\nspeed = 9\n")
    assert "crawler.speed" in qalqan(tmp_path, "documents").stderr
