"""Times as people give them on the command line."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from phage.clock import Clock


if TYPE_CHECKING:
    _ParamType = click.ParamType[int]
    _SpanType = click.ParamType[float]
else:
    _ParamType = _SpanType = click.ParamType  # Not generic before click 8.4.


class Span(_SpanType):
    """A length of time ("10 min", "7 d", 60 for seconds); "ever" is 0.

    Less than `least` seconds is refused: who writes 0 does not mean for ever.
    """

    name = "time"

    def __init__(self, least: float = 0.0) -> None:
        self._least = least

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds."""
        from phage.config.kinds import parse_duration

        if value == "ever":
            return 0.0
        try:
            seconds = float(str(parse_duration(value)))
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)
        if seconds < self._least:
            self.fail(f"{value!r}: must be at least {self._least:g} s, or `ever`", param, ctx)
        return seconds


class Moment(_ParamType):
    """A point in time: RFC 3339, a date, or how long ago ("2h", "7 d")."""

    name = "time"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return nanoseconds since the Unix epoch."""
        if isinstance(value, int):
            return value
        text = str(value)
        from phage.config.kinds import parse_duration

        try:
            ago = parse_duration(text)
        except ValueError:
            ago = None
        if isinstance(ago, float):
            return self._clock.now() - int(ago * 1e9)
        try:
            moment = datetime.datetime.fromisoformat(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=datetime.UTC)
            delta = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{text!r} is no time; write 2026-11-21T10:00:00Z, or how long ago: 2h", param, ctx
            )
        return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1000
