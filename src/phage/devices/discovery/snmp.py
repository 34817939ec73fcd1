"""SNMP, as far as discovery asks it: who a device is, and its ARP table (RFC 3416, RFC 4293).

Messages are made and read here without input or output. Octets from the network are hostile: what
is malformed reads as nothing.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Oid = tuple[int, ...]
Value = bytes | int | Oid | None

DESCRIPTION: Oid = (1, 3, 6, 1, 2, 1, 1, 1, 0)
OBJECT_ID: Oid = (1, 3, 6, 1, 2, 1, 1, 2, 0)
NAME: Oid = (1, 3, 6, 1, 2, 1, 1, 5, 0)
MEDIA: Oid = (1, 3, 6, 1, 2, 1, 4, 22, 1, 2)
"""ipNetToMediaPhysAddress: IPv4, by interface and address."""

PHYSICAL: Oid = (1, 3, 6, 1, 2, 1, 4, 35, 1, 4)
"""ipNetToPhysicalPhysAddress: both families, by interface, kind, length and address."""

MAX_ROWS = 4096
"""Rows of one table that are read; a switch of a large office has some thousand."""

_INTEGER, _TEXT, _NULL, _OID, _SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
_GET, _RESPONSE, _BULK = 0xA0, 0xA2, 0xA5
_VERSION_2C = 1
_REPETITIONS = 24


class SnmpAnswer(NamedTuple):
    """A response: to which request, with what error (0 for none), and its values in order."""

    request: int
    error: int
    values: tuple[tuple[Oid, Value], ...]


def get(community: str, request: int, names: Sequence[Oid]) -> bytes:
    """Return a GetRequest."""
    return _message(community, _GET, request, 0, 0, names)


def get_bulk(community: str, request: int, names: Sequence[Oid]) -> bytes:
    """Return a GetBulkRequest for what follows some names."""
    return _message(community, _BULK, request, 0, _REPETITIONS, names)


def _message(
    community: str, kind: int, request: int, first: int, second: int, names: Sequence[Oid]
) -> bytes:
    bindings = b"".join(_tlv(_SEQUENCE, _oid(name) + _tlv(_NULL, b"")) for name in names)
    numbers = b"".join(map(_integer, (request, first, second)))
    body = _tlv(kind, numbers + _tlv(_SEQUENCE, bindings))
    whole = _integer(_VERSION_2C) + _tlv(_TEXT, community.encode("utf-8")) + body
    return _tlv(_SEQUENCE, whole)


def _tlv(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + body


def _integer(value: int) -> bytes:
    return _tlv(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, signed=True))


def _oid(name: Oid) -> bytes:
    octets = bytearray([name[0] * 40 + name[1]])
    for part in name[2:]:
        groups = [part & 0x7F]
        while part := part >> 7:
            groups.append(part & 0x7F | 0x80)
        octets += bytes(reversed(groups))
    return _tlv(_OID, bytes(octets))


def read(data: bytes) -> SnmpAnswer | None:
    """Return the response that a message is; None for anything else."""
    try:
        return _read(data)
    except (ValueError, IndexError):
        return None


def _read(data: bytes) -> SnmpAnswer | None:
    (tag, whole), *_ = _items(data)
    _, _, (kind, body) = list(_items(whole))[:3]
    if (tag, kind) != (_SEQUENCE, _RESPONSE):
        return None
    request, error, _, (_, bindings) = list(_items(body))[:4]
    values = []
    for _, binding in _items(bindings):
        (name_tag, name), (value_tag, value) = list(_items(binding))[:2]
        if name_tag == _OID:
            values.append((_read_oid(name), _value(value_tag, value)))
    return SnmpAnswer(_number(request[1]), _number(error[1]), tuple(values))


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and body of each element. Raises ValueError where one is cut off."""
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            width = size & 0x7F
            size = int.from_bytes(data[at : at + width])
            at += width
        if at + size > len(data):
            message = "an element is cut off"
            raise ValueError(message)
        yield tag, data[at : at + size]
        at += size


def _number(body: bytes) -> int:
    return int.from_bytes(body[:9], signed=True)


def _value(tag: int, body: bytes) -> Value:
    if tag == _TEXT:
        return body
    if tag == _OID:
        return _read_oid(body)
    return _number(body) if tag == _INTEGER else None


def _read_oid(body: bytes) -> Oid:
    found = [body[0] // 40, body[0] % 40]
    number = 0
    for octet in body[1:256]:
        number = (number << 7 | octet & 0x7F) & 0xFFFF_FFFF
        if not octet & 0x80:
            found.append(number)
            number = 0
    return tuple(found)


def neighbour(name: Oid, value: Value) -> tuple[str, str] | None:
    """Return address and MAC address of a row of an ARP table; None for what is none."""
    if not isinstance(value, bytes) or len(value) != 6 or not any(value):
        return None
    if name[: len(MEDIA)] == MEDIA and len(name) == len(MEDIA) + 5:
        raw = name[-4:]
    elif name[: len(PHYSICAL)] == PHYSICAL and len(name) > len(PHYSICAL) + 3:
        length = name[len(PHYSICAL) + 2]
        raw = name[len(PHYSICAL) + 3 :][:length]
        if length not in {4, 16}:
            return None
    else:
        return None
    if len(raw) not in {4, 16} or any(part > 255 for part in raw):
        return None
    return str(ipaddress.ip_address(bytes(raw))), value.hex(":")
