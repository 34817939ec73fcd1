from __future__ import annotations

import threading

import pytest

from phage.api import memory
from phage.api.memory import Memory
from phage.clock import FixedClock
from phage.testing.records import EPOCH


def test_what_was_read_is_good_for_a_moment() -> None:
    clock, read = FixedClock(EPOCH), iter(range(10))
    kept = Memory(clock)
    assert [kept.of("a", lambda: next(read)) for _ in range(3)] == [0, 0, 0]
    assert kept.of("b", lambda: next(read)) == 1
    clock.nanoseconds += int(memory.SECONDS * 1e9) + 1
    assert kept.of("a", lambda: next(read)) == 2


def test_one_reads_while_others_wait() -> None:
    kept, began, go = Memory(FixedClock(EPOCH)), threading.Event(), threading.Event()
    reads = []

    def read() -> int:
        reads.append(1)
        began.set()
        go.wait(60)
        return 7

    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(kept.of("a", read))) for _ in range(4)]
    for thread in threads:
        thread.start()
    began.wait(60)
    go.set()
    for thread in threads:
        thread.join(60)
    assert found == [7] * 4
    assert reads == [1]


def test_little_is_kept() -> None:
    kept = Memory(FixedClock(EPOCH))
    for number in range(3 * memory.MAX_KEPT):
        kept.of(number, lambda: 0)
    assert len(kept._entries) == memory.MAX_KEPT


def test_what_fails_is_not_kept_for_ever() -> None:
    kept = Memory(FixedClock(EPOCH))
    for number in range(3 * memory.MAX_KEPT):
        with pytest.raises(ZeroDivisionError):
            kept.of(number, lambda: 1 // 0)
    assert len(kept._entries) == memory.MAX_KEPT


def test_what_is_asked_for_stays() -> None:
    kept = Memory(FixedClock(EPOCH))
    for number in range(3 * memory.MAX_KEPT):
        assert kept.of("often", lambda number=number: number) == 0  # type: ignore[misc]
        kept.of(number, lambda: 0)


def test_what_is_dear_is_good_for_longer() -> None:
    clock, made = FixedClock(EPOCH), []

    def read() -> int:
        clock.nanoseconds += 10**9
        made.append(1)
        return len(made)

    kept = Memory(clock)
    assert kept.of("a", read) == 1
    clock.nanoseconds += int(memory.TIMES * 1e9) - 10**6
    assert kept.of("a", read) == 1
    clock.nanoseconds += 2 * 10**6
    assert kept.of("a", read) == 2


@pytest.mark.parametrize(("age", "waits"), [(3.0, False), (100.0, True)])
def test_while_one_makes_it_anew_others_see_what_was(age: float, waits: bool) -> None:
    clock, began, go = FixedClock(EPOCH), threading.Event(), threading.Event()
    kept, found = Memory(clock), []
    kept.of("a", lambda: "old")
    clock.nanoseconds += int(age * 1e9)

    def read() -> str:
        began.set()
        go.wait(60)
        return "new"

    first = threading.Thread(target=lambda: kept.of("a", read))
    first.start()
    began.wait(60)
    second = threading.Thread(target=lambda: found.append(kept.of("a", read)))
    second.start()
    if not waits:
        second.join(60)
    go.set()
    for thread in (first, second):
        thread.join(60)
    assert found == ["new" if waits else "old"]


def test_what_fails_is_tried_by_the_next() -> None:
    kept = Memory(FixedClock(EPOCH))
    with pytest.raises(ZeroDivisionError):
        kept.of("a", lambda: 1 // 0)
    assert kept.of("a", lambda: 1) == 1
