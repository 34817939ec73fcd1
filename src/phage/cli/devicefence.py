"""What `phage devices propose`, `enforce` and `release` do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from phage.api.profileshapes import blocked_shape, proposal_shape
from phage.cli.output import emit_one, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from phage.cli.settings import Chosen
    from phage.devices.fence import Blocked, Grade


def propose(chosen: Chosen, name: str, grade: Grade, days: int, form: str) -> None:
    """Print the rules that would fence a device in, and what they would have blocked."""
    from phage.devices import proposal

    with chosen.reader() as store:
        proposed = proposal.propose(store, name, grade, days, _system_of(chosen))
    emit_one(form, proposal_shape(proposed), proposed.rules.splitlines())
    if proposed.objection:
        say(f"not yet: {proposed.objection}")
    _tell(proposed.blocked, days)


def enforce(
    chosen: Chosen, name: str, grade: Grade, file: Path | None, *, force: bool, days: int
) -> None:
    """Bring the rules that fence a device in into force. Raises PhageError."""
    from phage.devices import proposal

    with chosen.reader() as store:
        device, profile = proposal.known(store, name)
        blocked = proposal.tried(store, device, profile, days, _system_of(chosen))
    rules = file.read_text(encoding="utf-8") if file else ""
    said = _fence(chosen, "enforce", device.id, grade=str(grade), rules=rules, force=force)
    _tell(blocked, days)
    say(f"{device.shown} is fenced in{said}")


def release(chosen: Chosen, name: str) -> None:
    """Take a device's fence away. Raises PhageError."""
    said = _fence(chosen, "release", name)
    say(f"{name} is free{said}")


def _fence(
    chosen: Chosen, act: Literal["enforce", "release"], device: str, **values: object
) -> str:
    """Fence a device in, or free it; return what there is to say of it."""
    from phage.cli.devicestore import fence
    from phage.daemon.requests import FenceDevice, checked

    done = fence(chosen, checked(FenceDevice, act=act, device=device, **values))
    if act == "release" and not done.there:
        return ": it was not fenced in"
    if not done.runs:
        return ", from the next `phage run` on"
    if not done.enforced:
        return "; nothing is in force, since policy.enforce is off"
    return ""


def _system_of(chosen: Chosen) -> Callable[[str], int]:
    from phage.intel.geography import make_geography

    return make_geography(chosen.settings().intel.places).system_of


def _tell(blocked: Sequence[Blocked], days: int) -> None:
    """Say what would have been blocked."""
    total = sum(each.flows for each in blocked)
    say(f"would have blocked {total} flows in the last {days} days{':' if blocked else ''}")
    for said in map(blocked_shape, blocked[:20]):
        say(
            f"  {said['flows']} {said['way']} {said['protocol']}/{said['port']} {said['peer']} "
            f"({said['address']}), last {said['last']}"
        )
