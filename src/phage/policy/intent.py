"""An intent: what a rule wants done, before allow-list, budgets and escalation are asked."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.records.decision import Direction, Pattern

if TYPE_CHECKING:
    from phage.records.decision import Action, Rate, Target


@frozen
class Duration:
    """How long a decision lasts, in seconds, and longer for who comes again.

    The n-th decision of one rule against one target within `memory` lasts `first` * `factor` ** n,
    at most `longest`.
    """

    first: float = 3600.0
    factor: float = 1.0
    longest: float = 7 * 86_400.0
    memory: float = 30 * 86_400.0


@frozen
class Intent:
    """What one rule wants done about one finding.

    Attributes:
        rule: The rule's name.
        action: What is to be done to the target; None when only people or programs are told.
        target: To whom.
        reason: Why, in one sentence.
        duration: For how long.
        direction: Which of the target's packets.
        pattern: Which of these.
        rate: What LIMIT lets through.
        responders: Only by these; () for all that can.
        notify: Names of notifiers to be told.
        run: Names of script responders to be run.
        dry_run: Recorded, not carried out.
    """

    rule: str
    action: Action | None
    target: Target | None
    reason: str
    duration: Duration = field(default_factory=Duration)
    direction: Direction = Direction.FROM
    pattern: Pattern = field(default_factory=Pattern)
    rate: Rate | None = None
    responders: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    dry_run: bool = True
