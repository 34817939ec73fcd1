"""Fleets kept at their size: machines are started, ended in peace, and replaced when silent."""

from __future__ import annotations

import logging
import secrets
import threading
from typing import TYPE_CHECKING

from phage.config.load import read_secret
from phage.config.plugins import make
from phage.errors import ConfigError, PhageError, StoreError
from phage.plugin import discover
from phage.scan.fleet import FleetSize
from phage.scan.launcher import LAUNCHERS, Joining, Launcher, Machine
from phage.scan.master import GONE_SECONDS
from phage.store.repositories.scanfleets import FleetRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.clock import Clock
    from phage.config.scan import FleetSettings, WorkerSettings
    from phage.records.scantask import WorkerReport
    from phage.store.store import Store

_log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
"""How often fleets are looked at."""

KEEPER_NS = int(3 * LOOK_SECONDS * 1e9)
"""Of several dispatchers one looks after fleets; another takes over when it is silent so long."""

GONE_NS = int(GONE_SECONDS * 1e9)


class Fleet:
    """One fleet, kept at its size."""

    def __init__(
        self, name: str, settings: FleetSettings, launcher: Launcher, clock: Clock
    ) -> None:
        self.name = name
        self.settings = settings
        self._launcher = launcher
        self._clock = clock
        self._size = FleetSize(settings)
        self._first_seen: dict[str, float] = {}
        self._ending: dict[str, float] = {}
        self._heard_since: float | None = None

    def look(
        self, joining: Joining, waiting: int, fixed: int | None, workers: Mapping[str, WorkerReport]
    ) -> tuple[list[Machine], int, list[str]]:
        """Start and end what is needed.

        Args:
            joining: What new machines are told.
            waiting: Tasks that wait for its engines.
            fixed: How many a person wants; None for as many as are needed.
            workers: Workers by name.

        Returns:
            The machines there are, how many there should be, workers that are to end.

        Raises:
            LaunchError: The launcher cannot do it.
        """
        now = self._clock.monotonic()
        machines = list(self._launcher.machines(self.name))
        names = {each.id for each in machines}
        self._first_seen = {each: self._first_seen.get(each, now) for each in names}
        self._ending = {each: when for each, when in self._ending.items() if each in names}
        for machine in self._lost(machines, workers, now):
            _log.error("fleet %s: %s is silent and is replaced", self.name, machine.id)
            self._ending[machine.id] = float("-inf")
        for machine in machines:
            if machine.id in self._ending and self._has_ended(machine, workers, now):
                self._launcher.end(machine)
        staying = [each for each in machines if each.id not in self._ending]
        wanted = self._size.wanted(len(staying), waiting, now, fixed)
        for _ in range(wanted - len(staying)):
            worker = f"{self.name}-{secrets.token_hex(4)}"
            machine = self._launcher.start(self.name, worker, joining)
            self._first_seen[machine.id] = now
            machines.append(machine)
            _log.info("fleet %s: %s is started for %s", self.name, machine.id, worker)
        leaving = _latest_first(staying, self._first_seen)[: max(0, len(staying) - wanted)]
        for machine in leaving:
            self._ending[machine.id] = now
            _log.info("fleet %s: %s ends when it is done", self.name, machine.id)
        return machines, wanted, [each.worker for each in machines if each.id in self._ending]

    def close(self) -> None:
        """Let go of the launcher."""
        self._launcher.close()

    def _lost(
        self, machines: Sequence[Machine], workers: Mapping[str, WorkerReport], now: float
    ) -> list[Machine]:
        """Return machines that are to be replaced.

        Where no worker at all is heard it may well be the master that nobody reaches: then one
        machine is replaced, to see, and the next when that one had its time to start.
        """
        lost = [each for each in machines if self._is_lost(each, workers, now)]
        if not any(self._clock.now() - each.seen <= GONE_NS for each in workers.values()):
            self._heard_since = None
            starts = any(now - since < self.settings.boot for since in self._first_seen.values())
            return [] if starts else _latest_first(lost, self._first_seen)[:1]
        if self._heard_since is None:
            self._heard_since = now
        # Workers are heard again one by one.
        return lost if now - self._heard_since >= GONE_SECONDS else []

    def _is_lost(self, machine: Machine, workers: Mapping[str, WorkerReport], now: float) -> bool:
        """Tell whether a machine's worker has been silent for too long."""
        if machine.id in self._ending or now - self._first_seen[machine.id] < self.settings.boot:
            return False
        worker = workers.get(machine.worker)
        seen = worker.seen if worker is not None else 0
        return self._clock.now() - seen > self.settings.boot * 1e9

    def _has_ended(self, machine: Machine, workers: Mapping[str, WorkerReport], now: float) -> bool:
        """Tell whether a machine that is to end is done, or takes too long for it."""
        worker = workers.get(machine.worker)
        silent = worker is None or self._clock.now() - worker.seen > GONE_NS
        return silent or now - self._ending[machine.id] > self.settings.boot


