"""Traffic of floods and of what only looks like them, as the windows that counters hand over.

A `Network` is given background traffic and attacks; `windows` counts it as the core does
(`crates/phage-flow/src/volume`): volumes of hosts and prefixes, and some of the traffic. With
`sampling`, one packet in so many is seen, and stands for as many.
"""

from __future__ import annotations

import ipaddress
import math
import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from phage.records.columns import TRAFFIC, VOLUME, TrafficClass
from phage.records.watched import FIRST_SERVICE, GROUP, Watched, group_key
from phage.records.window import Window
from phage.testing.windows import EPOCH, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

SLOT = SECOND // 2
_AMPLIFIERS = frozenset({17, 19, 53, 69, 111, 123, 137, 161, 389, 1900, 3702, 5353, 11_211})
_LENGTHS = {4: (128, 124, 120, 116, 112), 6: (128, 64, 56, 48)}
_GROUP = {0: 0, 1: 0, 2: 0, 3: 0, 4: 1, 6: 1, 5: 2, 8: 3, 7: 4, 9: 4}
_MOST_TRAFFIC = 2048


class Packet(NamedTuple):
    """A packet on the wire: addresses as text, ports, IP protocol, TCP flags, octets."""

    src: str
    dst: str
    src_port: int
    dst_port: int
    protocol: int
    flags: int = 0
    octets: int = 60


