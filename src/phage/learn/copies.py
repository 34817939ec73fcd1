"""Copies of what sensors learned, kept where they send their windows.

A sensor's disk may be lost, or its machine replaced: what it learned in weeks is then given back to
whoever joins under its name. A copy is what `phage.learn.model.packed` makes, so that neither a
line nor a disk can change it unnoticed.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from phage.errors import StateError
from phage.learn.model import StateFolder, packed, read_state, unpacked

if TYPE_CHECKING:
    from pathlib import Path

    from phage.clock import Clock

MOST_MODELS = 128
"""Models of one sensor: one for each thread of each interface."""

MOST_OCTETS = 2 << 30
"""Octets of all models of one sensor: a hundred of a busy network."""

MOST_SENSORS = 256
"""Sensors whose models are kept; of more the one that sent nothing for longest goes."""

VERSIONS = 2
"""Versions of a model: the last one, and the one before should it be damaged on disk."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@:-]{0,127}")


class SensorModels:
    """The models of sensors in a folder, one below it for each sensor.

    Args:
        folder: Where they lie; made when the first one comes.
        clock: Tells when one was kept.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def keep(self, sensor: str, name: str, octets: bytes) -> None:
        """Keep a packed model. Raises StateError for a damaged one, and where there is no room."""
        state = unpacked(octets, f"the model {name!r} of {sensor!r}")
        own = self._of(sensor, name)
        if not own.versions() and len(self.names(sensor)) >= MOST_MODELS:
            message = f"{sensor} has {MOST_MODELS} models already"
            raise StateError(message)
        if self._others(own) + VERSIONS * len(octets) > MOST_OCTETS:
            message = f"the models of {sensor} take more than {MOST_OCTETS >> 20} MiB"
            raise StateError(message)
        if not own.folder.is_dir():
            self._make_room()
        own.save(state)
        own.folder.touch()  # Shows which sensor was silent for longest.

    def kept(self, sensor: str, name: str) -> bytes:
        """Return a packed model, the newest that is sound; b'' for none. Raises StateError."""
        for saved in self._of(sensor, name).versions():
            try:
                return packed(read_state(saved.path), self._clock.now())
            except StateError:
                continue
        return b""

    def names(self, sensor: str) -> list[str]:
        """Return the names of a sensor's models. Raises StateError for a name that is none."""
        folder = self._of(sensor, "any").folder
        return sorted({path.name.rsplit(".", 2)[0] for path in folder.glob("*.model")})

    @staticmethod
    def _others(own: StateFolder) -> int:
        """Return the octets of a sensor's models besides one."""
        mine = {saved.path for saved in own.versions()}
        return sum(path.stat().st_size for path in own.folder.glob("*.model") if path not in mine)

    def _of(self, sensor: str, name: str) -> StateFolder:
        for text in (sensor, name):
            if not _NAME.fullmatch(text):
                message = f"{text!r} is no name of a sensor or model"
                raise StateError(message)
        return StateFolder(self._folder / sensor, name, self._clock, kept=VERSIONS)

    def _make_room(self) -> None:
        folders = [path for path in self._folder.glob("*") if path.is_dir()]
        folders.sort(key=lambda path: path.stat().st_mtime_ns)
        for path in folders[: max(0, len(folders) - MOST_SENSORS + 1)]:
            shutil.rmtree(path, ignore_errors=True)
