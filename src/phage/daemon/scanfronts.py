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
    from contextlib import ExitStack

    from phage.config.scan import ScanSettings
    from phage.daemon.scanning import ScanService
    from phage.records.sample import Verdict
    from phage.scan.content import Content, Intake
    from phage.scan.desk import Judge
    from phage.scan.front import Front
    from phage.scan.vault import Vault

_log = logging.getLogger(__name__)


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


def open_fronts(settings: ScanSettings, judge: Judge, stack: ExitStack) -> list[Front]:
    """Open the fronts that the settings name; one that cannot listen is logged, others go on.

    Raises ConfigError.
    """
    opened = []
    for front in make_fronts(settings):
        try:
            front.open(judge)
        except FrontError as error:
            _log.error("%s", error)
            front.close()
            continue
        stack.callback(front.close)
        opened.append(front)
        _log.info("front %s is open", front.name)
    return opened
