"""An observation: one application or neighbour message seen on the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | int | float | bool | tuple[str, ...]


@frozen
class Observation:
    """One message, decoded: who said what to whom.

    `kind` is one of arp, dns, mdns, llmnr, nbns, dhcp, dhcpv6, ssdp, tls, quic, http, ssh, ra
    (router advertisement), icmp. `fields` holds what the message said, by the names that the
    decoder of the protocol documents; text is bounded there, and may hold anything a hostile host
    can send.
    """

    kind: str
    time: int
    packet: int
    src: str
    dst: str
    src_port: int
    dst_port: int
    src_mac: str
    dst_mac: str
    vlan: int
    protocol: int
    device: int
    flow: int
    fields: Mapping[str, Value]
