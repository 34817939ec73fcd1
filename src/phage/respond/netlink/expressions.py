"""Expressions of nftables: what a rule loads, compares, looks up and does.

A rule is a list of them; it ends at the first comparison that fails. Registers 1 to 4 hold 16
octets each. (linux/netfilter/nf_tables.h)
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from phage.respond.netlink.messages import attribute, be32, be64, nest, text, u8

if TYPE_CHECKING:
    from typing import Self

LINK, NETWORK, TRANSPORT = 0, 1, 2
"""Where an offset counts from: the headers of the layers."""

META_LENGTH, META_IIFNAME, META_IIFTYPE, META_NFPROTO, META_L4PROTO = 0, 6, 8, 15, 16
FAMILY = {4: b"\x02", 6: b"\x0a"}
"""What META_NFPROTO is, by IP version."""

EQUAL, NOT_EQUAL = 0, 1
CONFIRMED = (8).to_bytes(4, sys.byteorder)
"""Bit of a connection's status: a packet of it went through before (IPS_CONFIRMED)."""
ETHERNET = (1).to_bytes(2, sys.byteorder)
TYPE_LOCAL, TYPE_BROADCAST, TYPE_MULTICAST = (
    number.to_bytes(4, sys.byteorder) for number in (2, 3, 5)
)
COUNTER, LIMIT = 1, 4

_ACCEPT, _DROP = 1, 0
_JUMP, _GOTO, _RETURN = -3, -4, -5


def _expression(name: str, *data: bytes) -> bytes:
    return nest(1, text(1, name), nest(2, *data))


def payload(base: int, offset: int, octets: int, register: int = 1) -> bytes:
    """Load octets of the packet."""
    return _expression(
        "payload", be32(1, register), be32(2, base), be32(3, offset), be32(4, octets)
    )


def meta(key: int, register: int = 1) -> bytes:
    """Load what the kernel knows of the packet."""
    return _expression("meta", be32(1, register), be32(2, key))


def connection_status(register: int = 1) -> bytes:
    """Load the status of the packet's connection in conntrack, as bits; stop if it has none."""
    return _expression("ct", be32(1, register), be32(2, 2))


def destination_kind(register: int = 1) -> bytes:
    """Load whether the destination is this machine, a broadcast address or elsewhere."""
    return _expression("fib", be32(1, register), be32(2, 3), be32(3, 2))


def fragment_header(register: int = 1) -> bytes:
    """Load 1 when there is an IPv6 fragment header, else 0."""
    return _expression(
        "exthdr", be32(1, register), u8(2, 44), be32(3, 0), be32(4, 1), be32(5, 1), be32(6, 0)
    )


def compare(data: bytes, operation: int = EQUAL, register: int = 1) -> bytes:
    """Go on only if the register compares so with the data."""
    return _expression("cmp", be32(1, register), be32(2, operation), nest(3, attribute(1, data)))


def between(low: bytes, high: bytes, register: int = 1) -> bytes:
    """Go on only if the register lies between, both ends included."""
    return _expression(
        "range",
        be32(1, register),
        be32(2, 0),
        nest(3, attribute(1, low)),
        nest(4, attribute(1, high)),
    )


def masked(mask: bytes, register: int = 1) -> bytes:
    """Keep only the bits of the register that the mask has."""
    return _expression(
        "bitwise",
        be32(1, register),
        be32(2, register),
        be32(3, len(mask)),
        nest(4, attribute(1, mask)),
        nest(5, attribute(1, bytes(len(mask)))),
    )


def lookup(name: str, register: int = 1, *, absent: bool = False) -> bytes:
    """Go on only if the register is in a set (or is not)."""
    return _expression(
        "lookup", text(1, name), be32(2, register), *([be32(5, 1)] if absent else [])
    )


class Count(bytes):
    """An expression that counts within its rule: ten times as cheap as a named counter.

    Attributes:
        name: What the rule's comment names it, to find it again.
    """

    name: str

    def __new__(cls, name: str) -> Self:
        """Make one that begins at nothing."""
        made = super().__new__(cls, _expression("counter", be64(1, 0), be64(2, 0)))
        made.name = name
        return made


def reference(kind: int, name: str) -> bytes:
    """Count in a named counter, or go on only if a named limit is exceeded."""
    return _expression("objref", be32(1, kind), text(2, name))


def reset_connection() -> bytes:
    """Refuse a TCP packet by a reset."""
    return _expression("reject", be32(1, 1), u8(2, 0))


def refuse() -> bytes:
    """Refuse a packet: ICMP or ICMPv6, administratively prohibited."""
    return _expression("reject", be32(1, 2), u8(2, 3))


def accept() -> bytes:
    """Let the packet leave this base chain."""
    return _verdict(_ACCEPT)


def drop() -> bytes:
    """Drop the packet."""
    return _verdict(_DROP)


def back() -> bytes:
    """Go back to the chain that jumped here."""
    return _verdict(_RETURN)


def jump(chain: str) -> bytes:
    """Go through another chain, and come back."""
    return _verdict(_JUMP, chain)


def go_to(chain: str) -> bytes:
    """Go through another chain, and not come back here."""
    return _verdict(_GOTO, chain)


def _verdict(code: int, chain: str = "") -> bytes:
    verdict = [be32(1, code)]
    if chain:
        verdict.append(text(2, chain))
    return _expression("immediate", be32(1, 0), nest(2, nest(2, *verdict)))
