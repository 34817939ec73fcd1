"""How many machines: more at once, fewer slowly, no churn."""

from __future__ import annotations

from phage.config.scan import FleetSettings
from phage.scan.fleet import FleetSize


def sized(**about: object) -> FleetSize:
    values = {"copies": 1, "most": 4, "tasks_each": 100, "settle": 60, "idle": 300, **about}
    return FleetSize(FleetSettings(**values))  # type: ignore[arg-type]


def test_kept_at_its_copies() -> None:
    size = sized(copies=2)
    assert size.wanted(0, 0, 0) == 2
    assert size.wanted(2, 0, 1) == 2
    assert size.wanted(1, 0, 2) == 2


def test_more_when_files_wait_and_never_more_than_the_most() -> None:
    size = sized()
    assert size.wanted(1, 250, 0) == 3
    # They have to start first.
    assert size.wanted(3, 900, 30) == 3
    assert size.wanted(3, 900, 61) == 4
    assert size.wanted(4, 9_000, 200) == 4


def test_fewer_one_at_a_time_and_late() -> None:
    size = sized()
    assert size.wanted(4, 0, 0) == 4
    assert size.wanted(4, 0, 299) == 4
    assert size.wanted(4, 0, 300) == 3
    assert size.wanted(3, 0, 301) == 3
    assert size.wanted(3, 0, 600) == 2


def test_a_queue_that_is_up_and_down_starts_and_ends_nothing() -> None:
    size = sized()
    running = size.wanted(1, 200, 0)
    assert running == 2
    changes = 0
    for second in range(10, 5_000, 10):
        wanted = size.wanted(running, 200 if second % 100 < 20 else 0, second)
        changes += wanted != running
        running = wanted
    assert changes == 0


def test_by_hand() -> None:
    size = sized()
    assert size.wanted(1, 900, 0, fixed=0) == 0
    assert size.wanted(1, 0, 0, fixed=3) == 3
    assert size.wanted(1, 0, 0, fixed=99) == 4
