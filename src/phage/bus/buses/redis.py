"""The bus between machines: streams of Redis (or Valkey), bounded, read by whoever subscribed."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from phage.bus.bus import LARGEST_KEPT, MAX_KEPT, TOPICS
from phage.bus.codec import MessageError, decode, encode
from phage.clock import SystemClock
from phage.errors import PhageError

if TYPE_CHECKING:
    from redis import Redis

    from phage.clock import Clock

_log = logging.getLogger(__name__)

URL_VARIABLE = "PHAGE_REDIS_URL"
USUAL_URL = "redis://127.0.0.1:6379/0"

MAX_READERS = 64
"""Readers of one topic in one process."""

KEPT = {"windows": 256, "findings": 10_000, "decisions": 10_000, "feedback": 10_000}
"""Records of a topic that Redis keeps; who is slower loses the oldest, which is counted."""

BATCH = 500
SLICE_SECONDS = 0.25
"""How long a read may block: a reader that is closed notices within it."""

RETRY_SECONDS = 1.0
"""Pause after Redis could not be reached; what is published meanwhile is lost, and counted."""

FIELD = b"r"


class RedisBus:
    """Hands records to readers in other processes and on other machines.

    Publishing takes a round trip to Redis, and never waits longer than a second; what cannot be
    published is counted in `lost`.

    Args:
        url: redis://[USER:PASSWORD@]HOST:PORT/NUMBER, or rediss:// for TLS; by default that of
            PHAGE_REDIS_URL, else this machine's.
        prefix: Begins every key, so that several fleets can share a server.
        clock: Tells when to try again; by default the system's.
    """

    name = "redis"
    summary = "Between machines, over Redis or Valkey."

    def __init__(self, url: str = "", prefix: str = "phage", clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._url = url or os.environ.get(URL_VARIABLE, "") or USUAL_URL
        self._prefix = prefix
        self._client: Redis | None = None
        self._readers: list[_Reader] = []
        self._retry_at = 0.0
        self.lost = 0

    @staticmethod
    def available() -> str:
        """Return why it cannot be used here; '' if it can."""
        try:
            import redis  # noqa: F401, PLC0415  Optional.
        except ImportError:
            return "needs redis: pip install 'phage[redis]'"
        return ""

    @property
    def client(self) -> Redis:
        """The connection, made when it is first needed."""
        if self._client is None:
            from redis import Redis  # noqa: PLC0415  Optional.

            self._client = Redis.from_url(
                self._url,
                socket_timeout=1.0 + SLICE_SECONDS,
                socket_connect_timeout=1.0,
                health_check_interval=10,
            )
        return self._client

    def key(self, topic: str) -> str:
        """Return the key of a topic's stream. Raises ValueError for a topic there is not."""
        if topic not in TOPICS:
            message = f"no such topic: {topic!r}; there are {', '.join(TOPICS)}"
            raise ValueError(message)
        return f"{self._prefix}:{topic}"

    def publish(self, topic: str, record: object) -> None:
        """Hand a record to every reader of a topic. Raises ValueError for a topic there is not."""
        key = self.key(topic)
        now = self.clock.monotonic()
        if now < self._retry_at:
            self.lost += 1
            return
        try:
            self.client.xadd(key, {FIELD: encode(record)}, maxlen=KEPT[topic], approximate=False)
        except self.faults() as error:
            self.lost += 1
            self._retry_at = now + RETRY_SECONDS
            _log.warning("the bus cannot be reached: %s", error, extra={"limit": "bus"})

    def subscribe(self, topic: str, size: int) -> _Reader:
        """Return a new reader of a topic with room for `size` records.

        Raises BusError when Redis cannot be reached.
        """
        key = self.key(topic)
        if size < 1:
            message = f"a reader needs room for one record at least, not {size}"
            raise ValueError(message)
        if sum(reader.topic == topic for reader in self._readers) >= MAX_READERS:
            message = f"{topic} has {MAX_READERS} readers already"
            raise ValueError(message)
        try:
            reader = _Reader(self, topic, key, size)
        except self.faults() as error:
            message = f"the bus cannot be reached: {error}"
            raise BusError(message) from error
        self._readers.append(reader)
        return reader

    def keep(self, name: str, octets: bytes) -> bool:
        """Keep octets under a name, in place of what was; tell whether they are there now."""
        key = f"{self._prefix}:kept"
        try:
            known: Any = self.client.hexists(key, name)
            count: Any = 0 if known else self.client.hlen(key)
            if len(octets) > LARGEST_KEPT or count >= MAX_KEPT:
                return False
            self.client.hset(key, name, octets)
        except self.faults() as error:
            self.lost += 1
            _log.warning("the bus cannot be reached: %s", error, extra={"limit": "bus"})
            return False
        return True

    def kept(self, name: str) -> bytes:
        """Return what is kept under a name; b'' for nothing, and where Redis is not reached."""
        try:
            found: Any = self.client.hget(f"{self._prefix}:kept", name)
        except self.faults() as error:
            _log.warning("the bus cannot be reached: %s", error, extra={"limit": "bus"})
            return b""
        return bytes(found or b"")

    def close(self) -> None:
        """End all readers, and the connection."""
        for reader in list(self._readers):
            reader.end()
        self._readers = []
        if self._client is not None:
            self._client.close()
            self._client = None

    def forget(self, reader: _Reader) -> None:
        """Take a reader off."""
        self._readers = [each for each in self._readers if each is not reader]

    @staticmethod
    def faults() -> tuple[type[Exception], ...]:
        """Return what is raised when Redis cannot be reached."""
        from redis.exceptions import RedisError  # noqa: PLC0415  Optional.

        return (RedisError, OSError)


