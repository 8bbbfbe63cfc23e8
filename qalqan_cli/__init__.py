"""The command line: it sits on top of all, and nothing imports it."""
