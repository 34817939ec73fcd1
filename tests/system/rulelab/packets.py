"""Packets for rule tests: described, built as octets, told apart when they arrive."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, replace

from phage.records.packetrule import Hook

MAGIC = b"phNF"
ICMP, TCP, UDP, ICMPV6, OTHER = 1, 6, 17, 58, 253
SYN, RST, ACK = 0x02, 0x04, 0x10
SYN_ACK = SYN | ACK
SEQUENCE = 1000


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet as a rule sees it.

    For ICMP `source_port` is the identifier and `port` the message type.
    """

    hook: Hook
    version: int
    source: int
    destination: int
    protocol: int
    source_port: int = 0
    port: int = 0
    flags: int = 0
    mac: int = 0
    in_interface: str = ""
    out_interface: str = ""
    padding: int = 0

    @property
    def length(self) -> int:
        """Octets of the IP packet."""
        header = 20 if self.version == 4 else 40
        return header + len(transport(self, 0))


def reply_to(packet: Packet, mac: int) -> Packet:
    """Return the answer to a packet: the same way back."""
    hook = {Hook.INPUT: Hook.OUTPUT, Hook.OUTPUT: Hook.INPUT}.get(packet.hook, packet.hook)
    back = replace(
        packet,
        hook=hook,
        source=packet.destination,
        destination=packet.source,
        mac=mac,
        in_interface=packet.out_interface,
        out_interface=packet.in_interface,
    )
    if packet.protocol in {ICMP, ICMPV6}:
        return replace(back, port={8: 0, 13: 14, 128: 129, 139: 140}[packet.port])
    flags = SYN_ACK if packet.protocol == TCP else 0
    return replace(back, source_port=packet.port, port=packet.source_port, flags=flags)


def transport(packet: Packet, number: int) -> bytes:
    """Return what follows the IP header, checksum included; it ends with the packet's number."""
    payload = bytes(packet.padding) + MAGIC + number.to_bytes(4, "big")
    ports = struct.pack(">HH", packet.source_port, packet.port)
    if packet.protocol == TCP:
        acknowledged = SEQUENCE + 1 if packet.flags & ACK else 0
        head = ports + struct.pack(
            ">IIBBHHH", SEQUENCE, acknowledged, 0x50, packet.flags, 8192, 0, 0
        )
        return _summed(packet, head + payload, 16)
    if packet.protocol == UDP:
        return _summed(packet, ports + struct.pack(">HH", 8 + len(payload), 0) + payload, 6)
    if packet.protocol in {ICMP, ICMPV6}:
        head = struct.pack(">BBHHH", packet.port, 0, 0, packet.source_port, 1)
        return _summed(packet, head + payload, 2)
    return payload


def ip_packet(packet: Packet, number: int) -> bytes:
    """Return the IP packet."""
    body = transport(packet, number)
    source, destination = _addresses(packet)
    if packet.version == 6:
        return (
            struct.pack(">IHBB", 6 << 28, len(body), packet.protocol, 64)
            + source
            + destination
            + body
        )
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, packet.protocol, 0)
    head += source + destination
    checksum = _checksum(head)
    return head[:10] + checksum.to_bytes(2, "big") + head[12:] + body


def frame(packet: Packet, number: int, destination_mac: bytes) -> bytes:
    """Return the Ethernet frame."""
    kind = b"\x08\x00" if packet.version == 4 else b"\x86\xdd"
    return destination_mac + packet.mac.to_bytes(6, "big") + kind + ip_packet(packet, number)


def number_of(octets: bytes) -> int | None:
    """Return the number of a packet of ours; None for others."""
    place = octets.rfind(MAGIC)
    if place < 0 or len(octets) < place + 8:
        return None
    return int.from_bytes(octets[place + 4 : place + 8], "big")


def text(packet: Packet) -> str:
    """Describe a packet for a person."""
    make = ipaddress.IPv4Address if packet.version == 4 else ipaddress.IPv6Address
    return (
        f"{packet.hook} {make(packet.source)}:{packet.source_port} > "
        f"{make(packet.destination)}:{packet.port} protocol {packet.protocol} "
        f"flags {packet.flags:#x} mac {packet.mac:012x} "
        f"{packet.in_interface}>{packet.out_interface} {packet.length} octets"
    )


def _addresses(packet: Packet) -> tuple[bytes, bytes]:
    size = 4 if packet.version == 4 else 16
    return packet.source.to_bytes(size, "big"), packet.destination.to_bytes(size, "big")


def _summed(packet: Packet, body: bytes, place: int) -> bytes:
    pseudo = b""
    if packet.protocol != ICMP:
        pseudo = b"".join(_addresses(packet)) + struct.pack(">II", len(body), packet.protocol)
    checksum = _checksum(pseudo + body) or 0xFFFF
    return body[:place] + checksum.to_bytes(2, "big") + body[place + 2 :]


def _checksum(octets: bytes) -> int:
    if len(octets) & 1:
        octets += b"\0"
    total: int = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
