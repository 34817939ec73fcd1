"""Made-up MAC addresses: thousands of them make a switch send everything to everybody.

A switch that cannot keep all addresses apart floods frames to all ports (MAC flooding), so that who
made them up can read along.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from phage.records.distinct import distinct

_SECOND = 1_000_000_000

SPAN_NS = 10 * _SECOND
"""Time in which newcomers are counted together."""

LEARN_NS = 600 * _SECOND
"""Time after the first frame in which everybody is new."""

LEAST = 100
"""Newcomers that no network has within the span: after a power cut devices come in a minute."""

EXCESS = 10
"""How many times the most that was seen before is too many."""

LEARNED_NS = 60 * _SECOND
"""How often it is learned what is usual."""

TURN_NS = 86_400 * _SECOND
"""Who was not seen for one to two days is new again, like what the marks of others hid."""

_BITS = 18
_MIX = np.uint64(0x9E37_79B9_7F4A_7C15)
_GROUP = np.uint64(1 << 40)


@dataclass(slots=True)
class Newcomers:
    """Counts MAC addresses that were not seen before.

    Known ones are marks in two tables of 2^18 octets, of which the older is forgotten in turn: a
    flood makes them full, and nothing larger. Two addresses share a mark once in 2^18.
    """

    _marks: list[npt.NDArray[np.bool_]] = field(
        default_factory=lambda: [np.zeros(1 << _BITS, np.bool_) for _ in range(2)]
    )
    _begun: int = 0
    _turned: int = 0
    _learned: int = 0
    _most: int = 0
    _peak: int = 0
    _recent: deque[tuple[int, int]] = field(default_factory=deque)
    _total: int = 0

    def take(self, macs: npt.NDArray[np.uint64], at: int) -> tuple[int, int] | None:
        """Take in who sent frames; return newcomers of late and the most before, where too many.

        Args:
            macs: MAC addresses as numbers; 0 stands for none.
            at: Now, in nanoseconds since the Unix epoch.
        """
        self._begun = self._begun or at
        self._turn(at)
        self._learn(at)
        fresh = self._note(macs)
        while self._recent and self._recent[0][0] <= at - SPAN_NS:
            self._total -= self._recent.popleft()[1]
        if not fresh:
            return None
        self._recent.append((at, fresh))
        self._total += fresh
        if at - self._begun >= LEARN_NS and self._total >= max(LEAST, EXCESS * self._most):
            self._peak = 0  # A flood is not usual afterwards.
            return self._total, self._most
        if at - self._begun >= SPAN_NS:  # At first everybody who is there is new.
            self._peak = max(self._peak, self._total)
        return None

    def _learn(self, at: int) -> None:
        """Take what a quiet minute ended with as usual: a flood grows for some windows too."""
        if at - self._learned >= LEARNED_NS:
            self._learned = at
            self._most = max(self._most, self._peak)
            self._peak = 0

    def _turn(self, at: int) -> None:
        if at - self._turned >= TURN_NS:
            self._turned = at
            self._marks.reverse()
            self._marks[0][:] = False

    def _note(self, macs: npt.NDArray[np.uint64]) -> int:
        macs = distinct(macs[(macs != 0) & ((macs & _GROUP) == 0)])
        places = (macs * _MIX) >> np.uint64(64 - _BITS)
        young, old = self._marks
        fresh = int(np.count_nonzero(~(young[places] | old[places])))
        young[places] = True
        return fresh
