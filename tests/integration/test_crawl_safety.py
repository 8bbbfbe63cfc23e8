"""Addresses are checked on every hop, names included, and the `scrapy` command is no way around it."""

import json
import subprocess
import sys
from pathlib import Path

from bad_server import bad_server
from crawl_process import PROCESSOR, environment

from qalqan.store import DocumentQuery, open_store

HERE = Path(__file__).parent
REFUSAL = "is not a public address; to crawl it, add its network to crawler.allowed_networks"


def fetch(home: Path, urls: list[str], env: dict[str, str]) -> list[str | None]:
    command = [sys.executable, str(HERE / "fetch_process.py"), str(home), *urls]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    errors: list[str | None] = json.loads(done.stdout)
    return errors


def test_private_addresses_are_refused_whatever_they_are_called(tmp_path: Path) -> None:
    with bad_server() as server:
        port = server.server_port
        urls = [f"http://127.0.0.1:{port}/", f"http://localhost:{port}/", f"http://2130706433:{port}/"]
        first, second, third = fetch(tmp_path, urls, environment(None))
        assert first == f"{urls[0]}: 127.0.0.1 {REFUSAL}"
        assert second is not None
        assert second.startswith(f"{urls[1]}: localhost leads into a forbidden network: ")
        assert third is not None
        assert f"127.0.0.1 {REFUSAL}" in third
        assert server.requests == []


def test_allowed_network_opens_itself_only(tmp_path: Path) -> None:
    with bad_server() as server:
        base = f"http://127.0.0.1:{server.server_port}"
        env = environment(None, allowed_networks='["127.0.0.0/8"]')
        urls = [f"{base}/id_/https://t.me/s/album", f"http://localhost:{server.server_port}/id_/https://t.me/s/album"]
        urls += [f"{base}/id_/https://t.me/s/away", "http://no-such-host.invalid/", "http://10.0.0.1/"]
        assert fetch(tmp_path, urls, env) == [
            None,
            None,
            f"{urls[2]} → http://169.254.169.254/latest/meta-data/: 169.254.169.254 {REFUSAL}",
            "http://no-such-host.invalid/: the host name no-such-host.invalid cannot be resolved (DNS)",
            f"http://10.0.0.1/: 10.0.0.1 {REFUSAL}",
        ]


def scrapy(arguments: list[str], home: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scrapy", *arguments],
        cwd=HERE.parents[1],
        env=env | {"QALQAN_HOME": str(home), "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_scrapy_command(tmp_path: Path) -> None:
    with bad_server() as server:
        env = environment(server.prefix)
        listed = scrapy(["list"], tmp_path, env)
        assert (listed.returncode, "telegram" in listed.stdout.split()) == (0, True), listed.stderr
        crawl = ["crawl", "telegram", "-a", "seeds=https://t.me/s/album https://t.me/s/long", "-a", "max_pages=2"]
        done = scrapy([*crawl, "-s", f"QALQAN_PROCESSOR={PROCESSOR}"], tmp_path, env)
        assert done.returncode == 0, done.stderr
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        assert store.count(DocumentQuery()) == 7 + 6
