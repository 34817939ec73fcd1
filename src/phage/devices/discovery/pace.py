"""How fast probes go out: real networks answer in milliseconds, and cheap devices fall over."""

from __future__ import annotations

import select
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from phage.clock import Clock

BURST = 128
"""Probes between two looks at what came back, where nothing else slows them."""

BLOCKED_SECONDS = 1.0


@dataclass
class Pace:
    """Sends probes no faster than a rate, and reads answers meanwhile.

    Attributes:
        clock: Tells the time.
        rate: Probes a second; 0 for as fast as the network takes them.
        stop: Set to give up.
        sent: Probes that were made.
        refused: Probes that the kernel did not take: no route, no memory.
    """

    clock: Clock
    rate: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)
    sent: int = 0
    refused: int = 0

    def send(
        self,
        link: socket.socket,
        probes: Iterable[Callable[[], object]],
        drain: Callable[[], object],
    ) -> None:
        """Call each probe, which sends on a socket that does not block; drain between."""
        began, step = self.clock.monotonic(), 0
        burst = BURST if not self.rate else max(1, min(BURST, int(self.rate / 50)))
        for probe in probes:
            if step % burst == 0:
                drain()
                if self.stop.is_set():
                    break
                if self.rate:
                    self._wait_until(link, began + step / self.rate, drain)
            step += 1
            try:
                probe()
            except BlockingIOError:
                self._again(link, probe)
            except OSError:
                self.refused += 1
        self.sent += step
        drain()

    def _again(self, link: socket.socket, probe: Callable[[], object]) -> None:
        select.select([], [link], [], BLOCKED_SECONDS)
        try:
            probe()
        except OSError:
            self.refused += 1

    def _wait_until(self, link: socket.socket, moment: float, drain: Callable[[], object]) -> None:
        while (left := moment - self.clock.monotonic()) > 0 and not self.stop.is_set():
            if select.select([link], [], [], min(left, 0.2))[0]:
                drain()

    def listen(
        self, link: socket.socket, seconds: float, drain: Callable[[], object],
        enough: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        """Wait for answers until nothing came for some seconds, or it is enough."""
        end = self.clock.monotonic() + seconds
        last = self.clock.monotonic() + 10 * seconds  # Somebody who never stops is not waited for.
        while not self.stop.is_set() and not enough():
            now = self.clock.monotonic()
            if now >= end or now >= last:
                return
            if select.select([link], [], [], min(end - now, 0.2))[0]:
                drain()
                end = self.clock.monotonic() + seconds
