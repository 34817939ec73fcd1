"""Time stamps of logs, in the forms that are in use; local time where they tell no zone."""

from __future__ import annotations

import datetime
import re

_DAY = 86_400_000_000_000
# Stamps come in order, many with the same second; more than some hundred are of a file read anew.
_REMEMBERED = 512

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}

BSD = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
"""As in RFC 3164, section 4.1.2: no year, no zone."""

ISO = (
    r"\d{4}[-/]\d\d[-/]\d\d[T ][ \d]?\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d)\b)?"
)
"""As in RFC 3339 and ISO 8601, with a space for the T, with slashes (nginx), with or without zone;
"2026-11-21  3:06:30" (MariaDB)."""

RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
"""As rsyslog and syslog-ng write it unless told otherwise."""

CLF = r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"
"""As in the common log format of Web servers."""

_C = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,6})? \d{4}"
"""As of asctime(3): vsftpd, Apache's error log."""

LEADING = re.compile(rf"\[?(?P<stamp>{ISO}|{_C}|{BSD}|{CLF})\]?:? ?", re.ASCII)
"""A stamp at the beginning of a line, in brackets or not, and what divides it from the message."""

_PARTS_BSD = re.compile(r"([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d)", re.ASCII)
_PARTS_ISO = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)[T ]([ \d]?\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?"
    r"(?: ?(Z|UTC|[+-]\d\d:?\d\d))?",
    re.ASCII,
)
_PARTS_CLF = re.compile(
    r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})", re.ASCII
)
_PARTS_C = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))? (\d{4})",
    re.ASCII,
)


class Stamps:
    """Turns stamps into nanoseconds since the Unix epoch; remembers the last ones."""

    def __init__(self, zone: datetime.tzinfo | None = None) -> None:
        self._zone = zone
        self._known: dict[str, int] = {}

    def parse(self, text: str, now: int) -> int:
        """Return the time of a stamp; `now` where it is none, or no time that there is.

        `now` gives the year to stamps without one: that in which it is not in the future.
        """
        if not text:
            return now
        known = self._known.get(text)
        if known is not None:
            return known
        try:
            time = self._parse(text, now)
        except (ValueError, OverflowError, OSError):
            return now
        if not 0 <= time < 2**63:  # As a sender may write: no other clock counts from there.
            return now
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[text] = time
        return time

    def _parse(self, text: str, now: int) -> int:
        if match := _PARTS_ISO.fullmatch(text):
            year, month, day, hour, minute, second = map(int, match.groups()[:6])
            zone = _zone(match[8]) or self._zone
            return _nanoseconds(year, month, day, hour, minute, second, match[7], zone)
        if match := _PARTS_CLF.fullmatch(text):
            month = _MONTHS.get(match[2], 0)
            hour, minute, second = map(int, match.groups()[3:6])
            zone = _zone(match[7])
            return _nanoseconds(int(match[3]), month, int(match[1]), hour, minute, second, "", zone)
        if match := _PARTS_C.fullmatch(text):
            month = _MONTHS.get(match[1], 0)
            day, hour, minute, second = map(int, match.groups()[1:5])
            return _nanoseconds(
                int(match[7]), month, day, hour, minute, second, match[6], self._zone
            )
        if match := _PARTS_BSD.fullmatch(text):
            return self._without_year(match, now)
        return now

    def _without_year(self, match: re.Match[str], now: int) -> int:
        month = _MONTHS.get(match[1], 0)
        day, hour, minute, second = map(int, match.groups()[1:])
        year = datetime.datetime.fromtimestamp(now // 1_000_000_000, tz=datetime.UTC).year
        # On the 31st of December it may be January there already.
        for candidate in (year + 1, year, year - 1):
            try:
                time = _nanoseconds(candidate, month, day, hour, minute, second, "", self._zone)
            except ValueError:  # The 29th of February of another year.
                continue
            if time <= now + _DAY:
                return time
        return now


def _zone(text: str | None) -> datetime.tzinfo | None:
    if not text:
        return None
    if text in {"Z", "UTC"}:
        return datetime.UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return datetime.timezone(datetime.timedelta(minutes=minutes if text[0] == "+" else -minutes))


def _nanoseconds(
    year: int,
    month: int,
    day: int,
    hour: int,
    minute: int,
    second: int,
    fraction: str | None,
    zone: datetime.tzinfo | None,
) -> int:
    # A leap second is the second after it.
    leap, second = divmod(second, 60)
    moment = datetime.datetime(year, month, day, hour, minute, second, tzinfo=zone)
    seconds = round(moment.timestamp()) + 60 * leap
    return seconds * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))
