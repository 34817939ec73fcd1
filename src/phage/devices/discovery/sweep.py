"""Who is there: ARP, neighbour discovery, ICMP echo."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from phage.devices.discovery import frames, rtnetlink
from phage.devices.discovery.sockets import icmp_socket, packet_socket
from phage.devices.discovery.targets import MAX_ADDRESSES, addresses_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from ipaddress import IPv6Address

    from phage.devices.discovery.pace import Pace
    from phage.devices.discovery.targets import Network, Wire

ANSWER_SECONDS = 0.2
"""How long the last answers are waited for on a wire; it starts anew with each."""

GENTLE_ANSWER_SECONDS = 0.5
"""The same where devices may sleep or stand behind a slow link; they are asked twice."""

MAX_FOUND = 131_072
_READ = 2048


@dataclass(slots=True)
class Found:
    """A host that answered: its MAC address, where, and by what."""

    mac: str = ""
    interface: str = ""
    ways: dict[str, None] = field(default_factory=dict)


@dataclass
class Sweep:
    """Asks who is there.

    Attributes:
        pace: How fast.
        answer_seconds: How long answers are waited for.
        found: Who answered, by address.
        dropped: Answers that found no room.
    """

    pace: Pace
    answer_seconds: float = GENTLE_ANSWER_SECONDS
    found: dict[str, Found] = field(default_factory=dict)
    dropped: int = 0

    def note(self, address: str, way: str, mac: str = "", interface: str = "") -> None:
        """Note that a host answered."""
        known = self.found.get(address)
        if known is None:
            if len(self.found) >= MAX_FOUND:
                self.dropped += 1
                return
            known = self.found[address] = Found()
        known.mac, known.interface = known.mac or mac, known.interface or interface
        known.ways[way] = None

    # --- ARP --------------------------------------------------------------------------------------

    def arp(self, wire: Wire, networks: Sequence[Network]) -> None:
        """Ask every address of IPv4 networks that are on a wire; who is silent, twice.

        Raises PermissionMissingError, OSError.
        """
        if len(wire.link.mac) != 6:
            return
        with closing(packet_socket(wire.name, frames.ETH_ARP)) as link:
            for own in wire.addresses:
                if own.address.version == 4:
                    source = own.address.packed
                    self._arp(link, wire, source, _wanted(wire, own, networks))

    def _arp(self, link: socket.socket, wire: Wire, source: bytes, wanted: Sequence[bytes]) -> None:
        waiting = dict.fromkeys(wanted)
        head = frames.arp_request(wire.link.mac, source, bytes(4))[:-22]
        tail = bytes(18)
        drain = partial(self._drain_arp, link, wire.name, waiting)
        for _ in range(2):
            probes = [head + target + tail for target in waiting]
            self.pace.send(link, (partial(link.send, probe) for probe in probes), drain)
            self.pace.listen(link, self.answer_seconds, drain, lambda: not waiting)
            if not waiting:
                break

    def _drain_arp(self, link: socket.socket, name: str, waiting: dict[bytes, None]) -> None:
        receive, read = link.recv, frames.arp_answer
        with suppress(BlockingIOError):
            while True:
                answer = read(receive(_READ))
                # Only who was asked: what others say of themselves is for passive eyes.
                if answer is not None and answer[0] in waiting:
                    del waiting[answer[0]]
                    self.note(socket.inet_ntoa(answer[0]), "arp", answer[1].hex(":"), name)

    # --- Neighbour discovery ----------------------------------------------------------------------

    def neighbours6(self, wire: Wire, networks: Sequence[Network]) -> None:
        """Ask all IPv6 hosts on a wire at once, then those that may be there one by one.

        May be there: what small networks hold, what the kernel knows, and addresses made of the
        MAC addresses that are known (RFC 4291, appendix A). Raises PermissionMissingError, OSError.
        """
        if not any(own.address.version == 6 for own in wire.addresses):
            return
        with closing(icmp_socket(socket.AF_INET6)) as link:
            link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, wire.link.number)
            drain = partial(self._drain6, link, wire)
            number = secrets.randbits(16)
            everybody = ("ff02::1", 0, 0, wire.link.number)
            request = frames.echo_request(frames.ECHO6_REQUEST, number, 1)
            # From each network of ours, so that hosts answer by their address there.
            for own in wire.addresses if _is_wide(networks) else ():
                if own.address.version == 6:
                    with closing(icmp_socket(socket.AF_INET6)) as other, suppress(OSError):
                        scope = wire.link.number if own.address.is_link_local else 0
                        other.bind((str(own.address), 0, 0, scope))
                        other.sendto(request, everybody)
                        self.pace.sent += 1
            if _is_wide(networks):
                self.pace.listen(link, self.answer_seconds, drain)
            candidates = dict.fromkeys(self._candidates(wire, networks))
            probes = [
                partial(
                    link.sendto,
                    frames.solicitation(target.packed, wire.link.mac),
                    (frames.solicited_node(target.packed), 0, 0, wire.link.number),
                )
                for target in candidates
            ]
            self.pace.send(link, probes, drain)
            if probes:
                self.pace.listen(link, self.answer_seconds, drain)

    def _drain6(self, link: socket.socket, wire: Wire) -> None:
        with suppress(BlockingIOError):
            while True:
                message, source = link.recvfrom(_READ)
                address = source[0].partition("%")[0]
                if source[3] not in {0, wire.link.number} or not message:
                    continue
                told = frames.advertised(message)
                if told is not None:
                    target = str(ipaddress.IPv6Address(told[0]))
                    self.note(target, "nd", told[1].hex(":"), wire.name)
                elif message[0] == frames.ECHO6_REPLY:
                    self.note(address, "icmp", "", wire.name)

    def _candidates(self, wire: Wire, networks: Sequence[Network]) -> Iterator[IPv6Address]:
        for network in networks:
            if network.version == 6:
                yield from (a for a in addresses_of(network) if a.version == 6)
        if not _is_wide(networks):
            return
        own = [each for each in wire.addresses if each.address.version == 6]
        for text, known in self.found.items():
            address = ipaddress.ip_address(text)
            if address.version == 6 and not known.mac:
                yield address
        with suppress(OSError):
            for text in rtnetlink.neighbours():
                address = ipaddress.ip_address(text)
                if address.version == 6 and any(_shares(each, address) for each in own):
                    yield address
        macs = {known.mac for known in self.found.values() if known.mac}
        for mine in own:
            if mine.prefix <= 64:
                yield from (_eui64(mine, mac) for mac in macs)

    # --- ICMP -------------------------------------------------------------------------------------

    def echo(self, family: int, targets: Iterable[str]) -> None:
        """Ask hosts behind routers by ICMP echo. Raises PermissionMissingError, OSError."""
        waiting = dict.fromkeys(targets)
        if not waiting:
            return
        number = secrets.randbits(16)
        kind = frames.ECHO_REQUEST if family == socket.AF_INET else frames.ECHO6_REQUEST
        request = frames.echo_request(kind, number, 1)
        with closing(icmp_socket(family)) as link:
            drain = partial(self._drain_echo, link, family, number, waiting)
            for _ in range(2):
                probes: list[Callable[[], object]] = [
                    partial(link.sendto, request, (target, 0)) for target in waiting
                ]
                self.pace.send(link, probes, drain)
                self.pace.listen(link, self.answer_seconds, drain, lambda: not waiting)

    def _drain_echo(
        self, link: socket.socket, family: int, number: int, waiting: dict[str, None]
    ) -> None:
        with suppress(BlockingIOError):
            while True:
                packet, source = link.recvfrom(_READ)
                if family == socket.AF_INET:
                    packet = packet[(packet[0] & 0xF) * 4 :]
                kind = frames.ECHO_REPLY if family == socket.AF_INET else frames.ECHO6_REPLY
                address = str(source[0])
                if (
                    len(packet) >= 8
                    and packet[0] == kind
                    and int.from_bytes(packet[4:6]) == number
                    and address in waiting
                ):
                    del waiting[address]
                    self.note(address, "icmp")


def _is_wide(networks: Sequence[Network]) -> bool:
    """Tell whether all hosts of a network are meant, and not single ones."""
    return any(network.num_addresses > 1 for network in networks)


def _wanted(wire: Wire, own: rtnetlink.OwnAddress, networks: Sequence[Network]) -> list[bytes]:
    """Return the addresses that are asked from one address of ours: those in its network."""
    mine = ipaddress.ip_network(f"{own.address}/{own.prefix}", strict=False)
    wanted: dict[bytes, None] = {}
    for network in networks:
        if network.version != 4 or not network.overlaps(mine):
            continue
        smaller = network if network.prefixlen >= mine.prefixlen else mine
        edge = 1 if smaller.prefixlen < 31 else 0
        first, last = int(smaller.network_address) + edge, int(smaller.broadcast_address) - edge
        if last - first < MAX_ADDRESSES:
            wanted |= dict.fromkeys(number.to_bytes(4) for number in range(first, last + 1))
    for each in wire.addresses:
        wanted.pop(each.address.packed, None)
    return list(wanted)


def _shares(own: rtnetlink.OwnAddress, address: IPv6Address) -> bool:
    return address in ipaddress.ip_network(f"{own.address}/{own.prefix}", strict=False)


def _eui64(own: rtnetlink.OwnAddress, mac: str) -> IPv6Address:
    """Return the address that a host with a MAC address makes for itself in a network of ours."""
    raw = bytes.fromhex(mac.replace(":", ""))
    made = bytes([raw[0] ^ 2]) + raw[1:3] + b"\xff\xfe" + raw[3:]
    return ipaddress.IPv6Address(own.address.packed[:8] + made)
