"""Transactions of the bans: which requests make the kernel's table what it should be."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phage.frozen import frozen
from phage.respond.bans.chains import COUNTERS, JUMPED_TO, ListShape, Shape, base_chains, render
from phage.respond.bans.members import FOREVER, Change, Members
from phage.respond.netlink.expressions import Count
from phage.respond.netlink.messages import MAX_ATTRIBUTE
from phage.respond.netlink.tables import (
    ELEMENT_INTERVAL_END,
    KEY_IPV4,
    KEY_IPV6,
    OBJECT_COUNTER,
    OBJECT_LIMIT,
    SET_INTERVAL,
    SetSpec,
    element,
)
from phage.respond.nft import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from phage.records.decision import Rate
    from phage.respond.bans.places import Network, Place
    from phage.respond.bans.special import Special
    from phage.respond.netlink.link import Link
    from phage.respond.netlink.messages import Request
    from phage.respond.netlink.tables import Table

NANOSECONDS_PER_MILLISECOND = 1_000_000
RUN_OCTETS = MAX_ATTRIBUTE - 1024
"""Elements of one message: their length is told in 16 bits."""

ALLOW_SPECS = (
    SetSpec(layout.ALLOW[4], KEY_IPV4, 4, SET_INTERVAL),
    SetSpec(layout.ALLOW[6], KEY_IPV6, 16, SET_INTERVAL),
)


LIST_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}", re.ASCII)
_LIST_SET = re.compile(r"list_([a-z][a-z0-9_]{0,30})_(4|6)_([0-9]{1,3})", re.ASCII)


@frozen
class BulkList:
    """A list as it stands in the kernel.

    Attributes:
        sets: Its keys by IP version and prefix length, as `phage.respond.bans.lists` makes them;
            None for those of a set that was found at start.
        room: For how many keys each set was made.
        source: Packets from its addresses are dropped.
        destination: Packets to its addresses are dropped.
    """

    sets: Mapping[tuple[int, int], npt.NDArray[Any] | None]
    room: Mapping[tuple[int, int], int]
    source: bool = True
    destination: bool = False

    def __len__(self) -> int:
        return sum(len(keys) for keys in self.sets.values() if keys is not None)


@frozen
class Content:
    """What is to be in force.

    Attributes:
        members: Keys of the sets of bans.
        places: The sets of bans.
        specials: Decisions with rules of their own, by id; their keys are in `members`.
        lists: Bulk lists by name.
        allow: The allow-list; None when nobody has told it.
    """

    members: Members = field(default_factory=Members)
    places: frozenset[Place] = frozenset()
    specials: Mapping[str, Special] = field(default_factory=dict)
    lists: Mapping[str, BulkList] = field(default_factory=dict)
    allow: tuple[Network, ...] | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is to be in force."""
        return not (self.places or self.specials or self.lists)

    def shape(self, devices: tuple[str, ...]) -> Shape:
        """Return what the rules depend on."""
        own = {place for special in self.specials.values() for place, _ in special.keys}
        rules = tuple(rule for special in self.specials.values() for rule in special.rules)
        return Shape(self.places - own, self.list_shapes(), rules, devices)

    def list_shapes(self) -> tuple[ListShape, ...]:
        """Return the lists as rules see them."""
        return tuple(
            ListShape(name, tuple(each.sets), each.source, each.destination)
            for name, each in sorted(self.lists.items())
        )

    def list_sets(self) -> Iterator[tuple[SetSpec, BulkList, tuple[int, int]]]:
        """Yield the making of every set of every list, the list, and its version and length."""
        for name, each in self.lists.items():
            for at in each.sets:
                set_name = layout.list_set(name, *at)
                yield list_spec(set_name, at[0], each.room[at]), each, at

    def set_names(self) -> list[str]:
        """Return the names of all sets of it."""
        names = [place.name for place in self.places]
        names += [spec.name for spec, _, _ in self.list_sets()]
        return [*names, *layout.ALLOW.values()]

    def objects(self) -> dict[tuple[int, str], Rate | None]:
        """Return its counters and limits by kind and name."""
        found: dict[tuple[int, str], Rate | None] = {
            (OBJECT_COUNTER, name): None for name in COUNTERS
        }
        for each in self.specials.values():
            found[OBJECT_COUNTER, each.name] = None
            if each.rate is not None:
                found[OBJECT_LIMIT, each.name] = each.rate
        return found

    def samples(self, now: int) -> Iterator[tuple[str, bytes]]:
        """Yield one key for each set that must be in it."""
        for place in self.places:
            key = self.members.sample(place, now)
            if key is not None:
                yield place.name, key
        for spec, each, at in self.list_sets():
            keys = each.sets[at]
            if keys is not None and len(keys):
                yield spec.name, octets_of(at[0], keys[0])


