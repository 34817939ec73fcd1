"""Who talks most: the hosts of a window that sent or received most, and those of the last slots."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from phage.records.columns import HostMark
from phage.records.distinct import distinct
from phage.records.window import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.records.window import Columns

MAX_ROWS = 512
"""Hosts of a window that are looked at one by one: those with most packets and most octets."""

TALKER = np.dtype(
    [
        ("mac", "<u8"),
        ("address", "V16"),
        ("numbers", "<u8", (4,)),
        ("device", "?"),
    ]
)
"""A host and what it sent and received: packets and octets, each of both ways.

The MAC address is 0 for one behind a router.
"""

PARTS = 16
"""Windows whose hosts are added up at once: in a tenth of the time that it takes one by one."""

_EMPTY = (Window(start=0, end=0), np.empty(0, TALKER))
# The last window and its hosts, replaced as one: what counts hosts reads the same window in turn.
_last: list[tuple[Window, Columns]] = [_EMPTY]


def busiest(window: Window) -> Columns:
    """Return the hosts with most packets or most octets: rows of TALKER, not to be changed."""
    known, hosts = _last[0]
    if known is not window:
        hosts = _read(window)
        _last[0] = (window, hosts)
    return hosts


def _read(window: Window) -> Columns:
    rows = window.hosts
    if len(rows) > MAX_ROWS:
        half = MAX_ROWS // 2
        chosen = [
            np.argpartition(rows[name].sum(axis=1), -half)[-half:] for name in ("packets", "octets")
        ]
        rows = rows[distinct(np.concatenate(chosen))]
    hosts = np.empty(len(rows), TALKER)
    hosts["mac"] = rows["mac"]
    hosts["address"] = rows["address"]
    hosts["numbers"][:, :2] = rows["packets"]
    hosts["numbers"][:, 2:] = rows["octets"]
    hosts["device"] = (rows["marks"] & HostMark.DEVICE) != 0
    return hosts


class Sums:
    """Numbers of hosts added up, in the order in which hosts came.

    Args:
        most: Hosts at most; how often further ones came is counted in `left_out`.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._left_out = 0
        self._sums = np.empty(0, TALKER)
        self._waiting: list[Columns] = []

    def add(self, hosts: Columns) -> None:
        """Add rows of TALKER."""
        self._waiting.append(hosts)
        if len(self._waiting) >= PARTS:
            self.rows()

    @property
    def left_out(self) -> int:
        """How often hosts came for which there was no room."""
        self.rows()
        return self._left_out

    def rows(self) -> Columns:
        """Return a row for each host."""
        if self._waiting:
            rows, times = _added_up([self._sums, *self._waiting])
            self._left_out += int(times[self._most :].sum())
            self._sums, self._waiting = rows[: self._most], []
        return self._sums


def _added_up(parts: Sequence[Columns]) -> tuple[Columns, npt.NDArray[np.intp]]:
    """Return a row for each host in the order in which they came, and how often each came."""
    rows = np.concatenate(parts)
    words = np.ascontiguousarray(rows["address"]).view("<u8").reshape(-1, 2)
    keys = np.stack((words[:, 0], words[:, 1], rows["mac"]))
    order = np.lexsort(keys)
    keys = keys[:, order]
    is_first = np.ones(len(rows), np.bool_)
    is_first[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    begins = np.flatnonzero(is_first)
    # The order is stable: of each host it begins with the row that came first.
    firsts = order[begins]
    sums = rows[firsts]
    if len(sums):
        sums["numbers"] = np.add.reduceat(rows["numbers"][order], begins, axis=0)
        sums["device"] = np.logical_or.reduceat(rows["device"][order], begins)
    came = np.argsort(firsts)
    return sums[came], np.diff(np.append(begins, len(rows)))[came]


class Talkers:
    """What hosts sent and received, by slots of some seconds.

    Args:
        slots: Slots that are kept.
        most: Hosts of a slot; further ones are counted in `left_out`.
    """

    def __init__(self, slots: int, most: int) -> None:
        self._left_out = 0
        self._most = most
        self._begin = 0
        self._now = Sums(most)
        self._before: deque[tuple[int, Columns]] = deque(maxlen=slots - 1)

    @property
    def left_out(self) -> int:
        """How often hosts came for which there was no room in a slot."""
        return self._left_out + self._now.left_out

    def add(self, window: Window, begin: int) -> None:
        """Add a window to the slot that began at a time, or to a later one that has begun."""
        if begin > self._begin:
            if len(rows := self._now.rows()):
                self._before.append((self._begin, rows))
            self._left_out = self.left_out
            self._begin, self._now = begin, Sums(self._most)
        self._now.add(busiest(window))

    def since(self, first: int) -> Columns:
        """Return a row of TALKER for each host of the slots that began at a time or later."""
        slots = (*self._before, (self._begin, self._now.rows()))
        wanted = [rows for begin, rows in slots if begin >= first]
        return _added_up(wanted)[0] if wanted else np.empty(0, TALKER)
