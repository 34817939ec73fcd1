"""Active scans in the daemon: asked for or by schedule, one at a time, stored and compared.

This is the sensor's part that sends: scans are typed requests to it, and nothing else makes it
send.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from phage.daemon.storesink import location
from phage.devices.discovery.diff import DiffTracker
from phage.errors import PhageError, ScanError, StoreError
from phage.records.device import DeviceEvent
from phage.records.scan import Change, Scan, ScanOptions, ScanState
from phage.store.store import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    from phage.clock import Clock
    from phage.config.settings import Settings
    from phage.devices.discovery.scan import Discovery
    from phage.devices.inventory import Inventory
    from phage.records.scan import ScanDiff
    from phage.store.store import Store

_log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""How often it is looked whether a scan is due."""

QUIET_SECONDS = 90.0
"""How long after a scan what seems to come from us is laid to it: detectors count by the minute."""

_TOLD = {
    Change.ADD: "service new",
    Change.REMOVE: "service gone",
    Change.CHANGE: "service changed",
}

Progress = Callable[[int, str], None]


@dataclass(slots=True)
class Progressing:
    """How far the scan that runs is: of 1,000, and what it does."""

    scan: Scan
    done: int = 0
    what: str = ""
    notes: list[str] = field(default_factory=list)


def options_of(settings: Settings) -> ScanOptions:
    """Return what a scan by schedule asks for."""
    own = settings.discovery
    return ScanOptions(tuple(map(str, own.targets)), own.ports, community=own.community)


def new_scan(options: ScanOptions, clock: Clock, by: str) -> Scan:
    """Return a scan that begins now; its id is the time, which sorts."""
    now = clock.now()
    return Scan(
        f"{now // 1_000_000:013x}", options.targets, options.ports, options.fast, by, started=now
    )


def make_discovery(
    settings: Settings,
    options: ScanOptions,
    clock: Clock,
    stop: threading.Event,
    progress: Progress,
) -> Discovery:
    """Return what makes one scan."""
    # TLS, XML and event loops take megabytes that a daemon that never scans does not need.
    from phage.devices.discovery.scan import Discovery  # noqa: PLC0415

    home = [ipaddress.ip_network(network) for network in settings.home]
    return Discovery(options, home, clock, stop, progress)


def make_scan(discovery: Discovery, scan: Scan) -> Scan:
    """Make a scan; what goes wrong is told by what is returned, and nothing is raised."""
    try:
        return discovery.run(scan)
    except (PhageError, OSError) as error:
        fault = str(error)
    except Exception as error:  # noqa: BLE001  Our own fault: loud, and the daemon goes on.
        fault = f"{type(error).__name__}: {error}"
        _log.exception("a scan failed")
    return replace(scan, state=ScanState.FAILED, ended=discovery.clock.now(), fault=fault)


def keep_scan(scan: Scan, store: Store, inventory: Inventory) -> list[ScanDiff]:
    """Store a scan, compare it with those before, tell the inventory. Raises StoreError."""
    from phage.devices.discovery.scan import observations  # noqa: PLC0415  As above.

    store.scans.save(scan)
    if scan.state is not ScanState.DONE:
        return []  # Half a scan shows half of what is there.
    for each in observations(scan.hosts, scan.ended):
        inventory.observe(each)
    tracker = DiffTracker.load(store.scans.memory())
    targets = [ipaddress.ip_network(target) for target in scan.targets]

    def is_covered(address: str) -> bool:
        known = ipaddress.ip_address(address)
        return any(known.version == each.version and known in each for each in targets)

    diffs = tracker.take(scan, is_covered)
    store.scans.save_diffs(diffs, tracker.save())
    events = [event for diff in diffs if (event := _event(diff, inventory)) is not None]
    store.devices.save_events(events)
    return diffs


def _event(diff: ScanDiff, inventory: Inventory) -> DeviceEvent | None:
    """Return what a difference means in the history of its device."""
    device = inventory.of(diff.mac, diff.host)
    if device is None or not diff.service:
        return None  # Who comes and goes is told by the inventory, which sees more.
    detail = " -> ".join(filter(None, (diff.before, diff.after)))
    return DeviceEvent(device.id, diff.at, _TOLD[diff.status], f"{diff.service} {detail}".strip())


