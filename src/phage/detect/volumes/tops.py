"""Heavy hitters: the space-saving algorithm, and shares of it.

Metwally, Agrawal and El Abbadi, "Efficient computation of frequent and top-k elements in data
streams" (ICDT 2005): a newcomer takes the place, and the count, of the least one; no count is less
than it should be, and none too high by more than the least.
"""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")


class Tops(Generic[K]):
    """Counts the heaviest of any number of things in a bounded table.

    The least are thrown out together when the table is twice as large as it need be; a newcomer
    then starts at what the heaviest of these had.
    """

    __slots__ = ("_start", "capacity", "counts", "total")

    def __init__(self, capacity: int = 256) -> None:
        self.capacity = capacity
        self.counts: dict[K, float] = {}
        self.total = 0.0
        self._start = 0.0

    def add(self, thing: K, weight: float) -> None:
        """Count a thing."""
        self.total += weight
        self.counts[thing] = self.counts.get(thing, self._start) + weight
        if len(self.counts) > 2 * self.capacity:
            ordered = sorted(self.counts.items(), key=lambda item: -item[1])
            self.counts = dict(ordered[: self.capacity])
            self._start = ordered[self.capacity][1]

    def first(self, count: int) -> list[tuple[K, float]]:
        """Return the heaviest things with their shares of all."""
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], str(item[0])))
        return [(thing, weight / max(self.total, 1.0)) for thing, weight in ordered[:count]]