class Fleets:
    """All fleets of the settings. Raises ConfigError for one that cannot be."""

    def __init__(self, settings: WorkerSettings, store: Store, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="phage-fleets", daemon=True)
        self._fleets = [_made(name, each, clock) for name, each in settings.fleets.items()]
        self._joining = _joining(settings) if self._fleets else None
        self._number = secrets.randbits(62)

    def start(self) -> None:
        """Look after them from now on, where there are any."""
        if self._fleets:
            self._thread.start()
        else:
            self._store.scan_fleets.keep_only(())

    def look(self) -> None:
        """Look at every fleet, unless another dispatcher does. Raises StoreError."""
        kept = self._store.scan_fleets
        if not kept.keep(self._number, self._clock.now(), KEEPER_NS):
            return
        kept.keep_only(list(self._settings.fleets))
        open_ = self._store.scan_tasks.open()
        workers = {each.name: each for each in self._store.scan_workers.list()}
        fixed = {each.name: each.fixed for each in self._store.scan_fleets.list()}
        for fleet in self._fleets:
            self._look(fleet, _waiting(fleet.settings, open_), fixed.get(fleet.name), workers)

    def close(self) -> None:
        """Stop looking, and let go of launchers; machines elsewhere stay."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for fleet in self._fleets:
            fleet.close()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self.look()
            except StoreError as error:
                _log.error("fleets: %s", error, extra={"limit": "fleet"})

    def _look(
        self,
        fleet: Fleet,
        waiting: int,
        fixed: int | None,
        workers: Mapping[str, WorkerReport],
    ) -> None:
        if self._joining is None:
            return
        machines: list[Machine] = []
        wanted, fault = 0, ""
        joining = Joining(
            self._joining.url, self._joining.token, self._joining.queue_url, self._joining.ca,
            fleet.settings.engines,
        )  # fmt: skip
        try:
            machines, wanted, leaving = fleet.look(joining, waiting, fixed, workers)
            for name in leaving:
                self._store.scan_workers.end(name, self._clock.now())
        except StoreError:
            raise
        except PhageError as error:
            fault = str(error)
            _log.error("fleet %s: %s", fleet.name, error, extra={"limit": "fleet"})
        except Exception as error:  # noqa: BLE001  A library's fault is one fleet's, not all's.
            fault = str(error) or type(error).__name__
            _log.exception("fleet %s", fleet.name, extra={"limit": "fleet"})
        self._store.scan_fleets.seen(
            FleetRow(
                fleet.name,
                fleet.settings.launcher,
                wanted,
                fleet.settings.most,
                machines=[(each.id, each.worker, each.address) for each in machines],
                seen=self._clock.now(),
                fault=fault,
            )
        )


def _made(name: str, settings: FleetSettings, clock: Clock) -> Fleet:
    plugins = {plugin.name: plugin for plugin in discover(LAUNCHERS)}
    plugin = plugins.get(settings.launcher)
    where = f"scan.workers.fleets.{name}"
    if plugin is None:
        message = (
            f"{where}.launcher: there is no {settings.launcher!r}; there are {', '.join(plugins)}"
        )
        raise ConfigError(message)
    launcher: Launcher = make(plugin, settings.settings, f"{where}.settings")
    return Fleet(name, settings, launcher, clock)


def _joining(settings: WorkerSettings) -> Joining:
    """Return what machines are told. Raises ConfigError."""
    for key in ("join_url", "token_file", "queue_url_file"):
        if not getattr(settings, key):
            message = f"scan.workers.{key}: fleets need it: it is what new machines are told"
            raise ConfigError(message)
    ca = ""
    if settings.ca_file is not None:
        try:
            ca = settings.ca_file.read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            message = f"scan.workers.ca_file: {settings.ca_file}: {error}"
            raise ConfigError(message) from error
    secret = [
        read_secret(path, f"scan.workers.{key}")
        for key, path in (
            ("token_file", settings.token_file),
            ("queue_url_file", settings.queue_url_file),
        )
        if path is not None
    ]
    return Joining(settings.join_url, secret[0], secret[1], ca)


def _waiting(settings: FleetSettings, open_: Mapping[str, tuple[int, int]]) -> int:
    """Return how many tasks wait for a fleet's engines."""
    return sum(
        waiting
        for engine, (waiting, _) in open_.items()
        if not settings.engines or engine in settings.engines
    )


def _latest_first(machines: Sequence[Machine], seen: Mapping[str, float]) -> list[Machine]:
    return sorted(machines, key=lambda each: (-seen.get(each.id, 0.0), each.id))
