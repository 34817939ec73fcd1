"""Watches whether the interfaces are up, and says so when that changes."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.collect.collectors.afpacket import AfPacketCollector

_log = logging.getLogger(__name__)

# A collector answers within a quarter of a second; /healthz shall be some seconds old at most.
LOOK_SECONDS = 1.0


class Links:
    """Looks at the collectors' interfaces in a thread of its own: asking takes a part of a second.

    Attributes:
        down: Names of the interfaces that are down or gone, as of the last look.
    """

    def __init__(self, collectors: Sequence[AfPacketCollector]) -> None:
        self.down: tuple[str, ...] = ()
        self._collectors = collectors
        self._losses: dict[int, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="phage-links", daemon=True)

    def start(self) -> None:
        """Start to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking and wait for the thread."""
        self._stopping.set()
        self._thread.join(timeout=5.0)

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Look at every interface once; log what changed."""
        down: dict[str, None] = {}
        blinked: dict[str, None] = {}
        for number, collector in enumerate(self._collectors):
            counters = collector.counters()
            losses = counters.get("source.link_losses", 0)
            if counters.get("source.link_down"):
                down[collector.interface] = None
            elif losses > self._losses.get(number, 0):
                blinked[collector.interface] = None
            self._losses[number] = losses
        before, self.down = self.down, tuple(down)
        for name in self.down:
            if name not in before:
                _log.warning("%s is down or gone; nothing is seen there until it is back", name)
        for name in before:
            if name not in down:
                _log.warning("%s is back", name)
        for name in blinked:
            if name not in before and name not in down:
                _log.warning("%s was down for a moment", name)
