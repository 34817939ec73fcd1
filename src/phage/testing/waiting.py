"""Waiting in tests: until something is so, however slow the machine, and never for a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from phage.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 60.0
"""Seconds that anything awaited may take: the wait ends with the event, and machines are loaded."""


def until(
    what: str | Callable[[], object],
    ready: Callable[[], object],
    patience: float = PATIENCE,
    pause: float = 0.01,
) -> float:
    """Wait until something is so; return how many seconds that took.

    Args:
        what: What is awaited, or a function that tells what there is instead.
        ready: Tells whether it is so.
        patience: Seconds after which AssertionError is raised.
        pause: Seconds between looks.
    """
    clock, sleeper = SystemClock(), threading.Event()
    began = clock.monotonic()
    while not ready():
        if clock.monotonic() - began > patience:
            told = what() if callable(what) else what
            message = f"waited {patience:.0f} s in vain for: {told}"
            raise AssertionError(message)
        sleeper.wait(pause)
    return clock.monotonic() - began
