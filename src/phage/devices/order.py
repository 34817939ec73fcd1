"""In which order a device does what it does: what each key of a profile usually comes after.

Devices do things in trains: a name is looked up, a session opened, a file sent. Of each key it is
kept after which others it came, as shares: one row of a Markov chain. A train is told by its
beginning, so only what comes after a silence of its own counts; what is used all the time comes
after nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.records.profile import KeyOrder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from collections.abc import Set as AbstractSet

    from phage.records.profile import ProfileKey

_SECOND = 1_000_000_000

WITHIN_NS = 30 * _SECOND
"""What comes within this time after something comes after it; a train ends by such a silence."""

MAX_BEFORE = 4
"""Keys of which it is kept that another comes after them: those of the largest shares."""

ENOUGH_TRAINS = 20
"""Trains from which an order is known."""

MANY_TRAINS = 50
"""Trains that shares are of; after so many without any order it is looked for anew."""

USUAL_SHARE = 0.9
"""Share from which it is usual that a key comes after another."""

LEAST_KEPT = 0.5
"""Smaller shares are forgotten once there were enough trains: most are of chance."""


@dataclass(slots=True)
class Order:
    """What one key comes after; the mutable side of `KeyOrder`.

    Attributes:
        trains: How often it was used after a silence.
        begun: When its latest train began.
        about: Nanoseconds for which it, or a silence that is too short to end a train, went on.
        stray: When a train last came out of the blue: after nothing; 0: never.
        after: Shares of its trains, of late, by what they came after.
    """

    trains: int = 0
    begun: int = 0
    about: int = 0
    stray: int = 0
    after: dict[ProfileKey, float] = field(default_factory=dict)

    def begin(self, first: int, last: int, before: int | None) -> None:
        """Note uses from `first` to `last`; `before` is when it was used last, None for never."""
        silence = WITHIN_NS + 1 if before is None else first - before
        self.about += min(max(silence, 0), WITHIN_NS) + last - first
        if silence > WITHIN_NS:
            self.trains += 1
            self.begun = first

    def learn(self, before: Collection[ProfileKey], at: int) -> None:
        """Note that a train came after these, the nearest first, and not after others."""
        if not before:
            self.stray = at
        weight = 1.0 / min(max(self.trains, 1), MANY_TRAINS)
        for key, share in self.after.items():
            self.after[key] = share + weight * ((key in before) - share)
        if self.trains <= ENOUGH_TRAINS:
            self._admit([key for key in before if key not in self.after], weight)
            return
        for key in [each for each, share in self.after.items() if share < LEAST_KEPT]:
            del self.after[key]
        if self.trains > MANY_TRAINS and not self.usual():
            self.trains = 0  # What it came after once is over: it is learned anew.
            self.after.clear()

    def _admit(self, fresh: Iterable[ProfileKey], weight: float) -> None:
        """Begin to count how often it comes after more; the least likely make room."""
        for key in fresh:
            if len(self.after) >= MAX_BEFORE:
                least = min(self.after, key=lambda each: self.after[each])
                if self.after[least] >= weight:
                    continue
                del self.after[least]
            self.after[key] = weight

    def usual(self) -> list[tuple[ProfileKey, float]]:
        """Return what it usually comes after with its share, the most usual first."""
        found = [each for each in self.after.items() if each[1] >= USUAL_SHARE]
        return sorted(found, key=lambda each: -each[1])

    def rename(self, old: AbstractSet[ProfileKey], new: ProfileKey) -> None:
        """Note that some keys are one from now on."""
        shares = [self.after.pop(key) for key in old & self.after.keys()]
        if shares:
            self.after[new] = max(shares)

    def record(self) -> KeyOrder:
        """Return the frozen record."""
        after = {key: round(share, 3) for key, share in self.after.items()}
        return KeyOrder(self.trains, self.about, self.stray, after)


def order_of(record: KeyOrder) -> Order:
    """Return the mutable side of a record."""
    return Order(record.trains, 0, record.about, record.stray, dict(record.after))
