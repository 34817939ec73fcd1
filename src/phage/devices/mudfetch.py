"""Gets the description of usage (RFC 8520) that a device names, from its maker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.devices.mud import MAX_OCTETS, MudError, read_mud
from phage.errors import StateError
from phage.intel.fetch import Fetcher, FetchLimits
from phage.records.device import Attribute

if TYPE_CHECKING:
    from phage.clock import Clock
    from phage.records.device import Device
    from phage.records.profile import ProfileKey


def told_place(device: Device) -> str:
    """Return the address of its description that a device tells. Raises StateError."""
    places = [each for each in device.traits if each.attribute is Attribute.MUD]
    if not places:
        message = f"{device.shown} tells no address of a description (DHCP option 161, LLDP)"
        raise StateError(message)
    return max(places, key=lambda each: (each.weight, each.seen)).value


def fetched(place: str, clock: Clock, *, public: bool) -> tuple[ProfileKey, ...]:
    """Return what a description at an https address allows. Raises MudError, FeedError.

    `public` is for an address that a device gave: nothing local is asked for it.
    """
    if not place.startswith("https://"):
        message = f"{place}: descriptions are got by https only (RFC 8520, section 3.5)"
        raise MudError(message)
    fetcher = Fetcher(clock, FetchLimits(octets=MAX_OCTETS), public=public)
    return read_mud(place, fetcher.get(place, conditional=False))
