"""What many look at, read once in a few seconds: charts and sums over the whole store.

When something is found, every open overview asks anew at the same moment.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from fastapi import Depends, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.clock import Clock

SECONDS = 2.0
"""How long something is good for at least; what changes by a person's hand is never kept here."""

TIMES = 20.0
"""It is good for so many times as long as it took to make: nobody spends more than a twentieth of
a core on it, however large the store is, and where it takes little it is always new."""

LONGEST = 60.0
"""Seconds after which even the dearest is made anew: traffic is stored once a minute."""

MAX_KEPT = 128

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Made:
    value: Any
    until: float


class Memory:
    """Keeps results for a while. May be called from several threads.

    Args:
        clock: Tells how old a result is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[object, _Made] = OrderedDict()
        self._locks: dict[object, threading.Lock] = {}
        self._lock = threading.Lock()

    def of(self, key: object, make: Callable[[], T]) -> T:
        """Return what `make` returned for this key a while ago, else call it.

        While one calls it, others get what was before; they wait where there is nothing yet, or
        what there is is too old.
        """
        with self._lock:
            turn, known = self._locks.setdefault(key, threading.Lock()), self._kept.get(key)
        now = self._clock.monotonic()
        if known is not None and now < known.until:
            return cast("T", known.value)
        must_wait = known is None or now - known.until >= LONGEST
        if not turn.acquire(blocking=must_wait):
            assert known is not None  # noqa: S101  Else it is waited for.
            return cast("T", known.value)
        try:
            return self._made(key, make)
        finally:
            turn.release()

    def _made(self, key: object, make: Callable[[], T]) -> T:
        begun = self._clock.monotonic()
        known = self._kept.get(key)  # Somebody may have made it meanwhile.
        if known is not None and begun < known.until:
            return cast("T", known.value)
        value = make()
        now = self._clock.monotonic()
        good = min(LONGEST, max(SECONDS, TIMES * (now - begun)))
        with self._lock:
            self._kept[key] = _Made(value, now + good)
            self._kept.move_to_end(key)
            while len(self._kept) > MAX_KEPT:
                self._locks.pop(self._kept.popitem(last=False)[0], None)
        return value


async def _memory(request: Request) -> Memory:
    found: Memory = request.app.state.memory
    return found


Remembered = Annotated[Memory, Depends(_memory)]
"""The memory, as an argument of a route."""
