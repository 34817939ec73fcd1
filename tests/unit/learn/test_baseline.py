"""Baselines learn what is usual, and not what is under suspicion."""

from __future__ import annotations

import numpy as np
import pytest

from phage.errors import StateError
from phage.learn.baseline import HOURS, Baselines, hour_of_week

HOUR = 3_600_000_000_000
KEY = bytes(16) + b"\x80"
PREFIX = bytes(16) + b"\x70"
FLOORS = np.full(2, 10.0, np.float32)


def learn(book: Baselines, slot: int, values: list[float], *, frozen: bool = False) -> None:
    places = book.places([KEY], slot)
    book.usual([KEY], places, slot, slot * HOUR)
    given = np.array([values], np.float32)
    book.learn([KEY], places, given, slot, slot * HOUR, np.array([frozen]), FLOORS)


def mean(book: Baselines, slot: int) -> list[float]:
    places = book.places([KEY], slot)
    found: list[float] = book.usual([KEY], places, slot, 0).mean[0].tolist()
    return found


def test_the_mean_is_that_of_what_came() -> None:
    book = Baselines(2)
    for slot in range(100, 200):
        learn(book, slot, [90.0 + 20.0 * (slot % 2), 5.0])
    assert mean(book, 200) == pytest.approx([100.0, 5.0], rel=0.05)
    upper = book.usual([KEY], book.places([KEY], 200), 200, 0).upper[0]
    assert 110 < upper[0] < 160


def test_nothing_is_learned_of_what_is_frozen() -> None:
    book = Baselines(2)
    for slot in range(100, 150):
        learn(book, slot, [100.0, 5.0])
    for slot in range(150, 300):
        learn(book, slot, [90_000.0, 5.0], frozen=True)
    assert mean(book, 300)[0] == pytest.approx(100.0, rel=0.01)


def test_a_ramp_cannot_teach_its_own_growth() -> None:
    book = Baselines(2)
    for slot in range(100, 160):
        learn(book, slot, [100.0, 5.0])
    for step in range(10):
        learn(book, 160 + step, [1000.0 * step, 5.0])
    assert mean(book, 170)[0] < 250


def test_what_is_not_told_was_nothing() -> None:
    book = Baselines(2, memory_s=10.0)
    for slot in range(100, 200):
        learn(book, slot, [100.0, 5.0])
    assert mean(book, 260)[0] < 20


def test_a_new_key_has_been_quiet_since_the_beginning() -> None:
    book = Baselines(2)
    learn(book, 100, [1.0, 1.0])
    other = bytes(15) + b"\x01\x80"
    places = book.places([other], 150)
    assert book.usual([other], places, 150, 0).age[0] >= 49


def test_a_lasting_excess_is_gathered() -> None:
    book = Baselines(2)
    for slot in range(100, 200):
        learn(book, slot, [100.0, 5.0])
    places = book.places([KEY], 200)
    high = np.array([[300.0, 5.0]], np.float32)
    gathered = [book.gather(places, high, FLOORS) for _ in range(10)][-1]
    assert gathered[0, 0] > 15
    assert gathered[0, 1] < 1
    book.forget(places)
    assert book.usual([KEY], places, 201, 0).gathered[0, 0] == 0


def test_the_oldest_key_gives_way() -> None:
    book = Baselines(1, capacity=300)
    for number in range(400):
        book.places([number.to_bytes(16, "big") + b"\x80"], 100 + number)
    assert len(book) == 300
    assert book.dropped == 100


def test_hours_of_the_week_raise_what_is_usual() -> None:
    book = Baselines(1, (0,), memory_s=50.0)
    floors = np.full(1, 1e9, np.float32)
    for slot in range(1000, 3000):
        places = book.places([PREFIX], slot)
        busy = slot < 2000
        time = 8 * HOUR if busy else 9 * HOUR
        book.usual([PREFIX], places, slot, time)
        value = np.array([[1000.0 if busy else 100.0]], np.float32)
        book.learn([PREFIX], places, value, slot, time, np.array([False]), floors)
    places = book.places([PREFIX], 3000)
    quiet = book.usual([PREFIX], places, 3000, 9 * HOUR).upper[0, 0]
    assert book.usual([PREFIX], places, 3000, 8 * HOUR).upper[0, 0] > 4 * quiet


def test_a_state_is_taken_over_whole_or_not_at_all() -> None:
    book = Baselines(2)
    for slot in range(100, 200):
        learn(book, slot, [100.0, 5.0])
    state = book.save()
    other = Baselines(2)
    other.load(state)
    assert mean(other, 200) == pytest.approx(mean(book, 200))
    for damaged in (b"", state[:-20], b"x" * 99, Baselines(3).save()):
        with pytest.raises(StateError):
            other.load(damaged)
    assert len(other) == 1


def test_weeks_begin_on_monday() -> None:
    # 1970-01-01 was a Thursday, 1970-01-05 a Monday.
    assert hour_of_week(0) == 72
    assert hour_of_week(4 * 24 * HOUR) == 0
    assert max(hour_of_week(hour * HOUR) for hour in range(400)) == HOURS - 1
