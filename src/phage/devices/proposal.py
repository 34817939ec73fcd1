"""What a fence of a device would be, and what it would have blocked of what is stored."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from phage.devices.fence import Blocked, Grade, fence_rules, objection, replay
from phage.devices.inventory import Inventory
from phage.errors import PhageError, StateError
from phage.frozen import frozen
from phage.store.repositories.flows import FlowFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from phage.records.device import Device
    from phage.records.profile import Profile
    from phage.store.store import Store

MAX_FLOWS = 100_000
"""Flows of one address of a device that a fence is tried on."""

MAX_DEVICES = 100_000
DAY_NS = 86_400 * 1_000_000_000
ROUTERS = frozenset({"router", "access point"})
DAYS = 7
"""Days that a fence is tried on unless it is said otherwise."""

MOST_TOLD = 20


class NotAcceptedError(PhageError):
    """A fence would have blocked what a person has not said to accept; tells what, and how."""


@frozen
class Proposal:
    """A fence that nobody has put up yet.

    Attributes:
        device: The device.
        profile: What it normally does.
        rules: The rule file.
        objection: Why it should not be put up; ''.
        blocked: What it would have blocked.
        days: In how many last days.
    """

    device: Device
    profile: Profile
    rules: str
    objection: str
    blocked: Sequence[Blocked]
    days: int

    @property
    def acceptance(self) -> str:
        """Return by which word a person accepts what would have been blocked; '' for nothing.

        It is another where something else would have been, so that nobody accepts what was never
        shown.
        """
        return acceptance_of(self.blocked)


def propose(
    store: Store, name: str, grade: Grade, days: int, system_of: Callable[[str], int]
) -> Proposal:
    """Return the fence of a device, and what it would have done in the last days.

    `system_of` returns the autonomous system of an address, 0 for unknown.

    Raises DeviceError, StateError, FenceError.
    """
    device, profile = known(store, name)
    blocked = tried(store, device, profile, days, system_of)
    rules = fence_rules(device, profile, grade)
    return Proposal(device, profile, rules, objection(device, profile), blocked, days)


def acceptance_of(blocked: Iterable[Blocked]) -> str:
    """Return the word for what would have been blocked, however often; '' for nothing."""
    keys = sorted(str(each.key) for each in blocked)
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:12] if keys else ""


def check_accepted(proposal: Proposal, grade: Grade, accepted: str) -> None:
    """Check that a person knows what a fence would have blocked. Raises NotAcceptedError.

    What only tells blocks nothing.
    """
    if grade is Grade.NOTIFY or accepted == proposal.acceptance:
        return
    flows = sum(each.flows for each in proposal.blocked)
    told = [f"{each.key} ({each.flows} flows)" for each in proposal.blocked[:MOST_TOLD]]
    more = len(proposal.blocked) - len(told)
    told += [f"{more} more"] if more else []
    message = (
        f"this would have blocked {flows} flows of {proposal.device.shown} in the last "
        f"{proposal.days} days: {'; '.join(told)}. Say that it may: {proposal.acceptance}"
    )
    raise NotAcceptedError(message)


def find(devices: Iterable[Device], name: str) -> Device:
    """Return the device that a person means. Raises DeviceError."""
    inventory = Inventory()
    inventory.load(devices)
    return inventory.edit.find(name)


def known(store: Store, name: str) -> tuple[Device, Profile]:
    """Return a device and its profile. Raises DeviceError, StateError."""
    device = find(store.devices.list(MAX_DEVICES), name)
    profile = store.profiles.get(device.id)
    if profile is None:
        message = f"{device.shown}: nothing is known yet of what it does; let phage watch"
        raise StateError(message)
    return device, profile


def tried(
    store: Store, device: Device, profile: Profile, days: int, system_of: Callable[[str], int]
) -> list[Blocked]:
    """Return what a fence would have blocked in the last days."""
    since = profile.until - days * DAY_NS
    flows = [
        flow
        for seen in device.macs
        for flow in store.flows.list(FlowFilter(host=seen.value, since=since), MAX_FLOWS)
    ]
    return replay(device, profile, flows, _roles(store, profile), system_of)


def _roles(store: Store, profile: Profile) -> Callable[[str, str], str]:
    """Return what tells the role at home of a MAC address and an address."""
    macs = {seen.value: each for each in store.devices.list(MAX_DEVICES) for seen in each.macs}
    peers = {key.peer for key in profile.keys}

    def role_of(mac: str, ip: str) -> str:
        other = macs.get(mac)
        if other is None or not any(seen.value == ip for seen in other.addresses):
            return ""
        own = f"device:{other.id}"
        if own in peers:
            return own
        return "router" if other.category in ROUTERS else "home"

    return role_of