def list_spec(name: str, version: int, room: int) -> SetSpec:
    """Return what a set of a list is: of fixed size, which is filled five times as fast."""
    return SetSpec(
        name,
        KEY_IPV4 if version == 4 else KEY_IPV6,
        4 if version == 4 else 16,
        size=room,
    )


def octets_of(version: int, key: Any) -> bytes:  # noqa: ANN401  A number or octets of NumPy's.
    """Return a key of a list in network order."""
    return int(key).to_bytes(4, "big") if version == 4 else bytes(key).ljust(16, b"\0")


@frozen
class Standing:
    """What is in the kernel's table now.

    Attributes:
        handle: The table's; 0 when there is none.
        chains: Names of ours.
        sets: Names of ours.
        objects: (kind, name) of ours.
    """

    handle: int = 0
    chains: frozenset[str] = frozenset()
    sets: frozenset[str] = frozenset()
    objects: frozenset[tuple[int, str]] = frozenset()

    @staticmethod
    def look(table: Table, link: Link) -> Standing:
        """Ask the kernel; what belongs to the static rules is left out."""
        handle = table.handle(link)
        if not handle:
            return Standing()
        chains, sets, objects = table.names(link)
        statics = frozenset(layout.STATIC.values())
        return Standing(
            handle,
            frozenset(name for name in chains if name not in statics and _is_ours(name)),
            frozenset(filter(_is_ours, sets)),
            frozenset(each for each in objects if _is_ours(each[1])),
        )

    def lists(self) -> dict[str, BulkList]:
        """Return the bulk lists that an earlier process left, whose keys are not known."""
        found: dict[str, dict[tuple[int, int], None]] = {}
        for name in sorted(self.sets):
            if match := _LIST_SET.fullmatch(name):
                found.setdefault(match[1], {})[int(match[2]), int(match[3])] = None
        return {name: BulkList(sets, dict.fromkeys(sets, 0)) for name, sets in found.items()}


def _is_ours(name: str) -> bool:
    return not name.startswith(layout.RULE_PREFIX)


