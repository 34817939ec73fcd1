"""For how many slots something has been so, one after the other."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class Streaks(Generic[K]):
    """Counts slots by key; a streak goes on over pauses of `gap` slots.

    Attributes:
        gap: Slots from one note to the next at most.
        most: Keys that are remembered; the one that was noted longest ago goes first.
        dropped: Keys that went for want of room.
    """

    gap: int
    most: int = 8192
    dropped: int = 0
    _counts: dict[K, tuple[int, int]] = field(default_factory=dict)

    def note(self, key: K, number: int) -> int:
        """Note that it is so in a slot; return in how many it was."""
        last, count = self._counts.pop(key, (0, 0))
        count = count + 1 if number - last <= self.gap else 1
        self._counts[key] = (number, count)
        if len(self._counts) > self.most:
            del self._counts[next(iter(self._counts))]
            self.dropped += 1
        return count
