"""The bus within a process."""

from __future__ import annotations

import threading

import pytest

from phage.bus.buses.inprocess import MAX_READERS, InProcessBus


def test_a_slow_reader_loses_the_oldest_and_holds_nobody_up() -> None:
    bus = InProcessBus()
    slow, fast = bus.subscribe("windows", 3), bus.subscribe("windows", 100)
    for number in range(10):
        bus.publish("windows", number)
    assert [slow.take(0) for _ in range(4)] == [7, 8, 9, None]
    assert slow.dropped == 7
    assert [fast.take(0) for _ in range(10)] == list(range(10))
    assert fast.dropped == 0


def test_a_reader_waits_for_what_comes() -> None:
    bus = InProcessBus()
    reader = bus.subscribe("findings", 10)
    timer = threading.Timer(0.05, bus.publish, ("findings", "x"))
    timer.start()
    assert reader.take(10) == "x"
    timer.join()


def test_closing_ends_all_readers_after_what_waits() -> None:
    bus = InProcessBus()
    reader = bus.subscribe("feedback", 10)
    bus.publish("feedback", "last")
    bus.close()
    bus.publish("feedback", "too late")
    assert reader.take(10) == "last"
    assert reader.take(10) is None


def test_readers_are_bounded_and_leave() -> None:
    bus = InProcessBus()
    readers = [bus.subscribe("windows", 1) for _ in range(MAX_READERS)]
    with pytest.raises(ValueError, match="readers already"):
        bus.subscribe("windows", 1)
    readers[0].close()
    bus.subscribe("windows", 1)
    assert readers[0].take(0) is None


def test_many_threads_lose_nothing_that_fits() -> None:
    bus = InProcessBus()
    reader = bus.subscribe("windows", 100_000)

    def publish(start: int) -> None:
        for number in range(start, start + 2000):
            bus.publish("windows", number)

    threads = [threading.Thread(target=publish, args=(start * 10_000,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [reader.take(0) for _ in range(8000)]
    assert len({*taken}) == 8000
    for start in range(4):
        own = [n for n in taken if isinstance(n, int) and n // 10_000 == start]
        assert own == sorted(own)
