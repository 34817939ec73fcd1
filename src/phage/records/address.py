"""Addresses as text and back."""

from __future__ import annotations

import ipaddress

_MAPPED = bytes(10) + b"\xff\xff"


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


def format_mac(value: int) -> str:
    """Format the low 48 bits as a MAC address; '' for 0."""
    if not value:
        return ""
    return (value & 0xFFFF_FFFF_FFFF).to_bytes(6, "big").hex(":")


def parse_mac(text: str) -> int:
    """Return a MAC address as a number. Raises ValueError on anything else."""
    octets = text.replace("-", ":").split(":")
    if len(octets) != 6 or any(len(octet) > 2 for octet in octets):
        message = f"not a MAC address: {text!r}"
        raise ValueError(message)
    return int.from_bytes(bytes(int(octet, 16) for octet in octets), "big")
