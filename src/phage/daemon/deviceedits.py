"""Carries out what people say of devices: names, labels, what they are, what they may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.devices.table import DeviceError
from phage.records.device import Attribute
from phage.records.profile import Phase, ProfileKey, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phage.daemon.requests import EditDevice, FenceDevice
    from phage.devices.inventory import Inventory
    from phage.devices.profiler import Profiler
    from phage.records.device import Device


def apply_edit(inventory: Inventory, profiler: Profiler, request: EditDevice, by: str) -> Device:
    """Change a device as a person wants it; return it, or what it was. Raises DeviceError."""
    if request.act == "allow":
        return _allow(inventory, profiler, request)
    return _EDITS[request.act](inventory, request, by)


def _rename(inventory: Inventory, request: EditDevice, by: str) -> Device:
    return inventory.edit.rename(request.device, _first(request), by)


def _label(inventory: Inventory, request: EditDevice, by: str) -> Device:
    return inventory.edit.label(request.device, request.values, request.removed, by)


def _merge(inventory: Inventory, request: EditDevice, by: str) -> Device:
    return inventory.edit.merge(request.device, request.values, by)


def _split(inventory: Inventory, request: EditDevice, by: str) -> Device:
    return inventory.edit.split(request.device, _first(request), by)


def _forget(inventory: Inventory, request: EditDevice, by: str) -> Device:
    gone = inventory.edit.find(request.device)
    inventory.edit.forget(request.device, by)
    return gone


def _tell(inventory: Inventory, request: EditDevice, by: str) -> Device:
    device = inventory.edit.find(request.device)
    for each in request.values:
        name, _, value = each.partition("=")
        try:
            attribute = Attribute(name)
        except ValueError as error:
            message = f"{name!r} is nothing that can be told of a device"
            raise DeviceError(message) from error
        device = inventory.edit.tell(device.id, attribute, value, by)
    return device


def _first(request: EditDevice) -> str:
    return request.values[0] if request.values else ""


_EDITS: Mapping[str, Callable[[Inventory, EditDevice, str], Device]] = {
    "rename": _rename,
    "label": _label,
    "tell": _tell,
    "merge": _merge,
    "split": _split,
    "forget": _forget,
}


def _allow(inventory: Inventory, profiler: Profiler, request: EditDevice) -> Device:
    device = inventory.edit.find(request.device)
    with inventory.table.lock:
        profiler.books.allow(device.id, map(_key, request.values), inventory.table.now)
    return device


def note_fence(
    inventory: Inventory, profiler: Profiler, device: str, request: FenceDevice, by: str
) -> None:
    """Note that a device was fenced in, or freed."""
    with inventory.table.lock:
        now = inventory.table.now
        if request.act == "enforce":
            profiler.books.set_phase(device, Phase.ENFORCE)
            detail = f"{request.grade} what is not normal for it"
            inventory.table.tell(device, now, "fenced in", detail, by)
        else:
            profiler.books.free(device)
            inventory.table.tell(device, now, "freed", "", by)


def _key(text: str) -> ProfileKey:
    """Return the key that a text says: "out 6 443 name:example.org". Raises DeviceError."""
    try:
        way, protocol, port, peer = text.split(" ", 3)
        return ProfileKey(Way(way), int(protocol), int(port), peer[:300])
    except ValueError as error:
        message = f'{text!r} is no key of a profile, as "out 6 443 name:example.org"'
        raise DeviceError(message) from error
