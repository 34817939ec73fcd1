"""Networks as ranges of addresses: sorted, merged, and written as nftables reads them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from phage.respond.nft.names import RuleSetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from ipaddress import IPv4Network, IPv6Network

Range = tuple[int, int]
"""First and last address (or port), both included."""

BITS = {4: 32, 6: 128}
IP = {4: "ip", 6: "ip6"}
"""What nft calls the versions of IP."""


def merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Sort ranges and join those that overlap or touch."""
    joined: list[Range] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def checked(ranges: tuple[Range, ...], largest: int, what: str) -> tuple[Range, ...]:
    """Return ranges sorted and merged; raises RuleSetError for one that is none."""
    for first, last in ranges:
        if not 0 <= first <= last <= largest:
            message = f"{first}-{last} is no range of {what}s"
            raise RuleSetError(message)
    return merged(ranges)


def of_networks(networks: Iterable[IPv4Network | IPv6Network], version: int) -> tuple[Range, ...]:
    """Return the ranges of the networks of one IP version."""
    bits = BITS[version]
    found = []
    for network in networks:
        if network.version == version:
            first = int(network.network_address)
            found.append((first, first + (1 << (bits - network.prefixlen)) - 1))
    return merged(found)


def is_everything(ranges: Sequence[Range], version: int) -> bool:
    """Tell whether every address of an IP version is in the ranges."""
    return tuple(ranges) == ((0, (1 << BITS[version]) - 1),)


def is_single(ranges: Iterable[Range]) -> bool:
    """Tell whether the ranges are single addresses, which a hash set can hold."""
    return all(first == last for first, last in ranges)


def addresses_text(ranges: Iterable[Range], version: int) -> list[str]:
    """Write ranges of addresses: an address, a prefix, or first-last."""
    return [_range_text(first, last, version) for first, last in ranges]


def _range_text(first: int, last: int, version: int) -> str:
    size = last - first + 1
    if size == 1:
        return _address_text(first, version)
    if size & (size - 1) == 0 and first % size == 0:
        return f"{_address_text(first, version)}/{BITS[version] - (size.bit_length() - 1)}"
    return f"{_address_text(first, version)}-{_address_text(last, version)}"


def _address_text(address: int, version: int) -> str:
    # Several times as fast as the ipaddress module, which tells in a list of 200,000.
    if version == 4:
        return socket.inet_ntop(socket.AF_INET, address.to_bytes(4, "big"))
    return socket.inet_ntop(socket.AF_INET6, address.to_bytes(16, "big"))


def numbers_text(ranges: Iterable[Range]) -> list[str]:
    """Write ranges of ports or message types."""
    return [f"{first}" if first == last else f"{first}-{last}" for first, last in ranges]


def any_of(items: Sequence[str]) -> str:
    """Write one item as itself and several as an anonymous set."""
    return items[0] if len(items) == 1 else f"{{ {', '.join(items)} }}"
