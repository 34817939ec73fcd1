"""What the kernel knows of its own links, addresses, routes and neighbours, by rtnetlink(7).

Reading needs no privilege. Only dumps are asked for; nothing is ever changed.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import sys
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address, IPv6Address

MAX_MESSAGES = 20_000
"""Messages read of one dump: a router with all routes of the internet has a million, and those with
a short prefix come first."""

MAX_GATEWAYS = 64
"""Routers at most: an exchange point has hundreds of neighbours, and they are no lifelines."""

SECONDS = 1.0
"""How long the kernel may take to answer."""

_BUFFER = 65_536
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_DUMP = 0x1 | 0x300  # NLM_F_REQUEST | NLM_F_DUMP
_ERROR, _DONE = 2, 3
_TYPE_MASK = 0x3FFF  # Without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
_GET_LINKS = 18
_IFLA_MAC, _IFLA_NAME = 1, 3
_IFF_UP, _IFF_LOOPBACK = 0x1, 0x8
_GET_ADDRESSES, _GET_ROUTES, _GET_NEIGHBOURS = 22, 26, 30

_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DESTINATION, _RTA_GATEWAY, _RTA_MULTIPATH, _RTA_VIA = 1, 5, 9, 18
_NDA_ADDRESS, _NDA_MAC = 1, 2
_RTNH = struct.Struct("=HBBi")
_RTN_UNICAST = 1


@frozen
class OwnAddress:
    """An address of this machine, the length of its network's prefix, and its link's number."""

    address: IPv4Address | IPv6Address
    prefix: int
    link: int = 0


@frozen
class Link:
    """An interface: its name, number and MAC address, whether it is up, whether it is loopback."""

    name: str
    number: int
    mac: bytes
    is_up: bool
    is_loopback: bool


def links() -> list[Link]:
    """Return every interface. Raises OSError."""
    found = []
    for body, attributes in _dump(_GET_LINKS, struct.pack("=BBHiII", *[0] * 6), 16):
        _, _, _, number, flags, _ = struct.unpack("=BBHiII", body)
        name = attributes.get(_IFLA_NAME, b"").rstrip(b"\0").decode("utf-8", "replace")
        found.append(
            Link(
                name,
                number,
                attributes.get(_IFLA_MAC, b""),
                is_up=bool(flags & _IFF_UP),
                is_loopback=bool(flags & _IFF_LOOPBACK),
            )
        )
    return found


def own_addresses() -> list[OwnAddress]:
    """Return every address of every interface. Raises OSError."""
    found = []
    for body, attributes in _dump(_GET_ADDRESSES, struct.pack("=BBBBI", 0, 0, 0, 0, 0), 8):
        raw = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS, b"")
        address = _address(raw)
        if address is not None:
            found.append(OwnAddress(address, body[1], int.from_bytes(body[4:8], sys.byteorder)))
    return found


def gateways() -> list[IPv4Address | IPv6Address]:
    """Return the routers that routes go by, those of default routes first. Raises OSError."""
    all_of: dict[IPv4Address | IPv6Address, None] = {}
    default: dict[IPv4Address | IPv6Address, None] = {}
    for body, attributes in _dump(_GET_ROUTES, struct.pack("=BBBBBBBBI", *[0] * 9), 12):
        destination_bits, kind = body[1], body[7]
        if kind != _RTN_UNICAST:
            continue
        for address in _next_hops(attributes):
            all_of[address] = None
            if not destination_bits:
                default[address] = None
    return list(default | all_of)[:MAX_GATEWAYS]


def neighbours() -> dict[str, str]:
    """Return the MAC address of each neighbour by its IP address. Raises OSError."""
    found = {}
    for _, attributes in _dump(_GET_NEIGHBOURS, struct.pack("=BBHiHBB", *[0] * 7), 12):
        address, mac = _address(attributes.get(_NDA_ADDRESS, b"")), attributes.get(_NDA_MAC, b"")
        if address is not None and len(mac) == 6 and any(mac):
            found[str(address)] = mac.hex(":")
    return found


def _next_hops(attributes: dict[int, bytes]) -> Iterator[IPv4Address | IPv6Address]:
    paths = [attributes]
    several = attributes.get(_RTA_MULTIPATH, b"")
    while len(several) >= _RTNH.size:
        length = _RTNH.unpack_from(several)[0]
        if length < _RTNH.size:
            break
        paths.append(_attributes(several[_RTNH.size : length]))
        several = several[(length + 3) & ~3 :]
    for path in paths:
        # RTA_VIA: the family, then the address (an IPv6 router for IPv4 routes, RFC 5549).
        for raw in (path.get(_RTA_GATEWAY, b""), path.get(_RTA_VIA, b"")[2:]):
            if (address := _address(raw)) is not None:
                yield address


def _dump(kind: int, request: bytes, body: int) -> Iterator[tuple[bytes, dict[int, bytes]]]:
    """Yield fixed part and attributes of each message of a dump. Raises OSError."""
    with contextlib.closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)) as link:
        link.settimeout(SECONDS)
        link.bind((0, 0))
        link.send(_HEADER.pack(_HEADER.size + len(request), kind, _DUMP, 1, 0) + request)
        left = MAX_MESSAGES
        while left > 0:
            data = link.recv(_BUFFER)
            while len(data) >= _HEADER.size:
                length, answer, _, _, _ = _HEADER.unpack_from(data)
                if answer == _DONE or length < _HEADER.size:
                    return
                if answer == _ERROR:
                    number = -struct.unpack_from("=i", data, _HEADER.size)[0]
                    raise OSError(number, "the kernel refused")
                message = data[_HEADER.size : length]
                yield message[:body], _attributes(message[body:])
                left -= 1
                data = data[(length + 3) & ~3 :]


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _TYPE_MASK] = data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]
    return found


def _address(raw: bytes) -> IPv4Address | IPv6Address | None:
    if len(raw) == 4:
        return ipaddress.IPv4Address(raw)
    return ipaddress.IPv6Address(raw) if len(raw) == 16 else None
