"""Live events: findings, decisions and figures as they come, to bounded numbers of listeners."""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import TYPE_CHECKING, Protocol

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = {
    "finding": "findings:read",
    "decision": "decisions:read",
    "scan": "samples:read",
    "stats": "status:read",
}
"""Kinds of events, and what one needs to be allowed to hear of them."""

MAX_LISTENERS = 64
"""Each holds a connection and a queue."""

MAX_WAITING = 256
"""Events that wait for a listener; beyond it the oldest go, and are counted."""

MAX_KEPT = 64
"""Events that are kept for who was cut off for a moment (Last-Event-ID)."""


class TooManyListenersError(Exception):
    """There is no room for another listener."""


@frozen
class Event:
    """One event: its number, its kind, and its data as JSON in one line."""

    number: int
    kind: str
    data: str

    def encode(self) -> bytes:
        """Return the event as server-sent events are written (HTML Standard, section 9.2)."""
        return f"id: {self.number}\nevent: {self.kind}\ndata: {self.data}\n\n".encode()


class Hearer(Protocol):
    """One who listens: `phage.api.listener.Listener`, which is not loaded until somebody does."""

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of events that are wanted."""

    @property
    def waiting(self) -> deque[Event]:
        """What was not heard yet."""

    def wake(self) -> bool:
        """Have it look; from any thread. False when it is gone."""


class EventHub:
    """Hands events to all who listen. `publish` may be called from any thread, and never waits."""

    def __init__(self) -> None:
        self.dropped = 0
        self.refused = 0
        self._number = 0
        self._kept: deque[Event] = deque(maxlen=MAX_KEPT)
        self._listeners: list[Hearer] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._listeners)

    @property
    def last(self) -> int:
        """The number of the last event; 0 before the first."""
        return self._number

    def publish(self, kind: str, data: Mapping[str, object]) -> None:
        """Hand on an event; figures are not kept, what is newer says more."""
        if kind == "stats" and not self._listeners:
            return
        text = json.dumps(data, default=str)
        with self._lock:
            self._number += 1
            event = Event(self._number, kind, text)
            if kind != "stats":
                self._kept.append(event)
            for listener in self._listeners:
                if kind in listener.kinds:
                    self._hand(listener, event)

    def _hand(self, listener: Hearer, event: Event) -> None:
        if len(listener.waiting) >= MAX_WAITING:
            listener.waiting.popleft()
            self.dropped += 1
        listener.waiting.append(event)
        self.dropped += not listener.wake()

    def join(self, listener: Hearer, after: int | None = None) -> None:
        """Let one listen, first to what came after an event that it had seen.

        One that is still to come was seen of a hub before this one: all that is kept is new then.

        Raises TooManyListenersError.
        """
        with self._lock:
            if len(self._listeners) >= MAX_LISTENERS:
                self.refused += 1
                raise TooManyListenersError
            if after is not None:
                seen = after if after <= self._number else 0
                missed = (each for each in self._kept if each.number > seen)
                listener.waiting.extend(each for each in missed if each.kind in listener.kinds)
            self._listeners.append(listener)

    def leave(self, listener: Hearer) -> None:
        """Forget a listener."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)
