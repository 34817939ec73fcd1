"""What is remembered of hosts and prefixes between slots: a row of a table for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = npt.NDArray[np.float32]

_ROOM = 64


class Past:
    """Counts of the last slots, by key; the one that was not told for longest gives way.

    Args:
        columns: Counts of a key.
        keep: How much of the counts of a slot remains in the next one.
        set_back: Slots by which time has to go back for the clock to have been set; less is
            disorder.
        most: Keys at most.
    """

    def __init__(self, columns: int, keep: float, set_back: int, most: int) -> None:
        self.dropped = 0
        self._keep = keep
        self._set_back = set_back
        self._most = most
        self._places: dict[bytes, int] = {}
        self._free: list[int] = []
        self._numbers = np.zeros(_ROOM, np.int64)
        """The slot that was told last."""
        self._counts: Floats = np.zeros((_ROOM, columns), np.float32)
        """What was counted in it."""
        self._before: Floats = np.zeros((_ROOM, columns), np.float32)
        """The same of the slot before, zeros where it was not told."""
        self._leaky: Floats = np.zeros((_ROOM, columns), np.float32)
        """Counts of the last seconds, older ones weighing less."""

    def add(
        self, keys: Sequence[bytes], counts: Floats, number: int
    ) -> tuple[Floats, Floats, Floats]:
        """Add what was counted in a slot; parts of a slot add up.

        Returns what was counted in this slot and in the one before, and in the last seconds.
        """
        places = np.fromiter((self._place(key, number) for key in keys), np.int64, len(keys))
        if len({*keys}) == len(keys):
            parts = [slice(None)]
        else:
            parts = [slice(row, row + 1) for row in range(len(keys))]
        added = [self._added(places[part], counts[part], number) for part in parts]
        while len(self._places) > self._most:
            self._free.append(self._places.pop(next(iter(self._places))))
            self.dropped += 1
        now, before, leaky = zip(*added, strict=True)
        return np.concatenate(now), np.concatenate(before), np.concatenate(leaky)

    def _place(self, key: bytes, number: int) -> int:
        place = self._places.pop(key, None)
        if place is None:
            place = self._free.pop() if self._free else len(self._places)
            if place >= len(self._numbers):
                self._grow()
            # As if it had been told long ago.
            self._numbers[place] = number - 2
            self._leaky[place] = 0.0
        self._places[key] = place
        return place

    def _grow(self) -> None:
        self._numbers = np.resize(self._numbers, 2 * len(self._numbers))
        for name in ("_counts", "_before", "_leaky"):
            table = getattr(self, name)
            setattr(self, name, np.concatenate((table, np.zeros_like(table))))

    def _added(
        self, places: npt.NDArray[np.int64], counts: Floats, number: int
    ) -> tuple[Floats, Floats, Floats]:
        passed = number - self._numbers[places]
        passed[passed < -self._set_back] = 1
        same = passed <= 0
        fades = [self._keep**slots for slots in np.maximum(passed, 0).tolist()]
        last = self._counts[places]
        before = np.where(
            same[:, None],
            self._before[places],
            np.where((passed == 1)[:, None], last, np.float32(0.0)),
        )
        now = counts + np.where(same[:, None], last, np.float32(0.0))
        leaky = self._leaky[places] * np.array(fades, np.float32)[:, None] + counts
        self._numbers[places[~same]] = number
        self._counts[places], self._before[places], self._leaky[places] = now, before, leaky
        return now, before, leaky
