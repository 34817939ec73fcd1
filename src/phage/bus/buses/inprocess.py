"""The bus within one process: records are handed over as they are, nothing is copied."""

from __future__ import annotations

import threading
from collections import deque

from phage.bus.bus import LARGEST_KEPT, MAX_KEPT, TOPICS

MAX_READERS = 64
"""Readers of one topic; each is a part of phage, of which there are few."""


class _Queue:
    """One reader's queue."""

    def __init__(self, bus: InProcessBus, topic: str, size: int) -> None:
        self._bus = bus
        self._topic = topic
        self._records: deque[object] = deque(maxlen=size)
        self._ready = threading.Condition()
        self._closed = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Return how many were lost because this reader was slow."""
        return self._dropped

    def put(self, record: object) -> None:
        """Add a record; the oldest goes when there is no room."""
        with self._ready:
            if self._closed:
                return
            if len(self._records) == self._records.maxlen:
                self._dropped += 1
            self._records.append(record)
            self._ready.notify()

    def take(self, timeout: float) -> object | None:
        """Return the next record; None when none came in `timeout` seconds or all is closed."""
        with self._ready:
            self._ready.wait_for(lambda: bool(self._records) or self._closed, timeout)
            return self._records.popleft() if self._records else None

    def close(self) -> None:
        """Stop reading; what waits is forgotten."""
        self._bus.forget(self._topic, self)
        with self._ready:
            self._closed = True
            self._records.clear()
            self._ready.notify_all()

    def end(self) -> None:
        """Let the reader take what waits, then tell it that nothing comes any more."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()


class InProcessBus:
    """Hands records to readers in the same process; the way of a single box."""

    name = "inprocess"
    summary = "Within one process; nothing to install."

    def __init__(self) -> None:
        self._readers: dict[str, list[_Queue]] = {topic: [] for topic in TOPICS}
        self._kept: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def publish(self, topic: str, record: object) -> None:
        """Hand a record to every reader of a topic. Raises ValueError for a topic there is not."""
        for reader in self._of(topic):
            reader.put(record)

    def subscribe(self, topic: str, size: int) -> _Queue:
        """Return a new reader of a topic with room for `size` records."""
        if size < 1:
            message = f"a reader needs room for one record at least, not {size}"
            raise ValueError(message)
        self._of(topic)
        queue = _Queue(self, topic, size)
        with self._lock:
            if len(self._readers[topic]) >= MAX_READERS:
                message = f"{topic} has {MAX_READERS} readers already"
                raise ValueError(message)
            self._readers[topic] = [*self._readers[topic], queue]
        return queue

    def keep(self, name: str, octets: bytes) -> bool:
        """Keep octets under a name, in place of what was; tell whether there was room for them."""
        with self._lock:
            fits = len(octets) <= LARGEST_KEPT
            if fits and (name in self._kept or len(self._kept) < MAX_KEPT):
                self._kept[name] = octets
                return True
        return False

    def kept(self, name: str) -> bytes:
        """Return what is kept under a name; b'' for nothing."""
        return self._kept.get(name, b"")

    def close(self) -> None:
        """Wake and end all readers."""
        with self._lock:
            readers = [reader for each in self._readers.values() for reader in each]
            self._readers = {topic: [] for topic in TOPICS}
        for reader in readers:
            reader.end()

    def forget(self, topic: str, queue: _Queue) -> None:
        """Take a reader off a topic."""
        with self._lock:
            self._readers[topic] = [each for each in self._readers[topic] if each is not queue]

    def _of(self, topic: str) -> list[_Queue]:
        try:
            return self._readers[topic]
        except KeyError:
            message = f"no such topic: {topic!r}; there are {', '.join(TOPICS)}"
            raise ValueError(message) from None
