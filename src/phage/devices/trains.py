"""Judges what a device begins once it is known what it did before."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phage.devices.order import ENOUGH_TRAINS, WITHIN_NS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.devices.keyuse import Use
    from phage.devices.profilebook import Book
    from phage.devices.used import Used
    from phage.records.profile import ProfileKey

SETTLED_NS = 14_000_000_000
"""When all that was done at a time is known: the core tells what is done again every 10 s, and
a use waits 3 s for a name."""

ENOUGH_DAYS = 3
"""Days on which it must have been used: one afternoon of somebody's tells no order."""

LEAST_SHARE = 0.98
"""Share of a key's trains that come after another from which that is an order."""

MOST_CHANCE = 0.5
"""What is about for a larger share of all time comes before everything, and tells nothing."""

LEAST_KNOWN_NS = 3_600_000_000_000
"""How long something must be known until it is said how much of the time it is about."""

MAX_JUDGED = 8192
"""Trains that wait until all that came before them is known."""

MOST_BEFORE = 32
"""Keys that are remembered as what was done before a train: the nearest."""


@dataclass(slots=True)
class _Train:
    used: Used
    key: ProfileKey
    at: int
    before: dict[ProfileKey, int]
    trusted: bool


class Trains:
    """Judges trains once it is known what came before them.

    Attributes:
        dropped: Trains that nobody judged, since too many waited.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._since = 0
        """When this began to look: of what came first nobody knows what was before."""
        self._waiting: deque[_Train] = deque()

    def open(self, start: int) -> None:
        """Begin with a window."""
        if not 0 < self._since <= start:
            self._since = start

    def begin(self, used: Used, key: ProfileKey, *, trusted: bool) -> None:
        """Take in that a train begins with a use."""
        if used.first < self._since + WITHIN_NS:
            return
        if len(self._waiting) >= MAX_JUDGED:
            self.dropped += 1
            return
        before = _before(used.book, key, used.first)
        self._waiting.append(_Train(used, key, used.first, before, trusted))

    def take(self, now: int) -> Iterator[tuple[Used, int, tuple[ProfileKey, float]]]:
        """Yield trains that should have come after something: use, time, what and its share."""
        while self._waiting:
            train = self._waiting[0]
            if 0 <= now - train.at < SETTLED_NS:
                return
            self._waiting.popleft()
            book = train.used.book
            own = book.keys.get(train.key)
            if own is None:
                continue
            before = _before(book, train.key, train.at) | train.before
            odd = not before and book.is_learned and has_order(own)
            missed = own.order.usual()
            if train.trusted:
                own.order.learn(before, train.at)
            if odd:
                yield train.used, train.at, missed[0]


def _before(book: Book, key: ProfileKey, at: int) -> dict[ProfileKey, int]:
    """Return what else a device did within `WITHIN_NS` before a time, the nearest first.

    What it does nearly all the time comes before everything, and is left out.
    """
    found = [
        (use.order.begun, other)
        for other, use in book.keys.items()
        if use.order.begun < at <= use.last + WITHIN_NS
        and other != key
        and chance(use) <= MOST_CHANCE
    ]
    found.sort(key=lambda each: -each[0])
    return {other: begun for begun, other in found[:MOST_BEFORE]}


def has_order(own: Use) -> bool:
    """Tell whether a key always comes after something: out of the blue it is odd."""
    order = own.order
    if order.trains <= ENOUGH_TRAINS or own.days < ENOUGH_DAYS:
        return False
    if order.stray > own.last - (own.last - own.first) // 2:
        return False  # Lately it came without before.
    return any(share >= LEAST_SHARE for share in order.after.values())


def chance(use: Use) -> float:
    """Return in which share of all time a key was used within `WITHIN_NS`, 0 while unknown."""
    known = use.last - use.first
    return min(1.0, use.order.about / known) if known >= LEAST_KNOWN_NS else 0.0
