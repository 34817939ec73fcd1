"""Whether an address is meant: resolved terms against one party of traffic or of a finding."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from phage.devices.vulnerabilities.blocklist import parse_product
from phage.policy.facts import is_below
from phage.policy.meaning.resolve import DeviceTerm
from phage.policy.networks import SPECIAL, NetworkSet
from phage.policy.rule import Kind, Selector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.policy.facts import Device, Facts
    from phage.policy.meaning.resolve import Sides, Term
    from phage.policy.networks import Address
    from phage.records.packetrule import Network

MAX_KEPT = 256
"""Networks of which it is kept how they are asked."""


@dataclass(frozen=True)
class Party:
    """One end of traffic, or one that a finding names.

    Attributes:
        ip: Its address; '' where unknown.
        mac: Its MAC address, where it was seen on the link; '' where unknown.
        domains: Names under which it was asked for.
        network: The network that is meant as a whole, of which `ip` is the first address; '' where
            it is one address.
    """

    ip: str = ""
    mac: str = ""
    domains: tuple[str, ...] = ()
    network: str = ""

    @cached_property
    def address(self) -> Address | None:
        """Its address as a number; None where it has none."""
        try:
            return ipaddress.ip_address(self.ip)
        except ValueError:
            return None

    @cached_property
    def number(self) -> tuple[int, int]:
        """Version and number of its address; zeros where it has none."""
        return (0, 0) if self.address is None else (self.address.version, int(self.address))

    def __str__(self) -> str:
        """Return how it is called."""
        return self.network or self.ip or self.mac or "nobody"


@dataclass
class Scene:
    """The world at one moment, as rules are asked about it."""

    facts: Facts
    _devices: dict[tuple[str, str], Device | None] = field(default_factory=dict)

    def is_in(self, party: Party, name: str) -> bool:
        """Tell whether a party is in one of the networks of a well-known name."""
        networks: tuple[Network, ...] = getattr(self.facts, _ATTRIBUTES[name])
        return set_of(networks).has(*party.number)

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
        return self.is_in(party, "home") or self.is_in(party, "self") or _SPECIAL.has(*party.number)

    def is_own(self, party: Party) -> bool:
        """Tell whether a party is this machine."""
        return self.is_in(party, "self")


_ATTRIBUTES = {"self": "own", "home": "home", "gateway": "gateways"}
_SPECIAL = NetworkSet(SPECIAL)
_kept: dict[int, tuple[tuple[Network, ...], NetworkSet]] = {}


def set_of(networks: tuple[Network, ...]) -> NetworkSet:
    """Return networks as a set that is asked quickly; of some it is kept as long as they stand."""
    found = _kept.get(id(networks))
    if found is not None and found[0] is networks:
        return found[1]
    if len(_kept) >= MAX_KEPT:
        _kept.clear()
    made = NetworkSet(networks)
    _kept[id(networks)] = networks, made
    return made


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
        if self._networks.has(*party.number):
            return True
        for term in self._others:  # noqa: SIM110  Asked for each finding.
            if term_holds(term, party, scene):
                return True
        return False

    def others(self, parties: tuple[Party, ...], scene: Scene) -> tuple[Party, ...]:
        """Return the parties that none of the terms means."""
        if not (self._networks or self._others):
            return parties
        return tuple([party for party in parties if not self.holds(party, scene)])


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

    def those(self, parties: tuple[Party, ...], scene: Scene) -> tuple[Party, ...]:
        """Return the parties that are meant."""
        if not self._ways:
            return parties
        return tuple([party for party in parties if self.holds(party, scene)])

    def holds(self, party: Party, scene: Scene) -> bool:
        """Tell whether a party is meant."""
        if not self._ways:
            return True
        for wanted, unwanted in self._ways:
            if (wanted is None or wanted.holds(party, scene)) and (
                unwanted is None or not unwanted.holds(party, scene)
            ):
                return True
        return False


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
        return NetworkSet((term.network,)).has(*party.number)
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
    if selector.kind is Kind.SOFTWARE:
        return parse_product(selector.value).is_among(device.software)
    return selector.value in device.labels


def _is_well_known(name: str, party: Party, scene: Scene) -> bool:
    if name == "internet":
        return party.address is not None and not scene.is_local(party)
    if name == "admin":
        return party.ip in scene.admins
    return scene.is_in(party, name)


def _is_in_set(term: Selector, party: Party, scene: Scene) -> bool:
    kind, name, confidence, facts = term.kind, term.value, term.confidence, scene.facts
    if kind is Kind.DOMAIN and any(is_below(domain, name) for domain in party.domains):
        return True
    if kind is Kind.LIST and any(
        facts.lists_domain(name, confidence, domain) for domain in party.domains
    ):
        return True
    return party.address is not None and facts.contains(kind, name, confidence, party.address)
