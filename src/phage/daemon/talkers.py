"""Who talks most: the hosts of a window that sent or received most, and those of the last slots."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from phage.records.columns import HostMark
from phage.records.distinct import distinct
from phage.records.window import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.records.window import Columns

MAX_ROWS = 512
"""Hosts of a window that are looked at one by one: those with most packets and most octets."""

Host = tuple[int, bytes]
"""MAC address, 0 for one behind a router, and address."""

Numbers = tuple[int, int, int, int, bool]
"""Packets sent and received, octets sent and received, whether it is a device."""

_PACKED = np.dtype(
    [
        ("mac", "<u8"),
        ("address", "V16"),
        ("sent", "<u8"),
        ("received", "<u8"),
        ("octets_sent", "<u8"),
        ("octets_received", "<u8"),
        ("device", "?"),
    ]
)

_EMPTY: tuple[Window, Sequence[tuple[Host, Numbers]]] = (Window(start=0, end=0), ())
# The last window and its hosts, replaced as one: what counts hosts reads the same window in turn.
_last = [_EMPTY]


def busiest(window: Window) -> Sequence[tuple[Host, Numbers]]:
    """Return the hosts with most packets or most octets, and their numbers."""
    known, hosts = _last[0]
    if known is not window:
        hosts = _read(window)
        _last[0] = (window, hosts)
    return hosts


def _read(window: Window) -> Sequence[tuple[Host, Numbers]]:
    rows = window.hosts
    if len(rows) > MAX_ROWS:
        half = MAX_ROWS // 2
        chosen = [
            np.argpartition(rows[name].sum(axis=1), -half)[-half:] for name in ("packets", "octets")
        ]
        rows = rows[distinct(np.concatenate(chosen))]
    columns = (rows[name].tolist() for name in ("mac", "address", "packets", "octets", "marks"))
    return [
        ((mac, address), (*packets, *octets, bool(marks & HostMark.DEVICE)))
        for mac, address, packets, octets, marks in zip(*columns, strict=True)
    ]


class Talkers:
    """What hosts sent and received, by slots of some seconds.

    The slot that goes on is a table to add to; those before it are packed to a sixth of its size.

    Args:
        slots: Slots that are kept.
        most: Hosts of a slot; further ones are counted in `left_out`.
    """

    def __init__(self, slots: int, most: int) -> None:
        self.left_out = 0
        self._most = most
        self._begin = 0
        self._now: dict[Host, list[int]] = {}
        self._before: deque[tuple[int, Columns]] = deque(maxlen=slots - 1)

    def add(self, window: Window, begin: int) -> None:
        """Add a window to the slot that began at a time, or to a later one that has begun."""
        if begin > self._begin:
            if self._now:
                self._before.append((self._begin, _packed(self._now)))
            self._begin, self._now = begin, {}
        talkers = self._now
        for host, numbers in busiest(window):
            known = talkers.get(host)
            if known is not None:
                known[0] += numbers[0]
                known[1] += numbers[1]
                known[2] += numbers[2]
                known[3] += numbers[3]
            elif len(talkers) < self._most:
                talkers[host] = list(numbers)
            else:
                self.left_out += 1

    def since(self, first: int) -> dict[Host, list[int]]:
        """Return the numbers of all hosts in the slots that began at a time or later."""
        sums: dict[Host, list[int]] = {}
        for begin, packed in (*self._before, (self._begin, _packed(self._now))):
            if begin < first:
                continue
            for mac, address, *numbers, is_device in packed.tolist():
                total = sums.setdefault((mac, address), [0, 0, 0, 0, False])
                for index, number in enumerate(numbers):
                    total[index] += number
                total[4] |= is_device
        return sums


def _packed(talkers: dict[Host, list[int]]) -> Columns:
    rows = [(*host, *numbers) for host, numbers in talkers.items()]
    return np.array(rows, dtype=_PACKED)
