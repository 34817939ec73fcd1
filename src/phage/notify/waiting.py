"""Notices that wait to be told on one channel: which, when, and how many as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.detect.tables import Recent
from phage.frozen import frozen
from phage.notify.notice import Notice, digest
from phage.records import Severity

if TYPE_CHECKING:
    from phage.clock import Clock
    from phage.config.quiet import Quiet

_KNOWN = 4096
"""Things of which it is remembered that they were told."""


@frozen
class Pace:
    """How fast one channel is told, and for how long it is tried.

    Attributes:
        a_minute: Messages a minute, in the long run.
        burst: Messages at once; what comes beyond is told together ("and 12 more").
        waiting: Notices that wait; of more only the number is told, the least severe first.
        repeat_s: News of the same thing is told again after this time; at once when it is worse.
        first_retry_s: Wait before the second try; each further wait is twice as long.
        longest_retry_s: The longest of these waits.
        give_up_s: A notice that could not be told for so long is given up.
        gather_s: What comes within so long after the first is told with it as one; 0: at once.
        quiet: When nobody is disturbed; what came meanwhile is told afterwards, as one.
        urgent: What is so severe or worse waits for neither.
    """

    a_minute: float = 6.0
    burst: int = 3
    waiting: int = 256
    repeat_s: float = 3600.0
    first_retry_s: float = 1.0
    longest_retry_s: float = 300.0
    give_up_s: float = 3600.0
    gather_s: float = 0.0
    quiet: Quiet | None = None
    urgent: Severity = Severity.CRITICAL


class Waiting:
    """What waits. Not safe to be used from several threads at a time.

    Args:
        pace: How fast it goes.
        clock: Tells the time.
    """

    def __init__(self, pace: Pace, clock: Clock) -> None:
        self.repeated = 0
        self.left_out = 0
        self.told = 0
        self._pace = pace
        self._clock = clock
        self._notices: dict[str, Notice] = {}
        self._first = 0.0
        self._held = False
        self._unnamed = 0
        self._left_out = 0
        self._known: Recent[str, tuple[float, int, bool]] = Recent(_KNOWN)
        self._tokens = float(pace.burst)
        self._filled = clock.monotonic()

    def __len__(self) -> int:
        return len(self._notices)

    def put(self, notice: Notice) -> bool:
        """Take a notice; tell whether it will be told."""
        if self._is_repeated(notice):
            self.repeated += 1
            return False
        key = notice.key
        if not key:
            self._unnamed += 1
            key = f"\0{self._unnamed}"
        if not self._notices:
            self._first = self._clock.monotonic()
        if key not in self._notices and len(self._notices) >= self._pace.waiting:
            self._make_room(key, notice)
        else:
            self._notices[key] = notice  # News of what still waits takes its place.
        return True

    def _make_room(self, key: str, notice: Notice) -> None:
        """Leave out the least severe of those that wait and the new one; only it is counted."""
        self._left_out += 1
        self.left_out += 1
        least = min(self._notices, key=lambda each: self._notices[each].severity.rank)
        if self._notices[least].severity.rank < notice.severity.rank:
            del self._notices[least]
            self._notices[key] = notice

    def _is_repeated(self, notice: Notice) -> bool:
        if not notice.key:
            return False
        now = self._clock.monotonic()
        known = self._known.use(notice.key)
        rank = notice.severity.rank
        if known is not None:
            told_at, told_rank, was_closed = known
            recent = now - told_at < self._pace.repeat_s
            if recent and rank <= told_rank and was_closed == notice.closed:
                return True
        self._known.put(notice.key, (now, rank, notice.closed))
        return False

    def wait(self) -> float:
        """Return the seconds until a message may be sent of what waits; 0 for now."""
        hold = 0.0 if self._urgent() else self._hold()
        self._held = self._held or hold > 0
        return max(hold, self._token())

    def _urgent(self) -> list[str]:
        least = self._pace.urgent.rank
        return [key for key, each in self._notices.items() if each.severity.rank >= least]

    def _hold(self) -> float:
        """Return for how long what is not urgent is kept back."""
        pace = self._pace
        gathered = self._first + pace.gather_s - self._clock.monotonic() if pace.gather_s else 0.0
        quiet = pace.quiet.seconds_left(self._clock.now()) if pace.quiet is not None else 0.0
        return max(0.0, gathered, quiet)

    def _token(self) -> float:
        pace, now = self._pace, self._clock.monotonic()
        gained = (now - self._filled) * pace.a_minute / 60.0
        self._tokens = min(float(pace.burst), self._tokens + gained)
        self._filled = now
        return 0.0 if self._tokens >= 1.0 else (1.0 - self._tokens) * 60.0 / pace.a_minute

    def take(self, *, last: bool = False) -> Notice:
        """Take the next message: one notice while there are messages left for all, else a digest.

        Args:
            last: There will be no other: all is told.
        """
        if not last and self._hold() > 0:
            keys, together = self._urgent(), False
        else:
            keys, together, self._held = list(self._notices), last or self._held, False
        singly = not together and not self._left_out and len(keys) <= self._tokens
        self._tokens = max(0.0, self._tokens - 1.0)
        notices = [self._notices.pop(key) for key in (keys[:1] if singly else keys)]
        self.told += len(notices)
        if len(notices) == 1 and not self._left_out:
            return notices[0]
        more, self._left_out = self._left_out, 0
        return digest(notices, more)
