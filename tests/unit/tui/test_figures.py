"""Figures of the viewer."""

from __future__ import annotations

from phage.tui.figures import CURVE_SECONDS, curve

AT = 1_767_323_045
MOMENT = "2026-01-02T03:04:05.900000Z"


def test_the_curve_has_a_place_for_every_second_also_for_quiet_ones() -> None:
    drawn = curve(MOMENT, [(AT - 1000, 1, 7), (AT - 4, 1, 100), (AT, 2, 300)])
    assert len(drawn) == CURVE_SECONDS
    assert drawn[-5:] == [100, 0, 0, 0, 300]
    assert sum(drawn) == 400


def test_where_all_is_quiet_there_is_no_curve() -> None:
    assert curve(MOMENT, []) == curve(MOMENT, [(AT - 1, 0, 0)]) == []
    assert curve(MOMENT, [(AT - CURVE_SECONDS, 1, 7)]) == []
