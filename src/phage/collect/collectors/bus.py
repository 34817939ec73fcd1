"""What sensors on other machines count: their windows, over Redis, joined."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from phage.bus.partitions import BEAT_SECONDS, Merger, Roster, Share
from phage.clock import SystemClock
from phage.collect.collector import WithoutPackets
from phage.errors import CaptureError
from phage.records import Advice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from redis import Redis

    from phage.bus.bus import Bus
    from phage.clock import Clock
    from phage.records import Window

_log = logging.getLogger(__name__)

READ_SECONDS = 0.2


class BusCollector(WithoutPackets):
    """Takes the parts of the address space that fall to this detector.

    Where Redis cannot be reached it waits, and goes on where it stopped.

    Args:
        client: The connection to Redis.
        prefix: Begins every key.
        detector: Name of this one; no other has it.
        clock: Tells when to beat.
        feedback: Carries advice to sensors; None where they get none.
    """

    name = "bus"
    summary = "windows of sensors on other machines, over Redis"
    interface = "bus"

    def __init__(
        self,
        client: Redis,
        prefix: str,
        detector: str,
        clock: Clock | None = None,
        feedback: Bus | None = None,
    ) -> None:
        self._feedback = feedback
        self._client = client
        self._clock = clock or SystemClock()
        self._share = Share(client, prefix, detector)
        self._sensors = Roster(client, prefix, "sensor", "")
        self._merger = Merger()
        self._stopping = threading.Event()
        self._next_beat = 0.0
        self._windows = self._failures = self._lost = 0
        self._fault = ""

    @staticmethod
    def available() -> str:
        """Return why it cannot be used here; '' if it can."""
        try:
            import redis  # noqa: F401, PLC0415  Optional.
        except ImportError:
            return "needs redis: pip install 'phage[redis]'"
        return ""

    def open(self) -> None:
        """Take up the first parts. Raises CaptureError when Redis cannot be reached."""
        try:
            self._beat()
        except self._faults() as error:
            message = f"the bus cannot be reached: {error}"
            raise CaptureError(message) from error

    def windows(self) -> Iterator[Window]:
        """Yield windows until stopped: flows as they come, counters joined, half a second each."""
        while not self._stopping.is_set():
            try:
                if self._clock.monotonic() >= self._next_beat:
                    self._beat()
                # Nothing is held where there are more detectors than parts.
                came = list(self._share.read(READ_SECONDS))
                if not self._share.parts:
                    self._stopping.wait(READ_SECONDS)
                self._fault = ""
            except self._faults() as error:
                self._failures += 1
                self._fault = f"the bus cannot be reached: {error}"
                _log.warning("%s", self._fault, extra={"limit": "bus"})
                self._stopping.wait(BEAT_SECONDS)
                came = []
            now = int(self._clock.monotonic() * 1e9)
            for window in came:
                self._windows += 1
                rest = self._merger.take(window, now)
                if rest is not None:
                    yield rest
            yield from self._merger.ready(now)

    def _beat(self) -> None:
        self._next_beat = self._clock.monotonic() + BEAT_SECONDS
        self._share.beat()
        self._sensors.look()
        for name in self._sensors.lost:
            self._lost += 1
            _log.warning("the sensor %s is not heard any more", name)

    def excuse(self, mac: int, address: bytes, since: int, until: int) -> None:
        """Have all sensors take a device's behaviour as normal."""
        self._advise(Advice("excuse", mac, address, since, until))

    def distrust(self, mac: int, address: bytes, since: int, until: int) -> None:
        """Have all sensors learn nothing of a device for a time."""
        self._advise(Advice("distrust", mac, address, since, until))

    def _advise(self, advice: Advice) -> None:
        if self._feedback is not None:
            self._feedback.publish("feedback", advice)

    def counters(self) -> Mapping[str, int]:
        """Return what came, and who is there."""
        return {
            "bus.windows": self._windows,
            "bus.parts": len(self._share.parts),
            "bus.detectors": len(self._share.members),
            "bus.sensors": len(self._sensors.alive),
            "bus.sensors_lost": self._lost,
            "bus.dropped": self._share.dropped,
            "bus.failures": self._failures,
        }

    def faults(self) -> Sequence[str]:
        """Return what is wrong, a line each."""
        return [self._fault] if self._fault else []

    def stop(self) -> None:
        """Make `windows` end soon."""
        self._stopping.set()

    def close(self) -> None:
        """Give the parts up: others take them over at once."""
        try:
            self._share.leave()
        except self._faults():
            _log.warning("the bus could not be told that this detector ends")
        self._client.close()
        if self._feedback is not None:
            self._feedback.close()

    @staticmethod
    def _faults() -> tuple[type[Exception], ...]:
        from redis.exceptions import RedisError  # noqa: PLC0415  Optional.

        return (RedisError, OSError)
