"""What many look at, read once in a few seconds: charts and sums over the whole store.

When something is found, every open overview asks anew at the same moment.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
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


@dataclass(slots=True, eq=False)
class _Entry:
    """One key: who makes its value holds `turn`; nothing was made yet while `until` is None."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    value: Any = None
    until: float | None = None


class Memory:
    """Keeps results for a while. May be called from several threads.

    Args:
        clock: Tells how old a result is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: OrderedDict[object, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: object, make: Callable[[], T]) -> T:
        """Return what `make` returned for this key a while ago, else call it.

        While one calls it, others get what was before; they wait where there is nothing yet, or
        what there is is too old.
        """
        entry = self._entry(key)
        if self._is_good(entry):
            return cast("T", entry.value)
        is_old = entry.until is None or self._clock.monotonic() - entry.until >= LONGEST
        if not entry.turn.acquire(blocking=is_old):
            return cast("T", entry.value)
        try:
            if not self._is_good(entry):  # Else somebody has made it meanwhile.
                self._renew(entry, make)
            return cast("T", entry.value)
        finally:
            entry.turn.release()

    def _entry(self, key: object) -> _Entry:
        """Return what is known of a key; what was asked for longest ago is forgotten for it."""
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            if len(self._entries) > MAX_KEPT:
                self._entries.popitem(last=False)
            return entry

    def _is_good(self, entry: _Entry) -> bool:
        return entry.until is not None and self._clock.monotonic() < entry.until

    def _renew(self, entry: _Entry, make: Callable[[], object]) -> None:
        begun = self._clock.monotonic()
        entry.value = make()
        now = self._clock.monotonic()
        entry.until = now + min(LONGEST, max(SECONDS, TIMES * (now - begun)))


async def _memory(request: Request) -> Memory:
    found: Memory = request.app.state.memory
    return found


Remembered = Annotated[Memory, Depends(_memory)]
"""The memory, as an argument of a route."""
