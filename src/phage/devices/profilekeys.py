"""From a flow to what it is in a device's profile: who began, by which service, with whom."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from phage.devices.clouds import SHARED_SYSTEMS
from phage.devices.domainnames import service_name
from phage.records.profile import INTERNET, NO_PORT, ProfileKey, Way

HOME, ROUTER, BROADCAST = "home", "router", "group:broadcast"

NTP = 123
_PORTS = frozenset({6, 17, 33, 132, 136})
"""Protocols with ports: TCP, UDP, DCCP, SCTP, UDP-Lite."""


@lru_cache(maxsize=8192)
def key_of(
    way: Way, protocol: int, port: int, peer: str, name: str, role: str, system: int = 0
) -> ProfileKey:
    """Return the key of a flow.

    Args:
        way: Who began.
        protocol: IP protocol number.
        port: The service's port.
        peer: Address of the other end.
        name: What the other end is called; ''.
        role: What the other end is at home; '' where it is far.
        system: The autonomous system that it is in; 0 where that is not known.
    """
    port = port if protocol in _PORTS else NO_PORT
    return ProfileKey(way, protocol, port, _peer(way, protocol, port, peer, name, role, system))


def _peer(way: Way, protocol: int, port: int, peer: str, name: str, role: str, system: int) -> str:
    if group := group_of(peer):
        return group
    if role:
        return HOME if way is Way.IN and role != ROUTER else role
    if way is Way.IN or (protocol == 17 and port == NTP):  # Pools of time servers rotate.
        return INTERNET
    if name:
        return f"name:{service_name(name)}"
    if system and system not in SHARED_SYSTEMS:
        return f"as:{system}"
    return network_of(peer)


@lru_cache(maxsize=8192)
def group_of(address: str) -> str:
    """Return "group:ADDRESS" for a multicast or broadcast address, else ''."""
    if address.endswith(".255") or not address:
        return BROADCAST
    if not address.startswith(("22", "23", "ff")):
        return ""
    return f"group:{_solicited(address)}" if ipaddress.ip_address(address).is_multicast else ""


def _solicited(address: str) -> str:
    """Return one address for all solicited-node groups (RFC 4291, 2.7.1): there are millions."""
    return "ff02::1:ff00:0" if address.startswith("ff02::1:ff") else address


@lru_cache(maxsize=8192)
def network_of(address: str) -> str:
    """Return "net:PREFIX" for an address without a name: clouds move within their networks."""
    try:
        length = 16 if ":" not in address else 32
        return f"net:{ipaddress.ip_network((address, length), strict=False)}"
    except ValueError:
        return "net:unknown"
