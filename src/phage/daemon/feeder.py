"""A collector in a thread of its own, whose windows go into the queue common to all."""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING, Protocol

from phage.collect.collector import Collector
from phage.errors import CaptureError

if TYPE_CHECKING:
    from phage.records import Window

_log = logging.getLogger(__name__)

# Windows that wait for the detectors: a quarter of a minute at the usual tick. A collector that
# finds no room drops the window's rows and counts it; the ring goes on being emptied.
WAITING_WINDOWS = 64
# Octets that they may take: a quarter of a minute of a busy home, a second of a flood.
WAITING_OCTETS = 16 << 20
# How often time is let pass when nothing comes.
IDLE_SECONDS = 1.0
# A collector that had a fault of its own begins again after so long.
PAUSE_SECONDS = 1.0


class Watched(Collector, Protocol):
    """A collector with a name that people know."""

    interface: str


class WindowQueue(queue.Queue["Fed"]):
    """Windows that wait for the detectors, bounded in number and in octets."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._octets = 0

    def _qsize(self) -> int:
        waiting = super()._qsize()
        is_full = waiting and self._octets >= WAITING_OCTETS
        return max(waiting, self.maxsize) if is_full else waiting

    def _put(self, item: Fed) -> None:
        self._octets += item[0].memory
        super()._put(item)

    def _get(self) -> Fed:
        item: Fed = super()._get()
        self._octets -= item[0].memory
        return item


class Feeder:
    """Runs one collector in a thread of its own and puts its windows in the common queue.

    One that is `patient` waits for room: a log keeps what is not read yet, a ring does not.
    """

    def __init__(
        self, collector: Watched, windows: queue.Queue[Fed], *, patient: bool = False
    ) -> None:
        self.collector = collector
        self.dropped = 0
        self.faults = 0
        self.error: CaptureError | None = None
        self._windows = windows
        self._patient = patient
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._feed, name=f"phage-{collector.interface}", daemon=True
        )

    def start(self) -> None:
        """Start taking packets."""
        self._thread.start()

    @property
    def number(self) -> int:
        """The kernel's number of the thread; 0 before it was started."""
        return self._thread.native_id or 0

    def stop(self) -> None:
        """Stop and wait for the thread."""
        self._stopping.set()
        self.collector.stop()
        self._thread.join(timeout=5.0)

    def is_alive(self) -> bool:
        """Tell whether it is still watching."""
        return self._thread.is_alive()

    def _feed(self) -> None:
        while not self._stopping.is_set():
            try:
                for window in self.collector.windows():
                    while not self._put(window) and self._patient and not self._stopping.is_set():
                        pass
            except CaptureError as error:
                self.error = error
                _log.error("%s: %s", self.collector.interface, error)
                return
            except Exception:  # noqa: BLE001  A collector's fault is told, and is not its end.
                self.faults += 1
                name = self.collector.interface
                _log.exception(
                    "%s: a fault in the collector", name, extra={"limit": f"feed {name}"}
                )
                self._stopping.wait(PAUSE_SECONDS)
            else:
                return

    def _put(self, window: Window) -> bool:
        try:
            self._windows.put((window, self.collector), self._patient, IDLE_SECONDS)
        except queue.Full:
            self.dropped += not self._patient
            return False
        return True


Fed = tuple["Window", Watched]
