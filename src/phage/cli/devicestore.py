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
    from phage.daemon.devices import apply_edit, store_changes
    from phage.devices.inventory import Inventory

    with writer(chosen) as store:
        inventory = Inventory()
        inventory.load(store.devices.list(100_000))
        inventory.table.now = SystemClock().now()
        device = apply_edit(inventory, request, f"user:{getpass.getuser()}")
        store_changes(store, inventory.take_changes())
    return device.id
