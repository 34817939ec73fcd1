"""What `phage devices propose`, `enforce` and `release` do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from phage.cli.output import emit_one, say
from phage.clock import SystemClock, rfc3339
from phage.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

    from phage.cli.settings import Chosen
    from phage.devices.fence import Blocked, Grade
    from phage.records.device import Device
    from phage.records.profile import Profile
    from phage.store.store import Store

MAX_FLOWS = 100_000
"""Flows of a device that a fence is tried on."""

DAY_NS = 86_400 * 1_000_000_000


def propose(chosen: Chosen, name: str, grade: Grade, days: int, form: str) -> None:
    """Print the rules that would fence a device in, and what they would have blocked."""
    from phage.devices.fence import fence_rules, objection

    with chosen.reader() as store:
        device, profile = known(store, name)
        blocked = tried(store, device, profile, days)
    rules = fence_rules(device, profile, grade)
    shape = {
        "device": device.id,
        "phase": str(profile.phase),
        "objection": objection(device, profile),
        "rules": rules,
        "would_have_blocked": [_blocked_shape(each) for each in blocked],
        "days": days,
    }
    emit_one(form, shape, rules.splitlines())
    if shape["objection"]:
        say(f"not yet: {shape['objection']}")
    tell(blocked, days)


def enforce(
    chosen: Chosen, name: str, grade: Grade, file: Path | None, *, force: bool, days: int
) -> None:
    """Write the rules that fence a device in, and bring them into force. Raises PhageError."""
    from phage.devices.fence import FenceError, fence_rules, objection

    with chosen.reader() as store:
        device, profile = known(store, name)
        blocked = tried(store, device, profile, days)
    _refuse_lifeline(device)
    against = objection(device, profile)
    if against and not force:
        message = f"{against}; --force fences it in all the same"
        raise FenceError(message)
    rules = file.read_text(encoding="utf-8") if file else fence_rules(device, profile, grade)
    path = fence_file(chosen, device)
    _check(str(file or path), rules)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(rules, encoding="utf-8")
    fresh.replace(path)
    _set_phase(chosen, device, "enforce")
    tell(blocked, days)
    say(f"{device.shown} is fenced in by {path}{_apply(chosen)}")


def _refuse_lifeline(device: Device) -> None:
    """Refuse to fence in this machine, and its routers: all that is far comes from their addresses.

    Raises FenceError.
    """
    from phage.devices.discovery import rtnetlink
    from phage.devices.fence import FenceError

    try:
        near = rtnetlink.neighbours()
        own = {link.mac.hex(":") for link in rtnetlink.links() if not link.is_loopback}
        routers = {near.get(str(address), "") for address in rtnetlink.gateways()}
    except OSError:  # The kernel does not tell; the allow-list shields its addresses.
        return
    macs = {seen.value for seen in device.macs}
    if macs & (own | routers):
        what = "this machine" if macs & own else "a router of this machine"
        message = f"{device.shown} is {what}: a fence would cut off whoever comes through it"
        raise FenceError(message)


def release(chosen: Chosen, name: str) -> None:
    """Take a device's fence away. Raises PhageError."""
    with chosen.reader() as store:
        device, _ = known(store, name)
    path = fence_file(chosen, device)
    there = path.exists()
    path.unlink(missing_ok=True)
    _set_phase(chosen, device, "release")
    if there:
        say(f"{device.shown} is free again{_apply(chosen)}")
    else:
        say(f"{device.shown} was not fenced in")


def known(store: Store, name: str) -> tuple[Device, Profile]:
    """Return a device and its profile. Raises DeviceError, StateError."""
    from phage.cli.devicestore import find

    device = find(store.devices.list(MAX_FLOWS), name)
    profile = store.profiles.get(device.id)
    if profile is None:
        message = f"{device.shown}: nothing is known yet of what it does; let phage watch"
        raise StateError(message)
    return device, profile


