"""From the rows of one slot to rates a second, over one second and over five."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from phage.detect.volumes.past import Past
from phage.detect.volumes.targets import target_of, targets_of
from phage.frozen import frozen
from phage.records.columns import TrafficClass
from phage.records.distinct import distinct
from phage.records.watched import FIRST_SERVICE, HOST, is_service

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.detect.volumes.targets import Target
    from phage.records import Columns
    from phage.records.watched import Watched

Floats = npt.NDArray[np.float32]

SLOTS_A_SECOND = 2
SLOT = 1_000_000_000 // SLOTS_A_SECOND
CLASSES = len(TrafficClass)
GROUPS = 5
_UNIT = 8.0
"""The core counts octets by group in units of so many."""

PACKETS = 2 * CLASSES
"""Columns of packets: received by class, sent by class."""
OCTETS = PACKETS + 2 * GROUPS
"""Columns up to which octets follow: received by group, sent by group."""
SOURCES = OCTETS
"""The column of distinct sources."""
FLOWS = OCTETS + 1
"""The columns of flows, received and sent."""
MEASURES = OCTETS + 3

COUNTS = MEASURES + 2
"""Columns of counts: those of measures, and packets really seen, received and sent."""

SLOW_S = 5.0
"""Seconds of the slow rates: where sampling leaves little, a second is too short."""

MOST = 8192
"""Hosts and prefixes whose last slots are remembered."""

_KEEP = 1.0 - 1.0 / (SLOW_S * SLOTS_A_SECOND)

_SET_BACK = 3600 * SLOTS_A_SECOND
"""Slots by which time has to go back for the clock to have been set; less is disorder."""

GROUP_OF = {
    TrafficClass.TCP: 0,
    TrafficClass.SYN: 0,
    TrafficClass.SYN_ACK: 0,
    TrafficClass.RESET: 0,
    TrafficClass.UDP: 1,
    TrafficClass.QUERY: 1,
    TrafficClass.REPLY: 2,
    TrafficClass.FRAGMENT: 3,
    TrafficClass.ICMP: 4,
    TrafficClass.OTHER: 4,
}


def packets_column(kind: int, *, sent: bool) -> int:
    """Return the column of the packets of a class."""
    return CLASSES * sent + kind


def octets_column(kind: int, *, sent: bool) -> int:
    """Return the column of the octets that a class is counted with."""
    return PACKETS + GROUPS * sent + GROUP_OF[TrafficClass(kind)]


@frozen
class Watching:
    """The services of rows by their length, and the groups by their address."""

    services: Mapping[int, str] = field(default_factory=dict)
    groups: Mapping[bytes, Target] = field(default_factory=dict)

    @classmethod
    def of(cls, watched: Watched) -> Watching:
        """Return what rows of this are."""
        services = {FIRST_SERVICE + number: text for text, number in watched.services}
        return cls(services, targets_of(watched.groups))


@frozen
class Slot:
    """The rates of one slot; a row for each key that is told.

    Attributes:
        time: End of the slot.
        number: Number of the slot.
        rows: VOLUME rows.
        keys: Address and length of the prefix (17 octets).
        fast: Rates over the last second, by measure.
        slow: Rates over the last five seconds or so.
        seen: Packets really seen in the last second: received, sent.
        seen_slow: The same in the last five seconds.
        watched: The services and groups that some rows are of.
    """

    time: int
    number: int
    rows: Columns
    keys: tuple[bytes, ...]
    fast: Floats
    slow: Floats
    seen: Floats
    seen_slow: Floats
    watched: Watching = field(default_factory=Watching)

    def target(self, row: int) -> Target:
        """Return what a row is of; that of a service is its host."""
        return target_of(self.keys[row], self.watched.groups)

    def service(self, row: int) -> str:
        """Return the service that a row is of; '' for none."""
        return self.watched.services.get(self.keys[row][16], "")

    def host_row(self, row: int) -> int:
        """Return the row of the host whose service a row is of; other rows are their own."""
        key = self.keys[row]
        if not is_service(key[16]):
            return row
        host = key[:16] + bytes((HOST,))
        return self.keys.index(host) if host in self.keys else row


@dataclass(slots=True)
class Rates:
    """Makes rates of counts; remembers the last slots of a bounded number of keys.

    Several counters (threads of an interface, collectors) may tell of the same slot, each of a part
    of the traffic: counts add up.
    """

    watched: Watching = field(default_factory=Watching)
    _past: Past = field(default_factory=lambda: Past(COUNTS, _KEEP, _SET_BACK, MOST))

    @property
    def dropped(self) -> int:
        """How many keys gave way to others."""
        return self._past.dropped

    def take(self, rows: Columns, time: int) -> Slot:
        """Return the rates at the end of a slot, whose rows these are."""
        number = time // SLOT
        count = len(rows)
        addresses = np.ascontiguousarray(rows["address"]).tobytes()
        lengths = rows["length"].tolist()
        keys = tuple(
            addresses[16 * row : 16 * row + 16] + bytes((lengths[row],)) for row in range(count)
        )
        counts = np.concatenate(
            (
                rows["packets"].reshape(count, PACKETS),
                rows["grouped"].reshape(count, 2 * GROUPS) * _UNIT,
                rows["sources"][:, None],
                rows["flows"],
                rows["samples"],
            ),
            axis=1,
        ).astype(np.float32)
        now, before, slow = self._past.add(keys, counts, number)
        fast = now + before
        # Sources of two slots may be the same ones: at least as many as in one of them.
        fast[:, SOURCES] = np.maximum(now[:, SOURCES], before[:, SOURCES])
        return Slot(
            time,
            number,
            rows,
            keys,
            fast=fast[:, :MEASURES],
            slow=slow[:, :MEASURES] / np.float32(SLOW_S),
            seen=fast[:, MEASURES:],
            seen_slow=slow[:, MEASURES:],
            watched=self.watched,
        )


def lower_bound(rates: Floats, seen: Floats, shares: Floats) -> Floats:
    """Return what rates are at least, with 95 % confidence, given the packets really seen.

    A share of a sampled count is itself a count: its relative error is 1.96 over the square root
    of the packets seen of it.
    """
    mine = np.maximum(seen * shares, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = 1.96 / np.sqrt(mine)
    return np.asarray(rates * np.clip(1.0 - error, 0.0, 1.0), dtype=np.float32)


def shares_of(rates: Floats) -> Floats:
    """Return the share of each class's packets in those of its direction; columns of packets."""
    shaped = rates[:, :PACKETS].reshape(-1, 2, CLASSES)
    total = np.maximum(shaped.sum(axis=2, keepdims=True), 1.0)
    return np.asarray((shaped / total).reshape(-1, PACKETS), dtype=np.float32)


def split_slots(volumes: Columns, traffic: Columns) -> Sequence[tuple[int, Any, Any]]:
    """Return the slots of a window, the earliest first: time, rows, traffic."""
    times = sorted({*_times(volumes), *_times(traffic)})
    if len(times) == 1:
        return [(times[0], volumes, traffic)]
    return [
        (time, volumes[volumes["time"] == time], traffic[traffic["time"] == time]) for time in times
    ]


def _times(rows: Columns) -> Sequence[int]:
    """Return the times that occur; nearly always it is one."""
    times = rows["time"]
    if len(times) and (times == times[0]).all():
        return (int(times[0]),)
    found: list[int] = distinct(times).tolist()
    return found