@dataclass(slots=True)
class Builder:
    """Collects the requests of one transaction."""

    table: Table
    now: int
    requests: list[Request] = field(default_factory=list)

    @staticmethod
    def chain_names(devices: Sequence[str]) -> list[str]:
        """Return the names of all chains of the bans."""
        return [*JUMPED_TO, *(chain.name for chain in base_chains(tuple(devices)))]

    def build(self, shape: Shape, content: Content, standing: Standing, link: Link) -> None:
        """Make the whole table, over what stands; bulk lists that stand well are left alone."""
        table, add = self.table, self.requests.append
        add(table.create())
        for name in standing.chains:
            add(table.flush_chain(name))
        # Interfaces of a chain cannot be changed on every kernel: it is made anew.
        old = standing.chains & {layout.INGRESS}
        old |= standing.chains - set(self.chain_names(shape.devices))
        self.requests += [table.delete_chain(name) for name in old]
        self.requests += [table.create_base(chain) for chain in base_chains(shape.devices)]
        self.requests += [table.create_chain(name) for name in JUMPED_TO]
        wanted = set(content.set_names())
        self.requests += [table.delete_set(name) for name in sorted(standing.sets - wanted)]
        objects = content.objects()
        # A limit that stands may be another one; a counter goes on counting.
        stale = {
            each for each in standing.objects if each[0] == OBJECT_LIMIT or each not in objects
        }
        self._objects(stale, objects)
        self._allow(content, standing)
        for place in sorted(content.places):
            self.create_set(place.spec())
            if place.name in standing.sets:
                add(table.flush_set(place.name))
            self.add_members(place.name, content.members.each(place))
        self._lists(content, standing, link)
        self._rules(shape)

    def reshape(
        self,
        shape: Shape,
        before: Content,
        after: Content,
        between: Iterable[Request] = (),
    ) -> None:
        """Write the rules anew, with what they ask made before and what they asked removed.

        `between` is done while no rule refers to any set.
        """
        table = self.table
        self.requests += [table.flush_chain(name) for name in self.chain_names(shape.devices)]
        old, new = before.objects(), after.objects()
        changed = {each for each, _ in old.items() ^ new.items()}
        self._objects(changed & old.keys(), {each: new[each] for each in changed & new.keys()})
        self.requests += between
        for place in sorted(after.places - before.places):
            self.create_set(place.spec())
        gone = before.places - after.places
        self.requests += [table.delete_set(place.name) for place in sorted(gone)]
        self._rules(shape)

    def alter(self, changes: Iterable[Change]) -> None:
        """Change single keys: remove those whose time changes, add them with the new one."""
        added: dict[str, list[tuple[bytes, int]]] = {}
        for each in changes:
            if each.before == each.after:
                continue
            if each.before > self.now:
                name = each.place.name
                self.requests.append(self.table.delete_elements(name, element(each.octets)))
            if each.after > self.now:
                added.setdefault(each.place.name, []).append((each.octets, each.after))
        for name, members in added.items():
            self.add_members(name, members)

    def add_members(self, name: str, members: Iterable[tuple[bytes, int]]) -> None:
        """Add keys with their ends, as many to a message as go in."""
        run = bytearray()
        for octets, until in members:
            if until <= self.now:
                continue
            run += element(octets, self._milliseconds(until))
            if len(run) > RUN_OCTETS:
                self.requests.append(self.table.add_elements(name, bytes(run)))
                run.clear()
        if run:
            self.requests.append(self.table.add_elements(name, bytes(run)))

    def fill_allow(self, networks: Iterable[Network]) -> None:
        """Replace what is in the allow sets."""
        every = list(networks)
        for version, name in layout.ALLOW.items():
            self.requests.append(self.table.flush_set(name))
            run = b""
            mine: list[Any] = [network for network in every if network.version == version]
            for each in ipaddress.collapse_addresses(mine):
                run += _interval(each)
                if len(run) > RUN_OCTETS:
                    self.requests.append(self.table.add_elements(name, run))
                    run = b""
            if run:
                self.requests.append(self.table.add_elements(name, run))

    def fill_list(self, name: str, version: int, keys: npt.NDArray[Any]) -> None:
        """Add the keys of a bulk list to a set."""
        # NumPy is loaded where there are lists, and nowhere else.
        from phage.respond.netlink.bulk import additions, octets  # noqa: PLC0415

        self.requests += additions(self.table, name, octets(version, keys))

    def _milliseconds(self, until: int) -> int:
        """Return the time that is left, rounded up; 0 for without end."""
        if until >= FOREVER:
            return 0
        return -(-(until - self.now) // NANOSECONDS_PER_MILLISECOND)

    def create_set(self, spec: SetSpec) -> None:
        """Make a set."""
        self.requests.append(self.table.create_set(spec, len(self.requests) + 1))

    def _allow(self, content: Content, standing: Standing) -> None:
        for spec in ALLOW_SPECS:
            if spec.name not in standing.sets:
                self.create_set(spec)
        if content.allow is not None:
            self.fill_allow(content.allow)

    def _lists(self, content: Content, standing: Standing, link: Link) -> None:
        samples = dict(content.samples(self.now))
        for spec, each, at in content.list_sets():
            stands = spec.name in standing.sets
            keys = each.sets[at]
            if keys is None or (
                stands and self.table.has_elements(link, spec.name, samples[spec.name])
            ):
                continue
            if stands:
                self.requests.append(self.table.delete_set(spec.name))
            self.create_set(spec)
            self.fill_list(spec.name, at[0], keys)

    def _objects(
        self, gone: Iterable[tuple[int, str]], come: Mapping[tuple[int, str], Rate | None]
    ) -> None:
        self.requests += [self.table.delete_object(kind, name) for kind, name in sorted(gone)]
        for (_, name), rate in come.items():
            self.requests.append(
                self.table.create_counter(name)
                if rate is None
                else self.table.create_limit(name, rate)
            )

    def _rules(self, shape: Shape) -> None:
        for chain, rules in render(shape).items():
            for rule in rules:
                counts = next((each.name for each in rule if isinstance(each, Count)), "")
                self.requests.append(self.table.add_rule(chain, rule, counts))


def _interval(network: Network) -> bytes:
    """Encode a network as an element of an interval set: its first address, and the one after."""
    first, last = network.network_address.packed, network.broadcast_address.packed
    encoded = element(first)
    following = int.from_bytes(last, "big") + 1
    if following < 1 << (8 * len(last)):
        end = following.to_bytes(len(last), "big")
        encoded += element(end, flags=ELEMENT_INTERVAL_END)
    return encoded
