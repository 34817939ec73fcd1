"""What many look at, read once in a few seconds: charts and sums over the whole store.

When something is found, every open overview asks anew at the same moment.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.clock import Clock

SECONDS = 2.0
"""How long something is good for; what changes by a person's hand is never kept here."""

MAX_KEPT = 128

T = TypeVar("T")


class Memory:
    """Keeps results for a moment. May be called from several threads.

    Args:
        clock: Tells how old a result is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[object, tuple[float, Any]] = OrderedDict()
        self._locks: dict[object, threading.Lock] = {}
        self._lock = threading.Lock()

    def of(self, key: object, make: Callable[[], T]) -> T:
        """Return what `make` returned for this key a moment ago, else call it; others wait."""
        with self._lock:
            turn = self._locks.setdefault(key, threading.Lock())
        with turn:
            now = self._clock.monotonic()
            made, value = self._kept.get(key, (-SECONDS, None))
            if now - made < SECONDS:
                return cast("T", value)
            fresh = make()
            with self._lock:
                self._kept[key] = now, fresh
                self._kept.move_to_end(key)
                while len(self._kept) > MAX_KEPT:
                    self._locks.pop(self._kept.popitem(last=False)[0], None)
            return fresh
