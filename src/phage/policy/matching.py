"""Whether an address is meant: resolved terms against one party of traffic or of a finding."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from phage.policy.facts import is_below
from phage.policy.networks import SPECIAL, NetworkSet
from phage.policy.resolve import DeviceTerm
from phage.policy.rule import Kind, Selector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.policy.facts import Device, Facts
    from phage.policy.networks import Address
    from phage.policy.resolve import Sides, Term
    from phage.records.packetrule import Network


@dataclass(frozen=True)
class Party:
    """One end of traffic, or one that a finding names.

    Attributes:
        ip: Its address; '' where unknown.
        mac: Its MAC address, where it was seen on the link; '' where unknown.
        domains: Names under which it was asked for.
    """

    ip: str = ""
    mac: str = ""
    domains: tuple[str, ...] = ()

    @cached_property
    def address(self) -> Address | None:
        """Its address as a number; None where it has none."""
        try:
            return ipaddress.ip_address(self.ip)
        except ValueError:
            return None

    def __str__(self) -> str:
        """Return how it is called."""
        return self.ip or self.mac or "nobody"


@dataclass
class Scene:
    """The world at one moment, as rules are asked about it."""

    facts: Facts
    _devices: dict[tuple[str, str], Device | None] = field(default_factory=dict)

    @cached_property
    def own(self) -> NetworkSet:
        """Addresses of this machine."""
        return set_of(self.facts.own)

    @cached_property
    def local(self) -> NetworkSet:
        """What is not the internet: this machine, the networks at home, special addresses."""
        return set_of((*self.facts.own, *self.facts.home, *SPECIAL))

    @cached_property
    def admins(self) -> frozenset[str]:
        """Addresses of those who administer."""
        return frozenset(session.source for session in self.facts.admins)

    def device(self, party: Party) -> Device | None:
        """Return the device that a party is."""
        key = (party.ip, party.mac)
        if key not in self._devices:
            self._devices[key] = self.facts.device_of(*key)
        return self._devices[key]

    def is_local(self, party: Party) -> bool:
        """Tell whether a party is ours; one known by its MAC alone is."""
        if party.address is None:
            return bool(party.mac)
        return party.address in self.local

    def is_own(self, party: Party) -> bool:
        """Tell whether a party is this machine."""
        return party.address is not None and party.address in self.own


@lru_cache(maxsize=64)
def set_of(networks: tuple[Network, ...]) -> NetworkSet:
    """Return networks as a set that is asked quickly; the last ones asked for are kept."""
    return NetworkSet(networks)


class TermsMatcher:
    """Terms, of which one has to hold; networks are asked first and at once."""

    __slots__ = ("_networks", "_others")

    def __init__(self, terms: Iterable[Term]) -> None:
        networks: list[Network] = []
        others: list[Term] = []
        for term in terms:
            if isinstance(term, Selector) and term.network is not None:
                networks.append(term.network)
            else:
                others.append(term)
        self._networks = NetworkSet(networks)
        self._others = tuple(others)

    def holds(self, party: Party, scene: Scene) -> bool:
        """Tell whether a party is meant by one of the terms."""
        if self._networks and party.address is not None and party.address in self._networks:
            return True
        return any(term_holds(term, party, scene) for term in self._others)


class SidesMatcher:
    """One side of a match: one of several ways, each with its exclusions."""

    __slots__ = ("_ways", "sides")

    def __init__(self, sides: Sides) -> None:
        self.sides = sides
        self._ways = tuple(
            (
                TermsMatcher(side.any_of) if side.any_of else None,
                TermsMatcher(side.none_of) if side.none_of else None,
            )
            for side in sides
        )

    def holds(self, party: Party | None, scene: Scene) -> bool:
        """Tell whether a party is meant; one that is unknown is only where any is."""
        if not self._ways:
            return True
        if party is None:
            return False
        return any(
            (wanted is None or wanted.holds(party, scene))
            and (unwanted is None or not unwanted.holds(party, scene))
            for wanted, unwanted in self._ways
        )


def term_holds(term: Term, party: Party, scene: Scene) -> bool:
    """Tell whether a term means a party."""
    if isinstance(term, DeviceTerm):
        device = scene.device(party)
        return all(
            any(_has_trait(selector, party, device) for selector in group) for group in term.groups
        )
    if term.kind is Kind.WELL_KNOWN:
        return _is_well_known(term.value, party, scene)
    if term.network is not None:
        return party.address is not None and party.address in NetworkSet((term.network,))
    return _is_in_set(term, party, scene)


def _has_trait(selector: Selector, party: Party, device: Device | None) -> bool:
    if selector.kind is Kind.MAC:
        mac = party.mac or (device.mac if device is not None else "")
        return mac == selector.value
    if device is None:
        return False
    if selector.kind is Kind.DEVICE:
        return selector.value in {device.name, device.mac, *device.addresses}
    if selector.kind is Kind.CATEGORY:
        return selector.value == device.category
    return selector.value in device.labels


def _is_well_known(name: str, party: Party, scene: Scene) -> bool:
    if name == "internet":
        return party.address is not None and party.address not in scene.local
    if name == "admin":
        return party.ip in scene.admins
    if name == "self":
        return scene.is_own(party)
    networks = scene.facts.home if name == "home" else scene.facts.gateways
    return party.address is not None and party.address in set_of(tuple(networks))


def _is_in_set(term: Selector, party: Party, scene: Scene) -> bool:
    kind, name, confidence, facts = term.kind, term.value, term.confidence, scene.facts
    if kind is Kind.DOMAIN and any(is_below(domain, name) for domain in party.domains):
        return True
    if kind is Kind.LIST and any(
        facts.lists_domain(name, confidence, domain) for domain in party.domains
    ):
        return True
    return party.address is not None and facts.contains(kind, name, confidence, party.address)
