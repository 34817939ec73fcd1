"""Windows wait for the detectors within bounds."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from phage.daemon import feeder
from phage.daemon.feeder import WindowQueue
from phage.records import Window
from phage.records.columns import FLOW

if TYPE_CHECKING:
    from phage.daemon.feeder import Fed


def fed(flows: int) -> Fed:
    """Return a window with so many flows."""
    return cast("Fed", (Window(start=1, end=2, flows=np.zeros(flows, FLOW)), None))


def test_windows_are_bounded_in_number() -> None:
    windows = WindowQueue(2)
    windows.put_nowait(fed(1))
    windows.put_nowait(fed(1))
    with pytest.raises(queue.Full):
        windows.put_nowait(fed(1))


def test_windows_are_bounded_in_octets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeder, "WAITING_OCTETS", 10 * FLOW.itemsize)
    windows = WindowQueue(64)
    windows.put_nowait(fed(9))
    windows.put_nowait(fed(90))  # One may exceed it: else a large window would never pass.
    with pytest.raises(queue.Full):
        windows.put_nowait(fed(1))
    assert [len(windows.get_nowait()[0].flows) for _ in range(2)] == [9, 90]
    assert windows.empty()
    windows.put_nowait(fed(1))
    assert not windows.empty()
