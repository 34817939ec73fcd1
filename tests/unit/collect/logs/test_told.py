"""Events that phage comes by itself: woken for, bounded, and rung for by nobody after the end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from phage.clock import FixedClock
from phage.collect.logs import told
from phage.collect.logs.collector import Waiter
from phage.collect.logs.told import ToldCollector, ToldFeed
from phage.records import LogEvent, LogKind
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable


def event(number: int) -> LogEvent:
    return LogEvent(LogKind.ALERT, EPOCH, "test", "test", f"192.0.2.{number}")


def test_what_is_told_comes_as_a_window() -> None:
    collector = ToldCollector(FixedClock(EPOCH))
    collector.open()
    collector.feed.tell([event(1), event(2)])
    window = next(collector.windows())
    assert [each.address for each in window.events] == ["192.0.2.1", "192.0.2.2"]
    collector.close()


def test_the_newest_beyond_the_most_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told, "MOST", 2)
    feed = ToldFeed("test")
    feed.tell(event(number) for number in range(5))
    assert feed.dropped == 3
    assert [each.address for each in feed.read(EPOCH)[0]] == ["192.0.2.0", "192.0.2.1"]
    assert feed.faults() == ["test: 3 events were dropped"]


def told_late() -> Callable[[], object]:
    feed = ToldFeed("test")
    feed.open()
    feed.close()
    return lambda: feed.tell([event(1)])


def woken_late() -> Callable[[], object]:
    waiter = Waiter()
    waiter.close()
    return waiter.wake


@pytest.mark.parametrize("late", [told_late, woken_late])
def test_after_the_end_nobody_else_is_rung(late: Callable[[], Callable[[], object]]) -> None:
    ring = late()
    others = [os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK) for _ in range(8)]
    try:  # One of them has the number that was given back.
        ring()
        for each in others:
            with pytest.raises(BlockingIOError):
                os.eventfd_read(each)
    finally:
        for each in others:
            os.close(each)
