"""The same casework tests over a real PostgreSQL, started for this test alone."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
TESTS = (
    "test_casework.py",
    "test_casework_queue.py",
    "test_packages.py",
    "test_audit.py",
    "test_training_lines.py",
    "test_case_states.py",
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of an empty database."""
    if not BINARIES:
        pytest.skip("PostgreSQL is not installed: /usr/lib/postgresql/*/bin is missing")
    if shutil.which("psql") is None:
        pytest.skip("psql is not on the PATH")
    bin_folder = BINARIES[-1]
    # The server refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="qalqan-pg-"))
    shutil.chown(folder, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run = {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL} if os.geteuid() == 0 else {"cwd": folder}
    data = str(folder / "data")
    subprocess.run(
        [str(bin_folder / "initdb"), "-D", data, "-U", "qalqan", "--auth=trust", "--no-sync", "-E", "UTF8"],
        check=True, **run,
    )  # fmt: skip
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    control = [str(bin_folder / "pg_ctl"), "-D", data, "-w"]
    subprocess.run([*control, "-o", options, "-l", str(folder / "log"), "start"], check=True, **run)
    try:
        subprocess.run(
            [str(bin_folder / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "qalqan", "qalqan"],
            check=True,
            **run,
        )
        yield f"postgres://qalqan@127.0.0.1:{port}/qalqan"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, **run)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("tests", TESTS)
def test_casework_over_postgresql(server: str, tests: str) -> None:
    """Django's settings hold for a whole process, so the tests get one of their own."""
    if "TEST_DATABASE_URL" in os.environ:
        pytest.skip("runs inside itself")
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(Path(__file__).with_name(tests))],
        env={**os.environ, "TEST_DATABASE_URL": server},
        check=True,
    )
