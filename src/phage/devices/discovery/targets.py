"""Which addresses a scan asks: only ours, and no more of them than a scan can ask."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from phage.devices.discovery import rtnetlink
from phage.errors import ScanError
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    Network = IPv4Network | IPv6Network
    Address = IPv4Address | IPv6Address

MAX_ADDRESSES = 65_536
"""Addresses of one network that are asked one by one: a /16."""

MAX_TARGETS = 64


@frozen
class Wire:
    """An interface with its addresses, as a scan uses it."""

    link: rtnetlink.Link
    addresses: tuple[rtnetlink.OwnAddress, ...]

    @property
    def name(self) -> str:
        """The interface."""
        return self.link.name

    def networks(self) -> Iterator[Network]:
        """Yield the networks that are on the wire."""
        for own in self.addresses:
            yield ipaddress.ip_network(f"{own.address}/{own.prefix}", strict=False)


def wires() -> list[Wire]:
    """Return every interface that is up and has addresses; the loopback is none. Raises OSError."""
    addresses = rtnetlink.own_addresses()
    return [
        Wire(link, own)
        for link in rtnetlink.links()
        if link.is_up and not link.is_loopback
        and (own := tuple(each for each in addresses if each.link == link.number))
    ]  # fmt: skip


def default_targets(here: Iterable[Wire], home: Sequence[Network]) -> list[Network]:
    """Return the networks that a scan asks where none is named: those of our interfaces at home.

    IPv6 networks are too large to ask one by one; who is there is asked all at once.
    """
    found: dict[Network, None] = {}
    for wire in here:
        for network in wire.networks():
            if network.prefixlen == network.max_prefixlen or network.is_link_local:
                continue
            if is_ours(network, (), home):
                found[_bounded(network, wire)] = None
    return list(found)[:MAX_TARGETS]


def _bounded(network: Network, wire: Wire) -> Network:
    """Return a network, or the part around our own address where it has too many addresses."""
    if network.version == 6 or network.num_addresses <= MAX_ADDRESSES:
        return network
    own = next(each.address for each in wire.addresses if each.address in network)
    return ipaddress.ip_network(f"{own}/16", strict=False)


def parse_targets(
    texts: Iterable[str], here: Sequence[Wire], home: Sequence[Network]
) -> list[Network]:
    """Return the networks that are named. Raises ScanError for what is not ours or too large."""
    found: dict[Network, None] = {}
    for text in texts:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            message = f"{text[:80]!r} is no address and no network: write 192.168.1.0/24"
            raise ScanError(message) from None
        if not is_ours(network, here, home):
            message = (
                f"{network} is not ours: only networks at home (settings: home) and this machine's "
                "own addresses are scanned"
            )
            raise ScanError(message)
        if network.num_addresses > MAX_ADDRESSES and network.version == 4:
            message = f"{network} has more than {MAX_ADDRESSES:,} addresses: scan it in parts"
            raise ScanError(message)
        found[network] = None
    if len(found) > MAX_TARGETS:
        message = f"{len(found)} targets are too many for one scan: at most {MAX_TARGETS}"
        raise ScanError(message)
    return list(found)


def is_ours(network: Network, here: Iterable[Wire], home: Iterable[Network]) -> bool:
    """Tell whether a network is at home, on one of our wires, or an address of ours."""
    ours: list[Network] = [*home, *(each for wire in here for each in wire.networks())]
    return any(
        network.version == each.version and network.subnet_of(each)  # type: ignore[arg-type]
        for each in ours
    )


def addresses_of(network: Network) -> Iterator[Address]:
    """Yield the addresses that hosts can have, none for a network too large to ask."""
    if network.num_addresses > MAX_ADDRESSES:
        return
    if network.version == 4 and network.prefixlen < 31:
        yield from network.hosts()
    else:
        yield from network
