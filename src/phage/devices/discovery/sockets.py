"""Sockets for probes. They need CAP_NET_RAW; the sensor has it."""

from __future__ import annotations

import ctypes
import socket
import struct
from contextlib import suppress

from phage.errors import PermissionMissingError

_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_IPV6_CHECKSUM = 7
_ICMP6_FILTER = 1
_CHECKSUM_OFFSET = 16  # Of TCP's checksum in its header.

RECEIVE_OCTETS = 4 << 20
"""Room for the answers of a burst; the kernel gives what it allows."""

_BPF = struct.Struct("=HBBI")


def packet_socket(interface: str, protocol: int) -> socket.socket:
    """Return a socket for whole frames of one protocol on one interface."""
    link = _opened(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    try:
        link.bind((interface, protocol))
    except OSError:
        link.close()
        raise
    return link


def tcp_socket(family: int, port: int) -> socket.socket:
    """Return a raw socket that sends TCP segments and gets those to one port of ours."""
    link = _opened(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
    if family == socket.AF_INET6:
        link.setsockopt(socket.IPPROTO_IPV6, _IPV6_CHECKSUM, _CHECKSUM_OFFSET)
        _filter(link, [(0x28, 0, 0, 2), *_accept_if(port)])  # ldh [2]
    else:
        # ldxb 4*([0]&0xf); ldh [x+2]
        _filter(link, [(0xB1, 0, 0, 0), (0x48, 0, 0, 2), *_accept_if(port)])
    return link


def icmp_socket(family: int) -> socket.socket:
    """Return a raw socket for ICMP or ICMPv6."""
    if family == socket.AF_INET:
        return _opened(family, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    link = _opened(family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    for hops in (socket.IPV6_MULTICAST_HOPS, socket.IPV6_UNICAST_HOPS):
        link.setsockopt(socket.IPPROTO_IPV6, hops, 255)  # RFC 4861, section 7.1.1.
    wanted = [0xFFFF_FFFF] * 8
    for kind in (129, 136):
        wanted[kind >> 5] &= ~(1 << (kind & 31))
    link.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *wanted))
    return link


def _opened(family: int, kind: int, protocol: int) -> socket.socket:
    try:
        link = socket.socket(family, kind | socket.SOCK_CLOEXEC, protocol)
    except PermissionError as error:
        message = "an active scan needs CAP_NET_RAW: have `phage run` do it, or run this as root"
        raise PermissionMissingError(message) from error
    link.setblocking(False)  # noqa: FBT003  The standard library's.
    with suppress(OSError):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_OCTETS)
    with suppress(OSError):  # Without the kernel's limit, where that is allowed.
        link.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_OCTETS * 4)
    return link


def _accept_if(value: int) -> list[tuple[int, int, int, int]]:
    """Return the end of a filter: take what equals a value, and drop the rest."""
    return [(0x15, 0, 1, value), (0x06, 0, 0, 0x40000), (0x06, 0, 0, 0)]


def _filter(link: socket.socket, program: list[tuple[int, int, int, int]]) -> None:
    """Attach a classic BPF program (socket(7), SO_ATTACH_FILTER)."""
    code = b"".join(_BPF.pack(*instruction) for instruction in program)
    held = ctypes.create_string_buffer(code)
    link.setsockopt(
        socket.SOL_SOCKET,
        _SO_ATTACH_FILTER,
        struct.pack("HL", len(program), ctypes.addressof(held)),
    )
