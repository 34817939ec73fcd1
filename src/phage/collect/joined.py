"""What sensors that joined count: their windows as they send them, joined."""

from __future__ import annotations

import hashlib
import queue
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from phage.bus.codec import MessageError, decode
from phage.bus.partitions import Merger
from phage.bus.sound import is_sound
from phage.clock import SystemClock
from phage.collect.collector import WithoutPackets
from phage.records import Advice, Window
from phage.records.columns import MATCH, Event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phage.clock import Clock
    from phage.records import Columns

WAITING = 256
"""Windows that wait to be looked at; of more the newest are dropped and counted."""
WAITING_OCTETS = 32 << 20
"""Octets that they had on their way: what they become takes some times as many."""

MAX_SENSORS = 256
MAX_ADVICE = 64
"""Pieces of advice that wait for a sensor; of more the oldest go."""

READ_SECONDS = 0.2

MATCHES = 4096
"""Matches of a window, as in the core."""

_NOTHING = 0xFFFF_FFFF


class Prefixes(Protocol):
    """Prefixes that feeds report; see `phage.intel.index`."""

    def lookup_all(self, addresses: bytes) -> bytes:
        """Return a number (u32) for each address of 16 octets; 2**32 - 1 for none."""


def _matches(flows: Columns, end: int, prefixes: Prefixes, time: int) -> Columns:
    """Return matches of flows by one of their ends: 0 who began, 1 who was turned to."""
    addresses = flows["dst" if end else "src"]
    values = np.frombuffer(prefixes.lookup_all(addresses.tobytes()), "<u4")
    met = flows[values != _NOTHING]
    rows = np.zeros(len(met), MATCH)
    for name in ("src", "dst", "src_mac", "dst_mac", "src_port", "dst_port", "protocol", "vlan"):
        rows[name] = met[name]
    rows["flow"], rows["end"], rows["value"] = met["id"], end, values[values != _NOTHING]
    rows["time"] = np.minimum(met["start"], time)
    return rows


@dataclass(slots=True)
class Heard:
    """How one sensor does.

    Attributes:
        windows: Windows that came.
        refused: Windows that could not be read.
        repeated: Windows that came again.
        last: When the last one came, nanoseconds since the Unix epoch.
        digest: SHA-256 of the last one.
        answer: What was answered to it.
        advice: What is to be answered to the next.
    """

    windows: int = 0
    refused: int = 0
    repeated: int = 0
    last: int = 0
    digest: bytes = b""
    answer: list[Advice] = field(default_factory=list)
    advice: list[Advice] = field(default_factory=list)


class JoinedCollector(WithoutPackets):
    """Takes windows that sensors send over the API; what is found goes back as advice.

    Args:
        clock: Tells when a window came.
    """

    name = "sensors"
    summary = "windows of sensors that joined"
    interface = "sensors"

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._merger = Merger()
        self._waiting: queue.Queue[tuple[Window, int]] = queue.Queue(WAITING)
        self._octets = 0
        self._lock = threading.Lock()
        self._heard: dict[str, Heard] = {}
        self._dropped = 0
        self._stopping = threading.Event()
        self._prefixes: Prefixes | None = None

    def open(self) -> None:
        """Nothing has to be opened: sensors come to the API."""

    def take(self, sensor: str, octets: bytes) -> list[Advice]:
        """Take a window as it was sent; return what the sensor is to do.

        The last one that is sent again, as its answer was not heard, is answered as before and
        counts once. Raises MessageError for octets that are no sound window.
        """
        with self._lock:
            if sensor not in self._heard and len(self._heard) >= MAX_SENSORS:
                message = f"{MAX_SENSORS} sensors send windows already"
                raise MessageError(message)
            heard = self._heard.setdefault(sensor, Heard())
        window = self._window(heard, octets)
        digest = hashlib.sha256(octets).digest()
        with self._lock:
            heard.last = self._clock.now()
            if digest == heard.digest:
                heard.repeated += 1
                return heard.answer
            heard.windows += 1
            heard.digest = digest
            answer = heard.answer = heard.advice
            heard.advice = []
            if self._waiting.full() or self._octets + len(octets) > WAITING_OCTETS:
                self._dropped += 1
            else:
                self._octets += len(octets)
                self._waiting.put_nowait((window, len(octets)))
        return answer

    @staticmethod
    def _window(heard: Heard, octets: bytes) -> Window:
        try:
            window = decode(octets)
        except MessageError:
            heard.refused += 1
            raise
        if not (isinstance(window, Window) and is_sound(window)):
            heard.refused += 1
            message = "these octets are no sound window"
            raise MessageError(message)
        return window

    def heard(self) -> Mapping[str, Heard]:
        """Return how sensors do, by name."""
        with self._lock:
            return dict(self._heard)

    def forget(self, sensor: str) -> None:
        """Forget a sensor that was revoked."""
        with self._lock:
            self._heard.pop(sensor, None)

    def windows(self) -> Iterator[Window]:
        """Yield windows until stopped: flows as they come, counters joined, half a second each."""
        while not self._stopping.is_set():
            window = self._next()
            now = int(self._clock.monotonic() * 1e9)
            if window is not None and (rest := self._merger.take(window, now)) is not None:
                yield self._matched(rest)
            yield from self._merger.ready(now)

    def _next(self) -> Window | None:
        """Wait for a window; None where none comes."""
        try:
            window, octets = self._waiting.get(timeout=READ_SECONDS)
        except queue.Empty:
            return None
        with self._lock:
            self._octets -= octets
        return window

    def match(self, prefixes: Prefixes) -> None:
        """Look the flows of sensors up in another set of prefixes from now on."""
        self._prefixes = prefixes

    def _matched(self, window: Window) -> Window:
        """Return a window with the ends of its new flows that lie in reported prefixes."""
        if self._prefixes is None or not len(window.flows):
            return window
        flows = window.flows[window.flows["event"] & Event.STARTED != 0]
        found = [
            rows for end in (0, 1) if len(rows := _matches(flows, end, self._prefixes, window.end))
        ]
        return replace(window, matches=np.concatenate(found)[:MATCHES]) if found else window

    def excuse(self, mac: int, address: bytes, since: int, until: int) -> None:
        """Have all sensors take a device's behaviour as normal."""
        self._advise(Advice("excuse", mac, address, since, until))

    def distrust(self, mac: int, address: bytes, since: int, until: int) -> None:
        """Have all sensors learn nothing of a device for a time."""
        self._advise(Advice("distrust", mac, address, since, until))

    def _advise(self, advice: Advice) -> None:
        with self._lock:
            for heard in self._heard.values():
                heard.advice = [*heard.advice[-MAX_ADVICE + 1 :], advice]

    def counters(self) -> Mapping[str, int]:
        """Return what came."""
        heard = self.heard().values()
        return {
            "sensors.windows": sum(each.windows for each in heard),
            "sensors.refused": sum(each.refused for each in heard),
            "sensors.repeated": sum(each.repeated for each in heard),
            "sensors.joined": len(heard),
            "sensors.dropped": self._dropped,
        }

    def faults(self) -> Sequence[str]:
        """Return whether windows were lost."""
        return [f"{self._dropped} windows of sensors were dropped"] if self._dropped else []

    def stop(self) -> None:
        """Make `windows` end soon."""
        self._stopping.set()

    def close(self) -> None:
        """Nothing is open."""
