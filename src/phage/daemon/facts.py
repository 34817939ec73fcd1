"""What rules know of the world here: this machine, its networks, its devices, who is logged in."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.devices.vulnerabilities.software import software_of
from phage.policy.allowlist import Entry
from phage.policy.facts import Device, Session, StaticFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from phage.detect.routers import Routers
    from phage.policy.allowlist import AllowList
    from phage.policy.facts import Sets
    from phage.records.device import Device as Known
    from phage.records.packetrule import Network


RECENT_NS = 86_400 * 1_000_000_000
"""Addresses that a device has not used for a day are no longer its own: leases end."""


@dataclass
class SeenRouters:
    """The routers that were seen, as what is protected: without them nobody at home gets out."""

    routers: Routers

    def entries(self) -> list[Entry]:
        """Return their MAC addresses."""
        return [Entry(mac, "a router that was seen here") for mac in sorted(self.routers.known)]


@dataclass
class World:
    """Makes the facts of a moment.

    Attributes:
        home: Networks at home.
        allow: The allow-list: what is protected, and what of it is this machine.
        devices: Returns the devices that were seen.
        sessions: Returns the sessions of administrators.
        gateways: Returns the addresses of routers.
        names: Names in use, by kind of thing.
        sets: Lists, countries and ASs.
    """

    home: Sequence[Network]
    allow: AllowList
    devices: Callable[[], Sequence[Known]]
    sessions: Callable[[], Iterable[Session]]
    gateways: Callable[[], Iterable[str]]
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    sets: Sequence[Sets] = ()

    def facts(self) -> StaticFacts:
        """Return what is known now."""
        return StaticFacts(
            own=_own(self.allow.entries),
            home=tuple(self.home),
            gateways=tuple(ipaddress.ip_network(text) for text in sorted(self.gateways())),
            protected=tuple(sorted(self.allow.networks, key=_order)),
            admins=tuple(self.sessions()),
            names=self.names,
            inventory=tuple(_devices(self.devices())),
            others=self.sets,
        )


def _devices(known: Sequence[Known]) -> Iterator[Device]:
    """Yield devices as rules see them: one for each MAC address, with the addresses of today.

    Only a name that a person gave counts: what a device calls itself, anybody can. An address is
    that of the device that had it last.
    """
    held: dict[str, tuple[str, int]] = {}
    for device in known:
        for seen in device.addresses:
            if seen.last > held.get(seen.value, ("", -1))[1]:
                held[seen.value] = device.id, seen.last
    for device in known:
        addresses = tuple(
            seen.value
            for seen in device.addresses
            if held[seen.value][0] == device.id and device.last_seen - seen.last <= RECENT_NS
        )
        software = tuple(each.cpe for each in software_of(device))
        for mac in [seen.value for seen in device.macs] or [""]:
            yield Device(
                device.name or device.id,
                addresses,
                mac,
                device.category,
                frozenset(device.labels),
                software,
            )


def _own(entries: Iterable[Entry]) -> tuple[Network, ...]:
    """Return the addresses of this machine, then those by which all of its networks are meant."""
    own = [entry for entry in entries if entry.is_own]
    addresses = _networks(entry for entry in own if not entry.is_everybody)
    return tuple(dict.fromkeys((*addresses, *_networks(own))))


def _networks(entries: Iterable[Entry]) -> tuple[Network, ...]:
    found: dict[Network, None] = {}
    for entry in entries:
        try:
            found[ipaddress.ip_network(entry.value)] = None
        except ValueError:  # A MAC address.
            continue
    return tuple(sorted(found, key=_order))


def _order(network: Network) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen
