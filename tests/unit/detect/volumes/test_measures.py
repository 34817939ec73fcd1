"""Counts of half seconds become rates; with sampling they are what they are at least."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from phage.detect.volumes.measures import SLOT, SOURCES, Rates, lower_bound
from phage.detect.volumes.past import Past
from phage.detect.volumes.tops import Tops
from phage.records.columns import VOLUME

if TYPE_CHECKING:
    from phage.records.window import Columns


def row(packets: int, *, sources: float = 1.0) -> Columns:
    made = np.zeros(1, VOLUME)
    made["length"] = 128
    made["packets"][0, 0, 4] = packets
    made["samples"][0, 0] = packets // 100
    made["sources"] = sources
    return made


def test_a_second_is_two_slots() -> None:
    rates = Rates()
    assert rates.take(row(100), 10 * SLOT).fast[0, 4] == 100
    slot = rates.take(row(300, sources=7), 11 * SLOT)
    assert (slot.fast[0, 4], slot.seen[0, 0]) == (400, 4)
    assert slot.fast[0, SOURCES] == 7
    # After a pause nothing is left of it.
    assert rates.take(row(50), 20 * SLOT).fast[0, 4] == 50


def test_five_seconds_come_to_the_same_rate() -> None:
    rates = Rates()
    slot = [rates.take(row(500), number * SLOT) for number in range(100)][-1]
    assert slot.slow[0, 4] == pytest.approx(1000, rel=0.01)


def test_parts_of_a_slot_add_up() -> None:
    rates = Rates()
    rates.take(row(100), 10 * SLOT)
    rates.take(row(100), 11 * SLOT)
    assert rates.take(row(200), 11 * SLOT).fast[0, 4] == 400


def test_a_clock_that_is_set_back_goes_on() -> None:
    rates = Rates()
    rates.take(row(100), 20_000 * SLOT)
    assert rates.take(row(100), 2000 * SLOT).fast[0, 4] == 200
    assert rates.take(row(100), 2002 * SLOT).fast[0, 4] == 100


def test_any_number_of_keys_takes_as_much_room_as_a_few() -> None:
    past = Past(columns=1, keep=0.5, set_back=100, most=100)
    ones = np.ones((1, 1), np.float32)
    for number in range(1000):
        past.add([b"often"], ones, number)
        past.add([b"%d" % number], ones, number)
    now, before, leaky = past.add([b"often", b"997", b"5"], np.ones((3, 1), np.float32), 1000)
    assert past.dropped == 1001 - 100 + 1
    assert (now.tolist(), before.tolist()) == ([[1.0]] * 3, [[1.0], [0.0], [0.0]])
    assert leaky[:, 0].tolist() == [pytest.approx(2.0), 1.125, 1.0]


def test_who_is_told_twice_in_a_slot_adds_up() -> None:
    past = Past(columns=1, keep=0.5, set_back=100, most=100)
    past.add([b"one"], np.full((1, 1), 8.0, np.float32), 1)
    now, before, leaky = past.add([b"one", b"two", b"one"], np.ones((3, 1), np.float32), 2)
    assert now[:, 0].tolist() == [1.0, 1.0, 2.0]
    assert before[:, 0].tolist() == [8.0, 0.0, 8.0]
    assert leaky[:, 0].tolist() == [5.0, 1.0, 6.0]


def test_few_samples_mean_little() -> None:
    rates = np.full((3, 1), 1000.0, np.float32)
    seen = np.array([[1.0], [30.0], [1e6]], np.float32)
    low = lower_bound(rates, seen, np.ones((3, 1), np.float32))
    assert low[:, 0].tolist() == pytest.approx([0.0, 642.2, 998.0], abs=0.1)


def test_heavy_hitters_survive_any_number_of_others() -> None:
    tops: Tops[int] = Tops(8)
    for number in range(1000):
        tops.add(number, 1.0)
        tops.add(-1, 5.0)
    assert tops.first(1)[0][0] == -1
    assert len(tops.counts) <= 16
    assert tops.first(1)[0][1] == pytest.approx(5 / 6, rel=0.05)
