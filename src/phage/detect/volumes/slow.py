"""Attacks that are low and slow: many sources that each send little and get nothing done.

Slow HTTP and half-open connections exhaust what a server remembers, not its line. What tells them
is that many more sources than usual send small packets, and what goes back is empty: no content,
or nothing at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from phage.detect.volumes.episodes import Why
from phage.detect.volumes.excess import Limits, TooMuch
from phage.detect.volumes.measures import SLOW_S, octets_column, packets_column
from phage.detect.volumes.samples import Samples, make_of
from phage.detect.volumes.streaks import Streaks
from phage.records.columns import TrafficClass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.detect.volumes.measures import Slot
    from phage.learn.baseline import Learned
    from phage.records import Columns

_WEB = frozenset({80, 443, 8000, 8080, 8443})
_UNASKED = 100
"""SYN-ACKs that nobody asked for: somebody forges this address, or floods it by reflection."""

_GAP = 6
"""Slots in which a host may look otherwise and is still the same case: few packets vary much."""


@dataclass(slots=True)
class Slow:
    """Bounds, and for how long each host has looked so.

    Attributes:
        segments: Segments a second from which on a host is looked at.
        flood: Segments a second from which on it is a flood, and nothing slow.
        sources: Distinct sources in some seconds, at least.
        length: Mean octets of what is received, at most.
        content: Octets sent for each one received, at most: a page is ten times its request.
        slots: For so many slots it has to last; for more where few packets are seen in these.
        few: Packets seen in five seconds that are looked at, at least: what they tell is rough, and
            counts once as many were seen, one look after the other, as one look needs elsewhere.
        lately_s: Seconds of which sources are counted where sampling leaves few in less.
        lasting: For how long hosts have looked so.
    """

    segments: float = 100.0
    flood: float = 6000.0
    sources: int = 40
    length: float = 200.0
    content: float = 3.0
    slots: int = 10
    few: float = 12.0
    lately_s: float = 30.0
    lasting: Streaks[bytes] = field(default_factory=lambda: Streaks(_GAP, most=1024))

    def lasts(self, key: bytes, number: int, shortage: float) -> bool:
        """Note that a host looks so in a slot; tell whether it did for long enough.

        Args:
            key: The host.
            number: The slot's.
            shortage: How many times more packets one look would need to see.
        """
        return self.lasting.note(key, number) >= self.slots * max(shortage, 1.0)


def low_and_slow(
    slot: Slot, learned: Learned, samples: Samples, slow: Slow, limits: Limits
) -> tuple[list[int], list[TooMuch]]:
    """Return the rows that may be under such attacks, and those that are for long enough."""
    found = list(_unasked(slot, limits))
    pending: list[int] = []
    incoming = [packets_column(kind, sent=False) for kind in (TrafficClass.TCP, TrafficClass.SYN)]
    segments = slot.slow[:, incoming].sum(axis=1)
    upper = learned.upper[:, incoming].sum(axis=1)
    enough = slot.seen_slow[:, 0] >= min(slow.few, limits.samples)
    fits = (
        (slot.rows["length"] == 128)
        & enough
        & (learned.age >= limits.warm)
        & (segments >= np.maximum(slow.segments, limits.ratio * upper))
        & (slot.fast[:, incoming].sum(axis=1) - upper < slow.flood)
    )
    for row in np.flatnonzero(fits):
        suspect = _judge(int(row), slot, samples, slow)
        if suspect is None:
            continue
        pending.append(int(row))
        shortage = limits.samples / float(slot.seen_slow[row, 0])
        if slow.lasts(slot.keys[row], slot.number, shortage):
            found.append(suspect)
    return pending, found


def _judge(row: int, slot: Slot, samples: Samples, slow: Slow) -> TooMuch | None:
    rates = slot.slow[row]
    received = max(float(rates[octets_column(TrafficClass.TCP, sent=False)]), 1.0)
    sent = float(rates[octets_column(TrafficClass.TCP, sent=True)])
    syn = float(rates[packets_column(TrafficClass.SYN, sent=False)])
    other = float(rates[packets_column(TrafficClass.TCP, sent=False)])
    if received / max(syn + other, 1.0) > slow.length or sent > slow.content * received:
        return None
    target = slot.target(row)
    rows = _segments(samples.of(target, sent=False))
    make = make_of(rows, sent=False)
    if make.peers < slow.sources and make.rows < 3 * slow.sources:
        # So few were seen that more sources could not be.
        rows = _segments(samples.lately(target, slow.lately_s, sent=False))
        make = make_of(rows, sent=False)
    # Each source sends little: no few of them carry the traffic.
    if make.peers < slow.sources or 3 * make.busiest_peers < make.peers:
        return None
    half_open = syn > 0.6 * other
    if half_open and 2 * make.near_ports > make.rows:
        return None  # Many ask for many ports: background noise of the Internet.
    answered = float(rates[packets_column(TrafficClass.TCP, sent=True)]) > 0.02 * other
    if not half_open and not answered and syn >= 0.02 * other:
        return None  # Connections whose answers take another way.
    ports = rows["dst_port"]
    web = bool(len(ports)) and int(np.bincount(ports).argmax()) in _WEB
    name = "syn-flood" if half_open else "slow-http" if web else "slow-connections"
    kind = TrafficClass.SYN if half_open else TrafficClass.TCP
    text = (
        f"{make.peers} sources in some seconds send small packets and are sent next to nothing"
        if not half_open
        else f"{make.peers} sources in some seconds begin connections and complete none"
    )
    why = Why("slow", name, syn + other, slow.segments, 0.0, round(SLOW_S), make.rows, text)
    return TooMuch(row, kind, sent=False, why=why, slow=True)


def _segments(rows: Columns) -> Columns:
    found: Columns = rows[rows["protocol"] == 6]
    return found


def _unasked(slot: Slot, limits: Limits) -> Iterator[TooMuch]:
    answers = slot.slow[:, packets_column(TrafficClass.SYN_ACK, sent=False)]
    others = slot.slow[:, packets_column(TrafficClass.TCP, sent=False)]
    fits = (
        (slot.rows["unasked"] >= _UNASKED)
        & (slot.rows["unasked_samples"] >= limits.samples)
        & (answers > 0)
        & (answers >= 0.6 * others)
    )
    for row in np.flatnonzero(fits):
        count = int(slot.rows["unasked"][row])
        why = Why(
            "slow",
            "syn-ack-flood",
            float(count),
            float(_UNASKED),
            0.0,
            600,
            int(slot.rows["unasked_samples"][row]),
            f"{count:,} SYN-ACKs in some minutes answer SYNs that it never sent",
        )
        yield TooMuch(int(row), TrafficClass.SYN_ACK, sent=False, why=why, slow=True)
