"""The sensor: watches, counts, and puts windows on the bus; detectors are elsewhere."""

from __future__ import annotations

import logging
import queue
import signal
import socket
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phage.bus.buses.redis import BusError, RedisBus
from phage.bus.partitions import BEAT_SECONDS, Lease, Roster, publish
from phage.clock import SystemClock
from phage.config.statedir import StateDirectory
from phage.daemon import privilege
from phage.daemon.advising import follow
from phage.daemon.busrole import connect, own_name
from phage.daemon.modelcopies import Copies
from phage.daemon.run import Daemon
from phage.errors import PhageError
from phage.records import Advice

if TYPE_CHECKING:
    from redis import Redis

    from phage.bus.bus import Subscription
    from phage.daemon.options import RunOptions
    from phage.records import Window

_log = logging.getLogger(__name__)

MAX_ADVICE = 256
"""Pieces of advice that wait to be followed; of more the oldest go."""

RETRY_SECONDS = 1.0
"""Pause after Redis could not be reached; what is counted meanwhile is lost, and counted."""


@dataclass
class Publisher:
    """Puts windows on the bus; never waits long for it.

    Attributes:
        client: The connection.
        prefix: Begins every key.
        name: Of this sensor.
        sent: Windows that went.
        lost: Windows that did not.
    """

    client: Redis
    prefix: str
    name: str
    sent: int = 0
    lost: int = 0
    _retry_at: float = 0.0

    def put(self, window: Window, now: float) -> None:
        """Publish a window."""
        from redis.exceptions import RedisError  # noqa: PLC0415  Optional.

        if now < self._retry_at:
            self.lost += 1
            return
        try:
            publish(self.client, self.prefix, window, self.name)
            self.sent += 1
        except (RedisError, OSError) as error:
            self.lost += 1
            self._retry_at = now + RETRY_SECONDS
            _log.warning("the bus cannot be reached: %s", error, extra={"limit": "bus"})


class Sensor:
    """Watches, counts and publishes; one of a group at a time, the others stand by.

    Args:
        options: What `phage sensor` is asked to do.
        group: Sensors of which one listens at a time; '' for one that never waits.
    """

    def __init__(self, options: RunOptions, group: str = "") -> None:
        bus = options.settings.bus
        self._options = options
        self._clock = SystemClock()
        self._client = connect(bus)
        self._roster = Roster(self._client, bus.prefix, "sensor", own_name(bus))
        self._publisher = Publisher(self._client, bus.prefix, own_name(bus))
        key = f"{bus.prefix}:group:{group}"
        self._lease = Lease(self._client, key, own_name(bus)) if group else None
        self._stopping = threading.Event()
        self._bus = RedisBus(bus.url.get_secret_value(), bus.prefix, self._clock)
        self._advice: Subscription[object] | None = None
        # A name that outlives the process: that of whoever takes over, or is started again.
        own = group or bus.name or socket.gethostname()
        every = options.settings.learning.save_every
        self._copies = Copies(self._bus, self._clock, every, f"models/{own}/")

    def stop(self, *_: object) -> None:
        """Stop soon; may be called from a signal handler."""
        self._stopping.set()

    def run(self) -> int:
        """Stand by until this one is to watch, then watch until told to stop."""
        state = StateDirectory(self._options.settings.state_folder)
        state.create()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)
        with ExitStack() as stack:
            stack.enter_context(state.lock())
            stack.callback(self._client.close)
            stack.callback(self._bus.close)
            self._stand_by()
            if self._stopping.is_set():
                return 0
            daemon = Daemon(self._options, state, self._clock)
            stack.callback(daemon.close)
            daemon.open(remotes=False)
            privilege.drop(state.path)
            self._options.ready(f"sensing {daemon.watched}")
            self._copies.restore(daemon.collectors, state.models)
            try:
                self._watch(daemon)
            finally:
                self._copies.save()
        return 0

    def _stand_by(self) -> None:
        waiting = False
        while not self._stopping.is_set() and not self._beat():
            if not waiting:
                self._options.ready("standing by: another sensor of the group is watching")
            waiting = True
            self._stopping.wait(BEAT_SECONDS)

    def _beat(self) -> bool:
        """Say that this one is alive; tell whether it is the one to watch."""
        from redis.exceptions import RedisError  # noqa: PLC0415  Optional.

        try:
            if self._lease is not None and not self._lease.hold():
                return False
            self._roster.beat()
        except (RedisError, OSError) as error:
            _log.warning("the bus cannot be reached: %s", error, extra={"limit": "bus"})
            # Who watches goes on watching; who stands by cannot know that nobody does.
            return self._publisher.sent > 0
        return True

    def _follow(self, daemon: Daemon) -> None:
        """Do what detectors advise about what was learned."""
        if not daemon.collectors:
            return
        if self._advice is None:
            try:
                self._advice = self._bus.subscribe("feedback", MAX_ADVICE)
            except BusError as error:
                _log.warning("%s", error, extra={"limit": "bus"})
                return
        while isinstance(advice := self._advice.take(0.0), Advice):
            follow(daemon.collectors, advice)

    def _watch(self, daemon: Daemon) -> None:
        next_beat = 0.0
        daemon.start_feeding()
        try:
            while not self._stopping.is_set():
                now = self._clock.monotonic()
                if now >= next_beat:
                    next_beat = now + BEAT_SECONDS
                    self._copies.tick()
                    self._follow(daemon)
                    if not self._beat():
                        message = "another sensor of the group has taken over; start it again"
                        raise PhageError(message)
                try:
                    window, _ = daemon.windows.get(timeout=BEAT_SECONDS)
                except queue.Empty:
                    continue
                self._publisher.put(window, now)
        finally:
            daemon.stop_feeding()
            if self._lease is not None:
                self._lease.release()
            self._roster.leave()
