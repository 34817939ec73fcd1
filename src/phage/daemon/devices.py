"""Devices in the daemon: the inventory follows windows, and is stored and fed in a thread aside."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING

from phage.daemon.deviceedits import apply_edit, note_fence
from phage.daemon.devicesources import make_sources
from phage.daemon.storesink import location
from phage.devices import kinds, registry
from phage.devices.identifier import IDENTIFIERS, Identifier
from phage.devices.inventory import Inventory
from phage.devices.keyuse import DAY_NS
from phage.devices.profiler import Profiler
from phage.errors import PhageError, StateError, StoreError
from phage.intel.geography import Geography, make_geography
from phage.plugin import Runner, discover
from phage.records.address import parse_address
from phage.store.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from phage.clock import Clock
    from phage.config.settings import Settings
    from phage.config.statedir import StateDirectory
    from phage.daemon.requests import EditDevice, FenceDevice
    from phage.detect.detector import Intelligence, Knowledge
    from phage.devices.table import Changes
    from phage.records.device import Device
    from phage.records.observation import Observation
    from phage.records.window import Window
    from phage.store.store import Store

_log = logging.getLogger(__name__)

SAVE_SECONDS = 30.0
"""How often what changed is stored, and the kernel and files are looked at."""

EDIT_SECONDS = 2.0
"""How long a person's change waits until it is stored: who looks afterwards sees it."""

NAMES_NS = 5 * 1_000_000_000
"""How often detectors are told the names that people gave."""

MAX_STORED = 65_536
"""Devices that are taken up at the start."""


