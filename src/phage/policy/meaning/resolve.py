"""Objects and groups: names are replaced by what they stand for.

What is left are *terms* that need no other rule file: networks, well-known names, devices by their
traits, and named sets. What these mean now is asked of the facts, later.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.config.load import suggestion
from phage.frozen import frozen
from phage.policy.place import Fault, Place
from phage.policy.rule import DEVICE_KINDS, Clause, Kind, ObjectName, Selector, TimeWindow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from phage.policy.rule import Match, NamedObject, Parties
    from phage.records.packetrule import Service

MAX_CLAUSES = 64
"""Combinations that one side of a match may come to: each becomes a rule in the kernel."""

MAX_TERMS = 20_000
"""Terms on one side of a match; longer lists belong in an indicator list."""


MAX_NESTED = 32
"""Objects within objects; resolving recurses."""


@frozen
class DeviceTerm:
    """Devices of ours that have one of each group of traits."""

    groups: tuple[tuple[Selector, ...], ...]

    def __str__(self) -> str:
        """Return it as people read it: "category camera and label child"."""
        return " and ".join(" or ".join(map(str, group)) for group in self.groups)


Term = Selector | DeviceTerm


@frozen
class Side:
    """One way for an address to be meant: one of `any_of` (any address if empty), no `none_of`."""

    any_of: tuple[Term, ...] = ()
    none_of: tuple[Term, ...] = ()


Sides = tuple[Side, ...]
"""One of these ways; () for any address."""


@dataclass
class Resolver:
    """Resolves the names of one rule set's objects. Its methods raise Fault."""

    objects: Mapping[str, NamedObject]
    _sides: dict[str, Sides] = field(default_factory=dict)
    _services: dict[str, tuple[Service, ...]] = field(default_factory=dict)
    _times: dict[str, tuple[TimeWindow, ...]] = field(default_factory=dict)
    _path: list[str] = field(default_factory=list)

    def sides(self, parties: Parties) -> Sides:
        """Return what addresses are meant, without names of objects."""
        found = _merged(side for clause in parties for side in self._clause(clause))
        if len(found) > MAX_CLAUSES or sum(len(side.any_of) for side in found) > MAX_TERMS:
            text = f"means more than {MAX_CLAUSES} different combinations; simplify its objects"
            raise Fault(_place_of(parties), text)
        return found

    def terms(self, parties: Parties) -> tuple[Term, ...]:
        """Return the same as plain terms, as `not` takes them."""
        found: dict[Term, None] = {}
        for side in self.sides(parties):
            if side.none_of:
                text = "has a `not` of its own and cannot stand in a `not`; write it out"
                raise Fault(_place_of(parties), text)
            found.update(dict.fromkeys(side.any_of))
        return tuple(found)

    def services(self, items: Iterable[Service | ObjectName]) -> tuple[Service, ...]:
        """Return services without names of objects."""
        found: dict[Service, None] = {}
        for item in items:
            plain = self._named_services(item) if isinstance(item, ObjectName) else (item,)
            found.update(dict.fromkeys(plain))
        return tuple(found)

    def times(self, items: Iterable[TimeWindow | ObjectName]) -> tuple[TimeWindow, ...]:
        """Return windows of time without names of objects."""
        found: dict[TimeWindow, None] = {}
        for item in items:
            plain = self._named_times(item) if isinstance(item, ObjectName) else (item,)
            found.update(dict.fromkeys(plain))
        return tuple(found)

    def check(self) -> list[Fault]:
        """Resolve every object; return what is wrong with them."""
        faults = []
        for known in self.objects.values():
            name = ObjectName(known.name, known.place)
            try:
                if known.parties:
                    self._named(known.name, known.place)
                self.services([name] if known.services else ())
                self.times([name] if known.times else ())
            except Fault as fault:
                faults.append(fault)
        return faults

    def _clause(self, clause: Clause) -> Iterable[Side]:
        none_of = self.terms(clause.none_of) if clause.none_of else ()
        groups = clause.all_of
        if len(groups) > 1 or (groups and groups[0][0].kind in DEVICE_KINDS):
            yield Side((DeviceTerm(groups),), none_of)
            return
        if not groups:
            yield Side((), none_of)
            return
        plain: list[Term] = []
        for selector in groups[0]:
            if selector.kind is Kind.OBJECT:
                for side in self._named(selector.value, selector.place):
                    yield Side(side.any_of, tuple(dict.fromkeys((*side.none_of, *none_of))))
            else:
                is_device = selector.kind in DEVICE_KINDS
                plain.append(DeviceTerm(((selector,),)) if is_device else selector)
        if plain:
            yield Side(tuple(plain), none_of)

    def _named(self, name: str, place: Place) -> Sides:
        known = self._object(name, place, "addresses")
        if name not in self._sides:
            with self._inside(name, place):
                self._sides[name] = self.sides(known.parties)
        return self._sides[name]

    def _named_services(self, item: ObjectName) -> tuple[Service, ...]:
        known = self._object(item.name, item.place, "services")
        if item.name not in self._services:
            with self._inside(item.name, item.place):
                self._services[item.name] = self.services(known.services)
        return self._services[item.name]

    def _named_times(self, item: ObjectName) -> tuple[TimeWindow, ...]:
        known = self._object(item.name, item.place, "times")
        if item.name not in self._times:
            with self._inside(item.name, item.place):
                self._times[item.name] = self.times(known.times)
        return self._times[item.name]

    def _object(self, name: str, place: Place, kind: str) -> NamedObject:
        known = self.objects.get(name)
        if known is None:
            names = [other.name for other in self.objects.values() if other.kind == kind]
            hint = suggestion(name, names) or "; define it under `objects`"
            raise Fault(place, f"{name!r}: no such object{hint}")
        if known.kind != kind:
            text = f"{name!r} stands for {known.kind} ({known.place.short}), not for {kind}"
            raise Fault(place, text)
        return known

    @contextmanager
    def _inside(self, name: str, place: Place) -> Iterator[None]:
        """Note that an object is being resolved, so that circles are seen."""
        if name in self._path:
            circle = " -> ".join([*self._path[self._path.index(name) :], name])
            raise Fault(place, f"objects that contain each other: {circle}; break the circle")
        if len(self._path) >= MAX_NESTED:
            raise Fault(place, f"objects are nested more than {MAX_NESTED} deep; make them flatter")
        self._path.append(name)
        try:
            yield
        finally:
            self._path.pop()


