"""What `phage devices mud` does: descriptions of usage (RFC 8520) out, and in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from phage.clock import SystemClock
from phage.errors import StateError

if TYPE_CHECKING:
    from phage.cli.devicechange import Change
    from phage.records.profile import ProfileKey


def show(change: Change, name: str) -> None:
    """Print a profile as a description. Raises PhageError."""
    from phage.cli.output import encode
    from phage.devices.mud import to_mud
    from phage.devices.proposal import known

    if change.there is not None:
        found = change.there.read(name, "mud")
    else:
        with change.chosen.reader() as store:
            device, profile = known(store, name)
        found = to_mud(device, profile, SystemClock().now())
    print(encode(found, indent=2))


def told(change: Change, name: str) -> str:
    """Return the address of its description that a device tells. Raises PhageError."""
    from phage.api.deviceshapes import evidence_shape
    from phage.devices.proposal import MAX_DEVICES, find
    from phage.records.device import Attribute

    if change.there is not None:
        traits = change.there.read(name)["traits"]
    else:
        with change.chosen.reader() as store:
            traits = evidence_shape(find(store.devices.list(MAX_DEVICES), name))["traits"]
    places = [each for each in traits if each["attribute"] == Attribute.MUD]
    if not places:
        message = f"{name} tells no address of a description (DHCP option 161, LLDP)"
        raise StateError(message)
    return str(max(places, key=lambda each: (each["weight"], each["seen"]))["value"])


def read(source: str, *, public: bool) -> tuple[ProfileKey, ...]:
    """Return what a description in a file or at an https URL allows. Raises PhageError.

    `public` is for an address that a device gave: nothing local is asked for it.
    """
    from phage.devices.mud import MAX_OCTETS, MudError, read_mud
    from phage.intel.fetch import Fetcher, FetchLimits

    if not public and "://" not in source:
        try:
            with Path(source).open("rb") as file:
                return read_mud(source, file.read(MAX_OCTETS + 1))
        except OSError as error:
            message = f"{source}: cannot be read: {error.strerror}"
            raise MudError(message) from error
    if not source.startswith("https://"):
        message = f"{source}: descriptions are got by https only (RFC 8520, section 3.5)"
        raise MudError(message)
    limits = FetchLimits(octets=MAX_OCTETS)
    fetcher = Fetcher(SystemClock(), limits, public=public)
    return read_mud(source, fetcher.get(source, conditional=False))
