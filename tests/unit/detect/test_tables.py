"""What detectors keep their state in."""

from __future__ import annotations

import pytest

from phage.detect.tables import Lately, Unlisted


def test_what_was_noted_lasts_one_to_two_periods() -> None:
    lately: Lately[int] = Lately(period=10, capacity=8)
    lately.pass_time(100)
    lately.add(1)
    lately.pass_time(119)
    assert 1 in lately.noted
    lately.pass_time(120)
    assert not lately.noted


def test_a_full_table_notes_nothing_more() -> None:
    lately: Lately[int] = Lately(period=10, capacity=2)
    for thing in range(5):
        lately.add(thing)
    assert len(lately.noted) == 2


@pytest.mark.parametrize("count", [0, 1, 511, 512, 5000, 100_000])
def test_distinct_things_are_counted_without_being_kept(count: int) -> None:
    unlisted = Unlisted()
    for _ in range(1 if count > 5000 else 2):  # Seen again they count no more.
        for number in range(count):
            unlisted.add(f"192.0.2.{number}")
    assert unlisted.total == pytest.approx(count, rel=0 if count < Unlisted.KEPT else 0.1)
    assert len(unlisted._least) <= Unlisted.KEPT
