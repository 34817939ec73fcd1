"""Requests of ipset, for hosts that filter by iptables (linux/netfilter/ipset/ip_set.h)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.respond.netlink.errors import AbsentError, KernelError
from phage.respond.netlink.messages import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    SUBSYS_IPSET,
    Request,
    attribute,
    generic,
    nest,
    text,
    u8,
)

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Iterable

    from phage.respond.netlink.link import Link

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PROTOCOL = 6
"""The version that every kernel since 2011 speaks."""
_CREATE, _DESTROY, _FLUSH, _SWAP, _ADD, _DELETE, _TEST, _HEADER = 2, 3, 4, 6, 9, 10, 11, 12
_PROTOCOL, _NAME, _TYPE, _REVISION, _FAMILY, _DATA, _ADT, _LINE = 1, 2, 3, 4, 5, 7, 8, 9
_IP, _CIDR, _TIMEOUT, _MAXELEM = 1, 3, 6, 19
_NET_ORDER = 0x4000
_ERR_EXIST = 4103
_INET = {4: 2, 6: 10}

LONGEST_TIMEOUT = 2_147_483
"""Seconds: 24 days. What lasts longer is set again by the reconciler."""
ELEMENTS_AT_ONCE = 1000


@frozen
class IpSet:
    """A set: of single addresses (hash:ip) or of networks (hash:net)."""

    name: str
    version: int
    networks: bool

    def create(self, size: int) -> Request:
        """Make the set with timeouts, for so many elements."""
        data = nest(_DATA, _be32(_TIMEOUT, 0), _be32(_MAXELEM, size))
        parts = (
            text(_TYPE, "hash:net" if self.networks else "hash:ip"),
            u8(_REVISION, 0),
            u8(_FAMILY, _INET[self.version]),
            data,
        )
        return self._request(_CREATE, NLM_F_CREATE | NLM_F_EXCL, "make", *parts)

    def add(self, elements: Iterable[tuple[Network, int]]) -> Request:
        """Add networks, each with its seconds (0: without end); one that is there gets the new."""
        found = [
            nest(_DATA, *self._element(network), _be32(_TIMEOUT, seconds), _be32(_LINE, line))
            for line, (network, seconds) in enumerate(elements, 1)
        ]
        return self._request(_ADD, 0, "add to", _be32(_LINE, 1), nest(_ADT, *found))

    def delete(self, network: Network) -> Request:
        """Remove a network; that it is not there is no error."""
        return self._request(_DELETE, 0, "remove from", nest(_DATA, *self._element(network)))

    def test(self, network: Network) -> Request:
        """Ask whether a network is in the set."""
        return self._request(_TEST, NLM_F_EXCL, "look into", nest(_DATA, *self._element(network)))

    def swap(self, other: IpSet) -> Request:
        """Exchange what two sets hold."""
        return self._request(_SWAP, 0, "swap", text(_TYPE, other.name))

    def flush(self) -> Request:
        """Remove all elements."""
        return self._request(_FLUSH, 0, "empty")

    def destroy(self) -> Request:
        """Remove the set; no rule may ask it."""
        return self._request(_DESTROY, 0, "remove")

    def exists(self, link: Link) -> bool:
        """Tell whether there is such a set."""
        try:
            link.ask(self._request(_HEADER, 0, "find"))
        except AbsentError:
            return False
        return True

    def holds(self, link: Link, network: Network) -> bool:
        """Tell whether a network is in the set."""
        try:
            link.ask(self.test(network))
        except KernelError as error:
            if error.number in (errno.ENOENT, _ERR_EXIST):
                return False
            raise
        return True

    def _element(self, network: Network) -> list[bytes]:
        kind = (1 if self.version == 4 else 2) | _NET_ORDER
        parts = [nest(_IP, attribute(kind, network.network_address.packed))]
        if self.networks:
            parts.append(u8(_CIDR, network.prefixlen))
        return parts

    def _request(self, message: int, flags: int, verb: str, *parts: bytes) -> Request:
        body = generic(_INET[self.version]) + u8(_PROTOCOL, PROTOCOL) + text(_NAME, self.name)
        what = f"{verb} ipset {self.name}"
        return Request(SUBSYS_IPSET << 8 | message, flags, body + b"".join(parts), what)


def _be32(kind: int, value: int) -> bytes:
    return attribute(kind | _NET_ORDER, value.to_bytes(4, "big"))
