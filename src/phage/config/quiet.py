"""Quiet hours: a time of each day in which people are not to be disturbed."""

from __future__ import annotations

import re
import time

from phage.frozen import frozen

_TEXT = re.compile(r"([01]?\d|2[0-3]):([0-5]\d) ?- ?([01]?\d|2[0-3]):([0-5]\d)")
_DAY = 24 * 60


@frozen
class Quiet:
    """From one minute of the day to before another, by this machine's clock."""

    begin: int
    end: int

    def seconds_left(self, now: int) -> float:
        """Return for how long it is quiet still; 0 while it is not.

        Args:
            now: Nanoseconds since the Unix epoch.
        """
        local = time.localtime(now // 1_000_000_000)
        minute = local.tm_hour * 60 + local.tm_min
        if (minute - self.begin) % _DAY >= (self.end - self.begin) % _DAY:
            return 0.0
        return float((self.end - minute) % _DAY * 60 - local.tm_sec)


def parse_quiet(text: str) -> Quiet | None:
    """Return the quiet hours of a text such as "22:00-07:00"; None for none.

    Raises ValueError.
    """
    if not text.strip():
        return None
    found = _TEXT.fullmatch(text.strip())
    hours = [int(each) for each in found.groups()] if found is not None else []
    if not hours or hours[:2] == hours[2:]:
        message = "must be two different times of the day, such as 22:00-07:00"
        raise ValueError(message)
    return Quiet(hours[0] * 60 + hours[1], hours[2] * 60 + hours[3])
