"""What of a slot is too much, before anybody asks why: thresholds, what is usual, what is never."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

import numpy as np

from phage.detect.volumes.episodes import Why
from phage.detect.volumes.measures import CLASSES, PACKETS, SLOW_S, lower_bound, shares_of
from phage.detect.volumes.thresholds import classes_of, exceeded
from phage.frozen import frozen
from phage.records.columns import TrafficClass
from phage.records.watched import GROUP, HOST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phage.detect.volumes.measures import Floats, Slot
    from phage.learn.baseline import Learned
    from phage.records.threshold import Threshold

_WORDS = {
    TrafficClass.TCP: "TCP segments",
    TrafficClass.SYN: "SYNs",
    TrafficClass.SYN_ACK: "SYN-ACKs",
    TrafficClass.RESET: "resets",
    TrafficClass.UDP: "datagrams",
    TrafficClass.REPLY: "replies of amplifiers",
    TrafficClass.QUERY: "queries",
    TrafficClass.ICMP: "ICMP packets",
    TrafficClass.FRAGMENT: "fragments",
    TrafficClass.OTHER: "packets of other protocols",
}

_LEAST_SHARE = 0.2
"""Part of a threshold's packets from which on a class is a cause of its being exceeded."""


def _default_floors() -> dict[TrafficClass, float]:
    return {
        TrafficClass.TCP: 2000.0,
        TrafficClass.SYN: 300.0,
        TrafficClass.SYN_ACK: 300.0,
        TrafficClass.RESET: 1000.0,
        TrafficClass.UDP: 2000.0,
        TrafficClass.REPLY: 500.0,
        TrafficClass.QUERY: 2000.0,
        TrafficClass.ICMP: 500.0,
        TrafficClass.FRAGMENT: 500.0,
        TrafficClass.OTHER: 2000.0,
    }


def _default_never() -> dict[TrafficClass, float]:
    return {
        TrafficClass.SYN: 1000.0,
        TrafficClass.SYN_ACK: 1000.0,
        TrafficClass.REPLY: 1000.0,
        TrafficClass.ICMP: 3000.0,
        TrafficClass.FRAGMENT: 3000.0,
    }


@frozen
class Limits:
    """How much is too much.

    Attributes:
        floors: Packets a second of a class that are never too much against what is usual.
        never: Packets a second that are too much in any network, if nobody asked for them.
        ratio: Times the upper end of what is usual.
        gathered: CUSUM, in standard deviations, from which on a lasting rise is too much.
        warm: Slots for which a key has to be watched before anything is usual for it.
        samples: Packets really seen that a judgement needs.
        wider: Times all of it for prefixes.
    """

    floors: Mapping[TrafficClass, float] = field(default_factory=_default_floors)
    never: Mapping[TrafficClass, float] = field(default_factory=_default_never)
    ratio: float = 3.0
    gathered: float = 15.0
    warm: int = 16
    samples: int = 30
    wider: float = 2.0


@frozen
class TooMuch:
    """One class of one direction of one row that is too much.

    Attributes:
        row: The row of the slot.
        kind: The class.
        sent: Whether it was sent.
        why: What it exceeds.
        slow: Whether the rates of five seconds tell, not those of one.
        strict: Whether nothing excuses it.
    """

    row: int
    kind: TrafficClass
    sent: bool
    why: Why
    slow: bool = False
    strict: bool = False

    @property
    def ratio(self) -> float:
        """How many times the limit it is."""
        return self.why.value / max(self.why.limit, 1.0)


def too_much(
    slot: Slot,
    learned: Learned,
    gathered: Floats,
    thresholds: Sequence[Threshold],
    limits: Limits,
) -> list[TooMuch]:
    """Return what is too much in a slot; for each class and direction the gravest reason."""
    found: dict[tuple[int, int, bool], TooMuch] = {}
    ranks = {"threshold": 3, "signature": 2, "baseline": 1}
    fast = _Bounds(slot, slow=False)
    slow = _Bounds(slot, slow=True)
    heights = _Heights(slot, learned, limits)
    for each in (
        *_by_threshold(slot, fast, slow, learned, thresholds),
        *_by_limits(slot, fast, learned, gathered, heights),
        *_by_limits(slot, slow, learned, gathered, heights),
    ):
        key = (each.row, each.kind, each.sent)
        known = found.get(key)
        rank = (ranks[each.why.by], not each.slow, each.ratio)
        if known is None or rank > (ranks[known.why.by], not known.slow, known.ratio):
            found[key] = each
    return list(found.values())


