"""Addresses as text and back."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

_LATELY = 1024
"""Addresses whose text is kept: those of a home come again and again, in each window."""

_NEVER_ASKED = tuple(
    map(
        ipaddress.ip_network,
        ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "0.0.0.0/8", "::/128",
         "224.0.0.0/4", "255.255.255.255/32", "ff00::/8"),
    )
)  # fmt: skip
_MAPPED = bytes(10) + b"\xff\xff"


@lru_cache(_LATELY)
def format_address(raw: bytes) -> str:
    """Format 16 bytes as an IPv4 (when mapped) or IPv6 address; '' for all zeros.

    NumPy strips trailing zero bytes of a bytes field; they are put back here.
    """
    raw = raw.ljust(16, b"\0")
    if raw[:12] == _MAPPED:
        return f"{raw[12]}.{raw[13]}.{raw[14]}.{raw[15]}"
    if not any(raw):
        return ""
    return ipaddress.IPv6Address(raw).compressed


def parse_address(text: str) -> bytes:
    """Return the 16 bytes of an address, IPv4 mapped. Raises ValueError on anything else."""
    address = ipaddress.ip_address(text)
    return _MAPPED + address.packed if address.version == 4 else address.packed


@lru_cache(_LATELY)
def format_mac(value: int) -> str:
    """Format the low 48 bits as a MAC address; '' for 0."""
    if not value:
        return ""
    return (value & 0xFFFF_FFFF_FFFF).to_bytes(6, "big").hex(":")


def is_never_asked(text: str) -> bool:
    """Tell whether an address is one that phage sends no request to, whatever URL leads there.

    On link-local addresses clouds hand out the credentials of a machine (169.254.169.254); the
    unspecified address is this machine by another name, and a group is nobody.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None) or address
    return any(inner.version == net.version and inner in net for net in _NEVER_ASKED)


def is_public(text: str) -> bool:
    """Tell whether an address is one in the internet: no group, and nothing of ours."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None) or address
    return inner.is_global and not inner.is_multicast


def parse_mac(text: str) -> int:
    """Return a MAC address as a number. Raises ValueError on anything else."""
    octets = text.replace("-", ":").split(":")
    if len(octets) != 6 or any(len(octet) > 2 for octet in octets):
        message = f"not a MAC address: {text!r}"
        raise ValueError(message)
    return int.from_bytes(bytes(int(octet, 16) for octet in octets), "big")
