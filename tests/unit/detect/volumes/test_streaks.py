"""For how many slots something has been so."""

from __future__ import annotations

from phage.detect.volumes.streaks import Streaks


def test_a_streak_goes_on_over_short_pauses_only() -> None:
    streaks: Streaks[str] = Streaks(gap=2)
    assert [streaks.note("a", number) for number in (1, 2, 4, 7, 8)] == [1, 2, 3, 1, 2]
    assert streaks.note("b", 8) == 1


def test_what_was_noted_longest_ago_goes_first() -> None:
    streaks: Streaks[int] = Streaks(gap=5, most=2)
    for number, key in enumerate((1, 2, 1, 3)):
        streaks.note(key, number)
    assert streaks.dropped == 1
    assert (streaks.note(1, 4), streaks.note(2, 4)) == (3, 1)
