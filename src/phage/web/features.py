"""Features of a finding against what is normal, as bars: where the value lies, and how far off."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.records import Feature

MOST = 12
"""Features that are drawn."""


@frozen
class Bar:
    """One feature on a scale of its own, 0 to 100: the normal range, and the value.

    `low` to `high` is what is normal, `at` is the value.
    """

    feature: Feature
    low: float
    high: float
    at: float

    @property
    def width(self) -> float:
        """Return the width of the normal range, wide enough to be seen."""
        return max(1.5, self.high - self.low)

    @property
    def is_normal(self) -> bool:
        """Tell whether the value is within what is normal."""
        return self.low - 1e-9 <= self.at <= self.high + 1e-9


def drawn(features: Sequence[Feature]) -> list[Bar]:
    """Return bars of the features that weigh most."""
    most = sorted(features, key=lambda each: -each.weight)[:MOST]
    return [_bar(each) for each in most]


def _bar(feature: Feature) -> Bar:
    values = [feature.expected_low, feature.expected_high, feature.value]
    points = [_shrunk(value) for value in values]
    least, most = min(points), max(points)
    room = (most - least) or 1.0
    low, high, at = (5 + (point - least) / room * 90 for point in points)
    return Bar(feature, low, high, at)


def _shrunk(value: float) -> float:
    """Return a value on a scale on which 3 against 30,000 can both be seen."""
    if not math.isfinite(value):
        return 0.0
    return math.copysign(math.log1p(abs(value)), value)
