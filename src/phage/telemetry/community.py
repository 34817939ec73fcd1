"""Community ID: one name for a flow in every tool (Corelight's specification, version 1)."""

from __future__ import annotations

import base64
import hashlib
import ipaddress

ICMP, TCP, UDP, ICMP6, SCTP = 1, 6, 17, 58, 132

_ICMP_ANSWERS = {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17, 10: 9, 9: 10}
"""ICMP types that ask and those that answer (RFC 792, 1256); the answer stands in place of a
port."""

_ICMP6_ANSWERS = {
    128: 129, 129: 128, 133: 134, 134: 133, 135: 136, 136: 135, 130: 131, 131: 130,
    139: 140, 140: 139, 144: 145, 145: 144,
}  # fmt: skip
"""The same for ICMPv6 (RFC 4443, 4861, 2710, 4620, 6275)."""


def community_id(
    src: str, dst: str, src_port: int, dst_port: int, protocol: int, seed: int = 0
) -> str:
    """Return the Community ID of a flow, the same for both directions.

    '' where it has no IP addresses.

    For ICMP the ports are type and code, as flows carry them.
    """
    try:
        first, second = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    except ValueError:
        return ""
    if len(first) != len(second):
        return ""
    ports, one_way = _ports(src_port, dst_port, protocol)
    near = (first, ports[0])
    far = (second, ports[1])
    if not one_way and far < near:
        near, far = far, near
    text = seed.to_bytes(2, "big") + near[0] + far[0] + bytes((protocol, 0))
    if protocol in {ICMP, TCP, UDP, ICMP6, SCTP}:
        text += near[1].to_bytes(2, "big") + far[1].to_bytes(2, "big")
    digest = hashlib.sha1(text, usedforsecurity=False).digest()
    return "1:" + base64.b64encode(digest).decode("ascii")


def _ports(src_port: int, dst_port: int, protocol: int) -> tuple[tuple[int, int], bool]:
    """Return what stands in place of ports, and whether the flow is one-way: never swapped."""
    if protocol not in {ICMP, ICMP6}:
        if protocol in {TCP, UDP, SCTP}:
            return (src_port & 0xFFFF, dst_port & 0xFFFF), False
        return (0, 0), False
    answer = (_ICMP_ANSWERS if protocol == ICMP else _ICMP6_ANSWERS).get(src_port)
    if answer is None:
        return (src_port & 0xFFFF, dst_port & 0xFFFF), True
    return (src_port, answer), False
