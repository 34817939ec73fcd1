"""Time as an argument: what asks for it gets a clock, so that tests replay a week in a second."""

from __future__ import annotations

import datetime
import functools
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> int:
        """Return nanoseconds since the Unix epoch."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> int:
        """Return nanoseconds since the Unix epoch."""
        return time.time_ns()  # noqa: TID251  This is the clock.

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()  # noqa: TID251  This is the clock.


class FixedClock:
    """A clock that stands until it is moved; for tests and replays."""

    def __init__(self, nanoseconds: int = 0) -> None:
        self.nanoseconds = nanoseconds

    def now(self) -> int:
        """Return nanoseconds since the Unix epoch."""
        return self.nanoseconds

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return self.nanoseconds / 1e9


def rfc3339(nanoseconds: int) -> str:
    """Format nanoseconds since the Unix epoch as RFC 3339 in UTC, with microseconds."""
    minutes, rest = divmod(nanoseconds, 60_000_000_000)
    seconds, rest = divmod(rest, 1_000_000_000)
    return f"{_minute(minutes)}:{seconds:02}.{rest // 1000:06}Z"


@functools.lru_cache(maxsize=4096)  # Long lists tell of the same minutes again and again.
def _minute(minutes: int) -> str:
    moment = datetime.datetime.fromtimestamp(minutes * 60, tz=datetime.UTC)
    return moment.isoformat()[:16]
