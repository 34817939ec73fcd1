"""A sensor's models beside its own folder: sent where its windows go, taken back when lost."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from phage.daemon.models import restored_models, save_models
from phage.errors import PhageError
from phage.learn.model import packed, read_state, unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phage.clock import Clock
    from phage.collect.collectors.afpacket import AfPacketCollector
    from phage.learn.model import Model, StateFolder

_log = logging.getLogger(__name__)

FIRST_SECONDS = 300.0
"""When the first copy is made: what was learned in a short run is not lost either."""

AGAIN_SECONDS = 30.0
"""When a keeper that could not be asked is asked again."""


class Keeper(Protocol):
    """Keeps octets by name: a bus, or the controller that a sensor joined."""

    def keep(self, name: str, octets: bytes) -> bool:
        """Keep octets under a name; tell whether they are kept."""

    def kept(self, name: str) -> bytes:
        """Return what is kept under a name; b'' for nothing."""


@dataclass
class Copies:
    """The models of a sensor's rings, with copies at a keeper.

    What cannot be sent or taken back is logged and tried again; sensing goes on.

    Attributes:
        keeper: Where copies are.
        clock: Tells when to save.
        every: Seconds between two saved states.
        prefix: Goes before the names of models there, where others keep theirs too.
        sent: Copies that were sent.
        restored: Models that were taken back.
    """

    keeper: Keeper
    clock: Clock
    every: float
    prefix: str = ""
    sent: int = 0
    restored: int = 0
    _models: list[tuple[StateFolder, Model]] = field(default_factory=list)
    _versions: dict[str, int] = field(default_factory=dict)
    _lacking: list[tuple[StateFolder, Model]] = field(default_factory=list)
    """Models whose copies could not be asked for yet; what they learn anew replaces no copy."""
    _next: float = 0.0
    _ask_again: float = 0.0

    def restore(self, collectors: Sequence[AfPacketCollector], folder: Path) -> None:
        """Give each ring its model: as it was saved here, else as the keeper has it."""
        self._models = restored_models(collectors, folder, self.clock)
        for state, model in self._models:
            versions = state.versions()
            if versions:
                self._versions[state.name] = versions[0].version
            else:
                self._lacking.append((state, model))
        self._take_back()
        self._next = self.clock.monotonic() + min(FIRST_SECONDS, self.every)

    def _take_back(self) -> None:
        """Ask for the copies of models that lack; one that cannot be asked is left for later."""
        self._ask_again = self.clock.monotonic() + AGAIN_SECONDS
        while self._lacking:
            folder, model = self._lacking[0]
            try:
                octets = self.keeper.kept(self.prefix + folder.name)
            except PhageError as error:
                _log.warning("%s: %s", folder.name, error, extra={"limit": "copies"})
                return
            del self._lacking[0]
            if octets:
                self._take_over(folder, model, octets)

    def _take_over(self, folder: StateFolder, model: Model, octets: bytes) -> None:
        try:
            state = unpacked(octets, f"the copy of {folder.name}")
            model.load(state)
            folder.save(state)
        except PhageError as error:
            _log.warning("%s: %s; it learns anew", folder.name, error)
            return
        self.restored += 1
        self._versions[folder.name] = folder.versions()[0].version
        _log.info("model %s restored from the copy that was kept of it", folder.name)

    def tick(self) -> None:
        """Save and send, when it is time to."""
        if self._lacking and self.clock.monotonic() >= self._ask_again:
            self._take_back()
        if self._models and self.clock.monotonic() >= self._next:
            self.save()

    def save(self) -> None:
        """Save all models here, and send copies of what has changed."""
        self._next = self.clock.monotonic() + self.every
        save_models(self._models)
        lacking = {folder.name for folder, _ in self._lacking}
        for folder, _ in self._models:
            if folder.name in lacking:
                continue
            versions = folder.versions()
            if not versions or versions[0].version == self._versions.get(folder.name):
                continue
            try:
                octets = packed(read_state(versions[0].path), self.clock.now())
                if not self.keeper.keep(self.prefix + folder.name, octets):
                    continue
            except PhageError as error:
                _log.warning("a copy of %s cannot be sent: %s", folder.name, error)
                continue
            self.sent += 1
            self._versions[folder.name] = versions[0].version
