"""Changes of devices, with or without a daemon."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.cli.settings import Chosen
    from phage.daemon.requests import EditDevice, FenceDevice
    from phage.devices.inventory import Inventory
    from phage.devices.profiler import Profiler


@frozen
class Fenced:
    """What became of a fence.

    Attributes:
        there: The device had one before.
        runs: A daemon runs, and knows.
        enforced: It is in force.
    """

    there: bool
    runs: bool
    enforced: bool


@frozen
class _Known:
    inventory: Inventory
    profiler: Profiler
    by: str


def edit(chosen: Chosen, request: EditDevice) -> str:
    """Change a device; return its id. Raises DeviceError, ControlError, StoreError.

    A running daemon does it, who would else write what it knows over it; without one it is done in
    the store.
    """
    from phage.daemon.deviceedits import apply_edit

    with _stored(chosen) as own:
        if own is None:
            return str(chosen.ask(request)["device"])
        return apply_edit(own.inventory, own.profiler, request, own.by).id


def fence(chosen: Chosen, request: FenceDevice) -> Fenced:
    """Fence a device in, or free it. Raises PhageError.

    A running daemon brings it into force; without one it waits for the daemon's start.
    """
    from phage.daemon.deviceedits import note_fence
    from phage.daemon.fences import Fences

    with _stored(chosen) as own:
        if own is None:
            answer = chosen.ask(request)
            return Fenced(bool(answer["there"]), runs=True, enforced=bool(answer["enforced"]))
        device = own.inventory.edit.find(request.device)
        fences = Fences(chosen.state(chosen.settings()).fences)
        there = fences.change(request, device, own.profiler.books.profile(device.id))
        note_fence(own.inventory, own.profiler, device.id, request, own.by)
        return Fenced(there, runs=False, enforced=False)


@contextlib.contextmanager
def _stored(chosen: Chosen) -> Iterator[_Known | None]:
    """Give all devices as they are stored, and store what changed; None where a daemon has them."""
    import getpass

    from phage.cli.intelstore import writer
    from phage.clock import SystemClock
    from phage.daemon.devices import store_changes
    from phage.devices.inventory import Inventory
    from phage.devices.profiler import Profiler
    from phage.errors import StateError

    state = chosen.state(chosen.settings())
    state.create()
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(state.lock())
        except StateError:
            yield None
            return
        store = stack.enter_context(writer(chosen))
        inventory = Inventory()
        inventory.load(store.devices.list(100_000))
        inventory.table.now = SystemClock().now()
        profiler = Profiler(inventory)
        profiler.books.load(store.profiles.list(100_000))
        yield _Known(inventory, profiler, f"user:{getpass.getuser()}")
        changes = inventory.take_changes()
        store_changes(store, changes)
        store.profiles.remove(changes.gone)
        store.profiles.save(profiler.books.take_changes())
