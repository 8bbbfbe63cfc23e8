"""A running demo and a real Chromium for the browser tests."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from running_demo import Demo

from classifiers.text.folders import default_base_folder

CHROMIUM = Path("/usr/bin/chromium")
READY_TIMEOUT_S = 240


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """`qalqan demo` as a user starts it, ready when the first crawl is through and cases wait in the queue."""
    if not (default_base_folder() / "model.safetensors").exists():
        pytest.skip("the pretrained encoder is missing: make model")
    home = tmp_path_factory.mktemp("home")
    port = free_port()
    log = home / "demo.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "qalqan_cli", "demo", "--port", str(port)],
            env={**os.environ, "QALQAN_HOME": str(home)},
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Demo(f"http://127.0.0.1:{port}", home / "demo", _wait_until_ready(process, log))
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    assert code == 0, f"the demo did not stop cleanly:\n{log.read_text()[-3000:]}"


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        text = log.read_text()
        logins = dict(re.findall(r"^\W*(moderator1|moderator2|officer|operator) +(\S+)", text, re.M))
        if process.poll() is not None:
            pytest.fail(f"the demo ended with {process.returncode}:\n{text[-3000:]}")
        if len(logins) == 4 and "the first crawl is through" in text:
            return logins
        time.sleep(1)
    pytest.fail(f"the demo was not ready after {READY_TIMEOUT_S} s:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()
