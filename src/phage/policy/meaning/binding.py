"""Resolved terms bound to the facts: addresses, and names of sets, as a kernel can ask for them."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from phage.devices.vulnerabilities.blocklist import parse_product
from phage.frozen import frozen
from phage.policy.meaning.matching import set_of
from phage.policy.meaning.resolve import DeviceTerm
from phage.policy.networks import SPECIAL, collapse, complement, intersect, overlap, subtract
from phage.policy.rule import Kind
from phage.records.address import parse_mac
from phage.records.packetrule import Addresses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phage.policy.facts import Device, Facts
    from phage.policy.meaning.resolve import Side, Sides, Term
    from phage.policy.rule import Selector
    from phage.records.packetrule import Network

ANYBODY = Addresses()
LONGEST_SLUG = 32


@frozen
class End:
    """One end of a packet as a packet rule asks for it: an address, or the source's MAC."""

    addresses: Addresses = ANYBODY
    macs: tuple[int, ...] = ()


@dataclass
class Binder:
    """Binds the terms of a rule set to facts, and collects the sets that rules name.

    Attributes:
        facts: What is known of the world.
        sets: The sets that were named: what each one is to hold now.
    """

    facts: Facts
    sets: dict[str, tuple[Network, ...]] = field(default_factory=dict)
    _device_sets: set[str] = field(default_factory=set)

    @cached_property
    def local(self) -> tuple[Network, ...]:
        """What is not the internet."""
        return collapse((*self.facts.own, *self.facts.home, *SPECIAL))

    @cached_property
    def _devices(self) -> tuple[Device, ...]:
        return tuple(self.facts.devices())

    def ends(self, sides: Sides, none_of: tuple[Term, ...], *, is_source: bool) -> tuple[End, ...]:
        """Return the ends that are meant; () where nobody is, so that the rule cannot match.

        Args:
            sides: Who is meant; () for anybody.
            none_of: Who is not.
            is_source: MAC addresses can be asked for of a source only.
        """
        if not sides:
            found = self._without(ANYBODY, none_of)
            return (End(found),) if found is not None else ()
        return tuple(
            end for side in sides for end in self._side(side, none_of, is_source=is_source)
        )

    def _side(self, side: Side, none_of: tuple[Term, ...], *, is_source: bool) -> Iterator[End]:
        unwanted = (*side.none_of, *none_of)
        macs = tuple(mac for term in side.any_of for mac in _macs(term)) if is_source else ()
        if macs:
            found = self._without(ANYBODY, unwanted)
            if found is not None:
                yield End(found, tuple(sorted(set(macs))))
        wanted: Addresses | None = ANYBODY
        if side.any_of:
            wanted = self._wanted(term for term in side.any_of if not (is_source and _macs(term)))
        if wanted is not None:
            found = self._without(wanted, unwanted)
            if found is not None:
                yield End(found)

    def _wanted(self, terms: Iterable[Term]) -> Addresses | None:
        """Return the addresses of any of these terms; None for nobody's."""
        networks: list[Network] = []
        sets: dict[str, None] = {}
        for term in terms:
            known = self._networks(term)
            if known is None:
                sets[self._set(term)] = None
            else:
                networks += known
        if not networks and not sets:
            return None
        return Addresses(collapse(networks), tuple(sets))

    def _without(self, wanted: Addresses, none_of: Iterable[Term]) -> Addresses | None:
        """Take terms out of addresses; None where nobody is left."""
        excluded: list[Network] = []
        sets: dict[str, None] = {}
        for term in none_of:
            known = self._networks(term)
            if known is None:
                sets[self._set(term)] = None
            else:
                excluded += known
        return narrowed(Addresses(wanted.networks, wanted.sets, collapse(excluded), tuple(sets)))

    def _networks(self, term: Term) -> tuple[Network, ...] | None:
        """Return a term's networks where they stand in the rules themselves; None for a set."""
        if isinstance(term, DeviceTerm) or is_in_set(term):
            return None
        return self._well_known(term.value) if term.network is None else (term.network,)

    def _well_known(self, name: str) -> tuple[Network, ...]:
        if name == "internet":
            return complement(self.local)
        if name == "admin":
            return tuple(ipaddress.ip_network(item.source) for item in self.facts.admins)
        known = {"self": self.facts.own, "home": self.facts.home, "gateway": self.facts.gateways}
        return known[name]

    def _set(self, term: Term) -> str:
        """Return the name of a term's set, and note what it is to hold."""
        name = set_name(term)
        if name not in self.sets:
            self.sets[name] = collapse(self._members(term))
            if isinstance(term, DeviceTerm):
                self._device_sets.add(name)
        return name

    def _members(self, term: Term) -> Iterable[Network]:
        if isinstance(term, DeviceTerm):
            return [
                ipaddress.ip_network(address)
                for device in self._devices
                if has_traits(device, term)
                for address in device.addresses
            ]
        return self.facts.members(term.kind, term.value, term.confidence)

    def inside(self, addresses: Addresses) -> Addresses | None:
        """Narrow addresses to what is ours; None where nothing is left."""
        if addresses.sets and not addresses.networks and self._are_ours(addresses.sets):
            return addresses
        return within(addresses, self.local)

    def _are_ours(self, sets: tuple[str, ...]) -> bool:
        """Tell whether sets hold devices at home only."""
        local = set_of(self.local)
        return all(
            name in self._device_sets and all(local.covers(member) for member in self.sets[name])
            for name in sets
        )

    def outside(self, addresses: Addresses) -> Addresses | None:
        """Narrow addresses to the internet; None where nothing is left."""
        near = collapse((*addresses.excluded, *self.local))
        return narrowed(
            Addresses(addresses.networks, addresses.sets, near, addresses.excluded_sets)
        )


