"""What `phage devices propose`, `enforce`, `release` and `quarantine` do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

import click

from phage.api.profileshapes import proposal_shape
from phage.cli.output import emit_one, say
from phage.devices import proposal
from phage.devices.fence import Grade
from phage.devices.proposal import NotAcceptedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from phage.cli.devicechange import Change
    from phage.cli.settings import Chosen

Record = dict[str, Any]


def propose(change: Change, name: str, grade: str, days: int) -> None:
    """Print the rules that would fence a device in, and what they would have blocked."""
    told = _proposal(change, name, grade, days)
    emit_one(change.form, told, str(told["rules"]).splitlines())
    if told["objection"]:
        say(f"not yet: {told['objection']}")
    _tell(told["would_have_blocked"], days)


def enforce(
    change: Change, name: str, grade: str, file: Path | None, *, force: bool, yes: bool, days: int
) -> None:
    """Bring the rules that fence a device in into force. Raises PhageError.

    What they would have blocked is told before, and has to be accepted.
    """
    rules = file.read_text(encoding="utf-8") if file else ""
    proposed = _proposal(change, name, grade, days)
    blocked = proposed["would_have_blocked"]
    if force and proposed["objection"]:
        say(proposed["objection"])
    _tell(blocked, days)
    if file:
        say("tried as the profile says; `phage rules plan` tries rules as you edited them")
    if blocked and grade != Grade.NOTIFY and not yes:
        _ask(name)
    values = {"grade": grade, "rules": rules, "force": force}
    if change.there is not None:
        values |= {"accept": proposed["acceptance"], "days": days}
    done, said = _fence(change, "enforce", name, **values)
    told = {**done, "grade": grade, "would_have_blocked": blocked, "days": days}
    change.tell(told, f"{name} is fenced in{said}")


def _ask(name: str) -> None:
    """Ask whether a fence may block what it would have blocked. Raises NotAcceptedError."""
    question = f"Fence {name} in, so that this is blocked from now on?"
    if not sys.stdin.isatty() or not click.confirm(question, err=True):
        message = f"{name} is not fenced in; --yes says that it may block this"
        raise NotAcceptedError(message)


def release(change: Change, name: str) -> None:
    """Take a device's fence away. Raises PhageError."""
    done, said = _fence(change, "release", name)
    change.tell(done, f"{name} is free{said}")


def quarantine(change: Change, name: str, seconds: float, reason: str) -> None:
    """Hold every MAC address of a device in quarantine. Raises PhageError."""
    if change.there is not None:
        held = change.there.act(name, "quarantine", seconds=seconds, reason=reason)["decisions"]
    else:
        held = _held(change.chosen, name, seconds, reason)
    decisions = [each["decision"] for each in held]
    lines = [
        f"{name}: {each['id']} holds {_target(each['target'])} in quarantine" for each in decisions
    ]
    change.tell({"device": name, "decisions": decisions}, *lines)


def _target(target: Mapping[str, object] | str) -> object:
    return target if isinstance(target, str) else target["value"]


def _held(chosen: Chosen, name: str, seconds: float, reason: str) -> list[Record]:
    from phage.daemon.requests import AddDecision, checked
    from phage.devices.proposal import MAX_DEVICES, find

    with chosen.reader() as store:
        found = find(store.devices.list(MAX_DEVICES), name)
    return [
        chosen.ask(
            checked(
                AddDecision,
                target=target,
                action="quarantine",
                direction="both",
                seconds=seconds,
                reason=reason or f"quarantine of {found.shown} by hand",
            )
        )
        for target in [seen.value for seen in found.macs] or [found.ip]
    ]


def _proposal(change: Change, name: str, grade: str, days: int) -> Record:
    if change.there is not None:
        return change.there.read(name, "proposal", grade=grade, days=days)
    with change.chosen.reader() as store:
        proposed = proposal.propose(store, name, Grade(grade), days, _system_of(change.chosen))
    return proposal_shape(proposed)


def _fence(
    change: Change, act: Literal["enforce", "release"], device: str, **values: object
) -> tuple[Record, str]:
    """Fence a device in, or free it; return what was done, and what there is to say of it."""
    from phage.cli.devicestore import fence
    from phage.daemon.requests import FenceDevice, checked

    if change.there is not None:
        done = {**change.there.act(device, act, **values), "runs": True}
    else:
        told = fence(change.chosen, checked(FenceDevice, act=act, device=device, **values))
        done = {"there": told.there, "runs": told.runs, "enforced": told.enforced}
    done = {"device": device, "act": act, **done}
    if act == "release" and not done["there"]:
        return done, ": it was not fenced in"
    if not done["runs"]:
        return done, ", from the next `phage run` on"
    if not done["enforced"]:
        return done, "; nothing is in force, since policy.enforce is off"
    return done, ""


def _system_of(chosen: Chosen) -> Callable[[str], int]:
    from phage.intel.geography import make_geography

    return make_geography(chosen.settings().intel.places).system_of


def _tell(blocked: Iterable[Record], days: int) -> None:
    """Say what would have been blocked."""
    rows = list(blocked)
    total = sum(each["flows"] for each in rows)
    say(f"would have blocked {total} flows in the last {days} days{':' if rows else ''}")
    for said in rows[:20]:
        say(
            f"  {said['flows']} {said['way']} {said['protocol']}/{said['port']} {said['peer']} "
            f"({said['address']}), last {said['last']}"
        )
