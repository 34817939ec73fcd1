"""Traffic that was chosen to be shown: the latest, and some from before."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from phage.frozen import frozen
from phage.records.columns import TRAFFIC
from phage.records.distinct import distinct

if TYPE_CHECKING:
    from phage.detect.volumes.targets import Target
    from phage.records import Columns

Bools = npt.NDArray[np.bool_]

_ALL_64 = (1 << 64) - 1

ALL, RECEIVED, SENT = 0, 1, 2
"""What rows were chosen among: all traffic, what a busy host received, what it sent."""


@dataclass(slots=True)
class Samples:
    """Keeps traffic rows: all of the last seconds, and some of the minutes before.

    Attributes:
        recent_s: How long all rows are kept.
        kept_s: How long some are kept.
        most: Rows of before at most.
    """

    recent_s: float = 6.0
    kept_s: float = 600.0
    most: int = 60_000
    _recent: deque[tuple[int, Columns]] = field(default_factory=deque)
    _before: deque[tuple[int, Columns]] = field(default_factory=deque)
    _count: int = 0
    _joined: Columns | None = None
    _chosen: dict[tuple[Target, bool], Columns] = field(default_factory=dict)

    def add(self, rows: Columns, time: int) -> None:
        """Take the rows of a slot that ended."""
        self._recent.append((time, rows))
        self._joined = None
        self._chosen = {}
        while self._recent and self._recent[0][0] <= time - self.recent_s * 1e9:
            when, old = self._recent.popleft()
            # Of a long past one row in a few says enough; each stands for more.
            thin = old[(old["chosen"] == ALL)]
            step = max(1, len(thin) // 256)
            thin = thin[::step].copy()
            thin["packets"] *= step
            thin["octets"] *= step
            self._before.append((when, thin))
            self._count += len(thin)
        while self._before and (
            self._count > self.most or self._before[0][0] < time - self.kept_s * 1e9
        ):
            self._count -= len(self._before.popleft()[1])

    def latest(self) -> Columns:
        """Return the rows of the last seconds."""
        if self._joined is None:
            parts = [rows for _, rows in self._recent]
            joined = np.concatenate(parts) if parts else np.empty(0, TRAFFIC)
            self._joined = joined
        return self._joined

    def of(self, target: Target, *, sent: bool) -> Columns:
        """Return the latest rows of one direction of a target, by the choice that shows most."""
        key = (target, sent)
        rows = self._chosen.get(key)
        if rows is None:
            rows = self._chosen[key] = of_target(self.latest(), target, sent=sent)
        return rows

    def lately(self, target: Target, seconds: float, *, sent: bool) -> Columns:
        """Return rows of one direction of a target over a longer time than the latest."""
        rows = self.latest()
        if self._recent:
            begin = self._recent[-1][0] - seconds * 1e9
            older = [kept for when, kept in self._before if when > begin]
            rows = np.concatenate([*older, rows[rows["chosen"] == ALL]])
        return rows[within(rows, target, sent=sent)]

    def before(self, time: int) -> tuple[Columns, float]:
        """Return rows from before a time, and how many seconds they are of."""
        parts = [(when, rows) for when, rows in (*self._before, *self._recent) if when <= time]
        if not parts:
            return np.empty(0, TRAFFIC), 0.0
        rows = np.concatenate([rows[rows["chosen"] == ALL] for _, rows in parts])
        return rows, (time - parts[0][0]) / 1e9 + 0.5


def within(rows: Columns, target: Target, *, sent: bool) -> Bools:
    """Tell which rows were sent by, or went to, a target."""
    field_name = "src" if sent else "dst"
    halves = np.ascontiguousarray(rows[field_name]).view(">u8").reshape(-1, 2)
    found = np.zeros(len(rows), bool)
    for number, length in target.prefixes:
        high, low = number >> 64, number & _ALL_64
        high_mask = _mask(min(length, 64))
        low_mask = _mask(max(length - 64, 0))
        found |= ((halves[:, 0] & np.uint64(high_mask)) == np.uint64(high & high_mask)) & (
            (halves[:, 1] & np.uint64(low_mask)) == np.uint64(low & low_mask)
        )
    return found


def _mask(bits: int) -> int:
    return ((1 << bits) - 1) << (64 - bits)


def of_target(rows: Columns, target: Target, *, sent: bool) -> Columns:
    """Return the rows of one direction of a target, by the choice that shows most of it."""
    mine = rows[within(rows, target, sent=sent)]
    own = mine[mine["chosen"] == (SENT if sent else RECEIVED)]
    among = mine[mine["chosen"] == ALL]
    chosen: Columns = own if target.is_host and len(own) > len(among) else among
    return chosen


@frozen
class Make:
    """What traffic consists of.

    Attributes:
        rows: How many rows it was seen in.
        packets: What they stand for.
        mean_length: Octets of a packet.
        peers: Distinct addresses at the other side, and how many of these carry four fifths.
        busiest_peers: That number.
        tuples: Distinct combinations of both addresses and ports.
        busiest_tuples: How many of them carry four fifths.
        far_ports: Distinct ports of the other side.
        near_ports: Distinct ports of the target.
    """

    rows: int = 0
    packets: int = 0
    mean_length: float = 0.0
    peers: int = 0
    busiest_peers: int = 0
    tuples: int = 0
    busiest_tuples: int = 0
    far_ports: int = 0
    near_ports: int = 0


def make_of(rows: Columns, *, sent: bool) -> Make:
    """Return what rows of one direction consist of."""
    if not len(rows):
        return Make()
    weights = rows["packets"].astype(np.float64)
    total = max(float(weights.sum()), 1.0)
    peers = _ids(rows["dst" if sent else "src"])
    near = _ids(rows["src" if sent else "dst"])
    ports = rows["src_port"].astype(np.uint64) << np.uint64(16) | rows["dst_port"]
    tuples = _mix(_mix(peers, near), ports)
    far, own = ("dst_port", "src_port") if sent else ("src_port", "dst_port")
    return Make(
        rows=len(rows),
        packets=int(total),
        mean_length=float(rows["octets"].sum()) / total,
        peers=len(distinct(peers)),
        busiest_peers=_carrying(peers, weights),
        tuples=len(distinct(tuples)),
        busiest_tuples=_carrying(tuples, weights),
        far_ports=len(distinct(rows[far])),
        near_ports=len(distinct(rows[own])),
    )


def _ids(addresses: Columns) -> npt.NDArray[np.uint64]:
    halves = np.ascontiguousarray(addresses).view("<u8").reshape(-1, 2)
    return _mix(halves[:, 0], halves[:, 1])


def _mix(one: npt.NDArray[np.uint64], two: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Make one number of two; equal only by accident where the pairs differ."""
    mixed = one * np.uint64(0x9E37_79B9_7F4A_7C15) ^ two * np.uint64(0xC2B2_AE3D_27D4_EB4F)
    return np.asarray(mixed ^ (mixed >> np.uint64(29)), dtype=np.uint64)


def _carrying(
    things: npt.NDArray[np.uint64], weights: npt.NDArray[np.float64], share: float = 0.8
) -> int:
    """Return how many things carry a share of the weight, the heaviest first."""
    _, inverse = np.unique(things, return_inverse=True)
    sums = np.sort(np.bincount(inverse, weights))[::-1]
    return int(np.searchsorted(np.cumsum(sums), share * sums.sum())) + 1


def entropy(weights: npt.NDArray[np.float64]) -> float:
    """Return the entropy of a distribution in bits, 0 for one thing alone."""
    parts = weights[weights > 0] / max(float(weights.sum()), 1e-9)
    return float(abs(np.sum(parts * np.log2(parts))))
