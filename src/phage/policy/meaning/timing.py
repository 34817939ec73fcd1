"""Windows of time: whether one is open, and when the next one opens or closes."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phage.policy.rule import TimeWindow

_SECOND = 1_000_000_000
_DAY = 86_400
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
EARLIEST, LATEST = 0, 10**10 * _SECOND
"""Moments that calendars reach: 1970 to 2286."""


def moment_of(now: int) -> datetime.datetime:
    """Return nanoseconds since the Unix epoch as a time in UTC."""
    seconds = min(max(now, EARLIEST), LATEST) // _SECOND
    return _EPOCH + datetime.timedelta(seconds=seconds)


def is_open(window: TimeWindow, now: datetime.datetime) -> bool:
    """Tell whether a window is open; after midnight it belongs to the day it began on."""
    local = now.astimezone(window.zone or datetime.UTC)
    clock = local.hour * 3600 + local.minute * 60 + local.second
    today = local.weekday()
    if window.start < window.end:
        return today in window.days and window.start <= clock < window.end
    if clock >= window.start:
        return today in window.days
    return clock < window.end and (today - 1) % 7 in window.days


def any_open(windows: Iterable[TimeWindow], now: datetime.datetime) -> bool:
    """Tell whether one of several windows is open."""
    return any(is_open(window, now) for window in windows)


def next_edge(windows: Iterable[TimeWindow], now: int) -> int | None:
    """Return the next moment at which one of these windows opens or closes; None for never.

    Nanoseconds since the Unix epoch. Changes of summer and winter time are moments too: a clock
    that is put forward may open a window, one that is put back may open it anew.
    """
    after = moment_of(now)
    found = [edge for window in windows for edge in _edges(window, after)]
    return int((min(found) - _EPOCH).total_seconds()) * _SECOND if found else None


def _edges(window: TimeWindow, after: datetime.datetime) -> Iterator[datetime.datetime]:
    """Yield the first moment after another at which a window's state differs.

    The clock's candidates of eight days are tried: starts, ends, and changes of the clock itself.
    """
    was = is_open(window, after)
    for candidate in sorted(_candidates(window, after)):
        if candidate > after and is_open(window, candidate) != was:
            yield candidate
            return


def _candidates(window: TimeWindow, after: datetime.datetime) -> Iterator[datetime.datetime]:
    zone = window.zone or datetime.UTC
    midnight = after.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    for day in range(-1, 9):
        date = midnight.date() + datetime.timedelta(days=day)
        for clock in (window.start, window.end, 0):
            extra, rest = divmod(clock, _DAY)
            time = datetime.time(rest // 3600, rest // 60 % 60, rest % 60)
            at = datetime.datetime.combine(date + datetime.timedelta(days=extra), time, tzinfo=zone)
            for fold in (0, 1):
                yield at.replace(fold=fold).astimezone(datetime.UTC)
        change = _change_within(zone, date)
        if change is not None:
            yield change


def _change_within(zone: datetime.tzinfo, date: datetime.date) -> datetime.datetime | None:
    """Return the moment of a day at which a zone's clock is changed; None where it is not."""
    low = datetime.datetime.combine(date, datetime.time(), tzinfo=datetime.UTC)
    high = low + datetime.timedelta(days=1)
    if _offset(low, zone) == _offset(high, zone):
        return None
    before = _offset(low, zone)
    while high - low > datetime.timedelta(seconds=1):
        middle = low + (high - low) / 2
        middle = middle.replace(microsecond=0)
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(moment: datetime.datetime, zone: datetime.tzinfo) -> datetime.timedelta | None:
    return moment.astimezone(zone).utcoffset()
