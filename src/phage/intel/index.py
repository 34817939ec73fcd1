"""The index: reported prefixes in the shape in which the core looks addresses up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phage.native import PrefixSet

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network, IPv6Network

    import numpy.typing as npt

    Network = IPv4Network | IPv6Network

__all__ = ["PrefixSet", "prefix_set", "prefix_set_of_columns"]

# ::ffff:0:0/96, under which the core keeps IPv4 (RFC 4291, section 2.5.5.2).
_MAPPED = bytes(10) + b"\xff\xff"


def prefix_set(networks: Iterable[tuple[Network, int]]) -> PrefixSet:
    """Make a set of networks, each with the number that a match is to carry (below 2**32 - 1).

    Of equal networks the later counts; of nested ones the longest prefix.
    """
    addresses, lengths, values = bytearray(), bytearray(), []
    for network, value in networks:
        packed = network.network_address.packed
        addresses += packed if network.version == 6 else _MAPPED + packed
        lengths.append(network.prefixlen + (0 if network.version == 6 else 96))
        values.append(value)
    return PrefixSet(bytes(addresses), bytes(lengths), np.array(values, "<u4").tobytes())


def prefix_set_of_columns(
    addresses: npt.NDArray[np.uint8], lengths: npt.NDArray[np.uint8], values: npt.NDArray[np.uint32]
) -> PrefixSet:
    """Make a set of columns: (n, 16) octets with IPv4 mapped, prefix lengths of 128, numbers.

    Raises ValueError when the columns are not of the same length.
    """
    return PrefixSet(
        np.ascontiguousarray(addresses).tobytes(),
        np.ascontiguousarray(lengths).tobytes(),
        np.ascontiguousarray(values, "<u4").tobytes(),
    )
