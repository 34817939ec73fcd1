"""Random rule sets and random packets that have a chance to meet them."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from tests.system.rulelab.packets import (
    ACK,
    ICMP,
    ICMPV6,
    OTHER,
    RST,
    SYN,
    TCP,
    UDP,
    Packet,
    reply_to,
)

from phage.records.decision import Rate
from phage.records.packetrule import (
    Addresses,
    Hook,
    PacketAction,
    PacketRule,
    PacketRules,
    Service,
)

if TYPE_CHECKING:
    from random import Random

    from phage.records.packetrule import Network

WEEK = 604_800
INSIDE, OUTSIDE = ("in0", "in1"), ("out0", "out1")
NETS = {
    "in0": {4: int(ipaddress.IPv4Address("10.1.0.0")), 6: int(ipaddress.IPv6Address("fd01::"))},
    "in1": {4: int(ipaddress.IPv4Address("10.2.0.0")), 6: int(ipaddress.IPv6Address("fd02::"))},
    "out0": {4: int(ipaddress.IPv4Address("10.8.0.0")), 6: int(ipaddress.IPv6Address("fd08::"))},
    "out1": {4: int(ipaddress.IPv4Address("10.9.0.0")), 6: int(ipaddress.IPv6Address("fd09::"))},
}
"""What lies behind each interface: /16 and /48."""

LOCAL_HOST = {4: 0xFFFE, 6: 0xFFFE}
"""The router's own address in each network."""

VLANS = {5: ("in0",), 7: ("in1", "out1")}
MACS = tuple(0x02_00_5E_00_00_00 + number for number in range(5))
PORTS = (22, 53, 80, 443, 8080, 5353)


