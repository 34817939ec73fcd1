"""Figures as people read them."""

from __future__ import annotations

from phage.telemetry.escape import escape

_UNITS = ("", "k", "M", "G", "T", "P", "E")


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


def clock_time(moment: str) -> str:
    """Return the time of day of an RFC 3339 time; "" for none."""
    return moment[11:19]


def plain(text: object) -> str:
    """Return text from the network as one that cannot steer a terminal."""
    return escape(str(text))
