"""Arithmetic of networks: what lies in a set, outside of it, in both."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.records.packetrule import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

SPECIAL: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/32",  # Who has no address yet (RFC 1122, section 3.2.1.3).
        "127.0.0.0/8",
        "169.254.0.0/16",  # Link-local (RFC 3927).
        "224.0.0.0/4",  # Groups (RFC 5771).
        "255.255.255.255/32",
        "::/127",  # Unspecified and loopback (RFC 4291).
        "fe80::/10",
        "ff00::/8",
    )
)
"""Addresses that are never somebody's on the internet, whoever uses them."""

EVERYTHING: tuple[Network, ...] = (
    ipaddress.ip_network("0.0.0.0/0"),
    ipaddress.ip_network("::/0"),
)


class NetworkSet:
    """Networks, asked for addresses: one look-up for each length of prefix that occurs."""

    __slots__ = ("_by_length",)

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        by_length: dict[tuple[int, int], set[int]] = {}
        for network in networks:
            shift = network.max_prefixlen - network.prefixlen
            numbers = by_length.setdefault((network.version, shift), set())
            numbers.add(int(network.network_address) >> shift)
        self._by_length = tuple((*key, numbers) for key, numbers in by_length.items())

    def __contains__(self, address: Address) -> bool:
        return self.has(address.version, int(address))

    def has(self, version: int, number: int) -> bool:
        """Tell whether the address with a number lies in one of these."""
        for wanted, shift, numbers in self._by_length:
            if version == wanted and number >> shift in numbers:
                return True
        return False

    def covers(self, network: Network) -> bool:
        """Tell whether a network lies in one of these as a whole."""
        number, version = int(network.network_address), network.version
        least = network.max_prefixlen - network.prefixlen
        return any(
            version == wanted and shift >= least and number >> shift in numbers
            for wanted, shift, numbers in self._by_length
        )

    def __bool__(self) -> bool:
        return bool(self._by_length)


def collapse(networks: Iterable[Network]) -> tuple[Network, ...]:
    """Return the fewest networks that mean the same, in order."""
    pool = list(networks)
    v4 = [network for network in pool if isinstance(network, ipaddress.IPv4Network)]
    v6 = [network for network in pool if isinstance(network, ipaddress.IPv6Network)]
    return (*ipaddress.collapse_addresses(v4), *ipaddress.collapse_addresses(v6))


@lru_cache(maxsize=64)
def complement(networks: tuple[Network, ...]) -> tuple[Network, ...]:
    """Return the networks of all addresses that lie in none of these."""
    return subtract(EVERYTHING, networks)


def subtract(networks: Iterable[Network], excluded: Iterable[Network]) -> tuple[Network, ...]:
    """Return the networks of what lies in the first and not in the second."""
    rest = list(networks)
    for hole in excluded:
        kept: list[Network] = []
        for network in rest:
            if not overlap(network, hole):
                kept.append(network)
            elif hole.prefixlen > network.prefixlen:
                kept += _without(network, hole)
        rest = kept
    return collapse(rest)


def _without(network: Network, hole: Network) -> Iterable[Network]:
    # Of one version, since they overlap.
    outer = cast("ipaddress.IPv4Network", network)
    return outer.address_exclude(cast("ipaddress.IPv4Network", hole))


def intersect(first: Iterable[Network], second: Iterable[Network]) -> tuple[Network, ...]:
    """Return the networks of what lies in both."""
    others = list(second)
    found = [
        network if network.prefixlen >= other.prefixlen else other
        for network in first
        for other in others
        if overlap(network, other)
    ]
    return collapse(found)


def overlap(first: Network, second: Network) -> bool:
    """Tell whether two networks have an address in common."""
    if first.version != second.version:
        return False
    length = min(first.prefixlen, second.prefixlen)
    shift = first.max_prefixlen - length
    return int(first.network_address) >> shift == int(second.network_address) >> shift


def single(address: Address) -> Network:
    """Return the network of one address."""
    return ipaddress.ip_network(address)
