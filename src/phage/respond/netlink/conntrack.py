"""Connections of banned addresses, cut: their entries in conntrack are removed (ctnetlink).

(linux/netfilter/nfnetlink_conntrack.h)
"""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING

from phage.respond.netlink.errors import AbsentError, KernelError
from phage.respond.netlink.messages import (
    SUBSYS_CTNETLINK,
    Request,
    attribute,
    attributes,
    generic,
    nest,
)

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Iterable, Sequence

    from phage.respond.netlink.link import Link

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_GET, _DELETE = 1, 2
_FAMILY = {4: 2, 6: 10}
_ORIGINAL, _REPLY, _ZONE, _FILTER = 1, 2, 18, 25
_TUPLE_IP = 1
_SOURCE = {4: 1, 6: 3}
_FILTER_SOURCE = (1).to_bytes(4, sys.byteorder)

FILTERED_AT_ONCE = 32
"""Each address that the kernel filters by costs a walk through the table in the kernel; for more
addresses the table is listed once instead."""


def cut(link: Link, networks: Sequence[Network]) -> int:
    """Remove the entries of connections with these networks at either end.

    Returns how many were removed as far as it is known: the kernel does not tell when it filters
    by itself. An address that has none is no error. Raises KernelError.
    """
    hosts = [each.network_address for each in networks if each.num_addresses == 1]
    if len(hosts) == len(networks) <= FILTERED_AT_ONCE:
        try:
            for host in hosts:
                _cut_host(link, host)
        except KernelError as error:
            # Kernels before 6.8 know the filter in listings only.
            if error.number not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
        else:
            return 0
    return sum(_cut_listed(link, version, networks) for version in (4, 6))


def _cut_host(link: Link, host: Address) -> None:
    """Remove by the kernel's own filter: the host opened the connection, or answers in it."""
    for direction, flags in ((_ORIGINAL, 1), (_REPLY, 2)):
        address = nest(_TUPLE_IP, attribute(_SOURCE[host.version], host.packed))
        body = (
            generic(_FAMILY[host.version])
            + nest(direction, address)
            + nest(_FILTER, attribute(flags, _FILTER_SOURCE))
        )
        what = f"cut the connections of {host}"
        try:
            link.ask(Request(SUBSYS_CTNETLINK << 8 | _DELETE, 0, body, what))
        except AbsentError:
            continue


def _cut_listed(link: Link, version: int, networks: Iterable[Network]) -> int:
    """List the table and remove what lies in the networks."""
    wanted = [each for each in networks if each.version == version]
    if not wanted:
        return 0
    request = Request(
        SUBSYS_CTNETLINK << 8 | _GET, 0, generic(_FAMILY[version]), "list connections"
    )
    listed = link.dump(request)
    if not listed:
        return 0
    within = _Within(wanted)
    removed = 0
    for body in listed:
        entry = attributes(body)
        ends = {_source(entry.get(side, b""), version) for side in (_ORIGINAL, _REPLY)}
        if not any(within.holds(end) for end in ends):
            continue
        removed += _remove(link, version, entry)
    return removed


def _source(tuple_: bytes, version: int) -> bytes:
    return attributes(attributes(tuple_).get(_TUPLE_IP, b"")).get(_SOURCE[version], b"")


def _remove(link: Link, version: int, entry: dict[int, bytes]) -> int:
    body = generic(_FAMILY[version]) + nest(_ORIGINAL, entry[_ORIGINAL])
    if _ZONE in entry:
        body += attribute(_ZONE, entry[_ZONE])
    try:
        link.ask(Request(SUBSYS_CTNETLINK << 8 | _DELETE, 0, body, "cut a connection"))
    except AbsentError:
        return 0
    return 1


class _Within:
    """Tells whether an address lies in one of many networks, by one look-up a prefix length."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._by_length: dict[int, set[int]] = {}
        for each in networks:
            cut_off = each.max_prefixlen - each.prefixlen
            number = int(each.network_address) >> cut_off
            self._by_length.setdefault(cut_off, set()).add(number)

    def holds(self, packed: bytes) -> bool:
        """Tell whether the address is in one of them."""
        number = int.from_bytes(packed, "big")
        return bool(packed) and any(
            number >> cut_off in numbers for cut_off, numbers in self._by_length.items()
        )
