"""Numbers, times and names as people read them: what templates call filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from phage.clock import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable

SECOND = 1_000_000_000

_UNITS = ("", "k", "M", "G", "T", "P", "E")
_SPANS = ((86_400 * 365, "y"), (86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def short(value: float) -> str:
    """Return a number in three digits or so: "12.3 k"."""
    number, unit = float(value), 0
    while abs(number) >= 999.5 and unit < len(_UNITS) - 1:
        number /= 1000
        unit += 1
    if not unit and number == int(number):
        return f"{number:.0f}"
    digits = f"{number:.3g}" if abs(number) < 100 else f"{number:.0f}"
    return f"{digits}\N{NO-BREAK SPACE}{_UNITS[unit]}".rstrip()


def _with_unit(value: float, unit: str) -> str:
    text = short(value)
    joint = "" if text[-1].isalpha() else "\N{NO-BREAK SPACE}"
    return f"{text}{joint}{unit}"


def octets(value: float) -> str:
    """Return a number of octets: "12.3 kB"."""
    return _with_unit(value, "B")


def bits(octets_a_second: float) -> str:
    """Return a rate of octets in bits: "98.4 kbit/s"."""
    return _with_unit(octets_a_second * 8, "bit/s")


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: "1 device", "12 devices"."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") + " " + (
        one if number == 1 else many or f"{one}s"
    )  # fmt: skip


def span(seconds: float) -> str:
    """Return a length of time by its largest unit: "3 h"."""
    for size, unit in _SPANS:
        if abs(seconds) >= size:
            return f"{seconds / size:.0f}\N{NO-BREAK SPACE}{unit}"
    return "0\N{NO-BREAK SPACE}s"


def ago(moment: int, now: int) -> Markup:
    """Return how long ago a time was, or until when it is, as a <time>."""
    if not moment:
        return Markup("never")
    seconds = (now - moment) / SECOND
    text = "now" if abs(seconds) < 2 else span(seconds) + " ago" if seconds > 0 else (
        "in " + span(-seconds)
    )  # fmt: skip
    return _time(moment, text, "ago")


def stamp(moment: int) -> Markup:
    """Return a time as day and time, in UTC; browsers show it in their own zone."""
    if not moment:
        return Markup("never")
    text = rfc3339(moment)[:16].replace("T", " ")
    return _time(moment, text, "full")


def hour(moment: int) -> Markup:
    """Return the time of day of a time."""
    return _time(moment, rfc3339(moment)[11:16], "time")


def _time(moment: int, text: str, local: str) -> Markup:
    at = rfc3339(moment)
    return Markup('<time datetime="{}" data-local="{}" title="{}">{}</time>').format(
        at, local, at, text
    )


def joined(names: Iterable[str], most: int = 4) -> str:
    """Return names with commas, and how many more there are."""
    found = list(names)
    more = len(found) - most
    return ", ".join(found[:most]) + (f" and {more} more" if more > 0 else "")


def host_of(prefix: str) -> str:
    """Return the address that a prefix is all of, as 192.0.2.1/32; '' for a network."""
    address, _, length = prefix.partition("/")
    return address if length == ("128" if ":" in address else "32") else ""
