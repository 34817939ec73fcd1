"""Reading times: windows of the week, time zones, how long a decision lasts."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from phage.config.kinds import parse_duration
from phage.policy.intent import Duration
from phage.policy.reading.parties import is_object_name
from phage.policy.rule import ObjectName, TimeWindow

if TYPE_CHECKING:
    from phage.policy.reading.node import Value

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES = {
    name: number
    for number, long in enumerate(
        ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    )
    for name in (long, long[:3])
}
_GROUPS = {
    "weekdays": frozenset(range(5)),
    "weekend": frozenset({5, 6}),
    "every day": frozenset(range(7)),
}
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}")

MIN_SECONDS, MAX_SECONDS = 1.0, 366 * 86_400.0
"""Of a decision: for ever is for people to decide."""
MAX_FACTOR = 100.0


def read_times(value: Value) -> tuple[TimeWindow | ObjectName, ...]:
    """Read `time`: windows, names of objects, or a list of these. Raises Fault."""
    return tuple(_time(item) for item in value.some())


def _time(item: Value) -> TimeWindow | ObjectName:
    if item.is_mapping:
        return _window(item)
    name = item.text()
    if not is_object_name(name):
        item.fail(f'{name[:40]!r} is no time; write {{from: "22:00", to: "06:00"}} or an object')
    return ObjectName(name, item.place)


def _window(value: Value) -> TimeWindow:
    fields = value.keys(("days", "from", "to", "zone"), '{from: "22:00", to: "06:00"}')
    if not fields.keys() & {"days", "from", "to"}:
        value.fail('says nothing; write days, or {from: "22:00", to: "06:00"}')
    days = frozenset(range(7))
    if "days" in fields:
        days = frozenset(day for item in fields["days"].some() for day in _days(item))
    start = _clock(fields["from"]) if "from" in fields else 0
    end = _clock(fields["to"]) if "to" in fields else 86_400
    if start in {end, 86_400}:
        value.fail("begins and ends at the same time, and would never hold")
    zone = read_zone(fields["zone"]) if "zone" in fields else None
    return TimeWindow(days, start, end or 86_400, zone)


def _days(item: Value) -> frozenset[int]:
    text = item.text().lower()
    if text in _GROUPS:
        return _GROUPS[text]
    first, dash, last = (part.strip() for part in text.partition("-"))
    if first not in _NAMES or (dash and last not in _NAMES):
        item.fail(f"{text[:40]!r} is no day; write {', '.join(DAYS)}, mon-fri, weekdays or weekend")
    begin, end = _NAMES[first], _NAMES[last if dash else first]
    return frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))


def _clock(value: Value) -> int:
    text = value.text()
    found = _CLOCK.fullmatch(text)
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (99, 0, 0)
    total = hours * 3600 + minutes * 60 + seconds
    if minutes >= 60 or seconds >= 60 or total > 86_400:
        value.fail(f'{text[:40]!r} is no time of day; write "22:00"')
    return total


def read_zone(value: Value) -> ZoneInfo:
    """Read the name of a time zone. Raises Fault."""
    name = value.text()
    message = f"{name[:40]!r} is no time zone known here; write one such as Europe/Paris"
    if _ZONE.fullmatch(name) is None:
        value.fail(message)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        value.fail(message)


def read_seconds(value: Value, low: float, high: float) -> float:
    """Read a length of time, "10m" or a number of seconds. Raises Fault."""
    text = value.text()
    try:
        seconds = parse_duration(text)
        seconds = float(seconds) if isinstance(seconds, float | int) else -1.0
    except (ValueError, OverflowError) as error:
        value.fail(f"{error}, not {value.shown()}")
    if not low <= seconds <= high:
        value.fail(f"must be from {low:g} s to {high / 86_400:g} d, not {value.shown()}")
    return seconds


def read_duration(value: Value) -> Duration:
    """Read `for`: "1h", or {first: 10m, times: 4, longest: 7d, memory: 30d}. Raises Fault."""
    if not value.is_mapping:
        first = read_seconds(value, MIN_SECONDS, MAX_SECONDS)
        return Duration(first=first, longest=max(first, Duration().longest))
    fields = value.keys(("first", "times", "longest", "memory"), "{first: 10m, times: 4}")
    if "first" not in fields:
        value.fail("says no `first`; write {first: 10m, times: 4, longest: 7d}")
    known = Duration()
    first = read_seconds(fields["first"], MIN_SECONDS, MAX_SECONDS)
    longest = max(first, known.longest)
    if "longest" in fields:
        longest = read_seconds(fields["longest"], MIN_SECONDS, MAX_SECONDS)
        if longest < first:
            fields["longest"].fail("is shorter than `first`")
    return Duration(
        first=first,
        factor=fields["times"].number(1.0, MAX_FACTOR) if "times" in fields else known.factor,
        longest=longest,
        memory=read_seconds(fields["memory"], MIN_SECONDS, MAX_SECONDS)
        if "memory" in fields
        else known.memory,
    )


def read_moment(value: Value) -> datetime.datetime:
    """Read a point in time with its zone: 2026-11-21T23:00:00+01:00. Raises Fault."""
    text = value.text()
    try:
        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        moment.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        value.fail(f"{text[:40]!r} is no time; write 2026-11-21T23:00:00+01:00")
    if not 1971 <= moment.year <= 2200:
        value.fail(f"{text[:40]!r} is too far away")
    return moment