def tried(store: Store, device: Device, profile: Profile, days: int) -> list[Blocked]:
    """Return what a fence would have blocked in the last days."""
    from phage.devices.fence import replay
    from phage.store.repositories.flows import FlowFilter

    since = profile.until - days * DAY_NS
    flows = [
        flow
        for seen in device.macs
        for flow in store.flows.list(FlowFilter(host=seen.value, since=since), MAX_FLOWS)
    ]
    macs = {seen.value: other for other in store.devices.list(MAX_FLOWS) for seen in other.macs}
    roles = {key.peer for key in profile.keys}

    def role_of(mac: str, ip: str) -> str:
        other = macs.get(mac)
        if other is None or not any(seen.value == ip for seen in other.addresses):
            return ""
        own = f"device:{other.id}"
        return own if own in roles else "home" if "router" not in _role(other) else "router"

    return replay(device, profile, flows, role_of)


def _role(device: Device) -> str:
    return "router" if device.category in {"router", "access point"} else "home"


def fence_file(chosen: Chosen, device: Device) -> Path:
    """Return the file with a device's fence."""
    slug = re.sub(r"[^0-9a-zA-Z]+", "", device.id)
    return chosen.state(chosen.settings()).rules / f"fence-{slug}.yaml"


def tell(blocked: list[Blocked], days: int) -> None:
    """Say what would have been blocked."""
    total = sum(each.flows for each in blocked)
    say(f"would have blocked {total} flows in the last {days} days{':' if blocked else ''}")
    for each in blocked[:20]:
        key = each.key
        say(
            f"  {each.flows} {key.way} {key.protocol}/{key.port} {key.peer} ({each.peer}), last "
            f"{rfc3339(each.last)}"
        )


def _blocked_shape(each: Blocked) -> dict[str, Any]:
    key = each.key
    return {
        "way": str(key.way),
        "protocol": key.protocol,
        "port": key.port,
        "peer": key.peer,
        "address": each.peer,
        "flows": each.flows,
        "last": rfc3339(each.last),
    }


def _check(name: str, rules: str) -> None:
    """Refuse rules that make no sense. Raises RuleError."""
    from phage.policy.reading.reader import read_rules

    read_rules(rules, name)


def _set_phase(chosen: Chosen, device: Device, act: str) -> None:
    from phage.cli.devicestore import edit
    from phage.daemon.requests import EditDevice, checked

    edit(chosen, checked(EditDevice, act=act, device=device.id))


def _apply(chosen: Chosen) -> str:
    """Have a running daemon read the rules; say so."""
    from phage.daemon.control import ControlError
    from phage.daemon.requests import ApplyRules, checked

    try:
        chosen.ask(checked(ApplyRules, confirm=0.0))
    except ControlError as error:
        return f"; it comes into force with `phage run` ({error})"
    return ""


def profile_shape(profile: Profile) -> dict[str, Any]:
    """Return a profile as it is printed."""

    def uses(keys: Any) -> list[dict[str, Any]]:  # noqa: ANN401  Keys with their uses.
        return [
            {
                "way": str(key.way), "protocol": key.protocol, "port": key.port, "peer": key.peer,
                "flows": use.flows, "sent": use.sent, "received": use.received, "days": use.days,
                "first": rfc3339(use.first), "last": rfc3339(use.last), "period_s": use.period,
                "jitter": use.jitter, "most_a_minute": use.most,
                "hours": [hour for hour in range(168) if use.hours >> hour & 1],
            }
            for key, use in sorted(keys.items(), key=lambda item: -item[1].flows)
        ]  # fmt: skip

    return {
        "device": profile.device,
        "phase": str(profile.phase),
        "since": rfc3339(profile.since),
        "until": rfc3339(profile.until),
        "keys": uses(profile.keys),
        "waiting": uses(profile.waiting),
        "rates": dict(profile.rates),
        "names": dict(profile.names),
        "dropped": profile.dropped,
    }


def now() -> int:
    """Return the time."""
    return SystemClock().now()
