"""How a script is called: phage's own way, phalanx's, and FastNetMon's.

Arguments are words of phage and parsed addresses and numbers only. What people, rules or the
network wrote stands in the JSON document on standard input, never in an argument.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
from typing import TYPE_CHECKING

from phage.records.decision import Action, Direction, TargetKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.records.decision import Decision, Target

LONGEST_TIMEOUT = 2_147_483
"""Seconds: what ipset takes at most, for which phalanx's scripts are made."""

_DIRECTIONS = {Direction.TO: "incoming", Direction.FROM: "outgoing", Direction.BOTH: "other"}
"""As seen from the address, which for FastNetMon is always one of ours."""

_SECOND = 1_000_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Style:
    """One way to call a script.

    Attributes:
        suits: Returns why a decision cannot be told this way, or ''.
        arguments: Returns the arguments, for a decision, the time, and whether it ends.
        knows_end: Whether the same script may be called when a decision ends.
    """

    suits: Callable[[Decision], str]
    arguments: Callable[[Decision, int, bool], tuple[str, ...]]
    knows_end: bool = True


def document(decision: Decision, event: str) -> str:
    """Return what a script reads: one line of JSON with the event and the whole decision."""
    return (
        json.dumps({"version": 1, "event": event, "decision": dataclasses.asdict(decision)}) + "\n"
    )


def _phage_suits(_decision: Decision) -> str:
    return ""


def _phage_arguments(_decision: Decision, _now: int, ends: bool) -> tuple[str, ...]:  # noqa: FBT001
    return ("revoke" if ends else "apply",)


def _address_suits(decision: Decision) -> str:
    """Return '' for a ban of one address: all that the older programs can say."""
    if decision.action is not Action.BAN:
        return f"such a script bans; it cannot {decision.action}"
    if not decision.pattern.is_everything:
        return "such a script bans all packets of an address, and only some of them are meant"
    if not _address(decision.target):
        return "such a script takes one address"
    return ""


def _phalanx_arguments(decision: Decision, now: int, ends: bool) -> tuple[str, ...]:  # noqa: FBT001
    """Return `IP TIMEOUT`, the time left in seconds; 0 is for ever, as it is for ipset."""
    left = -((now - decision.until) // _SECOND) if decision.until else 0
    timeout = min(max(left, 1), LONGEST_TIMEOUT) if decision.until and not ends else 0
    return _address(decision.target), str(timeout)


def _fastnetmon_arguments(decision: Decision, _now: int, ends: bool) -> tuple[str, ...]:  # noqa: FBT001
    """Return `IP direction pps action`; a decision knows no rate, so that is 0."""
    action = "unban" if ends else "ban"
    return _address(decision.target), _DIRECTIONS[decision.direction], "0", action


def _address(target: Target) -> str:
    """Return a target that is one address as text; '' for any other."""
    if target.kind not in {TargetKind.IP, TargetKind.PREFIX}:
        return ""
    try:
        network = ipaddress.ip_network(target.value)
    except ValueError:
        return ""
    # A zone would be somebody's text.
    is_one = network.num_addresses == 1 and "%" not in target.value
    return network.network_address.compressed if is_one else ""


STYLES = {
    "phage": Style(_phage_suits, _phage_arguments),
    "phalanx": Style(_address_suits, _phalanx_arguments, knows_end=False),
    "fastnetmon": Style(_address_suits, _fastnetmon_arguments),
}
