"""The hosts of a window that sent or received most, for all who count what goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phage.records.columns import HostMark
from phage.records.window import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ROWS = 512
"""Hosts of a window that are looked at one by one: those with most packets and most octets."""

Host = tuple[int, bytes]
"""MAC address, 0 for one behind a router, and address."""

Numbers = tuple[int, int, int, int, bool]
"""Packets sent and received, octets sent and received, whether it is a device."""

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
        rows = rows[np.unique(np.concatenate(chosen))]
    columns = (rows[name].tolist() for name in ("mac", "address", "packets", "octets", "marks"))
    return [
        ((mac, address), (*packets, *octets, bool(marks & HostMark.DEVICE)))
        for mac, address, packets, octets, marks in zip(*columns, strict=True)
    ]
