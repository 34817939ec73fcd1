"""The contract of a responder."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.records.decision import Decision, Receipt


@runtime_checkable
class Responder(Protocol):
    """Carries decisions out somewhere: in the kernel, at a router, by a script.

    It is reconciled with the ledger: `replace` at start and whenever `is_disturbed` says so,
    `apply` and `revoke` in between. All calls come from one thread. A call answers with one receipt
    for each decision it was given, in any order; it raises nothing but for faults of its own code.
    What it does is idempotent: a decision may be applied again, and revoked though it is not in
    force.

    It touches nothing that is not its own. It can be made without arguments; its settings are
    fields with defaults.
    """

    name: ClassVar[str]
    """The responder's name, as receipts and settings carry it."""

    summary: ClassVar[str]
    """Where it acts, in one line."""

    def suits(self, decision: Decision) -> str:
        """Return '' when it can carry out such a decision, else why not, for people."""

    def apply(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Bring decisions into force; `now` is in nanoseconds since the Unix epoch."""

    def revoke(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Take decisions out of force."""

    def replace(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Bring exactly these into force and take out all else of its own, atomically if it can."""

    def is_disturbed(self) -> bool:
        """Tell cheaply whether what is in force may no longer be what was applied.

        Somebody else changed it, a session was lost, a process restarted.
        """

    def close(self) -> None:
        """Let go of what is open; what is in force stays in force until it expires."""
