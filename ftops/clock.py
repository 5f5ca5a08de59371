"""Time as an argument: the system's, or one that a test holds."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> int:
        """Unix time, in whole seconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after *seconds*."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> int:
        return int(time.time())

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def in_utc(seconds: int, pattern: str = "%Y-%m-%d %H:%M UTC") -> str:
    """Unix time as people read it; a number that is no time comes back as it is."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime(pattern)
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def day(seconds: int) -> date:
    """The day of a unix time, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).date()