def names_in(parties: Parties) -> Iterator[str]:
    """Yield the names of objects that addresses are given by."""
    for clause in parties:
        for group in clause.all_of:
            yield from (item.value for item in group if item.kind is Kind.OBJECT)
        yield from names_in(clause.none_of)


def names_in_match(match: Match) -> Iterator[str]:
    """Yield the names of objects that a match names."""
    for parties in (match.source, match.destination, match.near, match.far):
        yield from names_in(parties)
    for item in (*match.services, *match.times):
        if isinstance(item, ObjectName):
            yield item.name
    if match.excluded is not None:
        yield from names_in_match(match.excluded)


def _merged(sides: Iterable[Side]) -> Sides:
    """Join sides with the same exclusions."""
    by_exclusion: dict[tuple[Term, ...], dict[Term, None]] = {}
    anything: dict[Side, None] = {}
    for side in sides:
        if not side.any_of:
            anything[side] = None
            continue
        by_exclusion.setdefault(side.none_of, {}).update(dict.fromkeys(side.any_of))
        if len(by_exclusion) + len(anything) > MAX_CLAUSES:
            break  # The caller refuses it.
    return (*anything, *(Side(tuple(terms), none) for none, terms in by_exclusion.items()))


def _place_of(parties: Parties) -> Place:
    for clause in parties:
        for group in clause.all_of:
            for selector in group:
                return selector.place
        if clause.none_of:
            return _place_of(clause.none_of)
    return Place()
