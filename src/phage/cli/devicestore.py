"""What the commands about devices share: finding one, and changing one with or without a daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.cli.settings import Chosen
    from phage.daemon.requests import EditDevice
    from phage.records.device import Device


def find(devices: Iterable[Device], name: str) -> Device:
    """Return the device that a person means. Raises DeviceError."""
    from phage.devices.inventory import Inventory

    inventory = Inventory()
    inventory.load(devices)
    return inventory.edit.find(name)


def edit(chosen: Chosen, request: EditDevice) -> str:
    """Change a device; return its id. Raises DeviceError, ControlError, StoreError.

    A running daemon does it, who would else write what it knows over it; without one it is done in
    the store.
    """
    from phage.errors import StateError

    settings = chosen.settings()
    state = chosen.state(settings)
    state.create()
    try:
        with state.lock():
            return _edit_store(chosen, request)
    except StateError:
        return str(chosen.ask(request)["device"])


def _edit_store(chosen: Chosen, request: EditDevice) -> str:
    import getpass

    from phage.cli.intelstore import writer
    from phage.clock import SystemClock
    from phage.daemon.deviceedits import apply_edit
    from phage.daemon.devices import store_changes
    from phage.devices.inventory import Inventory
    from phage.devices.profiler import Profiler

    with writer(chosen) as store:
        inventory = Inventory()
        inventory.load(store.devices.list(100_000))
        inventory.table.now = SystemClock().now()
        profiler = Profiler(inventory)
        profiler.load(store.profiles.list(100_000))
        device = apply_edit(inventory, profiler, request, f"user:{getpass.getuser()}")
        changes = inventory.take_changes()
        store_changes(store, changes)
        store.profiles.remove(changes.gone)
        store.profiles.save(profiler.take_changes())
    return device.id
