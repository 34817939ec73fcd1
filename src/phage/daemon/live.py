"""What goes on now: rates, who talks most, and what those who are blocked still send.

A sink of windows, asked by `phage top` and the dashboard. All of it is about the last minute, in
slots of some seconds; nothing of it is stored.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from phage.clock import rfc3339
from phage.daemon.banmeter import BanMeter
from phage.daemon.talkers import Talkers
from phage.frozen import frozen
from phage.records.address import format_address, format_mac

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from phage.detect.volumes.thresholds import Near
    from phage.policy.desk import Outcome
    from phage.records import Finding, Window
    from phage.records.decision import Decision

SECOND = 1_000_000_000

SLOT_SECONDS = 5
"""Length of a slot: what is shown moves on this often."""

SLOTS = 12
"""Slots that are looked at: a minute."""

HISTORY_SECONDS = 300
"""Seconds of which the rate is kept, for a curve."""

MAX_TALKERS = 4096
"""Hosts of a slot; further ones are counted in `hosts_left_out`."""

NEAR_SECONDS = 5
"""Where nothing exceeds the floor of volumes, nobody is near to a threshold."""

BANS_SECONDS = 1
"""How often it is asked what is in force."""


@frozen
class Talker:
    """A host with what it sent and received in the last minute."""

    ip: str
    mac: str
    is_device: bool
    packets: tuple[int, int]
    octets: tuple[int, int]


class Live:
    """Keeps the last minute.

    Args:
        in_force: Returns the decisions that are carried out.
        counters: Returns the counters of all collectors, drops included.
        near: Returns who is nearest to a threshold of floods.
    """

    def __init__(
        self,
        in_force: Callable[[], Sequence[Decision]],
        counters: Callable[[], Mapping[str, int]],
        near: Callable[[], Sequence[Near]] = tuple,
    ) -> None:
        self._in_force = in_force
        self._counters = counters
        self._near = near
        self._talkers = Talkers(SLOTS, MAX_TALKERS)
        self._rates: deque[list[int]] = deque(maxlen=HISTORY_SECONDS)
        self._bans = BanMeter()
        self._bans_at = 0
        self._learning = False
        self._lock = threading.Lock()

    def window(self, window: Window) -> None:
        """Add a window."""
        with self._lock:
            self._learning = window.learning
            self._count(window)
            if window.end >= self._bans_at:
                self._bans.watch(self._in_force())
                self._bans_at = window.end + BANS_SECONDS * SECOND
            if len(window.hosts):
                self._talkers.add(window, window.end // SECOND // SLOT_SECONDS * SLOT_SECONDS)
                self._bans.take(window.hosts)

    def decided(self, outcome: Outcome) -> None:
        """Decisions are in the ledger."""

    def finding(self, finding: Finding) -> None:
        """Findings are in the store."""

    def close(self) -> None:
        """Nothing is left to write."""

    def _count(self, window: Window) -> None:
        second = window.end // SECOND
        if not self._rates or self._rates[-1][0] < second:
            self._rates.append([second, 0, 0])
        self._rates[-1][1] += window.packets
        self._rates[-1][2] += window.octets

    def talkers(self, now: int) -> list[Talker]:
        """Return the hosts of the last minute, in no order."""
        first = now // SECOND - SLOTS * SLOT_SECONDS
        with self._lock:
            rows = self._talkers.since(first)
        columns = (rows[name].tolist() for name in ("mac", "address", "numbers", "device"))
        return [
            Talker(format_address(address), format_mac(mac), device, (p0, p1), (o0, o1))
            for mac, address, (p0, p1, o0, o1), device in zip(*columns, strict=True)
        ]

    def rates(self, now: int) -> list[tuple[int, int, int]]:
        """Return second, packets and octets of the seconds kept; a quiet second is left out."""
        first = now // SECOND - HISTORY_SECONDS
        with self._lock:
            return [(at, packets, octets) for at, packets, octets in self._rates if at >= first]

    def snapshot(self, now: int, limit: int) -> dict[str, Any]:
        """Return all of it as plain values, at most `limit` hosts and bans each."""
        talkers, rates = self.talkers(now), self.rates(now)
        with self._lock:
            bans, learning, left_out = self._bans.counted(), self._learning, self._talkers.left_out
            unwatched = self._bans.unwatched
        bans.sort(key=lambda each: (each[1], each[0].id), reverse=True)
        packets, octets = _rate(rates, now)
        counters = self._counters()
        return {
            "at": rfc3339(now),
            "learning": learning,
            "packets_a_second": packets,
            "octets_a_second": octets,
            "rates": [list(each) for each in rates],
            "sources": _top(talkers, 0, limit),
            "destinations": _top(talkers, 1, limit),
            "nearest": [
                _nearest(each) for each in self._near() if now - each.at < NEAR_SECONDS * SECOND
            ][:limit],
            "bans": [_ban(*each) for each in bans[:limit]],
            "bans_total": len(bans) + unwatched,
            "drops": {
                **{name: counters[name] for name in sorted(counters) if is_drop(name)},
                "hosts_left_out": left_out,
            },
        }


def is_drop(counter: str) -> bool:
    """Tell whether a counter says that something was lost, by its name."""
    words = ("drop", "lost", "omitted", "evict", "lack_of", "failed", "failing", "failures")
    return any(word in counter for word in words)


def _rate(rates: Sequence[tuple[int, int, int]], now: int) -> tuple[float, float]:
    """Return packets and octets a second over the last whole slot."""
    end = now // SECOND
    recent = [each for each in rates if end - SLOT_SECONDS <= each[0] < end]
    packets, octets = (sum(each[index] for each in recent) for index in (1, 2))
    return packets / SLOT_SECONDS, octets / SLOT_SECONDS


def _top(talkers: Sequence[Talker], side: int, limit: int) -> list[dict[str, Any]]:
    """Return who sent (0) or received (1) most."""
    busy = [each for each in talkers if each.packets[side]]
    busy.sort(key=lambda each: (each.octets[side], each.ip), reverse=True)
    return [
        {
            "ip": each.ip,
            "mac": each.mac,
            "device": each.is_device,
            "packets": each.packets[side],
            "octets": each.octets[side],
        }
        for each in busy[:limit]
    ]


def _nearest(near: Near) -> dict[str, Any]:
    return {
        "target": near.target.text,
        "threshold": str(near.threshold),
        "measure": near.threshold.measure,
        "value": near.value,
        "limit": near.threshold.value,
    }


def _ban(decision: Decision, packets: int, octets: int) -> dict[str, Any]:
    return {
        "id": decision.id,
        "target": decision.target.value,
        "action": str(decision.action),
        "direction": str(decision.direction),
        "reason": decision.reason,
        "rule": decision.rule,
        "by": decision.by,
        "start": rfc3339(decision.start),
        "until": rfc3339(decision.until) if decision.until else "",
        "packets": packets,
        "octets": octets,
    }
