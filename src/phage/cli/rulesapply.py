"""`phage rules apply|confirm|rollback`: what changes the rules of the running daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from phage.cli.output import say
from phage.cli.settings import settings_options
from phage.cli.times import Span

if TYPE_CHECKING:
    from phage.cli.settings import Chosen


@click.command()
@click.option(
    "--confirm",
    type=Span(),
    default="0",
    metavar="TIME",
    help="Go back to the rules before after this time (60, 5 min), unless they are confirmed.",
)
@settings_options
def apply(chosen: Chosen, confirm: float) -> None:
    """Read the rule files again and bring them into force, all at once or not at all."""
    from phage.daemon.requests import ApplyRules, checked

    answer = chosen.ask(checked(ApplyRules, confirm=confirm), seconds=90.0)
    _say(answer)
    if answer["trial_until"]:
        say(f"on trial until {answer['trial_until']}: `phage rules confirm` keeps them")


@click.command()
@settings_options
def confirm(chosen: Chosen) -> None:
    """Keep the rules that are on trial."""
    from phage.daemon.requests import ConfirmRules

    _say(chosen.ask(ConfirmRules(), seconds=90.0))


@click.command()
@settings_options
def rollback(chosen: Chosen) -> None:
    """Go back from the rules on trial to those before, without waiting."""
    from phage.daemon.requests import RollBackRules

    _say(chosen.ask(RollBackRules(), seconds=90.0))


def _say(answer: dict[str, Any]) -> None:
    say(f"{answer['rules']} rules are asked")
    if not answer["enforced"]:
        say("nothing is blocked: policy.enforce is off, decisions are recorded only")
