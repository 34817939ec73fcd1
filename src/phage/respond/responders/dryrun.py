"""The responder that only remembers: what would be blocked, with nothing blocked."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.records.decision import Decision, Receipt, ReceiptState

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger(__name__)

MOST_DECISIONS = 100_000
"""More are answered as failed: a rehearsal need not take all memory."""


@dataclass(slots=True)
class DryRunResponder:
    """Answers as if it had carried every decision out, and logs each.

    Attributes:
        in_force: What would be in force, by id; those that expired too, until they are revoked.
    """

    name: ClassVar[str] = "dryrun"
    summary: ClassVar[str] = "nowhere: logs what would be done"

    in_force: dict[str, Decision] = field(default_factory=dict)

    def suits(self, decision: Decision) -> str:  # noqa: ARG002  Whatever it is.
        """Return '': anything can be left undone."""
        return ""

    def apply(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Remember decisions."""
        return [self._remember(each, now) for each in decisions]

    def revoke(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Forget decisions."""
        for each in decisions:
            if self.in_force.pop(each.id, None) is not None:
                _log.info("would let %s again", each.target.value)
        return [Receipt(each.id, self.name, ReceiptState.WITHDRAWN, now) for each in decisions]

    def replace(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Remember exactly these."""
        wanted = {each.id for each in decisions}
        gone = [each for id_, each in self.in_force.items() if id_ not in wanted]
        self.revoke(gone, now)
        return self.apply(decisions, now)

    def is_disturbed(self) -> bool:
        """Tell that nobody can change what is nowhere."""
        return False

    def close(self) -> None:
        """Forget everything."""
        self.in_force.clear()

    def _remember(self, decision: Decision, now: int) -> Receipt:
        id_ = decision.id
        if decision.until and decision.until <= now:
            return Receipt(id_, self.name, ReceiptState.UNSUITED, now, "it has expired")
        if id_ not in self.in_force:
            if len(self.in_force) >= MOST_DECISIONS:
                detail = f"remembers at most {MOST_DECISIONS:,} decisions"
                return Receipt(id_, self.name, ReceiptState.FAILED, now, detail)
            _log.info("would %s %s: %s", decision.action, decision.target.value, decision.reason)
        self.in_force[id_] = decision
        return Receipt(id_, self.name, ReceiptState.APPLIED, now, "dry run")
