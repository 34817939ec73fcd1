"""What packet rules mean, written down a second time: packet by packet, rule by rule.

It shares nothing with what renders rules for a kernel. Connection tracking is modelled as far as
the packets of these tests go.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.system.rulelab.packets import ACK, ICMP, ICMPV6, RST, SYN_ACK, TCP

from phage.records.packetrule import Hook, PacketAction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.system.rulelab.packets import Packet

    from phage.records.packetrule import Addresses, Network, PacketRule, PacketRules

NEW, ESTABLISHED, INVALID = "new", "established", "invalid"
WITH_PORTS = {6, 17, 132}
ANSWERS = {0, 14, 129, 140}


@dataclass(slots=True)
class Connection:
    """A connection that is tracked."""

    origin: tuple[int, ...]
    answered: bool = False


@dataclass(slots=True)
class Connections:
    """The table of connections."""

    known: dict[tuple[int, ...], Connection] = field(default_factory=dict)

    def state(self, packet: Packet) -> str:
        """Return what a packet is to the connections that are known."""
        key = _way(packet)
        connection = self.known.get(key)
        if connection is None:
            return NEW if _opens(packet) else INVALID
        if connection.origin != key:
            connection.answered = True
        return ESTABLISHED if connection.answered else NEW

    def keep(self, packet: Packet) -> None:
        """Remember the connection of a packet that passed."""
        key = _way(packet)
        if key not in self.known and _opens(packet):
            connection = Connection(key)
            self.known[key] = self.known[_way_back(key)] = connection


def _way(packet: Packet) -> tuple[int, ...]:
    ports = (packet.source_port, packet.port)
    if packet.protocol in {ICMP, ICMPV6}:
        ports = (packet.source_port, packet.source_port)
    elif packet.protocol not in WITH_PORTS:
        ports = (0, 0)
    return (packet.version, packet.protocol, packet.source, packet.destination, *ports)


def _way_back(key: tuple[int, ...]) -> tuple[int, ...]:
    version, protocol, source, destination, *ports = key
    return (version, protocol, destination, source, *reversed(ports))


def _opens(packet: Packet) -> bool:
    """A packet that connection tracking takes for the first of a connection."""
    if packet.protocol == TCP:
        return packet.flags not in {RST, SYN_ACK, RST | ACK}
    if packet.protocol in {ICMP, ICMPV6}:
        return packet.port not in ANSWERS
    return True


@dataclass(slots=True)
class Meaning:
    """The verdicts of a rule set on packets in the order in which they come."""

    rules: PacketRules
    vlans: Mapping[int, tuple[str, ...]]
    connections: Connections = field(default_factory=Connections)
    hits: dict[str, int] = field(default_factory=dict)
    spent: dict[tuple[int, int, int], int] = field(default_factory=dict)

    def judge(self, packet: Packet) -> PacketAction:
        """Return whether a packet is accepted, dropped or rejected; count what it hits."""
        state = self.connections.state(packet)
        verdict = self._verdict(packet, state)
        if verdict is PacketAction.ACCEPT and state != INVALID:
            self.connections.keep(packet)
        return verdict

    def _verdict(self, packet: Packet, state: str) -> PacketAction:
        peer = packet.destination if packet.hook is Hook.OUTPUT else packet.source
        if _among(self.rules.protect, packet.version, peer):
            return PacketAction.ACCEPT
        for place, rule in enumerate(self.rules.rules):
            if state == ESTABLISHED and not _holds_within_connections(rule):
                continue
            if self._holds(rule, packet, state) and self._exceeds(place, rule, packet):
                decided = self._act(rule, counted=state != ESTABLISHED or rule.rate is not None)
                if decided:
                    return decided
        if state == ESTABLISHED:
            return PacketAction.ACCEPT
        return dict(self.rules.defaults).get(packet.hook, PacketAction.ACCEPT)

    def _act(self, rule: PacketRule, *, counted: bool) -> PacketAction | None:
        if counted:
            self.hits[rule.name] = self.hits.get(rule.name, 0) + 1
        if rule.action in {PacketAction.COUNT, PacketAction.LOG}:
            return None
        return PacketAction.DROP if rule.action is PacketAction.LIMIT else rule.action

    def _holds(self, rule: PacketRule, packet: Packet, state: str) -> bool:
        sets = dict(self.rules.sets)
        new = rule.new or (rule.rate is not None and rule.rate.unit == "connections")
        carrier = packet.out_interface if packet.hook is Hook.OUTPUT else packet.in_interface
        on_vlan = any(carrier in self.vlans.get(number, ()) for number in rule.vlans)
        return (
            packet.hook in rule.hooks
            and rule.family in {0, packet.version}
            and (not new or state == NEW)
            and (not rule.vlans or on_vlan)
            and _link_holds(rule, packet)
            and _service_holds(rule, packet)
            and _address_holds(rule.source, packet.version, packet.source, sets)
            and _address_holds(rule.destination, packet.version, packet.destination, sets)
        )

    def _exceeds(self, place: int, rule: PacketRule, packet: Packet) -> bool:
        """Tell whether a rate is exceeded; a bucket is as good as not refilled in these tests."""
        if rule.rate is None:
            return True
        cost = packet.length if rule.rate.unit == "octets" else 1
        size = rule.rate.burst or rule.rate.count
        address = 0
        if rule.per == "source":
            address = packet.source if packet.version == 4 else packet.source >> 64
        elif rule.per == "destination":
            address = packet.destination
        key = (place, packet.version if rule.per else 0, address)
        spent = self.spent.get(key, 0)
        if spent + cost > size:
            return True
        self.spent[key] = spent + cost
        return False


def _holds_within_connections(rule: PacketRule) -> bool:
    """Limits of packets and octets hold there, and what shields from them."""
    if rule.new or (rule.rate is not None and rule.rate.unit == "connections"):
        return False
    if rule.action is PacketAction.ACCEPT:
        return rule.rate is None
    return rule.action in {PacketAction.LIMIT, PacketAction.COUNT} and rule.rate is not None


def _link_holds(rule: PacketRule, packet: Packet) -> bool:
    if rule.in_interfaces and packet.in_interface not in rule.in_interfaces:
        return False
    if rule.out_interfaces and packet.out_interface not in rule.out_interfaces:
        return False
    return not rule.source_macs or (
        packet.hook is not Hook.OUTPUT and packet.mac in rule.source_macs
    )


def _service_holds(rule: PacketRule, packet: Packet) -> bool:
    if rule.source_ports and (
        packet.protocol not in WITH_PORTS or not _in_ranges(rule.source_ports, packet.source_port)
    ):
        return False
    return not rule.services or any(
        service.protocol == packet.protocol
        and (not service.ports or _in_ranges(service.ports, packet.port))
        for service in rule.services
    )


def _in_ranges(ranges: Iterable[tuple[int, int]], number: int) -> bool:
    return any(first <= number <= last for first, last in ranges)


def _address_holds(
    condition: Addresses,
    version: int,
    address: int,
    sets: Mapping[str, tuple[Network, ...]],
) -> bool:
    wanted = (not condition.networks and not condition.sets) or (
        _among(condition.networks, version, address)
        or any(_among(sets[name], version, address) for name in condition.sets)
    )
    return (
        wanted
        and not _among(condition.excluded, version, address)
        and not any(_among(sets[name], version, address) for name in condition.excluded_sets)
    )


def _among(networks: Iterable[Network], version: int, address: int) -> bool:
    whole = ipaddress.IPv4Address(address) if version == 4 else ipaddress.IPv6Address(address)
    return any(network.version == version and whole in network for network in networks)
