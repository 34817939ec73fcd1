"""Counts of half seconds become rates; with sampling they are what they are at least."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from phage.detect.volumes.measures import SLOT, SOURCES, Rates, lower_bound
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
