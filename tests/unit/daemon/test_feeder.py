"""Windows wait for the detectors within bounds."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from phage.daemon import feeder
from phage.daemon.feeder import Feeder, WindowQueue
from phage.records import Window
from phage.records.columns import FLOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.daemon.feeder import Fed, Watched


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


class Faulty:
    """Has a fault after each window but the last."""

    interface = name = "faulty"

    def __init__(self) -> None:
        self.left = [1, 2, 3]

    def windows(self) -> Iterator[Window]:
        yield Window(self.left.pop(0), 9)
        if self.left:
            raise RecursionError

    def stop(self) -> None:
        """Nothing waits."""


def test_a_fault_of_a_collector_is_not_its_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(feeder, "PAUSE_SECONDS", 0.0)
    windows = WindowQueue(64)
    made = Feeder(cast("Watched", Faulty()), windows)
    made.start()
    starts = [windows.get(timeout=60)[0].start for _ in range(3)]
    made.stop()
    assert starts == [1, 2, 3]
    assert not made.is_alive()
    assert (made.faults, made.error) == (2, None)
    assert caplog.text.count("faulty: a fault in the collector") == 2
