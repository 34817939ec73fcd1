"""What a person called no attack: it is usual for its target for a while, whatever it is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from phage.detect.volumes.episodes import Episode
    from phage.detect.volumes.excess import TooMuch
    from phage.detect.volumes.measures import Slot
    from phage.detect.volumes.targets import Target

LASTING = 60 * 10**9
"""Nanoseconds for which it is not judged, but learned."""


@dataclass(slots=True)
class Accepted:
    """Attacks that are none, by target and direction; told by any thread."""

    _told: deque[str] = field(default_factory=lambda: deque(maxlen=64))
    _until: dict[tuple[Target, bool], int] = field(default_factory=dict)

    def tell(self, key: str) -> None:
        """Take the attack of a key for usual traffic. From any thread."""
        self._told.append(key)

    def new(self, end: Callable[[str], Episode | None], time: int) -> Iterator[Target]:
        """Yield the targets of attacks that were told since, which end by this."""
        while self._told:
            episode = end(self._told.popleft())
            if episode is not None:
                self._until[episode.target, episode.sent] = time + LASTING
                yield episode.target

    def without(self, judged: list[TooMuch], slot: Slot) -> list[TooMuch]:
        """Leave out what is too much for these targets."""
        if not self._until:
            return judged
        self._until = {each: until for each, until in self._until.items() if until > slot.time}
        return [
            each
            for each in judged
            if not any(
                sent == each.sent and concerns(target, slot, each.row)
                for target, sent in self._until
            )
        ]


def rows_of(target: Target, slot: Slot) -> Sequence[int]:
    """Return the rows of a slot that a target is about."""
    return [row for row in range(len(slot.keys)) if concerns(target, slot, row)]


def concerns(target: Target, slot: Slot, row: int) -> bool:
    """Tell whether a row is of a target, of what is in it, or of what is around it."""
    other = slot.target(row)
    return target.holds(other) or other.holds(target)
