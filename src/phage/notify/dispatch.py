"""Hands notices to notifiers: never waits for one, tells at a bounded rate, tries again."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.detect.tables import Recent
from phage.notify.notice import Notice, digest
from phage.notify.notifier import NotifyError
from phage.records import Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from phage.clock import Clock
    from phage.notify.notifier import Notifier

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one channel is told, and for how long it is tried.

    Attributes:
        a_minute: Messages a minute, in the long run.
        burst: Messages at once; what comes beyond is told together ("and 12 more").
        waiting: Notices that wait; of more only the number is told.
        repeat_s: News of the same thing is told again after this time; at once when it is worse.
        first_retry_s: Wait before the second try; each further wait is twice as long.
        longest_retry_s: The longest of these waits.
        give_up_s: A notice that could not be told for so long is given up.
    """

    a_minute: float = 6.0
    burst: int = 3
    waiting: int = 256
    repeat_s: float = 3600.0
    first_retry_s: float = 1.0
    longest_retry_s: float = 300.0
    give_up_s: float = 3600.0


@dataclass(frozen=True, slots=True)
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
        self._waiting: dict[str, Notice] = {}
        self._unnamed = 0
        self._left_out = 0
        self._known: Recent[str, tuple[float, int, bool]] = Recent(4096)
        self._tokens = float(channel.pace.burst)
        self._filled = clock.monotonic()
        self._changed = threading.Condition()
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
            if self._is_repeated(notice):
                self.state.repeated += 1
                return False
            key = notice.key
            if not key:
                self._unnamed += 1
                key = f"\0{self._unnamed}"
            if key not in self._waiting and len(self._waiting) >= channel.pace.waiting:
                self._left_out += 1
                self.state.left_out += 1
            else:
                self._waiting[key] = notice  # News of what still waits takes its place.
            self._changed.notify()
        return True

    def _is_repeated(self, notice: Notice) -> bool:
        if not notice.key:
            return False
        now = self._clock.monotonic()
        known = self._known.use(notice.key)
        rank = notice.severity.rank
        if known is not None:
            told_at, told_rank, was_closed = known
            recent = now - told_at < self.channel.pace.repeat_s
            if recent and rank <= told_rank and was_closed == notice.closed:
                return True
        self._known.put(notice.key, (now, rank, notice.closed))
        return False

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
            while True:
                if self._waiting:
                    wait = self._wait_for_token()
                    if wait <= 0 or self._stopping:
                        return self._take()
                    self._changed.wait(wait)
                elif self._stopping:
                    return None
                else:
                    self._changed.wait()

    def _wait_for_token(self) -> float:
        """Return the seconds until a message may be sent."""
        pace, now = self.channel.pace, self._clock.monotonic()
        gained = (now - self._filled) * pace.a_minute / 60.0
        self._tokens = min(float(pace.burst), self._tokens + gained)
        self._filled = now
        return 0.0 if self._tokens >= 1.0 else (1.0 - self._tokens) * 60.0 / pace.a_minute

    def _take(self) -> Notice:
        """Take one notice while there are messages left for all that wait, else all as one."""
        singly = len(self._waiting) <= self._tokens and not self._left_out and not self._stopping
        self._tokens = max(0.0, self._tokens - 1.0)
        if singly or (len(self._waiting) == 1 and not self._left_out):
            key = next(iter(self._waiting))
            self.state.told += 1
            return self._waiting.pop(key)
        notices, more = list(self._waiting.values()), self._left_out
        self._waiting.clear()
        self._left_out = 0
        self.state.told += len(notices)
        return digest(notices, more)

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
            self.channel.notifier.tell(notice)
        except NotifyError as error:
            return error
        except Exception as error:  # noqa: BLE001  A plug-in's fault is its own.
            return NotifyError(f"raised {type(error).__name__}", retry=False)
        return None

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