class Chance:
    """Draws rule sets and packets."""

    def __init__(self, random: Random) -> None:
        self.random = random

    # Packets.

    def packets(self, count: int) -> list[Packet]:
        """Draw packets, with answers to some and some sent again."""
        found: list[Packet] = []
        while len(found) < count:
            packet = self._packet()
            found.append(packet)
            if self.random.random() < 0.25 and _answerable(packet):
                found.append(reply_to(packet, self.random.choice(MACS)))
                if packet.protocol != TCP:
                    found.append(packet)
        return found

    def _packet(self) -> Packet:
        pick = self.random
        version = pick.choice((4, 6))
        hook = pick.choices((Hook.FORWARD, Hook.INPUT, Hook.OUTPUT), (6, 2, 2))[0]
        ways = [INSIDE, OUTSIDE]
        pick.shuffle(ways)
        in_interface, out_interface = pick.choice(ways[0]), pick.choice(ways[1])
        source, destination = (
            self._host(in_interface, version),
            self._host(out_interface, version),
        )
        if hook is Hook.INPUT:
            destination, out_interface = self._own(in_interface, version), ""
        elif hook is Hook.OUTPUT:
            source, in_interface = self._own(out_interface, version), ""
        protocol, port, flags = self._service(version)
        return Packet(
            hook,
            version,
            source,
            destination,
            protocol,
            source_port=pick.choice((pick.randrange(1, 1024), pick.randrange(1024, 0xFFFF))),
            port=port,
            flags=flags,
            mac=pick.choice(MACS),
            in_interface=in_interface,
            out_interface=out_interface,
            padding=pick.choice((0, 0, 4, 100, 400)),
        )

    def _service(self, version: int) -> tuple[int, int, int]:
        pick = self.random
        protocol = pick.choices((TCP, UDP, ICMP, OTHER), (5, 5, 2, 1))[0]
        if protocol == ICMP:
            kinds = (8, 13, 0) if version == 4 else (128, 139, 129)
            return (ICMP if version == 4 else ICMPV6), pick.choice(kinds), 0
        if protocol == OTHER:
            return OTHER, 0, 0
        flags = pick.choices((SYN, ACK, RST), (8, 1, 1))[0] if protocol == TCP else 0
        port = pick.choice(PORTS) if pick.random() < 0.8 else pick.randrange(1, 0xFFFF)
        return protocol, port, flags

    def _host(self, interface: str, version: int) -> int:
        net = self.random.randrange(3)
        host = self.random.randrange(1, 9)
        # Hosts of one /64 differ in its highest bits too.
        host += self.random.randrange(2) << 56 if version == 6 else 0
        return NETS[interface][version] + (net << (8 if version == 4 else 64)) + host

    @staticmethod
    def _own(interface: str, version: int) -> int:
        return NETS[interface][version] + LOCAL_HOST[version]

    # Rules.

    def rules(self, name: str) -> PacketRules:
        """Draw a rule set; the rules' names begin with `name`."""
        pick = self.random
        sets = tuple((f"set {number}", self._members()) for number in range(pick.randrange(4)))
        names = tuple(each for each, _ in sets)
        rules = tuple(self._rule(f"{name} {number}", names) for number in range(pick.randrange(10)))
        defaults = tuple(
            (hook, pick.choice((PacketAction.ACCEPT, PacketAction.DROP, PacketAction.REJECT)))
            for hook in Hook
            if pick.random() < 0.6
        )
        protect = self._networks(2) if pick.random() < 0.3 else ()
        return PacketRules(rules, defaults, protect, sets)

    def _rule(self, name: str, sets: tuple[str, ...]) -> PacketRule:
        pick = self.random
        action = pick.choice(tuple(PacketAction))
        rate, per = None, ""
        if action is PacketAction.LIMIT or (action is PacketAction.COUNT and pick.random() < 0.3):
            rate, per = self._rate(), pick.choice(("", "source", "destination"))
        return PacketRule(
            name,
            action,
            frozenset(hook for hook in Hook if pick.random() < 0.7) or frozenset({Hook.FORWARD}),
            source=self._addresses(sets),
            destination=self._addresses(sets),
            services=self._services(),
            source_ports=self._ranges(2, (1, 1024)) if pick.random() < 0.15 else (),
            source_macs=self._some(MACS, 0.15),
            in_interfaces=self._some(INSIDE + OUTSIDE, 0.2),
            out_interfaces=self._some(INSIDE + OUTSIDE, 0.2),
            vlans=self._some((5, 7, 99), 0.15),
            family=pick.choices((0, 4, 6), (6, 1, 1))[0],
            new=pick.random() < 0.2,
            rate=rate,
            per=per,
        )

    def _some(self, choices: tuple[object, ...], chance: float) -> tuple:  # type: ignore[type-arg]
        if self.random.random() >= chance:
            return ()
        return tuple(self.random.sample(choices, self.random.randrange(1, len(choices))))

    def _rate(self) -> Rate:
        unit = self.random.choice(("packets", "octets", "connections"))
        if unit == "octets":
            # Packets have lengths of a multiple of 4: what is refilled meanwhile decides nothing.
            return Rate(1, unit, WEEK, 4 * self.random.randrange(10, 200) + 1)
        return Rate(1, unit, WEEK, self.random.choice((0, 1, 2, 5)))

    def _services(self) -> tuple[Service, ...]:
        if self.random.random() < 0.4:
            return ()
        return tuple(self._one_service() for _ in range(self.random.randrange(1, 4)))

    def _one_service(self) -> Service:
        protocol = self.random.choice((TCP, TCP, UDP, UDP, ICMP, ICMPV6, OTHER))
        if protocol == OTHER or self.random.random() < 0.3:
            return Service(protocol)
        if protocol in {ICMP, ICMPV6}:
            first = self.random.choice((0, 8, 13) if protocol == ICMP else (128, 129, 139))
            return Service(protocol, ((first, first + self.random.randrange(6)),))
        return Service(protocol, self._ranges(3, PORTS))

    def _ranges(self, most: int, begins: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        pick = self.random
        found = []
        for _ in range(pick.randrange(1, most + 1)):
            first = pick.choice(begins)
            found.append((first, min(0xFFFF, first + pick.choice((0, 0, 1, 1000)))))
        return tuple(found)

    def _addresses(self, sets: tuple[str, ...]) -> Addresses:
        if self.random.random() < 0.4:
            return Addresses()
        return Addresses(
            self._networks(3) if self.random.random() < 0.6 else (),
            self._names(sets),
            self._networks(2) if self.random.random() < 0.3 else (),
            self._names(sets) if self.random.random() < 0.3 else (),
        )

    def _names(self, sets: tuple[str, ...]) -> tuple[str, ...]:
        if not sets or self.random.random() < 0.5:
            return ()
        return tuple(self.random.sample(sets, self.random.randrange(1, len(sets) + 1)))

    def _members(self) -> tuple[Network, ...]:
        count = self.random.choice((0, 1, 4, 20, 150))
        return tuple(self._network() for _ in range(count))

    def _networks(self, most: int) -> tuple[Network, ...]:
        return tuple(self._network() for _ in range(self.random.randrange(1, most + 1)))

    def _network(self) -> Network:
        pick = self.random
        version = pick.choice((4, 6))
        interface = pick.choice(INSIDE + OUTSIDE)
        address = self._host(interface, version)
        if version == 4:
            bits = pick.choice((0, 8, 15, 16, 24, 28, 31, 32, 32, 32))
            return ipaddress.IPv4Network((address, bits), strict=False)
        bits = pick.choice((0, 15, 16, 48, 63, 64, 124, 127, 128, 128, 128))
        return ipaddress.IPv6Network((address, bits), strict=False)


def _answerable(packet: Packet) -> bool:
    if packet.protocol == TCP:
        return packet.flags == SYN
    return packet.protocol != OTHER and packet.port not in {0, 129}
