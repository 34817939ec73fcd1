from __future__ import annotations

import json

import pytest

from phage.records import Feature
from phage.store.repositories.traffic import Traffic, TrafficKind
from phage.web import figures
from phage.web.charts import Chart, Series, filled, nice
from phage.web.features import drawn
from phage.web.heat import HOUR, heat_of

SECOND = 1_000_000_000


def chart(kind: str, *values: list[float]) -> Chart:
    series = [Series(f"s{index}", "accent", each) for index, each in enumerate(values)]
    return Chart("Things", "B/s", 0, 60 * SECOND, series, kind)


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (0.9, 1), (3, 5), (7, 10), (10, 10), (11, 20), (1e9, 1e9)]
)
def test_a_scale_ends_at_a_round_number(value: float, top: float) -> None:
    assert nice(value) == pytest.approx(top)
    assert nice(float("nan")) == nice(float("inf")) == 1


def test_lines_go_from_edge_to_edge() -> None:
    ((_, points, area),) = chart("lines", [0, 5, 10]).lines
    assert points == "0,100 500,50 1000,0"
    assert area.startswith("M0,100L")


def test_bars_stand_on_each_other() -> None:
    drawing = chart("bars", [1, 0], [1, 2])
    (_, first), (_, second) = drawing.bars
    assert drawing.top == 2
    assert first == "M60,100v-50h380v50z"
    assert second == "M60,50v-50h380v50zM560,100v-100h380v100z"


def test_the_crosshair_reads_what_is_drawn() -> None:
    data = json.loads(chart("lines", [1.23456, 2]).data)
    assert data["series"] == [{"name": "s0", "values": [1.235, 2]}]
    assert data["step"] == 60


def test_a_chart_is_told_in_a_sentence() -> None:
    assert chart("lines", [1, 9, 4]).summary == "Things, in B/s. s0: last 4, highest 9."
    assert chart("lines", [0, 0]).is_empty


def test_steps_without_a_value_are_zero() -> None:
    assert filled({0: 1.0, 20: 2.0}, 0, 10, 4) == [1.0, 0.0, 2.0, 0.0]


def test_features_lie_on_a_scale_of_their_own() -> None:
    (bar,) = drawn([Feature("ports", 1400, 0, 6, "ports", 1.0)])
    assert bar.low == 5
    assert bar.at == 95
    assert 5 < bar.high < 50
    assert not bar.is_normal
    (odd,) = drawn([Feature("x", float("nan"), float("-inf"), float("inf"), "")])
    assert 0 <= odd.at <= 100


def test_a_day_has_its_hours() -> None:
    now = 30 * 24 * HOUR + 5 * HOUR
    spans = [Traffic(TrafficKind.HOST, "a", at=now - HOUR, octets=(100, 0))]
    rows = heat_of(spans, now, 2)
    assert [len(hours) for _, hours in rows] == [24, 24]
    assert rows[1][1][4].level == 4
    assert rows[1][1][5].level == 0


def test_figures() -> None:
    assert figures.short(999) == "999"
    assert figures.short(1412) == "1.41\N{NO-BREAK SPACE}k"
    assert figures.octets(12) == "12\N{NO-BREAK SPACE}B"
    assert figures.bits(1_000_000) == "8\N{NO-BREAK SPACE}Mbit/s"
    assert figures.span(7200) == "2\N{NO-BREAK SPACE}h"
    assert figures.count(1, "device") == "1 device"
    assert figures.count(2, "entry", "entries") == "2 entries"
    assert figures.joined(map(str, range(6)), 4) == "0, 1, 2, 3 and 2 more"
    assert "2 h ago" in figures.ago(SECOND, 7201 * SECOND).replace("\N{NO-BREAK SPACE}", " ")
    assert figures.ago(0, 5) == figures.stamp(0) == "never"
