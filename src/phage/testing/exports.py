"""Datagrams of exporters, built by the standards: NetFlow 9, IPFIX, sFlow 5.

A field is a number (of IANA, or of NetFlow's scopes) with a length; in IPFIX with the number of an
enterprise, and `VARIABLE` for a length that each record tells.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = 0xFFFF
SECONDS = 1_700_000_000
"""When all of it is exported, in seconds since the Unix epoch."""

UPTIME = 1_000_000


class Field(NamedTuple):
    """A field of a template."""

    number: int
    length: int
    enterprise: int = 0


def ip(text: str) -> bytes:
    """Return an address as octets."""
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def number(value: int, length: int) -> bytes:
    """Return a number in so many octets."""
    return value.to_bytes(length, "big")


def text(words: str, length: int) -> bytes:
    """Return words in so many octets, filled up with zeros."""
    return words.encode().ljust(length, b"\0")[:length]


def variable(octets: bytes, *, long: bool = False) -> bytes:
    """Return a value of variable length (RFC 7011, 7); `long` takes three octets for the length."""
    if long or len(octets) >= 255:
        return b"\xff" + struct.pack(">H", len(octets)) + octets
    return bytes((len(octets),)) + octets


def flowset(id: int, body: bytes, *, fill: int = 4) -> bytes:  # noqa: A002  The field's name.
    """Return a set, padded to a multiple of `fill` octets."""
    body += bytes(-len(body) % fill)
    return struct.pack(">HH", id, len(body) + 4) + body


def _fields(fields: Sequence[Field]) -> bytes:
    body = b""
    for field in fields:
        flag = 0x8000 if field.enterprise else 0
        body += struct.pack(">HH", field.number | flag, field.length)
        body += struct.pack(">I", field.enterprise) if field.enterprise else b""
    return body


def template(id: int, fields: Sequence[Field]) -> bytes:  # noqa: A002  The field's name.
    """Return a template record, of NetFlow 9 and IPFIX alike."""
    return struct.pack(">HH", id, len(fields)) + _fields(fields)


def options9(id: int, scopes: Sequence[Field], fields: Sequence[Field]) -> bytes:  # noqa: A002
    """Return an options template record of NetFlow 9 (RFC 3954, 6.1)."""
    return struct.pack(">HHH", id, 4 * len(scopes), 4 * len(fields)) + _fields([*scopes, *fields])


def options10(id: int, scopes: Sequence[Field], fields: Sequence[Field]) -> bytes:  # noqa: A002
    """Return an options template record of IPFIX (RFC 7011, 3.4.2.2)."""
    count = len(scopes) + len(fields)
    return struct.pack(">HHH", id, count, len(scopes)) + _fields([*scopes, *fields])


def netflow9(*sets: bytes, sequence: int = 0, domain: int = 1) -> bytes:
    """Return a datagram of NetFlow 9; the count of its header is of sets, as some exporters do."""
    head = struct.pack(">HHIIII", 9, len(sets), UPTIME, SECONDS, sequence, domain)
    return head + b"".join(sets)


def ipfix(*sets: bytes, sequence: int = 0, domain: int = 1) -> bytes:
    """Return an IPFIX message."""
    body = b"".join(sets)
    return struct.pack(">HHIII", 10, 16 + len(body), SECONDS, sequence, domain) + body


def sflow(*samples: bytes, agent: str = "192.0.2.1", sequence: int = 1) -> bytes:
    """Return a datagram of sFlow 5."""
    address = ip(agent)
    head = struct.pack(">II", 5, 1 if len(address) == 4 else 2) + address
    return head + struct.pack(">IIII", 0, sequence, UPTIME, len(samples)) + b"".join(samples)


def tagged(kind: int, body: bytes, *, enterprise: int = 0) -> bytes:
    """Return a sample or a record of sFlow: its kind, its length, its octets."""
    return struct.pack(">II", enterprise << 12 | kind, len(body)) + body


def flow_sample(
    *records: bytes, rate: int = 1000, ways: tuple[int, int] = (3, 4), expanded: bool = False
) -> bytes:
    """Return a flow sample; `ways` are the interfaces in and out."""
    came, went = ways
    if expanded:
        head = struct.pack(
            ">IIIIIIIIIII", 1, 0, came, rate, 5000, 0, 0, came, 0, went, len(records)
        )
        return tagged(3, head + b"".join(records))
    head = struct.pack(">IIIIIIII", 1, came, rate, 5000, 0, came, went, len(records))
    return tagged(1, head + b"".join(records))


def raw_header(frame: bytes, *, length: int = 0, protocol: int = 1, stripped: int = 4) -> bytes:
    """Return the record of a sampled header; `length` is that of the frame on the wire."""
    body = struct.pack(">IIII", protocol, length or len(frame) + 4, stripped, len(frame)) + frame
    return tagged(1, body + bytes(-len(frame) % 4))


def frame(
    src: str,
    dst: str,
    protocol: int = 17,
    ports: tuple[int, int] = (1000, 2000),
    *,
    vlans: Sequence[int] = (),
    labels: Sequence[int] = (),
    payload: int = 100,
    flags: int = 0x18,
) -> bytes:
    """Return an Ethernet frame of IPv4 or IPv6, in VLANs and behind MPLS labels if wanted."""
    if protocol == 6:
        inner = struct.pack(">HHIIBBHHH", *ports, 1, 2, 0x50, flags, 1000, 0, 0) + bytes(payload)
    elif protocol in {1, 58}:
        inner = bytes((ports[0], ports[1], 0, 0)) + bytes(4 + payload)
    else:
        inner = struct.pack(">HHHH", *ports, 8 + payload, 0) + bytes(payload)
    source, target = ip(src), ip(dst)
    if len(source) == 4:
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(inner), 1, 0, 64, protocol, 0)
        kind = 0x0800
    else:
        head = struct.pack(">IHBB", 6 << 28, len(inner), protocol, 64)
        kind = 0x86DD
    made = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02"
    for vlan in vlans:
        made += struct.pack(">HH", 0x8100, vlan)
    made += struct.pack(">H", 0x8847 if labels else kind)
    for place, label in enumerate(labels):
        made += struct.pack(">I", label << 12 | (place == len(labels) - 1) << 8 | 64)
    return made + head + source + target + inner
