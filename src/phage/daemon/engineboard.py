"""The engines of this machine, as they stand: looked at now and then, tested on request."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from phage.errors import PhageError
from phage.scan.desk import TooManyError, UnknownEngineError

if TYPE_CHECKING:
    from pathlib import Path

    from phage.clock import Clock
    from phage.config.scan import ScanSettings
    from phage.daemon.ownprogram import OwnProgram
    from phage.scan.desk import EngineState
    from phage.scan.engineset import EngineSet

LOOK_SECONDS = 10.0
"""How old what is known of engines may be; a look takes some ten milliseconds."""

TEST_SECONDS = 300.0
"""How long the test of one engine may take, its sandbox included."""


class EngineBoard:
    """Tells which engines there are, and tests them in a process of their own.

    Engines are found when somebody asks first: a phage that scans no files loads none.
    """

    def __init__(
        self, settings: ScanSettings, folder: Path, program: OwnProgram, clock: Clock
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._program = program
        self._clock = clock
        self._lock = threading.Lock()
        self._testing = threading.Lock()
        self._found: EngineSet | None = None
        self._looked = 0.0
        self._tested: dict[str, tuple[int, str]] = {}

    def engines(self) -> list[EngineState]:
        """Return all engines as they stand. Raises ConfigError."""
        from phage.scan.enginelist import engine_states  # noqa: PLC0415  Loads the engines.

        found = []
        for each in engine_states(self._engines()):
            when, fault = self._tested.get(each.name, (0, ""))
            found.append(replace(each, tested=when, fault=fault))
        return found

    def fingerprint(self) -> str:
        """Return what verdicts of now rest on; '' where the settings name engines wrongly."""
        from phage.daemon.scanning import work_options  # noqa: PLC0415  Loads the engines.
        from phage.scan.scanner import fingerprint_of  # noqa: PLC0415  Loads the engines.

        try:
            return fingerprint_of(self._engines(), work_options(self._settings))
        except PhageError:
            return ""

    def test(self, name: str) -> EngineState:
        """Test an engine. Raises UnknownEngineError, TooManyError, PhageError."""
        if all(each.name != name for each in self.engines()):
            message = f"there is no engine {name!r}"
            raise UnknownEngineError(message)
        if not self._testing.acquire(blocking=False):
            message = "an engine is being tested already"
            raise TooManyError(message, 10.0)
        try:
            rows = self._program.answer("engines", "test", name, seconds=TEST_SECONDS)
        finally:
            self._testing.release()
        fault = next((str(row["fault"]) for row in rows if row["engine"] == name), "was not tested")
        self._tested[name] = (self._clock.now(), fault)
        return next(each for each in self.engines() if each.name == name)

    def _engines(self) -> EngineSet:
        from phage.scan.engineset import find_engines  # noqa: PLC0415  Loads the engines.

        with self._lock:
            now = self._clock.monotonic()
            if self._found is None or now - self._looked >= LOOK_SECONDS:
                self._found = find_engines(self._settings, self._folder)
                self._looked = now
            return self._found
