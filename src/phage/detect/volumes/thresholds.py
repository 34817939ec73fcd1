"""Static thresholds against the rates of a slot."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from phage.detect.volumes.measures import CLASSES, FLOWS, GROUPS, PACKETS, octets_column
from phage.detect.volumes.prefixes import Prefixes
from phage.detect.volumes.targets import mapped_network
from phage.frozen import frozen
from phage.records.columns import TrafficClass
from phage.records.threshold import Threshold
from phage.records.watched import GROUP, HOST, group_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phage.detect.volumes.measures import Floats, Slot
    from phage.detect.volumes.targets import Target

_CLASSES = {
    "syn": TrafficClass.SYN,
    "syn-ack": TrafficClass.SYN_ACK,
    "rst": TrafficClass.RESET,
    "udp": TrafficClass.UDP,
    "reply": TrafficClass.REPLY,
    "query": TrafficClass.QUERY,
    "icmp": TrafficClass.ICMP,
    "fragment": TrafficClass.FRAGMENT,
    "other": TrafficClass.OTHER,
}
_TCP = (TrafficClass.TCP, TrafficClass.SYN, TrafficClass.SYN_ACK, TrafficClass.RESET)

DEFAULT = (
    Threshold(20_000.0, "packets"),
    Threshold(1e9, "bits"),
    Threshold(20_000.0, "packets", incoming=False),
    Threshold(1e9, "bits", incoming=False),
)
"""What holds where nothing is set: a host of a customer seldom exceeds it one-way."""


@frozen
class Exceeded:
    """A threshold that a row of a slot exceeds.

    Attributes:
        row: The row.
        threshold: Which.
        value: The rate.
    """

    row: int
    threshold: Threshold
    value: float


def exceeded(
    slot: Slot, thresholds: Sequence[Threshold], low: Floats, low_slow: Floats
) -> Iterator[Exceeded]:
    """Yield what exceeds thresholds, by lower bounds of the rates.

    Args:
        slot: The rates.
        thresholds: All that are set.
        low: What the packets of the last second are at least, by class.
        low_slow: The same of five seconds.
    """
    for threshold, rows, values in _measured(slot, thresholds, low, low_slow):
        for place in np.flatnonzero(values >= threshold.value):
            yield Exceeded(int(rows[place]), threshold, float(values[place]))


@frozen
class Near:
    """How near a host or prefix is to the threshold that it is nearest to.

    Attributes:
        target: The host or prefix.
        threshold: Which.
        value: The rate.
        at: When, in nanoseconds since the Unix epoch.
    """

    target: Target
    threshold: Threshold
    value: float
    at: int

    @property
    def share(self) -> float:
        """Return the rate against the threshold; above 1 it is exceeded."""
        return self.value / self.threshold.value


def nearest(slot: Slot, thresholds: Sequence[Threshold], most: int) -> tuple[Near, ...]:
    """Return who is nearest to a threshold, at most so many, the nearest first."""
    best: dict[int, tuple[float, float, Threshold]] = {}
    fast, slow = slot.fast[:, :PACKETS], slot.slow[:, :PACKETS]
    for threshold, rows, values in _measured(slot, thresholds, fast, slow):
        shares = values / np.float32(threshold.value)
        for place in np.argsort(-shares)[:most].tolist():
            row, share = int(rows[place]), float(shares[place])
            if share > best.get(row, (0.0,))[0]:
                best[row] = share, float(values[place]), threshold
    ranked = sorted(best.items(), key=lambda each: -each[1][0])[:most]
    return tuple(
        Near(slot.target(row), threshold, value, slot.time) for row, (_, value, threshold) in ranked
    )


def _measured(
    slot: Slot, thresholds: Sequence[Threshold], low: Floats, low_slow: Floats
) -> Iterator[tuple[Threshold, npt.NDArray[np.intp], Floats]]:
    """Yield each threshold with the rows that it is about, and what it measures of them.

    Only that of the group with the longest network around a row counts, as in routing; rows of
    groups without networks are in none.
    """
    numbers, networks = _groups(tuple(thresholds))
    groups = _group_of(slot, numbers, networks)
    lengths = slot.rows["length"]
    services = {text: length for length, text in slot.watched.services.items()}
    for threshold in thresholds:
        service = services.get(threshold.service, 0) if threshold.service else 0
        fits = lengths == (service if threshold.service else threshold.length)
        chosen = np.flatnonzero(fits & (groups == numbers.get(threshold.group, -1)))
        if not len(chosen):
            continue
        fast = threshold.seconds == 1
        values = _values(threshold, slot.fast if fast else slot.slow, low if fast else low_slow)
        yield threshold, chosen, values[chosen]


def _values(threshold: Threshold, rates: Floats, low: Floats) -> Floats:
    """Return what a threshold measures, as a lower bound, a value for each row."""
    sent = not threshold.incoming
    columns = _columns(threshold.vector, sent=sent)
    packets = low[:, columns].sum(axis=1)
    if threshold.measure == "packets":
        return np.asarray(packets, np.float32)
    if threshold.measure == "flows":
        return np.asarray(rates[:, FLOWS + sent], np.float32)
    if threshold.vector == "any":
        groups = list(range(PACKETS + GROUPS * sent, PACKETS + GROUPS * (sent + 1)))
    else:
        kind = TrafficClass.TCP if threshold.vector == "tcp" else _CLASSES[threshold.vector]
        groups = [octets_column(kind, sent=sent)]
    # Octets are as sure as the packets that they were seen in.
    sure = packets / np.maximum(rates[:, columns].sum(axis=1), 1.0)
    return np.asarray(rates[:, groups].sum(axis=1) * 8.0 * sure, np.float32)


def _columns(vector: str, *, sent: bool) -> list[int]:
    first = CLASSES * sent
    if vector == "any":
        return list(range(first, first + CLASSES))
    kinds = _TCP if vector == "tcp" else (_CLASSES[vector],)
    return [first + kind for kind in kinds]


def classes_of(threshold: Threshold) -> tuple[TrafficClass, ...]:
    """Return the classes of traffic that a threshold is about."""
    if threshold.vector == "any":
        return tuple(TrafficClass)
    return _TCP if threshold.vector == "tcp" else (_CLASSES[threshold.vector],)


@lru_cache(maxsize=8)
def _groups(thresholds: tuple[Threshold, ...]) -> tuple[dict[str, int], Prefixes[int]]:
    """Return the numbers of the groups that have networks, and these by network."""
    numbers: dict[str, int] = {}
    networks: Prefixes[int] = Prefixes()
    for threshold in thresholds:
        if threshold.networks and threshold.group not in numbers:
            number = numbers[threshold.group] = len(numbers)
            for text in threshold.networks:
                networks.add(*mapped_network(text), number)
    return numbers, networks


def _group_of(
    slot: Slot, numbers: Mapping[str, int], networks: Prefixes[int]
) -> npt.NDArray[np.int64]:
    """Return the number of the group that each row is in; -1 for none."""
    found = np.full(len(slot.keys), -1, np.int64)
    if not numbers:
        return found
    places = {group_key(name): number for name, number in numbers.items()}
    for row, key in enumerate(slot.keys):
        if key[16] == GROUP:
            found[row] = places.get(key[:16], -1)
        else:
            around = networks.around(int.from_bytes(key[:16], "big"), min(key[16], HOST))
            found[row] = next(around, -1)
    return found
