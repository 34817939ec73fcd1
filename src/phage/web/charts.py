"""Charts, as the geometry that a template draws in SVG: they show without any script.

A script (static/chart.js) adds a crosshair by pointer and arrow keys, from the same numbers. The
drawing is 1000 wide and 100 high and is stretched to its place; labels are text beside it.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.web.figures import short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 1000, 100
SECOND = 1_000_000_000


@frozen
class Series:
    """One line or one layer of bars: its name, colour (a class of phage.css) and values."""

    name: str
    colour: str
    values: Sequence[float]


@frozen
class Chart:
    """Values over time.

    Attributes:
        title: What it shows, for those who cannot see it.
        unit: Of the values.
        start: Time of the first value, in nanoseconds since the Unix epoch.
        step: Nanoseconds between two values.
        series: What is drawn, at least one; all of the same length.
        kind: "lines", or "bars" that are stacked.
    """

    title: str
    unit: str
    start: int
    step: int
    series: Sequence[Series]
    kind: str = "lines"

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing but zeros."""
        return not any(any(each.values) for each in self.series)

    @property
    def top(self) -> float:
        """Return the upper end of the scale: 1, 2 or 5 times a power of ten."""
        if self.kind == "bars":
            sums = map(sum, zip(*(each.values for each in self.series), strict=True))
            return 2 * nice(max(2.0, *sums) / 2)  # Half of it is a whole number too.
        return nice(max(max(each.values) for each in self.series))

    @property
    def scale(self) -> list[tuple[float, str]]:
        """Return the lines of the scale: where they are from above, in percent, and their text."""
        top = self.top
        return [(100 - share * 100, f"{short(top * share)}") for share in (0, 0.5, 1)]

    @property
    def lines(self) -> list[tuple[Series, str, str]]:
        """Return each series with the points of its line and the path of the area below it."""
        top, drawn = self.top, []
        for each in self.series:
            last = max(1, len(each.values) - 1)
            points = [
                f"{_n(index / last * WIDTH)},{_n(HEIGHT - value / top * HEIGHT)}"
                for index, value in enumerate(each.values)
            ]
            area = f"M0,{HEIGHT}L{' '.join(points)}L{WIDTH},{HEIGHT}Z"
            drawn.append((each, " ".join(points), area))
        return drawn

    @property
    def bars(self) -> list[tuple[Series, str]]:
        """Return each series with one path of all its bars, stacked on those before."""
        top = self.top
        count = len(self.series[0].values)
        width = WIDTH / max(1, count)
        below = [0.0] * count
        drawn = []
        for each in self.series:
            parts = []
            for index, value in enumerate(each.values):
                if value:
                    base = HEIGHT - below[index] / top * HEIGHT
                    height = value / top * HEIGHT
                    left, wide = _n(index * width + width * 0.12), _n(width * 0.76)
                    parts.append(f"M{left},{_n(base)}v-{_n(height)}h{wide}v{_n(height)}z")
                    below[index] += value
            drawn.append((each, "".join(parts)))
        return drawn

    @property
    def times(self) -> list[int]:
        """Return the times below the drawing, in nanoseconds: its ends and three between."""
        count = len(self.series[0].values)
        last = count - 1 if self.kind == "lines" else count
        return [self.start + int(last * share / 4) * self.step for share in range(5)]

    @property
    def is_long(self) -> bool:
        """Tell whether it is about more than a day or so."""
        return self.times[-1] - self.times[0] > 26 * 3600 * SECOND

    @property
    def data(self) -> str:
        """Return what the crosshair reads, as JSON; times in seconds."""
        return json.dumps(
            {
                "start": self.start // SECOND,
                "step": self.step / SECOND,
                "unit": self.unit,
                "series": [
                    {"name": each.name, "values": [_plain(value) for value in each.values]}
                    for each in self.series
                ],
            },
            separators=(",", ":"),
        )

    @property
    def summary(self) -> str:
        """Return the chart in a sentence, for those who cannot see it."""
        parts = [
            f"{each.name}: last {short(each.values[-1])}, highest {short(max(each.values))}"
            for each in self.series
        ]
        return f"{self.title}, in {self.unit or 'numbers'}. {'; '.join(parts)}."


def filled(values: Mapping[int, float], start: int, step: int, count: int) -> list[float]:
    """Return the values of `count` steps from a time; 0 where there is none."""
    return [values.get(start + index * step, 0.0) for index in range(count)]


def nice(value: float) -> float:
    """Return the least 1, 2 or 5 times a power of ten that is no less; 1 for nothing."""
    if not value > 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= value * 0.9999)


def _n(value: float) -> str:
    """Return a coordinate, in as few characters as show."""
    return f"{value:.1f}".removesuffix(".0")


def _plain(value: float) -> float:
    rounded = float(f"{value:.4g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded
