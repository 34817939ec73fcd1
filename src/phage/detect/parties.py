"""Who a row is about: keys of hosts, group addresses, the MACs of routers."""

from __future__ import annotations

from functools import lru_cache

from phage.records import Subject
from phage.records.address import parse_mac

_MAPPED = bytes(10) + b"\xff\xff"
_GROUP_BIT = 1 << 40
UNSPECIFIED = "0.0.0.0"  # noqa: S104  Seen in messages; nothing is bound to it.
_BROADCAST = b"\xff\xff\xff\xff"

HostKey = int | bytes
"""A host at home is known by its MAC, any other by its address."""


@lru_cache(maxsize=16)
def mac_numbers(macs: frozenset[str]) -> frozenset[int]:
    """Return MAC addresses as numbers; what is none is left out."""
    numbers = set()
    for text in macs:
        try:
            numbers.add(parse_mac(text))
        except ValueError:
            continue
    return frozenset(numbers)


def known_subject(ip: str, mac: str, routers: frozenset[int]) -> Subject:
    """Return who an address is: by its MAC, unless that is a router's, which only carries it."""
    try:
        behind = bool(mac) and parse_mac(mac) in routers
    except ValueError:
        behind = True
    known = "" if behind else mac
    return Subject(mac=known, ip=ip, device=known or ip or "unknown")


def is_group(address: bytes, mac: int = 0) -> bool:
    """Tell whether an address or its MAC is a multicast or broadcast one."""
    if mac & _GROUP_BIT:
        return True
    if address[0] == 0xFF:
        return True
    return address[:12] == _MAPPED and (224 <= address[12] < 240 or address[12:] == _BROADCAST)


def is_unset(address: bytes) -> bool:
    """Tell whether an address is `0.0.0.0` or `::`."""
    return not any(address[12:]) and (address[:12] == _MAPPED or not any(address))


def host_key(address: bytes, mac: int, *, home: bool, routers: frozenset[int]) -> HostKey:
    """Return the key of a host: what stands behind a router is known by its address."""
    if home and mac and mac not in routers:
        return mac
    return address