@dataclass
class Network:
    """A network whose border is watched.

    Attributes:
        home: Its own addresses.
        sampling: One packet in so many is seen.
        seed: Of all that is random; the same seed gives the same packets.
        watched: Services and groups that are counted besides; a service is one port.
    """

    home: str = "198.18.0.0/20"
    sampling: int = 100
    seed: int = 1
    watched: Watched = field(default_factory=Watched)
    packets: list[tuple[float, Packet]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Choose the hosts."""
        self.random = random.Random(self.seed)  # noqa: S311  The same again is what is wanted.
        self.network = ipaddress.ip_network(self.home)
        self.hosts = [self.near() for _ in range(400)]

    def near(self) -> str:
        """Return an address at home."""
        space = min(self.network.num_addresses, 1 << 16)
        return str(self.network[self.random.randrange(space)])

    def far(self) -> str:
        """Return an address of the Internet."""
        if self.network.version == 6:
            return str(ipaddress.IPv6Address((0x2A00 << 112) | self.random.getrandbits(64)))
        return f"{self.random.randrange(20, 170)}." + ".".join(
            str(self.random.randrange(256)) for _ in range(3)
        )

    def port(self) -> int:
        """Return a client's port."""
        return self.random.randrange(1024, 65_536)

    def send(
        self,
        since: float,
        until: float,
        rate: float | Callable[[float], float],
        packet: Callable[[], Packet],
    ) -> None:
        """Send packets at a rate a second, which may depend on the time."""
        steps = round((until - since) * 10)
        for step in range(steps):
            time = since + step / 10
            now = rate(time) if callable(rate) else rate
            for _ in range(self._poisson(now / self.sampling / 10)):
                self.packets.append((time + self.random.random() / 10, packet()))

    def _poisson(self, mean: float) -> int:
        if mean > 50:
            return max(0, round(self.random.gauss(mean, math.sqrt(mean))))
        limit, count, product = math.exp(-mean), 0, self.random.random()
        while product > limit:
            count += 1
            product *= self.random.random()
        return count

    def background(self, seconds: float = 50.0, rate: float = 30_000.0) -> None:
        """Let the hosts use the Internet: two packets in for each one out."""

        def host() -> str:
            return self.hosts[int(len(self.hosts) ** self.random.random()) - 1]

        def service() -> tuple[int, int]:
            port = self.random.choice([443, 443, 443, 443, 3478, 80, 25, 53, 123, 22])
            return port, 17 if port in {3478, 53, 123} else 6

        def received() -> Packet:
            port, protocol = service()
            length = self.random.choice([1500, 1452, 1400, 300, 140, 76, 60])
            flags = 0x10 if protocol == 6 else 0
            return Packet(self.far(), host(), port, self.port(), protocol, flags, length)

        def sent() -> Packet:
            port, protocol = service()
            length = self.random.choice([60, 80, 120, 300])
            flags = 0x18 if protocol == 6 else 0
            return Packet(host(), self.far(), self.port(), port, protocol, flags, length)

        self.send(0, seconds, rate * 2 / 3, received)
        self.send(0, seconds, rate / 3, sent)

    def windows(self) -> Iterator[Window]:
        """Count all packets; yield a window for each half second."""
        slots: defaultdict[int, list[Packet]] = defaultdict(list)
        for time, packet in self.packets:
            slots[int(time * 2)].append(packet)
        for number in sorted(slots):
            end = EPOCH + (number + 1) * SLOT
            yield Window(
                end - SLOT,
                end,
                packets=len(slots[number]),
                volumes=self._volumes(slots[number], end),
                traffic=self._traffic(slots[number], end),
                from_exports=self.sampling > 1,
            )

    def _volumes(self, packets: list[Packet], end: int) -> Any:  # noqa: ANN401  Columns.
        sums: dict[tuple[int, int], Any] = {}
        hosts: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
        sources: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
        for packet in packets:
            for sent, near, other in ((0, packet.dst, packet.src), (1, packet.src, packet.dst)):
                address = ipaddress.ip_address(near)
                if address not in self.network:
                    continue
                number = int(address) | (0xFFFF << 32 if address.version == 4 else 0)
                for key in (
                    *(
                        ((number >> (128 - length)) << (128 - length), length)
                        for length in _LENGTHS[address.version]
                    ),
                    *self._besides(packet, address, number),
                ):
                    row = sums.setdefault(key, np.zeros(1, VOLUME)[0])
                    self._add(row, packet, sent)
                    hosts[key].add(number)
                    if not sent:
                        sources[key].add(other)
        rows = np.zeros(len(sums), VOLUME)
        for place, ((number, length), row) in enumerate(sums.items()):
            rows[place] = row
            rows[place]["time"], rows[place]["length"] = end, length
            rows[place]["address"] = np.void(number.to_bytes(16, "big"))
            rows[place]["hosts"] = len(hosts[number, length])
            rows[place]["sources"] = len(sources[number, length])
        notable = (rows["packets"].sum(axis=2) >= 100).any(axis=1)
        return rows[notable & ((rows["hosts"] > 1) | (rows["length"] >= 128))]

    def _besides(self, packet: Packet, address: Address, number: int) -> Iterator[tuple[int, int]]:
        """Yield the keys of the service and the groups that a packet of a host is counted for."""
        service = f"{'tcp' if packet.protocol == 6 else 'udp'}/{packet.dst_port}"
        for text, place in self.watched.services:
            if text == service and packet.protocol in {6, 17}:
                yield number, FIRST_SERVICE + place
        for group in self.watched.groups:
            if any(address in ipaddress.ip_network(text) for text in group.networks):
                yield int.from_bytes(group_key(group.name), "big"), GROUP

    def _add(self, row: Any, packet: Packet, sent: int) -> None:  # noqa: ANN401  A row.
        kind = class_of(packet)
        row["packets"][sent][kind] += self.sampling
        row["grouped"][sent][_GROUP[kind]] += packet.octets * self.sampling // 8
        row["octets"][sent] += packet.octets * self.sampling
        row["flows"][sent] += 1
        row["samples"][sent] += 1

    def _traffic(self, packets: list[Packet], end: int) -> Any:  # noqa: ANN401  Columns.
        step = max(1, -(-len(packets) // _MOST_TRAFFIC))
        chosen = packets[::step]
        rows = np.zeros(len(chosen), TRAFFIC)
        for place, packet in enumerate(chosen):
            rows[place]["src"] = np.void(_raw(packet.src))
            rows[place]["dst"] = np.void(_raw(packet.dst))
        rows["time"], rows["packets"] = end, step * self.sampling
        for name in ("src_port", "dst_port", "protocol", "flags"):
            rows[name] = [getattr(packet, name) for packet in chosen]
        rows["length"] = [packet.octets for packet in chosen]
        rows["octets"] = rows["length"].astype(np.uint64) * rows["packets"]
        rows["class"] = [class_of(packet) for packet in chosen]
        return rows


def class_of(packet: Packet) -> TrafficClass:
    """Return the class of a packet, as the core tells it (`volume/class.rs`)."""
    if packet.protocol == 6:
        return _segment(packet.flags & 0x3F)
    if packet.protocol == 17:
        return _datagram(packet.src_port, packet.dst_port)
    return TrafficClass.ICMP if packet.protocol in {1, 58} else TrafficClass.OTHER


def _segment(kinds: int) -> TrafficClass:
    plain = {0x02: TrafficClass.SYN, 0x12: TrafficClass.SYN_ACK}.get(kinds)
    if plain is not None:
        return plain
    return TrafficClass.RESET if kinds & 4 and not kinds & 0x0A else TrafficClass.TCP


def _datagram(src_port: int, dst_port: int) -> TrafficClass:
    if not src_port and not dst_port:
        return TrafficClass.FRAGMENT
    if src_port in _AMPLIFIERS:
        return TrafficClass.REPLY
    return TrafficClass.QUERY if dst_port in _AMPLIFIERS else TrafficClass.UDP


def _raw(address: str) -> bytes:
    packed = ipaddress.ip_address(address).packed
    return packed if len(packed) == 16 else bytes(10) + b"\xff\xff" + packed
