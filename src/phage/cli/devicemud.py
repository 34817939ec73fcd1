"""What `phage devices mud` does: descriptions of usage (RFC 8520) out, and in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from phage.clock import SystemClock

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


def take(change: Change, name: str, source: str) -> None:
    """Take what a description in a file or at an https URL allows as normal. Raises PhageError."""
    _allow(change, name, source, _read(source))


def fetch(change: Change, name: str) -> None:
    """The same of the description whose address the device tells. Raises PhageError.

    A phage elsewhere gets it itself.
    """
    from phage.devices.mudfetch import fetched, told_place
    from phage.devices.proposal import MAX_DEVICES, find

    if change.there is not None:
        done = change.there.act(name, "mud/fetch")
        change.tell({"act": "allow", **done}, f"{done['device']}: {done['keys']} things are normal")
        return
    with change.chosen.reader() as store:
        place = told_place(find(store.devices.list(MAX_DEVICES), name))
    _allow(change, name, place, fetched(place, SystemClock(), public=True))


def _allow(change: Change, name: str, place: str, keys: tuple[ProfileKey, ...]) -> None:
    values = tuple(map(str, keys))
    change.edit("allow", name, values, f"{len(keys)} things are normal by {place}")


def _read(source: str) -> tuple[ProfileKey, ...]:
    from phage.devices.mud import MAX_OCTETS, MudError, read_mud
    from phage.devices.mudfetch import fetched

    if "://" in source:
        return fetched(source, SystemClock(), public=False)
    try:
        with Path(source).open("rb") as file:
            return read_mud(source, file.read(MAX_OCTETS + 1))
    except OSError as error:
        message = f"{source}: cannot be read: {error.strerror}"
        raise MudError(message) from error
