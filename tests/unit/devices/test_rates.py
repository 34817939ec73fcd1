"""phage.devices.rates: counts of a minute, device by device, in little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phage.devices.keyuse import MINUTE_NS
from phage.devices.rates import PARTS, RateMeter
from phage.records.columns import HOST, HostMark
from phage.records.window import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

TICK_NS = MINUTE_NS // 240


def _window(end: int, *counts: tuple[int, int]) -> Window:
    """Return a window in which devices, by the last octet of their MAC, sent so many packets."""
    rows = np.zeros(len(counts), dtype=HOST)
    rows["marks"] = HostMark.DEVICE
    for row, (device, sent) in zip(rows, counts, strict=True):
        row["mac"] = 0x0200_0000_0000 | device
        row["syn"][0] = sent
        row["new_peers"] = 1
    return Window(end - TICK_NS, end, hosts=rows)


def test_that_the_windows_of_a_minute_are_added_up() -> None:
    meter = RateMeter()
    told: list[tuple[str, str, Mapping[str, float]]] = []
    for tick in range(240):
        told += meter.take(_window(MINUTE_NS + tick * TICK_NS, (1, 2), (1 + tick % 2, 1)))
    assert told == []
    told = list(meter.take(_window(2 * MINUTE_NS)))
    assert [(mac, counts["syn"], counts["new_peers"]) for mac, _, counts in told] == [
        ("02:00:00:00:00:01", 600.0, 360.0),
        ("02:00:00:00:00:02", 120.0, 120.0),
    ]
    assert list(meter.take(_window(3 * MINUTE_NS))) == []


def test_that_few_windows_are_kept_apart() -> None:
    meter = RateMeter()
    for tick in range(240):
        assert list(meter.take(_window(MINUTE_NS + tick * TICK_NS, (1, 2)))) == []
        assert len(meter._gathered) <= PARTS
