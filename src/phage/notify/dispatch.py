"""Hands notices to notifiers: never waits for one, tells at a bounded rate, tries again."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.notify.notice import Notice, shown
from phage.notify.notifier import NotifyError
from phage.notify.waiting import Pace, Waiting
from phage.records import Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from phage.clock import Clock
    from phage.notify.notifier import Notifier

_log = logging.getLogger(__name__)

LONGEST_NAP = 30.0
"""Seconds after which is looked anew whether something may be told."""


@frozen
class Channel:
    """One notifier under the name by which rules call it.

    Attributes:
        name: As rules and settings name it.
        notifier: Who tells.
        least: What is less severe is not told here.
        pace: How fast.
        always: Whether it is told what names no channel.
        closed: Whether it is told that something has ended.
    """

    name: str
    notifier: Notifier
    least: Severity = Severity.LOW
    pace: Pace = field(default_factory=Pace)
    always: bool = True
    closed: bool = False


@dataclass(slots=True)
class Told:
    """What became of the notices of one channel; `fault` is its last error, '' when well."""

    told: int = 0
    messages: int = 0
    repeated: int = 0
    left_out: int = 0
    failed: int = 0
    retries: int = 0
    fault: str = ""


class _Worker:
    """Tells one channel, in a thread of its own: a slow server delays no other."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self.channel = channel
        self.state = Told()
        self._clock = clock
        self._waiting = Waiting(channel.pace, clock)
        self._changed = threading.Condition()
        self._telling = threading.Lock()
        self._stopping = False
        self._thread = threading.Thread(
            target=self._run, name=f"phage-notify-{channel.name}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def put(self, notice: Notice) -> bool:
        """Take a notice; tell whether it will be told. Never waits but for a short lock."""
        channel = self.channel
        if notice.severity.rank < channel.least.rank or (notice.closed and not channel.closed):
            return False
        with self._changed:
            taken = self._waiting.put(notice)
            self.state.repeated = self._waiting.repeated
            self.state.left_out = self._waiting.left_out
            self._changed.notify()
        return taken

    def stop(self, seconds: float) -> None:
        """Tell what waits, all together and once, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            while (notice := self._next()) is not None:
                self._tell(notice)
        finally:
            self.channel.notifier.close()

    def _next(self) -> Notice | None:
        """Wait until something may be told; None at the end."""
        with self._changed:
            while self._waiting or not self._stopping:
                if not self._waiting:
                    self._changed.wait()
                elif self._stopping or (wait := self._waiting.wait()) <= 0:
                    notice = self._waiting.take(last=self._stopping)
                    self.state.told = self._waiting.told
                    return notice
                else:  # The clock on the wall may be set meanwhile.
                    self._changed.wait(min(wait, LONGEST_NAP))
            return None

    def _tell(self, notice: Notice) -> None:
        pace = self.channel.pace
        began, wait = self._clock.monotonic(), pace.first_retry_s
        while True:
            error = self._try(notice)
            if error is None:
                self.state.messages += 1
                self._well()
                return
            age = self._clock.monotonic() - began
            if not error.retry or self._stopping or age + wait > pace.give_up_s:
                self.state.failed += 1
                self._ill(str(error), "; the notice is given up")
                return
            self._ill(str(error), "; it is tried again")
            self.state.retries += 1
            if self._stopped_within(max(wait, error.after)):
                wait = 0.0
                continue
            wait = min(wait * 2, pace.longest_retry_s)

    def _stopped_within(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._stopping, seconds)

    def _try(self, notice: Notice) -> NotifyError | None:
        try:
            with self._telling:
                self.channel.notifier.tell(notice)
        except NotifyError as error:
            return error
        except Exception as error:  # noqa: BLE001  A plug-in's fault is its own.
            return NotifyError(f"raised {type(error).__name__}", retry=False)
        return None

    def probe(self, notice: Notice) -> None:
        """Tell a notice at once, past all that waits. Raises NotifyError."""
        error = self._try(notice)
        if error is not None:
            self._ill(str(error), "")
            raise error
        self._well()

    def _ill(self, fault: str, then: str) -> None:
        if fault != self.state.fault:
            _log.warning("notifier %s: %s%s", self.channel.name, fault, then)
        self.state.fault = fault

    def _well(self) -> None:
        if self.state.fault:
            _log.info("notifier %s works again", self.channel.name)
        self.state.fault = ""


class Dispatcher:
    """Takes notices and hands them to channels; whoever tells it something never waits."""

    def __init__(self, channels: Sequence[Channel], clock: Clock) -> None:
        self._workers = {channel.name: _Worker(channel, clock) for channel in channels}
        self._clock = clock
        self.unknown = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the channels."""
        return tuple(self._workers)

    def start(self) -> None:
        """Start a thread for each channel."""
        for worker in self._workers.values():
            worker.start()

    def tell(self, notice: Notice, names: Collection[str] = ()) -> int:
        """Give a notice to the channels of these names, or to all that take everything.

        Returns how many will tell it. A name that there is not is counted in `unknown`.
        """
        if not names:
            workers = [each for each in self._workers.values() if each.channel.always]
        else:
            workers = [self._workers[name] for name in names if name in self._workers]
            self.unknown += sum(1 for name in names if name not in self._workers)
        return sum(worker.put(notice) for worker in workers)

    def probe(self, name: str) -> None:
        """Tell one channel at once that this is a test; takes as long as its server does.

        Raises NotifyError when it could not be told, or there is no such channel.
        """
        worker = self._workers.get(name)
        if worker is None:
            message = (
                f"there is no channel {name!r}; there are {', '.join(self._workers) or 'none'}"
            )
            raise NotifyError(message, retry=False)
        worker.probe(
            Notice(
                "Test of phage",
                f"If you can read this, phage can tell you through {shown(name, 64)}.",
                Severity.INFO,
                self._clock.now(),
            )
        )

    def states(self) -> Mapping[str, tuple[Channel, Told]]:
        """Return the channels by name, each with what became of its notices."""
        return {name: (worker.channel, worker.state) for name, worker in self._workers.items()}

    def counters(self) -> Mapping[str, int]:
        """Return what became of notices, by channel: `NAME.told`, `NAME.failed`, and so on."""
        found = {"unknown": self.unknown}
        for name, worker in self._workers.items():
            for field_name in ("told", "messages", "repeated", "left_out", "failed", "retries"):
                found[f"{name}.{field_name}"] = getattr(worker.state, field_name)
        return found

    def faults(self) -> Mapping[str, str]:
        """Return the last error of each channel that is not well."""
        states = ((name, worker.state.fault) for name, worker in self._workers.items())
        return {name: fault for name, fault in states if fault}

    def stop(self, seconds: float = 5.0) -> None:
        """Tell what waits, once, and end; returns after so many seconds at most."""
        threads = [
            threading.Thread(target=worker.stop, args=(seconds,), daemon=True)
            for worker in self._workers.values()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds)
