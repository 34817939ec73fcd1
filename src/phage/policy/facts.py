"""What rules have to know of the world: devices, own addresses, who is in which set.

Rules name things (`category: camera`, `list: spamhaus-drop`, `self`); the facts say what that means
now. The daemon has facts of its own; `StaticFacts` holds them in memory, for tests and for rule
files that are checked without a daemon.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from phage.frozen import frozen
from phage.policy.networks import Address, NetworkSet
from phage.policy.rule import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.policy.rule import Given
    from phage.records.packetrule import Network

PRIVATE: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
"""Networks at home where nobody says otherwise (RFC 1918, RFC 4193)."""

ANY_LIST = "any"
"""The name that stands for every list that is enabled."""


@frozen
class Device:
    """A device of ours, as rules ask for it: by name, MAC address, category, labels, programs.

    `software` are CPE names of what was seen to run on it.
    """

    name: str
    addresses: tuple[str, ...] = ()
    mac: str = ""
    category: str = ""
    labels: frozenset[str] = frozenset()
    software: tuple[str, ...] = ()


@frozen
class Session:
    """A session of somebody who administers this machine: it must never be cut.

    `interface` is the one with the address that he is connected to; '' where that is not known.
    """

    source: str
    destination: str
    port: int = 22
    protocol: int = 6
    interface: str = ""


class Facts(Protocol):
    """What is known of the world when rules are asked.

    Sets are named by a kind (COUNTRY, AS, DOMAIN, LIST) and a name; "any" as a LIST is every list
    that is enabled.
    """

    @property
    def own(self) -> tuple[Network, ...]:
        """Addresses of this machine."""

    @property
    def home(self) -> tuple[Network, ...]:
        """Networks at home."""

    @property
    def gateways(self) -> tuple[Network, ...]:
        """Addresses of the routers that lead outside."""

    @property
    def protected(self) -> tuple[Network, ...]:
        """The allow-list: what passes before any rule is asked."""

    @property
    def admins(self) -> tuple[Session, ...]:
        """Sessions of those who administer."""

    @property
    def names(self) -> Mapping[str, frozenset[str]]:
        """Names in use of "detectors", "responders", "notifiers", "scripts" and "interfaces".

        A kind that is absent is not known, and not checked.
        """

    def devices(self) -> Sequence[Device]:
        """Return all devices of ours."""

    def device_of(self, address: str, mac: str) -> Device | None:
        """Return the device with this MAC address, else the one with this address; '' for none."""

    def knows(self, kind: Kind, name: str) -> bool:
        """Tell whether there is such a set."""

    def members(self, kind: Kind, name: str, confidence: int) -> Sequence[Network]:
        """Return what is to stand in the kernel's set of that name.

        Empty also where somebody else fills it while the rules stand, as with long lists.
        """

    def contains(self, kind: Kind, name: str, confidence: int, address: Address) -> bool:
        """Tell whether an address is in a set."""

    def lists_domain(self, name: str, confidence: int, domain: str) -> bool:
        """Tell whether a LIST names a domain or one above it."""


class Sets(Protocol):
    """Where members of countries, ASs, domains and lists are kept that are too many to copy."""

    def knows(self, kind: Kind, name: str) -> bool:
        """Tell whether there is such a set."""

    def members(self, kind: Kind, name: str, confidence: int) -> Sequence[Network]:
        """Return the members that are at least so sure, as many as a set of rules may have."""

    def contains(self, kind: Kind, name: str, confidence: int, address: Address) -> bool:
        """Tell whether an address is in a set."""

    def lists_domain(self, name: str, confidence: int, domain: str) -> bool:
        """Tell whether a LIST names a domain or one above it."""


@frozen
class Listed:
    """One entry of an indicator list."""

    network: Network
    confidence: int = 100


@dataclass
class StaticFacts:
    """Facts that stand in memory.

    Attributes:
        own: Addresses of this machine.
        home: Networks at home.
        gateways: Addresses of routers.
        protected: The allow-list.
        admins: Sessions of those who administer.
        names: Names in use, by kind of thing.
        inventory: Devices.
        sets: Members of countries, ASs, domains and lists, by kind and name.
        domains: Domains that lists name, by list.
        others: More sets, which are asked where these have no answer.
    """

    own: tuple[Network, ...] = ()
    home: tuple[Network, ...] = PRIVATE
    gateways: tuple[Network, ...] = ()
    protected: tuple[Network, ...] = ()
    admins: tuple[Session, ...] = ()
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    inventory: Sequence[Device] = ()
    sets: Mapping[tuple[Kind, str], Sequence[Network | Listed]] = field(default_factory=dict)
    domains: Mapping[str, frozenset[str]] = field(default_factory=dict)
    others: Sequence[Sets] = ()

    def __post_init__(self) -> None:
        self._asked = lru_cache(maxsize=256)(self._set)
        self._by_name = {
            name: device
            for device in self.inventory
            for name in (device.mac, *device.addresses)
            if name
        }

    def devices(self) -> Sequence[Device]:
        """Return all devices of ours."""
        return self.inventory

    def device_of(self, address: str, mac: str) -> Device | None:
        """Return the device with this MAC address, else the one with this address."""
        return self._by_name.get(mac) or self._by_name.get(address)

    def knows(self, kind: Kind, name: str) -> bool:
        """Tell whether there is such a set; any domain is."""
        if kind is Kind.DOMAIN or (kind, name) in self.sets or _is_any(kind, name):
            return True
        return any(other.knows(kind, name) for other in self.others)

    def members(self, kind: Kind, name: str, confidence: int) -> Sequence[Network]:
        """Return the members of a set that are at least so sure."""
        others = (other.members(kind, name, confidence) for other in self.others)
        return (*self._own_members(kind, name, confidence), *chain.from_iterable(others))

    def _own_members(self, kind: Kind, name: str, confidence: int) -> Sequence[Network]:
        if _is_any(kind, name):
            return tuple(
                network
                for found, other in self.sets
                if found is Kind.LIST
                for network in self._own_members(found, other, confidence)
            )
        return tuple(
            item.network if isinstance(item, Listed) else item
            for item in self.sets.get((kind, name), ())
            if not isinstance(item, Listed) or item.confidence >= confidence
        )

    def contains(self, kind: Kind, name: str, confidence: int, address: Address) -> bool:
        """Tell whether an address is in a set."""
        if address in self._asked(kind, name, confidence):
            return True
        return any(other.contains(kind, name, confidence, address) for other in self.others)

    def lists_domain(self, name: str, confidence: int, domain: str) -> bool:
        """Tell whether a list names a domain or one above it; its own are fully sure."""
        lists = self.domains.values() if name == ANY_LIST else (self.domains.get(name, ()),)
        if any(is_below(domain, other) for names in lists for other in names):
            return True
        return any(other.lists_domain(name, confidence, domain) for other in self.others)

    def _set(self, kind: Kind, name: str, confidence: int) -> NetworkSet:
        return NetworkSet(self._own_members(kind, name, confidence))


def _is_any(kind: Kind, name: str) -> bool:
    return kind is Kind.LIST and name == ANY_LIST


def is_below(domain: str, other: str) -> bool:
    """Tell whether a domain is another one or below it; a "#" in that stands for any number."""
    if "#" in other:
        return _pattern(other).fullmatch(domain) is not None
    return domain == other or domain.endswith(f".{other}")


@lru_cache(maxsize=1024)
def _pattern(domain: str) -> re.Pattern[str]:
    return re.compile(rf"(?:.*\.)?{re.escape(domain).replace(re.escape('#'), '[0-9]+')}")


def given_facts(given: Given) -> StaticFacts:
    """Return the facts that a rule file gives to its tests."""
    return StaticFacts(
        own=given.own,
        home=given.home or PRIVATE,
        gateways=given.gateways,
        admins=tuple(Session(str(admin.network_address), "") for admin in given.admins),
        inventory=tuple(
            Device(item.name, item.addresses, item.mac, item.category, frozenset(item.labels))
            for item in given.devices
        ),
        sets=given.sets,
    )
