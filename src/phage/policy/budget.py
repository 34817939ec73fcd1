"""The budget of blocks: at most so many a minute, and so many in all."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

MINUTE_NS = 60_000_000_000


@dataclass
class Budget:
    """Says whether one more block may be made.

    What is beyond it is told, not blocked: a rule or a detector that is wrong about everybody cuts
    off few of them. A person's own decisions are not counted against the minute.

    Attributes:
        a_minute: Blocks in any 60 seconds.
        in_all: Blocks in force at a time.
        refused: How many were refused.
    """

    a_minute: int = 60
    in_all: int = 100_000
    refused: int = 0
    _times: deque[int] = field(default_factory=deque, init=False, repr=False)

    def spent(self, now: int) -> int:
        """Return how many blocks of the last 60 seconds were counted."""
        return sum(0 <= now - at < MINUTE_NS for at in tuple(self._times))

    def refusal(self, standing: int, now: int) -> str:
        """Return why no more may be made now, for people; '' when one may.

        Args:
            standing: Blocks in force.
            now: Nanoseconds since the Unix epoch.
        """
        if standing >= self.in_all:
            self.refused += 1
            return f"the budget of {self.in_all} blocks in all (policy.budget.in_all) is used up"
        # What lies ahead was counted before the clock was set back.
        while self._times and not 0 <= now - self._times[0] < MINUTE_NS:
            self._times.popleft()
        if len(self._times) >= self.a_minute:
            self.refused += 1
            return (
                f"the budget of {self.a_minute} blocks a minute (policy.budget.a_minute) is used up"
            )
        return ""

    def spend(self, now: int) -> None:
        """Count a block that is made."""
        self._times.append(now)
