"""Events that phage comes by itself, past the network: they go the way of log events."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.collect.logs.collector import LogCollector
from phage.collect.logs.feed import LineCounters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from phage.clock import Clock
    from phage.collect.logs.positions import Position
    from phage.records import LogEvent

MOST = 10_000
"""Events that wait; the newest beyond them are dropped and counted."""

AT_ONCE = 1000
"""Events of one window."""


@dataclass(slots=True)
class ToldFeed:
    """A feed that other threads put events in.

    Attributes:
        name: What it is called.
        counters: What came in.
        dropped: Events for which there was no room.
    """

    name: str
    counters: LineCounters = field(default_factory=LineCounters)
    dropped: int = 0
    _waiting: deque[LogEvent] = field(default_factory=deque, init=False)
    _bell: int = field(default=-1, init=False)
    _closing: threading.Lock = field(default_factory=threading.Lock, init=False)

    def tell(self, events: Iterable[LogEvent]) -> None:
        """Hand events over; any thread may."""
        for event in events:
            if len(self._waiting) >= MOST:
                self.dropped += 1
                continue
            self._waiting.append(event)
        with self._closing:
            if self._bell >= 0:
                os.eventfd_write(self._bell, 1)

    def open(self) -> None:
        """Make the bell that wakes who waits."""
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def look(self, now: float) -> bool:
        """Nothing comes or goes."""
        del now
        return False

    def descriptors(self) -> list[int]:
        """Return the bell."""
        return [self._bell] if self._bell >= 0 else []

    def paths(self) -> list[Path]:
        """Return none."""
        return []

    def read(self, now: int) -> tuple[list[LogEvent], bool]:
        """Return what was told."""
        del now
        if self._bell >= 0:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._bell)
        events = [self._waiting.popleft() for _ in range(min(len(self._waiting), AT_ONCE))]
        self.counters.lines += len(events)
        self.counters.events += len(events)
        return events, bool(self._waiting)

    def positions(self) -> Mapping[str, Position]:
        """Return none: what was told is not told again."""
        return {}

    def has_ended(self) -> bool:
        """Tell that more may come."""
        return False

    def faults(self) -> list[str]:
        """Return whether something was lost."""
        return [f"{self.name}: {self.dropped} events were dropped"] if self.dropped else []

    def close(self) -> None:
        """Give the bell back."""
        with self._closing:  # Who rings afterwards would ring what has the number then.
            if self._bell >= 0:
                os.close(self._bell)
                self._bell = -1


class ToldCollector(LogCollector):
    """Makes windows of what phage comes by itself."""

    name = "told"
    summary = "events of phage's own"

    def __init__(self, clock: Clock) -> None:
        self.feed = ToldFeed(self.name)
        super().__init__([self.feed], clock, None, follow=True)
