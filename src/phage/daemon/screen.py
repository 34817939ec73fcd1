"""What the person who watches is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.records import FindingState

if TYPE_CHECKING:
    from phage.daemon.options import RunOptions
    from phage.policy.desk import Outcome
    from phage.records import Finding, Window


class Screen:
    """Tells the person who watches: a finding when it opens and when it ends."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._told: set[str] = set()
        self._decided: list[Outcome] = []

    def window(self, window: Window) -> None:
        """Windows are not told."""

    def decided(self, outcome: Outcome) -> None:
        """Keep what was decided until its finding is told, which people read first."""
        self._decided.append(outcome)

    def finding(self, finding: Finding) -> None:
        """Tell a finding that is new or has ended, and then what was decided about it."""
        self._tell(finding)
        decided, self._decided = self._decided, []
        for outcome in decided:
            self._options.decided(outcome)

    def _tell(self, finding: Finding) -> None:
        if finding.state == FindingState.OPEN:
            if finding.id in self._told:
                return
            self._told.add(finding.id)
        else:
            self._told.discard(finding.id)
        self._options.found(finding)

    def close(self) -> None:
        """Nothing is left to tell."""
