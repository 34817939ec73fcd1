"""When a device is busy: a map of hours, a row for each day."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.store.repositories.traffic import Traffic

SECOND = 1_000_000_000
HOUR = 3600 * SECOND


@frozen
class Hour:
    """One hour: how busy (0 to 4, against the device's own busiest) and octets in all."""

    at: int
    level: int
    octets: int


def heat_of(spans: Sequence[Traffic], now: int, days: int) -> list[tuple[str, list[Hour]]]:
    """Return the hours of each day in UTC, the day before today last."""
    octets = {each.at: sum(each.octets) for each in spans}
    most = max(octets.values(), default=0)
    today = now - now % (24 * HOUR)
    rows = []
    for back in range(days - 1, -1, -1):
        begin = today - back * 24 * HOUR
        day = datetime.datetime.fromtimestamp(begin // SECOND, datetime.UTC)
        hours = [
            Hour(at, _level(octets.get(at, 0), most), octets.get(at, 0))
            for at in range(begin, begin + 24 * HOUR, HOUR)
        ]
        rows.append((day.strftime("%a"), hours))
    return rows


def _level(octets: int, most: int) -> int:
    """Return 1 to 4 by quarters of the busiest hour's square root, so that little shows too."""
    if not octets or not most:
        return 0
    return min(4, 1 + int((octets / most) ** 0.5 * 3.999))