def within(addresses: Addresses, networks: tuple[Network, ...]) -> Addresses | None:
    """Narrow addresses to what lies in some networks; None where nothing is left."""
    if addresses.sets:  # Nobody knows what is in them: everything else is taken out.
        far = collapse((*addresses.excluded, *complement(networks)))
        return narrowed(Addresses(addresses.networks, addresses.sets, far, addresses.excluded_sets))
    both = intersect(addresses.networks, networks) if addresses.networks else networks
    if not both:
        return None
    return narrowed(Addresses(both, (), addresses.excluded, addresses.excluded_sets))


def is_in_set(term: Term) -> bool:
    """Tell whether a term's members stand in a named set rather than in the rules."""
    if isinstance(term, DeviceTerm):
        return True
    return term.network is None and term.kind is not Kind.WELL_KNOWN


def narrowed(addresses: Addresses) -> Addresses | None:
    """Return the same condition without what says nothing; None where no address meets it."""
    if addresses.networks and not addresses.sets:
        left = subtract(addresses.networks, addresses.excluded)
        if not left:
            return None
        # Few large networks with holes are asked more quickly than many small ones.
        holes = tuple(
            hole
            for hole in addresses.excluded
            if any(overlap(hole, network) for network in addresses.networks)
        )
        if len(left) <= len(addresses.networks) + len(holes):
            return Addresses(left, (), (), addresses.excluded_sets)
        return Addresses(addresses.networks, (), holes, addresses.excluded_sets)
    if not complement(addresses.excluded):
        return None
    return addresses


def has_traits(device: Device, term: DeviceTerm) -> bool:
    """Tell whether a device has one of each group of traits."""
    return all(any(_has(device, selector) for selector in group) for group in term.groups)


def _has(device: Device, selector: Selector) -> bool:
    if selector.kind is Kind.MAC:
        return selector.value == device.mac
    if selector.kind is Kind.DEVICE:
        return selector.value in {device.name, device.mac, *device.addresses}
    if selector.kind is Kind.CATEGORY:
        return selector.value == device.category
    if selector.kind is Kind.SOFTWARE:
        return parse_product(selector.value).is_among(device.software)
    return selector.value in device.labels


def _macs(term: Term) -> tuple[int, ...]:
    """Return the MAC addresses of a term that is about these alone."""
    if not isinstance(term, DeviceTerm) or len(term.groups) != 1:
        return ()
    if any(selector.kind is not Kind.MAC for selector in term.groups[0]):
        return ()
    return tuple(parse_mac(selector.value) for selector in term.groups[0])


def set_name(term: Term) -> str:
    """Return the name of the set that a term's members stand in: letters, digits, underscores.

    The first part is for people, the last makes it the only one: "list_spamhaus_drop_1f0c2a9b".
    """
    if isinstance(term, DeviceTerm):
        groups = sorted(
            sorted((selector.kind.value, selector.value) for selector in group)
            for group in term.groups
        )
        text, key = "_".join(value for group in groups for _, value in group), repr(groups)
        kind = "device"
    else:
        kind, text = term.kind.value, term.value
        key = repr((kind, text, term.confidence))
    slug = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:LONGEST_SLUG].strip("_")
    digest = hashlib.blake2s(key.encode("utf-8", "backslashreplace"), digest_size=4).hexdigest()
    return "_".join(part for part in (kind, slug, digest) if part)
