from __future__ import annotations

import threading

from phage.clock import FixedClock
from phage.testing.records import EPOCH
from phage.web import memory
from phage.web.memory import Memory


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
        go.wait(5)
        return 7

    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(kept.of("a", read))) for _ in range(4)]
    for thread in threads:
        thread.start()
    began.wait(5)
    go.set()
    for thread in threads:
        thread.join(5)
    assert found == [7] * 4
    assert reads == [1]


def test_little_is_kept() -> None:
    kept = Memory(FixedClock(EPOCH))
    for number in range(3 * memory.MAX_KEPT):
        kept.of(number, lambda: 0)
    assert len(kept._kept) == len(kept._locks) == memory.MAX_KEPT
