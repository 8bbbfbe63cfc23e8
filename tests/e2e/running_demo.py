"""What the browser tests know of the demo they run against."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Demo:
    address: str
    home: Path
    passwords: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A `qalqan` command on the demo's own data."""
        return subprocess.run(
            [sys.executable, "-m", "qalqan_cli", *arguments],
            env={**os.environ, "QALQAN_HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=120,
        )
