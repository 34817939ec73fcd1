"""Connections of banned addresses, cut: their entries in conntrack are removed (ctnetlink).

(linux/netfilter/nfnetlink_conntrack.h)
"""

from __future__ import annotations

import errno
import sys
from pathlib import Path
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
    from collections.abc import Mapping, Sequence

    from phage.respond.netlink.link import Link

    Ends = Mapping[tuple[int, int], Sequence[bytes]]
    """Networks by IP version and prefix length, each in network order."""

_GET, _DELETE = 1, 2
_FAMILY = {4: 2, 6: 10}
_WHOLE = ((4, 32), (6, 128))
_ORIGINAL, _REPLY, _ZONE, _FILTER = 1, 2, 18, 25
_TUPLE_IP = 1
_SOURCE = {4: 1, 6: 3}
_FILTER_SOURCE = (1).to_bytes(4, sys.byteorder)

FILTERED_AT_ONCE = 32
"""Each address that the kernel filters by costs a walk through the table in the kernel; for more
addresses the table is listed once instead."""

MOST_LISTED = 20_000
"""Connections of a table that is listed: half a second's work, in which nobody else is banned. In a
longer one entries are left to die out: what is banned is dropped before it meets its connection."""

MOST_WALKED = 1_000_000
"""The same of walks in the kernel: connections times addresses."""

COUNT = Path("/proc/sys/net/netfilter/nf_conntrack_count")


def cut(link: Link, ends: Ends) -> int:
    """Remove the entries of connections with these networks at either end.

    Returns how many were removed as far as it is known: the kernel does not tell when it filters
    by itself. An address that has none is no error. Raises KernelError, also where there are too
    many to list.
    """
    hosts = [(at[0], each) for at, some in ends.items() if at in _WHOLE for each in some]
    count = _count()
    are_few = len(hosts) <= FILTERED_AT_ONCE and len(hosts) * count <= MOST_WALKED
    if are_few and len(hosts) == sum(map(len, ends.values())):
        try:
            for version, host in hosts:
                _cut_host(link, version, host)
        except KernelError as error:
            # Kernels before 6.8 know the filter in listings only.
            if error.number not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
        else:
            return 0
    if count > MOST_LISTED:
        raise KernelError(errno.E2BIG, "cut connections", "there are too many to list")
    return sum(_cut_listed(link, version, ends) for version in (4, 6))


def _count() -> int:
    """Return how many connections are tracked; 0 where the kernel does not tell."""
    try:
        return int(COUNT.read_text("ascii"))
    except (OSError, ValueError):
        return 0


def _cut_host(link: Link, version: int, host: bytes) -> None:
    """Remove by the kernel's own filter: the host opened the connection, or answers in it."""
    for direction, flags in ((_ORIGINAL, 1), (_REPLY, 2)):
        address = nest(_TUPLE_IP, attribute(_SOURCE[version], host))
        body = (
            generic(_FAMILY[version])
            + nest(direction, address)
            + nest(_FILTER, attribute(flags, _FILTER_SOURCE))
        )
        try:
            link.ask(Request(SUBSYS_CTNETLINK << 8 | _DELETE, 0, body, "cut connections"))
        except AbsentError:
            continue


def _cut_listed(link: Link, version: int, ends: Ends) -> int:
    """List the table and remove what lies in the networks."""
    wanted = {at[1]: some for at, some in ends.items() if at[0] == version and some}
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
        found = {_source(entry.get(side, b""), version) for side in (_ORIGINAL, _REPLY)}
        if not any(map(within.holds, found)):
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

    def __init__(self, by_length: Mapping[int, Sequence[bytes]]) -> None:
        self._by_length = {length: frozenset(some) for length, some in by_length.items()}

    def holds(self, packed: bytes) -> bool:
        """Tell whether the address is in one of them."""
        return any(_cut_off(packed, length) in some for length, some in self._by_length.items())


def _cut_off(packed: bytes, length: int) -> bytes:
    """Return the network of an address."""
    beyond = 8 * len(packed) - length
    if beyond <= 0:
        return packed
    return (int.from_bytes(packed, "big") >> beyond << beyond).to_bytes(len(packed), "big")
