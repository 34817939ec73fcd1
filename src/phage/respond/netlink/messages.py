"""Netlink messages as octets: attributes, headers (linux/netlink.h, linux/netfilter/nfnetlink.h).

Integers of nftables' attributes are in network order, those of headers in the machine's.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

NLMSG_ERROR = 2
NLMSG_DONE = 3
NFNL_BATCH_BEGIN = 16
NFNL_BATCH_END = 17
NFNL_BATCH_GENID = 1

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP = 0x300
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800
NLM_F_CAPPED = 0x100
NLM_F_ACK_TLVS = 0x200

SUBSYS_CTNETLINK = 1
SUBSYS_IPSET = 6
SUBSYS_NFTABLES = 10

NESTED = 0x8000
HEADER = struct.Struct("=IHHII")
"""Length, type, flags, sequence number, port."""
_ATTRIBUTE = struct.Struct("=HH")
_GENERIC = struct.Struct(">BBH")
"""Family, version, resource id (struct nfgenmsg)."""
MAX_ATTRIBUTE = 0xFFFF
"""Octets of an attribute with its header: the length is 16 bits."""


def attribute(kind: int, payload: bytes) -> bytes:
    """Encode an attribute, padded to four octets."""
    length = 4 + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + bytes(-length & 3)


def nest(kind: int, *attributes: bytes) -> bytes:
    """Encode an attribute that holds attributes."""
    return attribute(kind | NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    """Encode a string with its end."""
    return attribute(kind, value.encode("ascii") + b"\0")


def u8(kind: int, value: int) -> bytes:
    """Encode an octet."""
    return attribute(kind, value.to_bytes(1, "big"))


def be16(kind: int, value: int) -> bytes:
    """Encode 16 bits in network order."""
    return attribute(kind, value.to_bytes(2, "big"))


def be32(kind: int, value: int) -> bytes:
    """Encode 32 bits in network order; negative numbers in two's complement."""
    return attribute(kind, (value & 0xFFFFFFFF).to_bytes(4, "big"))


def be64(kind: int, value: int) -> bytes:
    """Encode 64 bits in network order."""
    return attribute(kind, value.to_bytes(8, "big"))


def generic(family: int, resource: int = 0) -> bytes:
    """Encode the header that every message of netfilter begins with."""
    return _GENERIC.pack(family, 0, resource)


def attributes(payload: bytes) -> dict[int, bytes]:
    """Decode a run of attributes; of several of one kind the last is kept."""
    return dict(each_attribute(payload))


def each_attribute(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Decode a run of attributes in order."""
    offset = 0
    while offset + 4 <= len(payload):
        length, kind = _ATTRIBUTE.unpack_from(payload, offset)
        if length < 4 or offset + length > len(payload):
            return
        yield kind & 0x3FFF, payload[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def string(payload: bytes) -> str:
    """Decode a string with its end."""
    return payload.rstrip(b"\0").decode("ascii", "replace")


@frozen
class Request:
    """One message to send, without sequence number.

    Attributes:
        kind: Subsystem and message type.
        flags: NLM_F_*, apart from REQUEST and ACK.
        body: All after the header.
        what: What it asks for, for the text of an error: "add an element to ban4".
    """

    kind: int
    flags: int
    body: bytes
    what: str

    def encode(self, sequence: int, flags: int = 0) -> tuple[bytes, bytes]:
        """Return its header, and its body: a million elements are not copied once more."""
        length = HEADER.size + len(self.body)
        every = self.flags | flags | NLM_F_REQUEST
        return HEADER.pack(length, self.kind, every, sequence, 0), self.body


@frozen
class Answer:
    """One message that was received."""

    kind: int
    flags: int
    sequence: int
    body: bytes


def answers(datagram: bytes) -> Iterator[Answer]:
    """Take a received datagram apart."""
    offset = 0
    while offset + HEADER.size <= len(datagram):
        length, kind, flags, sequence, _ = HEADER.unpack_from(datagram, offset)
        if length < HEADER.size or offset + length > len(datagram):
            return
        yield Answer(kind, flags, sequence, datagram[offset + HEADER.size : offset + length])
        offset += (length + 3) & ~3
