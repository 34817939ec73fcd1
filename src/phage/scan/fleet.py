"""How many machines a fleet should have: at once more when files wait, slowly fewer when not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phage.config.scan import FleetSettings


@dataclass
class FleetSize:
    """Decides how many machines a fleet should have; asked every few seconds.

    A queue that is up and down does not start and end machines in turn: more are started at once,
    but each gets its time to start before it is counted as too few; fewer only when fewer would
    have done for the whole of `idle`, and then one at a time.
    """

    settings: FleetSettings
    _low_since: float = -1.0
    _raised: float = float("-inf")

    def wanted(self, running: int, waiting: int, now: float, fixed: int | None = None) -> int:
        """Return how many there should be.

        Args:
            running: Machines that there are, those that start included.
            waiting: Tasks that wait for their engines.
            now: Seconds on a clock that never goes back.
            fixed: How many a person wants; None for as many as the queue needs.
        """
        own = self.settings
        if fixed is not None:
            self._low_since = -1.0
            return max(0, min(fixed, own.most))
        need = max(own.copies, min(own.most, -(-waiting // own.tasks_each)))
        if need >= running:
            self._low_since = -1.0
            if running < own.copies or now - self._raised >= own.settle:
                self._raised = now if need > running else self._raised
                return need
            return running
        if self._low_since < 0:
            self._low_since = now
        if now - self._low_since < own.idle:
            return running
        self._low_since = now  # The next one goes after as long a time.
        return running - 1