class _Bounds:
    """Lower bounds of the packets of each class, and how many were really seen."""

    def __init__(self, slot: Slot, *, slow: bool) -> None:
        rates, seen = (slot.slow, slot.seen_slow) if slow else (slot.fast, slot.seen)
        self.is_slow = slow
        self.seconds = round(SLOW_S) if slow else 1
        shares = shares_of(rates)
        of_direction = np.repeat(seen, CLASSES, axis=1)
        self.seen = of_direction * shares
        self.low = lower_bound(rates[:, :PACKETS], of_direction, shares)
        self.rates = rates


_KINDS = tuple(TrafficClass(column % CLASSES) for column in range(PACKETS))


class _Heights:
    """What the packets of each class of each row are measured by, alike for one second and five."""

    def __init__(self, slot: Slot, learned: Learned, limits: Limits) -> None:
        lengths = slot.rows["length"]
        narrow = (lengths >= HOST) & (lengths != GROUP)
        wide = np.where(narrow, 1.0, limits.wider).astype(np.float32)[:, None]
        self.limits = limits
        self.floors = np.array([limits.floors.get(kind, np.inf) for kind in _KINDS], "f4") * wide
        self.never = np.array([limits.never.get(kind, np.inf) for kind in _KINDS], "f4") * wide
        self.upper = learned.upper[:, :PACKETS]
        raised = limits.ratio * self.upper
        self.warm = (learned.age >= limits.warm)[:, None]
        self.usual = np.maximum(self.floors, raised)
        # What is never usual is judged without having been learned, but not against what was.
        self.certain = np.maximum(self.never, raised * self.warm)
        # What a service is sent is sent to its host too.
        self.is_service = ((lengths > HOST) & narrow)[:, None]


def _by_threshold(
    slot: Slot,
    fast: _Bounds,
    slow: _Bounds,
    learned: Learned,
    thresholds: Sequence[Threshold],
) -> Iterator[TooMuch]:
    for each in exceeded(slot, thresholds, fast.low, slow.low):
        threshold, row = each.threshold, each.row
        sent = not threshold.incoming
        bounds = fast if threshold.seconds == 1 else slow
        columns = [CLASSES * sent + kind for kind in classes_of(threshold)]
        total = max(float(bounds.rates[row, columns].sum()), 1.0)
        for kind, column in zip(classes_of(threshold), columns, strict=True):
            if float(bounds.rates[row, column]) < _LEAST_SHARE * total:
                continue
            why = Why(
                by="threshold",
                measure=threshold.measure,
                value=each.value,
                limit=threshold.value,
                usual=float(learned.mean[row, column]),
                seconds=bounds.seconds,
                samples=round(float(bounds.seen[row, columns].sum())),
                text=str(threshold),
            )
            yield TooMuch(row, kind, sent, why, bounds.is_slow, threshold.strict)


def _by_limits(
    slot: Slot, bounds: _Bounds, learned: Learned, gathered: Floats, heights: _Heights
) -> Iterator[TooMuch]:
    limits, upper, floors = heights.limits, heights.upper, heights.floors
    lasting = (gathered[:, :PACKETS] >= limits.gathered) & (bounds.low > 1.5 * upper)
    # What has ended is still in the rates of five seconds.
    goes_on = slot.fast[:, :PACKETS] >= 0.25 * bounds.rates[:, :PACKETS]
    enough = (bounds.seen >= limits.samples) & goes_on
    above = (bounds.low > heights.usual) | (lasting & (bounds.low > floors))
    by_baseline = enough & heights.warm & above
    by_signature = enough & ~heights.is_service & (bounds.low > heights.certain)
    for row, column in np.argwhere(by_baseline | by_signature):
        certain = bool(by_signature[row, column])
        service = slot.service(int(row))
        limit = heights.never[row, column] if certain else floors[row, column]
        if not certain:
            limit = max(float(limit), float(upper[row, column]) * 1.5)
        why = Why(
            by="signature" if certain else "baseline",
            measure=_WORDS[_KINDS[column]] + (f" to {service}" if service else ""),
            value=float(bounds.low[row, column]),
            limit=float(limit),
            usual=float(learned.mean[row, column]),
            seconds=bounds.seconds,
            samples=round(float(bounds.seen[row, column])),
        )
        yield TooMuch(int(row), _KINDS[column], bool(column >= CLASSES), why, bounds.is_slow)
