"""The one source of time: aware UTC inside, Asia/Almaty for people."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

ALMATY = ZoneInfo("Asia/Almaty")


def now() -> datetime:
    """The present moment in UTC, to the microsecond."""
    return datetime.now(UTC)


def to_iso(moment: datetime) -> str:
    """ISO 8601 in UTC with a `Z`, to the second: `2026-04-21T08:51:19Z`. Raises ValueError for a naive moment."""
    if moment.tzinfo is None:
        raise ValueError(f"a naive moment has no place here: {moment!r}")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_iso(text: str) -> datetime:
    """An aware UTC moment from ISO 8601 with any offset. Raises ValueError if the offset is missing."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return moment.astimezone(UTC)
