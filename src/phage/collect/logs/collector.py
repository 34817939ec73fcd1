"""What the collectors of logs share: they wait for feeds and make windows of events at once."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import select
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from phage.clock import SystemClock
from phage.collect.collector import WithoutPackets
from phage.collect.logs import positions
from phage.collect.logs.inotify import FILE, FOLDER, Inotify
from phage.errors import StateError
from phage.records import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from phage.clock import Clock
    from phage.collect.logs.feed import Feed
    from phage.collect.logs.positions import Position
    from phage.records import LogEvent

_log = logging.getLogger(__name__)

# The first line makes a window at once; under a flood of lines a window is made each 10 ms.
SPACING_SECONDS = 0.01
# Also where the kernel tells of changes: network file systems tell of none, and folders may come.
LOOK_SECONDS = 1.0
POLL_SECONDS = 0.25
SAVE_SECONDS = 5.0


class Waiter:
    """Waits until a feed has something, or until it is told to stop waiting."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._closing = threading.RLock()  # A signal may wake who is just closing.
        self._poll.register(self._wake, select.POLLIN)
        self._rest = select.poll()
        self._rest.register(self._wake, select.POLLIN)
        self._inotify: Inotify | None = None
        self._watched: dict[Path, int] = {}
        self._descriptors: set[int] = set()
        with contextlib.suppress(OSError):
            self._inotify = Inotify()
            self._poll.register(self._inotify.fileno(), select.POLLIN)

    @property
    def tells(self) -> bool:
        """Tell whether the kernel tells of changes."""
        return self._inotify is not None

    def watch(self, feeds: Sequence[Feed]) -> None:
        """Watch what feeds name, and nothing else."""
        wanted = {each for feed in feeds for each in feed.descriptors()}
        for gone in self._descriptors - wanted:
            self._poll.unregister(gone)
        for new in wanted - self._descriptors:
            self._poll.register(new, select.POLLIN)
        self._descriptors = wanted
        if self._inotify is None:
            return
        paths = {path for feed in feeds for path in feed.paths()}
        # A path may mean another file now: each is watched anew. The same file keeps its watch.
        before, self._watched = self._watched, {}
        for path, mask in [
            *((path, FILE) for path in paths),
            *((folder, FOLDER) for folder in {path.parent for path in paths}),
        ]:
            with contextlib.suppress(OSError):
                self._watched[path] = self._inotify.add(str(path), mask)
        for watch in set(before.values()) - set(self._watched.values()):
            self._inotify.remove(watch)

    def wait(self, seconds: float) -> None:
        """Wait, at most so long."""
        ready = {number for number, _ in self._poll.poll(max(0, int(seconds * 1000)))}
        if self._inotify is not None and self._inotify.fileno() in ready:
            self._inotify.drain()

    def rest(self, seconds: float) -> None:
        """Wait so long, whatever comes; less when woken."""
        self._rest.poll(math.ceil(seconds * 1000))

    def wake(self) -> None:
        """End all waiting, now and later; may be called from a signal handler."""
        with self._closing, contextlib.suppress(OSError):
            if self._wake >= 0:  # Else the number may be another file's by now.
                os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Give everything back."""
        if self._inotify is not None:
            self._inotify.close()
        with self._closing:
            wake, self._wake = self._wake, -1
            if wake >= 0:
                os.close(wake)


class LogCollector(WithoutPackets):
    """The part of the contract of collectors that collectors of logs have in common.

    Attributes:
        interface: What messages and health call it.
    """

    name = "logs"
    summary = "logs"

    def __init__(
        self, feeds: Sequence[Feed], clock: Clock | None, saved_at: Path | None, *, follow: bool
    ) -> None:
        self.interface = self.name
        self._feeds = list(feeds)
        self._clock = clock or SystemClock()
        self._saved_at = saved_at
        self._follow = follow
        self._faults: list[str] = []
        self._waiter: Waiter | None = None
        self._stopping = False
        self._last_window = 0.0
        self._next_look = 0.0
        self._next_save = 0.0

    def open(self) -> None:
        """Open every feed. Raises CaptureError."""
        self._waiter = Waiter()
        try:
            for feed in self._feeds:
                feed.open()
                feed.look(self._clock.monotonic())
            self._waiter.watch(self._feeds)
        except BaseException:
            self._give_back()
            raise

    def windows(self) -> Iterator[Window]:
        """Yield a window of events as soon as there is one, until stopped or all feeds end."""
        waiter = self._waiter
        if waiter is None:
            return
        while not self._stopping:
            self._look(waiter)
            events, more = self._read()
            if events:
                yield self._window(events)
            self._save_when_due()
            if all(feed.has_ended() for feed in self._feeds):
                return
            if not more and not self._stopping:
                waiter.wait(LOOK_SECONDS if waiter.tells else POLL_SECONDS)
            if events:
                self._space(waiter)

    def _look(self, waiter: Waiter) -> None:
        now = self._clock.monotonic()
        changed = [feed.look(now) for feed in self._feeds]
        if any(changed) or self._next_look <= now:
            self._next_look = now + LOOK_SECONDS
            waiter.watch(self._feeds)

    def _read(self) -> tuple[list[LogEvent], bool]:
        now = self._clock.now()
        events: list[LogEvent] = []
        more = False
        for feed in self._feeds:
            found, goes_on = feed.read(now)
            more |= goes_on
            events += found
        return events, more

    def _space(self, waiter: Waiter) -> None:
        """Let the next window wait when the last was made just now."""
        now = self._clock.monotonic()
        early = self._last_window + SPACING_SECONDS - now
        self._last_window = now
        if 0 < early <= SPACING_SECONDS and self._follow and not self._stopping:
            waiter.rest(early)

    def _window(self, events: list[LogEvent]) -> Window:
        if not self._follow:
            times = [event.time for event in events]
            return Window(min(times), max(times), events=tuple(events), counters=self.counters())
        now = self._clock.now()
        placed = tuple(_placed(event, now) for event in events)
        start = min(event.time for event in placed)
        return Window(start, now, events=placed, counters=self.counters())

    def _save_when_due(self) -> None:
        now = self._clock.monotonic()
        if self._next_save <= now:
            self._next_save = now + SAVE_SECONDS
            self.save_positions()

    def save_positions(self) -> None:
        """Write how far each log was read, when that is wanted; a fault is told once."""
        if self._saved_at is None or not self._follow:
            return
        found: dict[str, Position] = {}
        for feed in self._feeds:
            found.update(feed.positions())
        try:
            positions.save(self._saved_at, found)
        except StateError as error:
            if str(error) not in self._faults:
                self._faults.append(str(error))
                _log.warning("%s", error)

    def counters(self) -> Mapping[str, int]:
        """Return what became of lines, over all feeds."""
        names = ("lines", "events", "ambiguous", "too_long", "untrusted", "malformed")
        return {
            f"{self.name}.{name}": sum(getattr(feed.counters, name) for feed in self._feeds)
            for name in names
        }

    def faults(self) -> Sequence[str]:
        """Return what is wrong with logs, a line each."""
        return [*self._faults, *(fault for feed in self._feeds for fault in feed.faults())]

    def stop(self) -> None:
        """Make `windows` end soon; may be called from a signal handler or another thread."""
        self._stopping = True
        if self._waiter is not None:
            self._waiter.wake()

    def close(self) -> None:
        """Save how far was read, and close the feeds."""
        self.save_positions()
        self._give_back()

    def _give_back(self) -> None:
        for feed in self._feeds:
            feed.close()
        if self._waiter is not None:
            self._waiter.close()
            self._waiter = None


def load_positions(path: Path | None) -> tuple[dict[str, Position], list[str]]:
    """Return saved positions, and what was wrong with them."""
    if path is None:
        return {}, []
    try:
        return positions.load(path), []
    except StateError as error:
        _log.warning("%s", error)
        return {}, [str(error)]


def _placed(event: LogEvent, now: int) -> LogEvent:
    """Return an event at a time that is not in the future: another's clock or zone may be wrong."""
    return event if event.time <= now else replace(event, time=now)
