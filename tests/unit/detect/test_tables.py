"""What detectors keep their state in."""

from __future__ import annotations

from phage.detect.tables import Lately


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
