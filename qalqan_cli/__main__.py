"""`python -m qalqan_cli` is the same as `qalqan`."""

from qalqan_cli.main import run

run()
