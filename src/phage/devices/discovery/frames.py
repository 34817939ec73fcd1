"""Probes and their answers as octets: ARP, neighbour discovery, ICMP, TCP. No input or output."""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple

ETH_ARP = 0x0806
BROADCAST = b"\xff" * 6

_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ARP_REPLY = 2
_TCP = struct.Struct("!HHIIBBHHH")
_MSS = b"\x02\x04\x05\xb4"  # 1460, as any host that means it.

ECHO_REQUEST, ECHO_REPLY = 8, 0
ECHO6_REQUEST, ECHO6_REPLY = 128, 129
SOLICITATION, ADVERTISEMENT = 135, 136

SYN, RST, ACK = 0x02, 0x04, 0x10


def arp_request(mac: bytes, source: bytes, target: bytes) -> bytes:
    """Return a frame that asks who has an IPv4 address (RFC 826); padded to the least length."""
    body = _ARP.pack(1, 0x0800, 6, 4, 1, mac, source, bytes(6), target)
    return BROADCAST + mac + ETH_ARP.to_bytes(2) + body + bytes(18)


def arp_answer(frame: bytes) -> tuple[bytes, bytes] | None:
    """Return the IPv4 address and MAC address that an ARP reply tells; None for anything else."""
    if len(frame) < 14 + _ARP.size:
        return None
    kind, protocol, _, _, operation, mac, address, _, _ = _ARP.unpack_from(frame, 14)
    if (kind, protocol, operation) != (1, 0x0800, _ARP_REPLY) or mac == bytes(6):
        return None
    return address, mac


def checksum(data: bytes) -> int:
    """Return the internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    return folded(sum(struct.unpack(f"!{len(data) // 2}H", data)))


def folded(total: int) -> int:
    """Return the checksum of a sum of 16-bit words."""
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo_request(kind: int, number: int, sequence: int) -> bytes:
    """Return an ICMP echo request; of ICMPv6 the kernel adds the checksum."""
    head = struct.pack("!BBHHH", kind, 0, 0, number, sequence)
    if kind == ECHO6_REQUEST:
        return head
    return head[:2] + checksum(head).to_bytes(2) + head[4:]


def solicitation(target: bytes, mac: bytes) -> bytes:
    """Return a neighbour solicitation (RFC 4861, section 4.3), without checksum."""
    return struct.pack("!BBHI", SOLICITATION, 0, 0, 0) + target + b"\x01\x01" + mac


def solicited_node(target: bytes) -> str:
    """Return the multicast address that the owner of an address listens to (RFC 4291, 2.7.1)."""
    return str(ipaddress.IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + target[13:]))


def advertised(message: bytes) -> tuple[bytes, bytes] | None:
    """Return address and MAC address that a neighbour advertisement tells; None for others."""
    if len(message) < 24 or message[0] != ADVERTISEMENT:
        return None
    options = message[24:]
    while len(options) >= 8 and options[1]:
        if options[0] == 2:
            return message[8:24], options[2:8]
        options = options[options[1] * 8 :]
    return message[8:24], b""


class SynTemplate:
    """A TCP SYN to one host, made anew for each port: only port and checksum differ.

    Args:
        source: Our address, packed.
        target: Its address, packed.
        port: Our port.
        sequence: Our sequence number, which the answer has to acknowledge.
    """

    def __init__(self, source: bytes, target: bytes, port: int, sequence: int) -> None:
        self._head = port.to_bytes(2)
        whole = _TCP.pack(port, 0, sequence, 0, 6 << 4, SYN, 1024, 0, 0) + _MSS
        self._middle, self._tail = whole[4:16], whole[18:]
        pseudo = source + target + struct.pack("!HH", 6, len(whole))
        words = pseudo + whole
        self._sum = sum(struct.unpack(f"!{len(words) // 2}H", words))

    def to(self, port: int) -> bytes:
        """Return the segment to a port."""
        check = folded(self._sum + port)
        return self._head + port.to_bytes(2) + self._middle + check.to_bytes(2) + self._tail


class TcpAnswer(NamedTuple):
    """What a segment answers: from which port, to which, whether open, what it acknowledges."""

    source: int
    target: int
    is_open: bool
    acknowledged: int


def tcp_answer(segment: bytes) -> TcpAnswer | None:
    """Return what an answer to a SYN says; None for what is none."""
    if len(segment) < _TCP.size:
        return None
    source, target, _, acknowledged, _, flags, _, _, _ = _TCP.unpack_from(segment)
    if flags & (SYN | ACK) == SYN | ACK:
        return TcpAnswer(source, target, is_open=True, acknowledged=acknowledged)
    if flags & RST:
        return TcpAnswer(source, target, is_open=False, acknowledged=acknowledged)
    return None
