"""What is known of one device while phage runs: the mutable side of a `Device`, under caps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.devices.weigh import conclude
from phage.records.device import Attribute, Device, Join, Mark, Seen, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from phage.records.device import Guess

MAX_MACS = 32
"""A phone that takes another MAC address each day for a month."""

MAX_ADDRESSES = 32
"""Privacy addresses (RFC 8981) live for a day; a week of them, and those of some networks."""

MAX_TRAITS = 128
MAX_MARKS = 48
MAX_WORDS = 256
MAX_APART = 32
_SECOND = 1_000_000_000
LEAST_AWAY_NS = 300 * _SECOND
"""Nobody is away sooner: a phone that sleeps is silent for minutes."""

MOST_AWAY_NS = 86_400 * _SECOND
"""Who was silent for a day is away, whatever its habits."""

GAP_MARGIN = 2.0
"""A silence counts from twice the longest that this device usually keeps."""

GAP_DECAY = 0.9
"""How much of the longest silence is remembered at each one that is noted."""


@dataclass(slots=True)
class Span:
    """From when to when something was seen, in nanoseconds since the Unix epoch."""

    first: int
    last: int


@dataclass(slots=True)
class Entry:
    """One device. Times are nanoseconds since the Unix epoch.

    `gap` is the longest silence that is usual, `dropped` counts what the caps left out.
    """

    id: str
    name: str = ""
    labels: set[str] = field(default_factory=set)
    macs: dict[str, Span] = field(default_factory=dict)
    addresses: dict[str, Span] = field(default_factory=dict)
    first_seen: int = 0
    last_seen: int = 0
    present: bool = False
    gap: int = 0
    traits: dict[tuple[Attribute, str, str], Trait] = field(default_factory=dict)
    marks: dict[Mark, int] = field(default_factory=dict)
    words: dict[str, None] = field(default_factory=dict)
    given: dict[Attribute, str] = field(default_factory=dict)
    joins: dict[str, Join] = field(default_factory=dict)
    apart: dict[str, None] = field(default_factory=dict)
    vlan: int = 0
    packets: int = 0
    octets: int = 0
    dropped: int = 0
    renewed: int = 0
    """When it told another version of its firmware or programs than before; 0: never."""
    flows_read: int = 0
    """Flows that gave features."""
    judged: int = -1
    """Features that it had when its kind was judged."""
    _guesses: dict[Attribute, Guess] | None = None
    _record: Device | None = None

    @property
    def away_after(self) -> int:
        """Return the silence after which it is away."""
        return min(MOST_AWAY_NS, max(LEAST_AWAY_NS, int(self.gap * GAP_MARGIN)))

    def touch(self, at: int, packets: int = 0, octets: int = 0) -> None:
        """Note that it was seen; silences of a present device teach how long it usually keeps."""
        silence = at - self.last_seen
        if self.last_seen and silence > 60 * _SECOND:
            self.gap = min(MOST_AWAY_NS, max(silence, int(self.gap * GAP_DECAY)))
        if silence > 0:
            self.last_seen = at
        if at < self.first_seen or not self.first_seen:
            self.first_seen = at
        self.packets += packets
        self.octets += octets
        self._record = None

    def see_mac(self, mac: str, at: int) -> Span:
        """Note a MAC address."""
        return self._see(self.macs, mac, at, MAX_MACS)

    def see_address(self, address: str, at: int) -> bool:
        """Note an IP address; tell whether it is new."""
        new = address not in self.addresses
        self._see(self.addresses, address, at, MAX_ADDRESSES)
        return new

    def keep_apart(self, macs: Iterable[str]) -> None:
        """Note that MAC addresses are never to be joined to it."""
        for mac in macs:
            self.apart[mac] = None
            if len(self.apart) > MAX_APART:
                del self.apart[next(iter(self.apart))]

    def _see(self, table: dict[str, Span], value: str, at: int, most: int) -> Span:
        span = table.get(value)
        if span is None:
            if len(table) >= most:
                stalest = min(
                    (key for key in table if key != self.id),
                    key=lambda key: table[key].last,
                )
                del table[stalest]
                self.dropped += 1
            span = table[value] = Span(at, at)
        span.first, span.last = min(span.first, at), max(span.last, at)
        self._record = None
        return span

    def take_traits(self, traits: Iterable[Trait]) -> bool:
        """Note traits; tell whether any is new or weighs otherwise."""
        changed = False
        for trait in traits:
            key = trait.attribute, trait.value, trait.source
            known = self.traits.get(key)
            changed = changed or known is None or known.weight != trait.weight
            if known is None and len(self.traits) >= MAX_TRAITS:
                weakest = min(
                    self.traits,
                    key=lambda other: (self.traits[other].weight, self.traits[other].seen),
                )
                del self.traits[weakest]
                self.dropped += 1
            self.traits[key] = trait
        if changed:
            self._guesses = None
        self._record = None
        return changed

    def replace_traits(self, source: str, traits: Iterable[Trait]) -> bool:
        """Put traits in the place of all that a source said before; tell whether they differ."""
        fresh = {(each.attribute, each.value, each.source): each for each in traits}
        before = {key for key in self.traits if key[2] == source}
        for key in before - fresh.keys():
            del self.traits[key]
        changed = self.take_traits(fresh.values())
        if before - fresh.keys():
            self.changed()
        return changed or bool(before - fresh.keys())

    def take_marks(self, marks: Iterable[Mark], at: int) -> list[Mark]:
        """Note marks; return those that are new."""
        new = []
        for mark in marks:
            if mark not in self.marks:
                new.append(mark)
                if len(self.marks) >= MAX_MARKS:
                    del self.marks[min(self.marks, key=lambda other: self.marks[other])]
                    self.dropped += 1
            self.marks[mark] = at
        return new

    def take_words(self, words: Iterable[str]) -> bool:
        """Note features for the classifier; tell whether any is new."""
        new = False
        for word in words:
            if word in self.words:
                continue
            if len(self.words) >= MAX_WORDS:
                self.dropped += 1
                break
            self.words[word] = None
            new = True
        return new

    def changed(self) -> None:
        """Forget what was made of it."""
        self._record = None
        self._guesses = None

    def guesses(self, now: int) -> Mapping[Attribute, Guess]:
        """Return what is concluded."""
        if self._guesses is None:
            self._guesses = conclude(self.traits.values(), self.given, now)
        return self._guesses

    def record(self) -> Device:
        """Return the frozen record."""
        if self._record is None:
            self._record = Device(
                id=self.id,
                name=self.name,
                labels=tuple(sorted(self.labels)),
                macs=_seen(self.macs),
                addresses=_seen(self.addresses),
                first_seen=self.first_seen,
                last_seen=self.last_seen,
                present=self.present,
                traits=tuple(self.traits.values()),
                marks=tuple(self.marks),
                words=tuple(self.words),
                given=dict(self.given),
                guesses=self.guesses(self.last_seen),
                joins=tuple(self.joins.values()),
                apart=tuple(self.apart),
                vlan=self.vlan,
                packets=self.packets,
                octets=self.octets,
                gap=self.gap,
            )
        return self._record

    def absorb(self, other: Entry) -> None:
        """Take over what is known of another entry, which is the same device."""
        for table, source, most in (
            (self.macs, other.macs, MAX_MACS),
            (self.addresses, other.addresses, MAX_ADDRESSES),
        ):
            for value, span in source.items():
                self._see(table, value, span.first, most)
                self._see(table, value, span.last, most)
        self.take_traits(other.traits.values())
        for mark, at in other.marks.items():
            self.take_marks((mark,), max(at, self.marks.get(mark, 0)))
        self.take_words(other.words)
        self.name = self.name or other.name
        self.labels |= other.labels
        self.given = other.given | self.given
        self.joins |= other.joins
        self.first_seen = min(self.first_seen, other.first_seen)
        self.last_seen = max(self.last_seen, other.last_seen)
        self.gap = max(self.gap, other.gap)
        self.present = self.present or other.present
        self.packets += other.packets
        self.octets += other.octets
        self.changed()


def entry_of(device: Device) -> Entry:
    """Return the mutable side of a record."""
    return Entry(
        id=device.id,
        name=device.name,
        labels=set(device.labels),
        macs={seen.value: Span(seen.first, seen.last) for seen in device.macs},
        addresses={seen.value: Span(seen.first, seen.last) for seen in device.addresses},
        first_seen=device.first_seen,
        last_seen=device.last_seen,
        present=device.present,
        traits={(each.attribute, each.value, each.source): each for each in device.traits},
        marks=dict.fromkeys(device.marks, device.last_seen),
        words=dict.fromkeys(device.words),
        given=dict(device.given),
        joins={join.mac: join for join in device.joins},
        apart=dict.fromkeys(device.apart),
        vlan=device.vlan,
        packets=device.packets,
        octets=device.octets,
        gap=device.gap,
    )


def _seen(table: Mapping[str, Span]) -> tuple[Seen, ...]:
    ordered = sorted(table, key=lambda value: (-table[value].last, value))
    return tuple(Seen(value, table[value].first, table[value].last) for value in ordered)
