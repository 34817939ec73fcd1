"""Targets as people and records name them, brought into one form."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from typing import TYPE_CHECKING

from phage.records.address import format_mac, parse_mac
from phage.records.decision import Target, TargetKind

if TYPE_CHECKING:
    from phage.records.packetrule import Network

LONGEST = 253
"""Characters of a domain name at most (RFC 1035, section 2.3.4), and of anything else here."""

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_MAC = re.compile(r"[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}")


def parse_target(text: str) -> Target:
    """Return whom a person means by an address, a network, a MAC address or a domain name.

    Raises ValueError that says what is wrong.
    """
    text = text.strip().lower()
    if len(text) > LONGEST:
        message = f"longer than {LONGEST} characters"
        raise ValueError(message)
    if _MAC.fullmatch(text):
        return canonical(Target(TargetKind.MAC, text))
    if ":" in text or re.fullmatch(r"[0-9./]+", text):
        return canonical(Target(TargetKind.PREFIX if "/" in text else TargetKind.IP, text))
    return canonical(Target(TargetKind.DOMAIN, text))


def canonical(target: Target) -> Target:
    """Return a target in canonical text.

    An IPv4 address in IPv6's clothes (::ffff:192.0.2.1) becomes the IPv4 address that it is, a
    prefix as long as an address becomes the address. Raises ValueError for what is no such thing.
    """
    if target.kind in {TargetKind.IP, TargetKind.PREFIX}:
        return network_target(_network(target.value))
    if target.kind is TargetKind.MAC:
        return Target(TargetKind.MAC, _mac(target.value))
    if target.kind is TargetKind.DOMAIN:
        return Target(TargetKind.DOMAIN, _domain(target.value))
    return Target(TargetKind.DEVICE, _device(target.value))


def network_target(network: Network) -> Target:
    """Return the target that a network is: an address where it holds but one."""
    if network.prefixlen == network.max_prefixlen:
        return Target(TargetKind.IP, str(network.network_address))
    return Target(TargetKind.PREFIX, str(network))


def network_of(target: Target) -> Network | None:
    """Return the addresses of a canonical target; None where it is none of addresses.

    A device is known by its MAC, or by its address where that was never seen.
    """
    if target.kind in {TargetKind.MAC, TargetKind.DOMAIN}:
        return None
    try:
        return ipaddress.ip_network(target.value)
    except ValueError:
        return None


def mac_of(target: Target) -> str:
    """Return the MAC address of a canonical target; '' where it has none."""
    if target.kind in {TargetKind.MAC, TargetKind.DEVICE} and _MAC.fullmatch(target.value):
        return target.value
    return ""


def _network(text: str) -> Network:
    if "%" in text:
        message = f"{text!r}: leave the zone (%) out"
        raise ValueError(message)
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        message = f"{text!r} is no address or network, for example 192.0.2.7 or 2001:db8::/64"
        raise ValueError(message) from None
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((int(mapped), network.prefixlen - 96))
    return network


def _mac(text: str) -> str:
    if not _MAC.fullmatch(text.lower()):
        message = f"{text!r} is no MAC address, for example 02:00:5e:10:00:01"
        raise ValueError(message)
    value = format_mac(parse_mac(text.lower()))
    if not value:
        message = "a MAC address of zeros is nobody's"
        raise ValueError(message)
    return value


def _domain(text: str) -> str:
    name = text.lower().rstrip(".")
    if not name.isascii():  # As DNS has it (RFC 5891).
        with contextlib.suppress(UnicodeError):
            name = name.encode("idna").decode("ascii")
    labels = name.split(".")
    if not name or len(name) > LONGEST or not all(map(_LABEL.fullmatch, labels)):
        message = f"{text!r} is no address, network, MAC address or domain name"
        raise ValueError(message)
    if labels[-1].isdigit():
        message = f"{text!r} is no address, and no domain name ends in a number"
        raise ValueError(message)
    return name


def _device(text: str) -> str:
    try:
        return _mac(text)
    except ValueError:
        return str(network_target(_network(text)).value)