class DiscoveryService:
    """Scans when asked and by schedule, in a thread of its own.

    Args:
        settings: The settings in force.
        inventory: Told who was met.
        open_store: Opens the store; called in the service's thread.
        clock: Tells what is due.
    """

    def __init__(
        self,
        settings: Settings,
        inventory: Inventory,
        open_store: Callable[[], Store],
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.fault = ""
        self.now: Progressing | None = None
        self._inventory = inventory
        self._open_store = open_store
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: tuple[Scan, ScanOptions] | None = None
        self._wake = threading.Event()
        self._stop_scan = threading.Event()
        self._stopping = False
        self._own: frozenset[str] = frozenset()
        self._quiet_until = 0.0
        self._thread = threading.Thread(target=self._run, name="phage-discovery", daemon=True)

    def start(self) -> None:
        """Wait for what is due."""
        self._thread.start()

    def close(self) -> None:
        """Stop the scan that runs, and no longer wait."""
        self._stopping = True
        self._stop_scan.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10.0)

    def ask(self, options: ScanOptions, by: str) -> Scan:
        """Begin a scan; return it as it begins. Raises ScanError while another one runs."""
        with self._lock:
            if self.now is not None or self._waiting is not None:
                message = (
                    "a scan runs already; wait for it, or stop it with `phage devices scan --stop`"
                )
                raise ScanError(message)
            scan = new_scan(options, self._clock, by)
            self._waiting = scan, options
        self._wake.set()
        return scan

    def stop(self) -> str:
        """Stop the scan that runs; return its id, '' where none does."""
        with self._lock:
            now = self.now
        if now is None:
            return ""
        self._stop_scan.set()
        return now.scan.id

    def status(self) -> dict[str, Any]:
        """Tell how far the scan that runs is."""
        with self._lock:
            if self._waiting is not None:
                return {"scan": self._waiting[0].id, "done": 0, "what": "waiting"}
            now = self.now
        if now is None:
            return {"scan": "", "done": 0, "what": ""}
        return {"scan": now.scan.id, "done": now.done, "what": now.what, "notes": now.notes}

    def own_names(self) -> frozenset[str]:
        """Return our MAC and IP addresses while a scan's packets are about; else nothing."""
        return self._own if self._clock.monotonic() < self._quiet_until else frozenset()

    def _run(self) -> None:
        self._end_running()
        due = self._clock.monotonic() + self.settings.discovery.every
        while not self._stopping:
            if self.settings.discovery.enabled and self._clock.monotonic() >= due:
                due = self._clock.monotonic() + self.settings.discovery.every
                self._schedule()
            with self._lock:
                waiting, self._waiting = self._waiting, None
                if waiting is not None:
                    self._stop_scan.clear()
                    self.now = Progressing(waiting[0])
            if waiting is not None:
                self._scan(*waiting)
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()

    def _schedule(self) -> None:
        with self._lock:
            if self._waiting is None:
                options = options_of(self.settings)
                self._waiting = new_scan(options, self._clock, "schedule"), options

    def _scan(self, scan: Scan, options: ScanOptions) -> None:
        discovery = make_discovery(
            self.settings, options, self._clock, self._stop_scan, self._progress
        )
        self._own, self._quiet_until = own_names(), float("inf")
        made = make_scan(discovery, scan)
        self._quiet_until = self._clock.monotonic() + QUIET_SECONDS
        if self.now is not None:
            self.now.notes = discovery.notes
        try:
            with self._open_store() as store:
                for diff in keep_scan(made, store, self._inventory):
                    if diff.notice:
                        _log.warning("scan: %s", told(diff))
            self.fault = made.fault
        except StoreError as error:
            self.fault = str(error)
            _log.error("scan: %s", error)
        except Exception as error:  # noqa: BLE001  Our own fault: the next scan may do better.
            self.fault = f"{type(error).__name__}: {error}"
            _log.exception("a scan could not be kept")
        finally:
            with self._lock:
                self.now = None

    def _progress(self, done: int, what: str) -> None:
        now = self.now
        if now is not None:
            now.done, now.what = max(now.done, done), what

    def _end_running(self) -> None:
        try:
            with self._open_store() as store:
                store.scans.end_running(self._clock.now())
        except StoreError as error:
            self.fault = str(error)


def start_discovery(
    settings: Settings, inventory: Inventory, clock: Clock, stack: ExitStack
) -> DiscoveryService:
    """Begin to wait for scans that are asked for or due."""
    place = location(settings)
    service = DiscoveryService(settings, inventory, lambda: open_store(place, clock), clock)
    service.start()
    stack.callback(service.close)
    return service


def own_names() -> frozenset[str]:
    """Return the MAC and IP addresses of this machine; nothing where the kernel does not tell."""
    from phage.devices.discovery.targets import wires  # noqa: PLC0415  As above.

    try:
        here = wires()
    except OSError:
        return frozenset()
    names = {str(own.address) for wire in here for own in wire.addresses}
    return frozenset(names | {wire.link.mac.hex(":") for wire in here})


def told(diff: ScanDiff) -> str:
    """Return a difference as a sentence."""
    host = f"{diff.host} ({diff.mac})" if diff.mac else diff.host
    if diff.service:
        what = {
            Change.ADD: f"{diff.service} is open for the first time ({diff.after})",
            Change.REMOVE: f"{diff.service} is no longer open ({diff.before})",
            Change.CHANGE: f"{diff.service} is {diff.after}, and was {diff.before}",
        }[diff.status]
        return f"{host}: {what}"
    return {
        Change.ADD: f"{host} is new to the network",
        Change.UP: f"{host} is back",
        Change.DOWN: f"{host} is away for longer than ever",
    }[diff.status]


def run_here(
    settings: Settings,
    store: Store,
    inventory: Inventory,
    clock: Clock,
    options: ScanOptions,
    progress: Progress,
    by: str,
) -> tuple[Scan, Sequence[ScanDiff], Sequence[str]]:
    """Make a scan without a daemon; return it, what is different, and notes.

    Raises ScanError where it fails, StoreError.
    """
    discovery = make_discovery(settings, options, clock, threading.Event(), progress)
    made = make_scan(discovery, new_scan(options, clock, by))
    diffs = keep_scan(made, store, inventory)
    if made.state is ScanState.FAILED:
        raise ScanError(made.fault)
    return made, diffs, discovery.notes