class BusError(PhageError):
    """The bus cannot be reached."""


class _Reader:
    """One reader of a topic: reads when it is asked to, keeps the newest, counts what it lost."""

    def __init__(self, bus: RedisBus, topic: str, key: str, size: int) -> None:
        self.clock = bus.clock
        self._idle = threading.Event()
        self.topic = topic
        self._bus = bus
        self._key = key
        self._records: deque[object] = deque(maxlen=size)
        self._closed = False
        self._dropped = 0
        self._position, self._added = self._end()
        self._seen = 0

    def _end(self) -> tuple[bytes, int]:
        """Return the last entry's place in the stream, and how many were added ever."""
        if not self._bus.client.exists(self._key):
            return b"0-0", 0
        about: dict[str, Any] = self._bus.client.xinfo_stream(self._key)
        return about["last-generated-id"], about.get("entries-added", 0)

    @property
    def dropped(self) -> int:
        """Return how many were lost because this reader was slow."""
        return self._dropped

    def take(self, timeout: float) -> object | None:
        """Return the next record; None when none came in `timeout` seconds or all is closed."""
        until = self.clock.monotonic() + timeout
        while not self._closed:
            if not self._records:
                left = max(0.0, min(until - self.clock.monotonic(), SLICE_SECONDS))
                self._read(left)
            if self._records:
                return self._records.popleft()
            if self.clock.monotonic() >= until:
                break
        return None

    def _read(self, seconds: float) -> None:
        """Read what there is; wait for the first when there is nothing."""
        client = self._bus.client
        try:
            entries, added = self._next()
            if not entries and seconds:
                client.xread({self._key: self._position}, 1, max(1, int(seconds * 1000)))
                entries, added = self._next()
            while len(entries) == BATCH:
                entries, added = self._next()
        except self._bus.faults() as error:
            _log.warning("the bus cannot be reached: %s", error, extra={"limit": "bus"})
            self._idle.wait(min(seconds, SLICE_SECONDS))
            return
        # All is read: what else was added, Redis gave up before.
        lost = max(0, added - self._added - self._seen)
        self._dropped += lost
        self._seen += lost

    def _next(self) -> tuple[list[Any], int]:
        """Read the next entries, and how many were added ever, at one moment."""
        with self._bus.client.pipeline(transaction=True) as both:
            both.xread({self._key: self._position}, BATCH)
            both.xinfo_stream(self._key)
            answer, about = both.execute(raise_on_error=False)
        if not isinstance(about, dict):
            return [], self._added  # There is no such stream yet, or no more.
        entries: list[Any] = answer[0][1] if answer else []
        for position, values in entries:
            self._position = position
            self._take_in(values)
        # A Redis before 7.0 does not count.
        return entries, about.get("entries-added", self._added + self._seen)

    def _take_in(self, values: dict[bytes, bytes]) -> None:
        self._seen += 1
        try:
            record = decode(values[FIELD])
        except (KeyError, MessageError) as error:
            self._dropped += 1
            _log.warning("%s", error, extra={"limit": "bus"})
            return
        if len(self._records) == self._records.maxlen:
            self._dropped += 1
        self._records.append(record)

    def close(self) -> None:
        """Stop reading; what waits is forgotten."""
        self._bus.forget(self)
        self._closed = True
        self._idle.set()
        self._records.clear()

    def end(self) -> None:
        """Stop reading; nothing comes any more."""
        self._closed = True
        self._idle.set()
