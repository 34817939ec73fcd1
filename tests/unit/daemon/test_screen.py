"""What the person who watches reads: a finding, and then what was decided about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from phage.config.settings import Settings
from phage.daemon.options import RunOptions
from phage.daemon.screen import Screen
from phage.records import FindingState
from phage.testing.records import make_finding

if TYPE_CHECKING:
    from phage.policy.desk import Outcome


def test_a_finding_is_told_before_what_was_decided_about_it() -> None:
    told: list[Any] = []
    screen = Screen(RunOptions(Settings(), (), None, found=told.append, decided=told.append))
    outcome = cast("Outcome", object())  # It is handed on as it is.
    opened, ended = make_finding(1), make_finding(1, state=FindingState.CLOSED)

    screen.decided(outcome)
    screen.finding(opened)
    screen.finding(opened)
    screen.finding(ended)

    assert told == [opened, outcome, ended]
