"""Figures as people read them."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from phage.telemetry.escape import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_UNITS = ("", "k", "M", "G", "T", "P", "E")

CURVE_SECONDS = 300
"""How far back the curve goes."""


def short(value: float) -> str:
    """Return a number in four characters or so: 12.3k."""
    number, unit = float(value), 0
    while abs(number) >= 999.5 and unit < len(_UNITS) - 1:
        number /= 1000
        unit += 1
    if not unit:
        return f"{number:.0f}"
    return f"{number:.3g}{_UNITS[unit]}" if number < 100 else f"{number:.0f}{_UNITS[unit]}"


def octets(value: float) -> str:
    """Return a number of octets: "12.3kB"."""
    return f"{short(value)}B"


def bits(octets_a_second: float) -> str:
    """Return a rate: "98.4kbit/s"."""
    return f"{short(octets_a_second * 8)}bit/s"


def curve(moment: str, rates: Iterable[Sequence[int]]) -> list[float]:
    """Return octets of each second before an RFC 3339 time: (second, packets, octets) in order.

    Seconds that are not told of were quiet. Nothing is returned where all were: a curve of equal
    values is drawn as high as the highest.
    """
    end = int(datetime.datetime.fromisoformat(moment).timestamp()) + 1
    octets_at = {at: octets for at, _, octets in rates if end - CURVE_SECONDS <= at < end}
    if not any(octets_at.values()):
        return []
    return [float(octets_at.get(at, 0)) for at in range(end - CURVE_SECONDS, end)]


def clock_time(moment: str) -> str:
    """Return the time of day of an RFC 3339 time; "" for none."""
    return moment[11:19]


def plain(text: object) -> str:
    """Return text from the network as one that cannot steer a terminal."""
    return escape(str(text))
