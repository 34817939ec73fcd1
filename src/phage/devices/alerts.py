"""How often devices make phage tell something: findings per device and week.

A share of false findings among thousands of flows says nothing to who reads them; how many come of
a device in a week does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.store.store import Store

WEEK_NS = 7 * 86_400 * 1_000_000_000
DEVIATION = "deviation"
"""The detector that judges devices by their own profiles."""


@frozen
class AlertRate:
    """Findings of a detector in a time.

    Attributes:
        alerts: How many.
        devices: How many devices are known.
        weeks: For how long these were known in that time, added up, in weeks.
        by_device: How many of each device that has any, by its id or address; the most first.
    """

    alerts: int
    devices: int
    weeks: float
    by_device: Sequence[tuple[str, int]]

    @property
    def rate(self) -> float:
        """Return how many findings there were per device and week."""
        return round(self.alerts / self.weeks, 3) if self.weeks else 0.0


def alert_rate(store: Store, now: int, days: int = 7, detector: str = DEVIATION) -> AlertRate:
    """Return how often devices made a detector tell something in the last days."""
    since = now - days * WEEK_NS // 7
    found = store.findings.by_device(detector, since)
    watched = store.devices.watched_seconds(since, now)
    total = sum(count for _, count in found)
    return AlertRate(total, store.devices.count(), watched * 1_000_000_000 / WEEK_NS, found)
