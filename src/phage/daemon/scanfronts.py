"""Fronts opened as the settings name them, in front of who gives verdicts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from phage.config.load import suggestion
from phage.config.plugins import make
from phage.daemon.scanintake import BoundedIntake
from phage.errors import ConfigError
from phage.plugin import discover
from phage.scan.front import FRONTS, FrontError

if TYPE_CHECKING:
    from phage.clock import Clock
    from phage.config.scan import ScanSettings
    from phage.daemon.scanning import ScanService
    from phage.records.sample import Verdict
    from phage.scan.content import Content, Intake
    from phage.scan.desk import Judge
    from phage.scan.front import Front
    from phage.scan.vault import Vault

_log = logging.getLogger(__name__)

AGAIN_SECONDS = 10.0
"""When one that could not listen is tried again: who had its address may be gone by then."""


class OwnJudge:
    """Gives verdicts by the scanner of this process: a front beside it waits for no queue."""

    def __init__(self, settings: ScanSettings, service: ScanService, vault: Vault) -> None:
        self._settings = settings
        self._service = service
        self._vault = vault

    @property
    def largest(self) -> int:
        """Octets of the largest file that is taken."""
        return self._settings.largest

    @property
    def fingerprint(self) -> str:
        """What verdicts of now rest on."""
        return self._service.scanner.fingerprint

    def intake(self, size: int = 0) -> Intake:
        """Return what a file is written to as it comes."""
        return BoundedIntake(self._vault.folder, self.largest, size)

    def judge(self, content: Content, name: str, seconds: float) -> Verdict:
        """Return the verdict on a file; how long it takes is bounded by the engines' own times."""
        del seconds
        return self._service.scan(content, name)


def make_fronts(settings: ScanSettings) -> list[Front]:
    """Return the fronts that the settings name. Raises ConfigError."""
    plugins = {plugin.name: plugin for plugin in discover(FRONTS)}
    found = []
    for name, values in settings.fronts.items():
        plugin = plugins.get(name)
        if plugin is None:
            message = f"scan.fronts: there is no front {name!r}{suggestion(name, list(plugins))}"
            raise ConfigError(message)
        found.append(make(plugin, values, "scan.fronts"))
    return found


class Fronts:
    """The fronts that settings name, in front of who gives verdicts.

    One that cannot listen is logged and tried again; others go on. Raises ConfigError for what
    the settings name wrongly.

    Attributes:
        opened: Those that listen.
    """

    def __init__(self, settings: ScanSettings, judge: Judge, clock: Clock) -> None:
        self.opened: list[Front] = []
        self._waiting = make_fronts(settings)
        self._judge = judge
        self._clock = clock
        self._next = 0.0

    def look(self) -> None:
        """Open those that do not listen yet, when it is time to."""
        if not self._waiting or self._clock.monotonic() < self._next:
            return
        self._next = self._clock.monotonic() + AGAIN_SECONDS
        for front in tuple(self._waiting):
            try:
                front.open(self._judge)
            except FrontError as error:
                _log.error("%s", error, extra={"limit": f"front-{front.name}"})
                front.close()
                continue
            self._waiting.remove(front)
            self.opened.append(front)
            _log.info("front %s is open", front.name)

    def close(self) -> None:
        """Close them."""
        self._waiting.clear()
        for front in self.opened:
            front.close()
