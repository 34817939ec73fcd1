"""How a device uses a key of its profile: how often, how regularly, when, how much, after what."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.devices.order import Order, order_of
from phage.records.profile import KeyUse

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECOND = 1_000_000_000
MINUTE_NS = 60 * _SECOND
DAY_NS = 86_400 * _SECOND

VOLUME_SIGMAS = 6.0
LEAST_VOLUME = 10_000_000
"""Octets below which no volume is an excess."""

ENOUGH_USES = 20
"""Uses from which period, volume and hours are known."""

ENOUGH_DAYS = 14
"""Days after which the hours of the week are known."""


@dataclass(slots=True)
class Use:
    """How a key is used; the mutable side of `KeyUse`."""

    first: int
    last: int
    days: int = 1
    flows: int = 0
    sent: int = 0
    received: int = 0
    failed: int = 0
    period: float = 0.0
    jitter: float = 0.0
    hours: int = 0
    most: int = 0
    volume: float = 0.0
    variance: float = 0.0
    measured: int = 0
    minute: int = 0
    in_minute: int = 0
    odd_minute: int = -1
    """The last minute of which nothing is learned."""
    order: Order = field(default_factory=Order)

    def begin(self, at: int, count: int = 1, last: int = 0) -> None:
        """Note so many uses, the first at one time and the last at another."""
        self.order.begin(at, max(at, last), self.last if self.flows else None)
        if self.flows:
            gap = (max(at, last) - self.last) / count / _SECOND
            if gap > 0:
                share = max(0.05, 1.0 / min(self.flows, 20))
                off = abs(gap - self.period) / max(self.period, 1.0)
                self.jitter += share * (min(off, 10.0) - self.jitter)
                self.period += share * (gap - self.period)
        if at // DAY_NS != self.last // DAY_NS and self.flows:
            self.days += 1
        self.flows += count
        self.last = max(self.last, at, last)
        self.hours |= 1 << hour_of_week(at)
        minute = at // MINUTE_NS
        if minute != self.minute:
            if self.odd_minute != self.minute:  # What was an excess is not usual afterwards.
                self.most = max(self.most, self.in_minute)
            self.minute, self.in_minute = minute, 0
        self.in_minute += count

    def end(self, octets: Sequence[int], count: int, sizes: float, squares: float) -> None:
        """Note how much so many uses moved that ended: `sizes` are logarithms, added up."""
        self.sent += octets[0]
        self.received += octets[1]
        self.measured += count
        share = max(1.0 - 0.98**count, count / self.measured)
        mean = sizes / count
        within = max(0.0, squares / count - mean * mean)
        off = mean - self.volume
        self.volume += share * off
        self.variance = (1 - share) * (self.variance + share * off * off) + share * within

    @property
    def spread(self) -> float:
        """Return the standard deviation of the logarithm of a use's octets."""
        return math.sqrt(self.variance)

    def record(self) -> KeyUse:
        """Return the frozen record."""
        return KeyUse(
            self.first, self.last, self.days, self.flows, self.sent, self.received,
            round(self.period, 3), round(self.jitter, 4), self.hours, max(self.most, 1),
            round(self.volume, 3), round(self.spread, 3), self.failed,
            self.order.record(),
        )  # fmt: skip


def use_of(record: KeyUse) -> Use:
    """Return the mutable side of a record."""
    return Use(
        record.first, record.last, record.days, record.flows, record.sent, record.received,
        record.failed, record.period, record.jitter, record.hours, record.most, record.volume,
        record.spread**2, record.flows, order=order_of(record.order),
    )  # fmt: skip


def hour_of_week(at: int) -> int:
    """Return 0 for Monday 00-01 UTC up to 167 (the epoch began on a Thursday)."""
    return (at // (3600 * _SECOND) + 72) % 168


def is_volume_excess(use: Use, octets: int) -> bool:
    """Tell whether a use moved far more than it usually does."""
    if use.measured < ENOUGH_USES or octets < LEAST_VOLUME:
        return False
    return math.log2(octets + 1) > use.volume + VOLUME_SIGMAS * max(use.spread, 0.5)


def is_odd_hour(use: Use, observed: int, at: int) -> bool:
    """Tell whether a key is used at an hour of the week when it, after weeks, never was.

    `observed` is for how many nanoseconds its device is known.
    """
    known = use.flows >= ENOUGH_USES and observed >= ENOUGH_DAYS * DAY_NS
    hour = hour_of_week(at)
    near = sum(1 << ((hour + off) % 168) for off in (-1, 0, 1))
    return known and not use.hours & near
