"""What is in the sets: for each key, which decisions want it there and until when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from phage.respond.bans.places import Place

FOREVER = 1 << 63
"""Later than any other time."""

Holder = tuple[str, int]
"""A decision's id, and until when it wants the key in the set (FOREVER for without end)."""


@dataclass(frozen=True, slots=True)
class Change:
    """One key whose holders change."""

    place: Place
    octets: bytes
    old: tuple[Holder, ...]
    new: tuple[Holder, ...]

    @property
    def before(self) -> int:
        """Return until when the key was to be in the set; 0 for not at all."""
        return _last(self.old)

    @property
    def after(self) -> int:
        """Return until when it is to be."""
        return _last(self.new)

    def undone(self) -> Change:
        """Return the change that takes this one back."""
        return Change(self.place, self.octets, self.new, self.old)


@dataclass(slots=True)
class Members:
    """Keys by set, each with its holders. A key stays until the last of its holders' times."""

    _held: dict[Place, dict[bytes, tuple[Holder, ...]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self._held.values()))

    @property
    def places(self) -> frozenset[Place]:
        """Return the sets that are in use."""
        return frozenset(self._held)

    def added(self, wanted: Iterable[tuple[Place, bytes, Holder]]) -> list[Change]:
        """Return what changes when decisions want keys; nothing is changed yet."""
        return self._changes(
            wanted, lambda holders, each: (*(old for old in holders if old[0] != each[0]), each)
        )

    def removed(self, unwanted: Iterable[tuple[Place, bytes, Holder]]) -> list[Change]:
        """Return what changes when decisions no longer want keys."""
        return self._changes(
            unwanted, lambda holders, each: tuple(old for old in holders if old[0] != each[0])
        )

    def _changes(
        self,
        asked: Iterable[tuple[Place, bytes, Holder]],
        change: Callable[[tuple[Holder, ...], Holder], tuple[Holder, ...]],
    ) -> list[Change]:
        changed: dict[tuple[Place, bytes], tuple[Holder, ...]] = {}
        for place, octets, holder in asked:
            at = (place, octets)
            holders = changed.get(at)
            if holders is None:
                holders = self._held.get(place, {}).get(octets, ())
            changed[at] = change(holders, holder)
        return [
            Change(place, octets, self._held.get(place, {}).get(octets, ()), holders)
            for (place, octets), holders in changed.items()
        ]

    def keep(self, changes: Iterable[Change]) -> None:
        """Take over what has changed."""
        for each in changes:
            if each.new:
                self._held.setdefault(each.place, {})[each.octets] = each.new
            else:
                self._held.get(each.place, {}).pop(each.octets, None)

    def each(self, place: Place) -> Iterator[tuple[bytes, int]]:
        """Yield the keys of a set, each with its end."""
        for octets, holders in self._held.get(place, {}).items():
            yield octets, _last(holders)

    def forget(self, place: Place) -> None:
        """Forget a set and all that was in it."""
        self._held.pop(place, None)

    def sample(self, place: Place, now: int) -> bytes | None:
        """Return a key that must be in a set for a while yet, or None."""
        keys = self._held.get(place, {})
        for octets, holders in reversed(keys.items()):
            if _last(holders) > now:
                return octets
        return None


def _last(holders: Iterable[Holder]) -> int:
    return max((until for _, until in holders), default=0)