class DeviceService:
    """Follows devices. `take` is called by the pipeline; the rest goes on in a thread of its own.

    Args:
        inventory: The devices.
        open_store: Opens the store; called in the service's thread. None: nothing of other runs is
            known, and nothing is kept.
        clock: Tells what is due.
        state: The folder with reference data.
        sources: Each returns observations of devices from elsewhere: the kernel, files.
        least_ns: How long a device is observed at least before what is new deviates.
        geography: Knows the autonomous systems of addresses.
    """

    def __init__(
        self,
        inventory: Inventory,
        open_store: Callable[[], Store] | None,
        clock: Clock,
        state: StateDirectory,
        sources: Sequence[Callable[[], Iterable[Observation]]] = (),
        least_ns: int = 3 * DAY_NS,
        geography: Geography | None = None,
    ) -> None:
        self.inventory = inventory
        self.fault = ""
        self.failures = 0
        """Windows that could not be taken in, for a fault of phage's own."""
        self._open_store = open_store
        self._clock = clock
        self._state = state
        self._times: dict[Path, int] = {}
        self.sources = sources
        self._names_at = 0
        self._intelligence: Intelligence | None = None
        self.profiler = Profiler(inventory, least_ns, self._is_listed)
        self._geography = geography or Geography()
        self.profiler.system_of = self._geography.system_of
        self._wake = threading.Event()
        self._turn = threading.Condition()
        self._edited = self._stored = 0
        self._stopping = False
        self._thread: threading.Thread | None = None

    def load(self) -> None:
        """Take up what is stored. Raises StoreError."""
        self._refresh()
        if self._open_store is None:
            return
        with self._open_store() as store:
            self.inventory.load(store.devices.list(MAX_STORED))
            self.profiler.books.load(store.profiles.list(MAX_STORED))

    def start(self) -> None:
        """Store and look aside."""
        self._thread = threading.Thread(target=self._run, name="phage-devices", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and store what is left."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=10.0)
        else:
            self.save()

    def take(self, window: Window, knowledge: Knowledge) -> None:
        """Take in a window. Never raises."""
        knowledge.deviations = ()
        try:
            self._take(window, knowledge)
        except Exception as error:  # noqa: BLE001  What devices say must not end detection.
            self.failures += 1
            self._surprised(error)

    def _take(self, window: Window, knowledge: Knowledge) -> None:
        self.inventory.routers = knowledge.routers
        self.inventory.take(window)
        self._intelligence = knowledge.intelligence
        with self.inventory.table.lock:
            knowledge.deviations = tuple(self.profiler.take(window, knowledge.attacked))
            if window.end >= self._names_at:
                self._names_at = window.end + NAMES_NS
                knowledge.names = self.inventory.names()

    def _is_listed(self, address: str, name: str) -> bool:
        """Tell whether threat intelligence names an address, or what it is called."""
        known = self._intelligence
        if known is None:
            return False
        return bool(known.address(parse_address(address)) or (name and known.domain(name)))

    def edit(self, request: EditDevice, by: str) -> Device:
        """Change a device as a person wants it. Raises DeviceError."""
        device = apply_edit(self.inventory, self.profiler, request, by)
        self._store_soon()
        return device

    def fenced(self, device: str, request: FenceDevice, by: str) -> None:
        """Note that a device was fenced in, or freed."""
        note_fence(self.inventory, self.profiler, device, request, by)
        self._store_soon()

    def _store_soon(self) -> None:
        """Have what a person changed stored; wait for it, but not for long."""
        with self._turn:
            self._edited += 1
            turn = self._edited
            self._wake.set()
            if self._thread is not None:
                self._turn.wait_for(lambda: self._stored >= turn, EDIT_SECONDS)

    def save(self) -> None:
        """Store what has changed; what cannot be stored is tried again with the next change."""
        with self._turn:
            turn = self._edited
        self.inventory.judge_kinds()
        changes = self.inventory.take_changes()
        with self.inventory.table.lock:
            profiles = self.profiler.books.take_changes()
        if self._open_store is not None:
            try:
                with self._open_store() as store:
                    store_changes(store, changes)
                    store.profiles.remove(changes.gone)
                    store.profiles.save(profiles)
                self.fault = ""
            except StoreError as error:
                self.inventory.keep_changes(changes)
                self._failed(error)
        with self._turn:
            self._stored = turn
            self._turn.notify_all()

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._look()
            except Exception as error:  # noqa: BLE001  The next turn may do better.
                self._surprised(error)
            self._wake.wait(SAVE_SECONDS)
            self._wake.clear()
        self.save()

    def _look(self) -> None:
        """Look at the kernel and at files once, and store what changed."""
        self._refresh()
        for source in self.sources:
            try:
                for observation in source():
                    self.inventory.observe(observation)
            except (PhageError, OSError) as error:
                self._failed(error)
        self.save()

    def _refresh(self) -> None:
        """Take up reference data where new was imported, or learned."""
        self._geography.look()
        for path, use in (
            (self._state.oui, self._use_registry),
            (self._state.kinds, self._use_kinds),
        ):
            changed = 0
            with contextlib.suppress(OSError):
                changed = path.stat().st_mtime_ns
            if changed == self._times.get(path, 0):
                continue
            self._times[path] = changed
            try:
                use(path)
            except StateError as error:
                self._failed(error)

    def _use_registry(self, path: Path) -> None:
        self.inventory.use_reference(registry.load(path))

    def _use_kinds(self, path: Path) -> None:
        self.inventory.kinds = kinds.load(path)

    def _surprised(self, error: Exception) -> None:
        """Tell a fault of our own: what devices say must end neither detection nor storing."""
        self.fault = f"{type(error).__name__}: {error}"
        _log.exception("devices: %s", self.fault, extra={"limit": "devices"})

    def _failed(self, error: Exception) -> None:
        if self.fault != str(error):
            _log.error("devices: %s", error, extra={"limit": "devices"})
        self.fault = str(error)


def start_devices(settings: Settings, state: StateDirectory, clock: Clock) -> DeviceService:
    """Take up the devices that are known, and follow them. Raises StoreError."""
    service = make_devices(settings, state, clock)
    service.sources = make_sources(settings.devices, clock)
    service.load()
    service.start()
    return service


def make_devices(
    settings: Settings,
    state: StateDirectory,
    clock: Clock,
    home: Sequence[str] = (),
    *,
    kept: bool = True,
) -> DeviceService:
    """Return the service, inert; `home` goes before the settings. `kept` says: in the store."""
    place = location(settings)
    inventory = make_inventory(home or tuple(map(str, settings.home)), clock)
    return DeviceService(
        inventory,
        (lambda: open_store(place, clock)) if kept else None,
        clock,
        state,
        least_ns=int(settings.devices.learn * 1e9),
        geography=make_geography(settings.intel.places),
    )


def make_inventory(home: Iterable[str], clock: Clock) -> Inventory:
    """Return an inventory with every identifier that is available."""
    runners: list[Runner[Identifier]] = [
        Runner(plugin.name, plugin.factory(), clock)
        for plugin in discover(IDENTIFIERS)
        if plugin.is_available and plugin.factory is not None
    ]
    return Inventory(runners, home)


def store_changes(store: Store, changes: Changes) -> None:
    """Store what changed, all or nothing. Raises StoreError."""
    with store.database.transaction():
        store.devices.remove(changes.gone)
        store.devices.save(changes.changed)
        store.devices.see(changes.seen)
        store.devices.save_events(changes.events)
