"""Logs: constant event name, data as keys, to stderr; JSON when not a terminal; personal data and secrets redacted."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET_KEY = re.compile(r"pass|secret|token|authorization|cookie|private_key", re.I)
_LONG_DIGITS = re.compile(r"(?<![\w-])\+?\d[\d ()-]{8,}\d(?![\w-])")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hides values of secret keys, and phones, cards and e-mails inside any text but the event's name and time."""
    for key, value in event.items():
        if _SECRET_KEY.search(key):
            event[key] = "***"
        elif isinstance(value, str) and key not in {"event", "timestamp", "level"}:
            event[key] = _EMAIL.sub("***@***", _LONG_DIGITS.sub("***", value))
    return event


def configure_logging(level: str = "INFO", *, json: bool | None = None) -> None:
    """Call once, at an entry point. `json` None: JSON unless stderr is a terminal."""
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        # Of the moment: whoever called us from another program may have closed the one there was.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
