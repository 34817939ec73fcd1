"""What is in the sets: for each key, which decisions want it there and until when."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from phage.respond.bans.places import Place
    from phage.respond.bans.plain import PlainBans

FOREVER = 1 << 63
"""Later than any other time."""

ENDING = 1_000_000_000
"""Nanoseconds before its end from which on a key may be gone: clocks differ a little."""

Holder = tuple[str, int]
"""A decision's id, and until when it wants the key in the set (FOREVER for without end)."""

_HOLDER = struct.Struct(">QH")
"""A holder as it is kept: its end, and how long its id is, which follows. Half a million of them as
tuples would take four times the memory."""


@frozen
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

    _held: dict[Place, dict[bytes, bytes]] = field(default_factory=dict)

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
                holders = self._holders(place, octets)
            changed[at] = change(holders, holder)
        return [
            Change(place, octets, self._holders(place, octets), holders)
            for (place, octets), holders in changed.items()
        ]

    def _holders(self, place: Place, octets: bytes) -> tuple[Holder, ...]:
        held = self._held.get(place)
        packed = held.get(octets) if held else None
        return _unpacked(packed) if packed else ()

    def fill(self, place: Place, bans: PlainBans, now: int) -> None:
        """Take plain bans over that have not expired, in addition to what is there."""
        held = self._held.setdefault(place, {})
        for octets, until, id_ in zip(bans.each(), bans.each_end(), bans.each_id(), strict=True):
            if 0 < until <= now:
                continue
            holder = _HOLDER.pack(until or FOREVER, len(id_)) + id_.encode("ascii")
            others = held.get(octets)
            held[octets] = holder if others is None else others + holder
        if not held:
            del self._held[place]

    def keep(self, changes: Iterable[Change]) -> None:
        """Take over what has changed."""
        for each in changes:
            if each.new:
                self._held.setdefault(each.place, {})[each.octets] = _packed(each.new)
            else:
                self._held.get(each.place, {}).pop(each.octets, None)

    def each(self, place: Place) -> Iterator[tuple[bytes, int]]:
        """Yield the keys of a set, each with its end."""
        for octets, holders in self._held.get(place, {}).items():
            yield octets, _latest(holders)

    def forget(self, place: Place) -> None:
        """Forget a set and all that was in it."""
        self._held.pop(place, None)

    def sample(self, place: Place, now: int) -> bytes | None:
        """Return a key that must be in a set for a while yet, or None."""
        keys = self._held.get(place, {})
        for octets in reversed(keys):
            if self.must_stand(place, octets, now):
                return octets
        return None

    def keys(self) -> Iterator[tuple[Place, bytes]]:
        """Yield every key with its set; what changes meanwhile may be missed, or be gone."""
        for place in tuple(self._held):
            yield from ((place, octets) for octets in tuple(self._held.get(place, ())))

    def must_stand(self, place: Place, octets: bytes, now: int) -> bool:
        """Tell whether a key must be in a set for a while yet."""
        holders = self._held.get(place, {}).get(octets)
        return holders is not None and _latest(holders) > now + ENDING


def _last(holders: Iterable[Holder]) -> int:
    return max((until for _, until in holders), default=0)


def _packed(holders: Iterable[Holder]) -> bytes:
    encoded = ((id_.encode(), until) for id_, until in holders)
    return b"".join(_HOLDER.pack(until, len(id_)) + id_ for id_, until in encoded)


def _unpacked(packed: bytes) -> tuple[Holder, ...]:
    found = []
    at = 0
    while at < len(packed):
        until, length = _HOLDER.unpack_from(packed, at)
        at += _HOLDER.size + length
        found.append((packed[at - length : at].decode(), until))
    return tuple(found)


def _latest(packed: bytes) -> int:
    until, length = _HOLDER.unpack_from(packed)
    if len(packed) == _HOLDER.size + length:
        return int(until)
    return _last(_unpacked(packed))
