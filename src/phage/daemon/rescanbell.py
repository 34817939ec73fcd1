"""New definitions are noticed, and a worker is woken that runs only when there is work."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phage.clock import Clock
    from phage.daemon.scanfolders import ScanFolders

_log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
"""How often it is looked whether definitions are new."""


def definitions_in_force(engines: Path) -> tuple[tuple[str, str, int], ...]:
    """Return which definitions are in force, engine by engine; cheap."""
    found = []
    for current in sorted(engines.glob("*/current")):
        about = current.stat() if current.exists() else None
        target = str(current.readlink()) if current.is_symlink() else ""
        found.append((current.parent.name, target, about.st_mtime_ns if about else 0))
    return tuple(found)


class RescanBell:
    """Wakes a worker that runs only when there is work: on new definitions, and by a schedule."""

    def __init__(
        self, folders: ScanFolders, every: float, wake: Callable[[], None], clock: Clock
    ) -> None:
        self._folders = folders
        self._every = every
        self._wake = wake
        self._clock = clock
        self._in_force = definitions_in_force(folders.engines)
        self._next = clock.monotonic() + every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="phage-rescan", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()

    def look(self) -> bool:
        """Look once; tell whether it rang."""
        now, in_force = self._clock.monotonic(), definitions_in_force(self._folders.engines)
        if now < self._next and in_force == self._in_force:
            return False
        self._next, self._in_force = now + self._every, in_force
        if not self._folders.samples.is_dir():
            return False  # Nothing was ever scanned.
        self._wake()
        return True

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self.look()
            except OSError as error:
                _log.error("definitions: %s", error, extra={"limit": "rescan"})
