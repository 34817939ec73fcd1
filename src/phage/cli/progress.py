"""Progress bars on standard error, when that is a terminal."""

from __future__ import annotations

import sys
from typing import Self

import click

from phage.clock import Clock, SystemClock

STEP_SECONDS = 0.1
"""How often the line is drawn anew."""


class OctetsBar:
    """Shows how far the reading of files has come.

    Draws nothing unless standard error is a terminal.
    """

    def __init__(self, what: str, clock: Clock | None = None) -> None:
        self._what = what
        self._clock = clock or SystemClock()
        self._shown = sys.stderr.isatty()
        self._drawn_at = float("-inf")
        self._began = 0.0

    def __enter__(self) -> Self:
        """Begin; the first draw comes with the first news."""
        self._began = self._clock.monotonic()
        return self

    def __exit__(self, *exception: object) -> None:
        """Take the line away."""
        if self._shown and self._drawn_at > float("-inf"):
            click.echo("\r\x1b[K", nl=False, err=True)

    def update(self, done: int, whole: int) -> None:
        """Show how many octets are done, of how many (0 where that is unknown)."""
        now = self._clock.monotonic()
        if not self._shown or now - self._drawn_at < STEP_SECONDS:
            return
        self._drawn_at = now
        click.echo(
            f"\r\x1b[K{line(self._what, done, whole, now - self._began)}", nl=False, err=True
        )


class StepsBar:
    """Shows how far work of several steps has come, and which goes on.

    Draws nothing unless standard error is a terminal.
    """

    def __init__(self, what: str, clock: Clock | None = None) -> None:
        self._what = what
        self._clock = clock or SystemClock()
        self._shown = sys.stderr.isatty()
        self._drawn_at = float("-inf")

    def __enter__(self) -> Self:
        """Begin; the first draw comes with the first news."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Take the line away."""
        if self._shown and self._drawn_at > float("-inf"):
            click.echo("\r\x1b[K", nl=False, err=True)

    def update(self, done: int, whole: int, step: str) -> None:
        """Show how much is done, of how much, and what goes on."""
        now = self._clock.monotonic()
        if not self._shown or now - self._drawn_at < STEP_SECONDS:
            return
        self._drawn_at = now
        share = min(done / max(1, whole), 1.0)
        filled = int(share * 30)
        bar = "#" * filled + "." * (30 - filled)
        text = f"\r\x1b[K{self._what}: [{bar}] {share:4.0%}, {step}"
        click.echo(text, nl=False, err=True)


def line(what: str, done: int, whole: int, seconds: float) -> str:
    """Return the line: a bar with time left, or the octets where the whole is unknown."""
    speed = done / seconds if seconds > 0 else 0.0
    if whole <= 0:
        return f"{what}: {done / 1e6:,.0f} MB, {speed / 1e6:,.0f} MB/s"
    share = min(done / whole, 1.0)
    filled = int(share * 30)
    left = (whole - done) / speed if speed > 0 and done < whole else 0.0
    bar = "#" * filled + "." * (30 - filled)
    return f"{what}: [{bar}] {share:4.0%}, {speed / 1e6:,.0f} MB/s, {left:,.0f} s left"
