"""Builders of windows for tests: rows and observations as the core makes them.

```python
window = (
    WindowBuilder(start=at(0))
    .flow(LAPTOP, CAMERA, 22, state=TcpState.REFUSED, sent=1, received=1)
    .arp_request(LAPTOP, "192.168.1.77")
    .build()
)
```

A `Timeline` (in `phage.testing.timeline`) makes whole sequences of windows from events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from phage.frozen import frozen
from phage.records.address import parse_address, parse_mac
from phage.records.columns import (
    EXPLAINED,
    FLOW,
    HOST,
    NO_DEVICE,
    NO_FEATURE,
    SCORE,
    Event,
    HostMark,
    TcpState,
)
from phage.records.observation import Observation, Value
from phage.records.window import Columns, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SECOND = 1_000_000_000
TICK = 250_000_000
EPOCH = 1_700_000_000 * SECOND
"""The time at which test traffic begins."""

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmp6": 58, "sctp": 132, "arp": 0}

_PROTOCOL_OF = {
    "arp": 0,
    "ra": 58,
    "nd": 58,
    **dict.fromkeys(("dns", "mdns", "llmnr", "nbns", "dhcp", "dhcpv6", "ssdp", "quic"), 17),
}


def at(seconds: float) -> int:
    """Return the time that lies some seconds after the beginning of the test traffic."""
    return EPOCH + round(seconds * SECOND)


@frozen
class Endpoint:
    """A host of the test network: address, MAC, whether it is at home."""

    ip: str
    mac: str = ""
    home: bool = True
    device: int = NO_DEVICE

    @property
    def raw(self) -> bytes:
        """Return the address as it stands in rows."""
        return parse_address(self.ip) if self.ip else bytes(16)

    @property
    def mac_number(self) -> int:
        """Return the MAC as it stands in rows."""
        return parse_mac(self.mac) if self.mac else 0


ROUTER = Endpoint("192.168.1.1", "02:00:00:00:00:01", device=0)


def device(number: int, *, network: str = "192.168.1.") -> Endpoint:
    """Return the home device with this number (2 to 65,000): its address and MAC follow from it."""
    low, high = number % 250 + 2, number // 250
    ip = f"{network}{low}" if not high else f"192.168.{1 + high % 250}.{low}"
    return Endpoint(ip, f"02:00:00:01:{number >> 8 & 0xFF:02x}:{number & 0xFF:02x}", device=number)


def device6(number: int) -> Endpoint:
    """Return the same home device by an IPv6 address."""
    return Endpoint(f"2001:db8:1::{number:x}", device(number).mac, device=number)


def remote(number: int) -> Endpoint:
    """Return a host of the Internet: it is seen behind the router's MAC."""
    octets = (number * 2_654_435_761) & 0xFF_FFFF
    return Endpoint(
        f"{20 + number % 60}.{octets >> 16}.{octets >> 8 & 0xFF}.{octets & 0xFF}",
        ROUTER.mac,
        home=False,
    )


def remote6(number: int) -> Endpoint:
    """Return a host of the Internet with an IPv6 address."""
    return Endpoint(
        f"2a00:{number >> 16 & 0xFFFF:x}:{number & 0xFFFF:x}::1", ROUTER.mac, home=False
    )


def _fill(row: Columns, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        row[name] = value


def make_flow(
    src: Endpoint, dst: Endpoint, port: int, *, protocol: str | int = "tcp", **values: object
) -> Columns:
    """Return one flow row; `values` are fields of `records.columns.FLOW`."""
    row = np.zeros((), dtype=FLOW)
    version = 6 if ":" in src.ip else 4
    number = PROTOCOLS[protocol] if isinstance(protocol, str) else protocol
    defaults: dict[str, object] = {
        "id": 1,
        "src": np.void(src.raw),
        "dst": np.void(dst.raw),
        "src_mac": src.mac_number,
        "dst_mac": dst.mac_number,
        "packets": (1, 0),
        "octets": (60, 0),
        "device": src.device if src.home else dst.device,
        "longest": 60,
        "src_port": 40_000,
        "dst_port": port,
        "protocol": number,
        "ip_version": version,
        "event": Event.STARTED | Event.UPDATED,
        "home": int(src.home) | int(dst.home) << 1,
    }
    if number == PROTOCOLS["tcp"] and "flags" not in values:
        defaults["flags"] = (2, 0)
        defaults["state"] = TcpState.SYN_SENT
    _fill(row, defaults | values)
    return row


def make_host(host: Endpoint, **values: object) -> Columns:
    """Return one host row; `values` are fields of `records.columns.HOST`."""
    row = np.zeros((), dtype=HOST)
    marks = (HostMark.HOME | HostMark.DEVICE) if host.home else 0
    defaults: dict[str, object] = {
        "mac": host.mac_number if host.home else 0,
        "address": np.void(host.raw),
        "device": host.device,
        "marks": marks,
    }
    _fill(row, defaults | values)
    return row


_NO_FEATURES: dict[str, float] = {
    "features": NO_FEATURE, "values": 0.0, "low": 0.0, "high": 0.0, "weights": 0.0,
}  # fmt: skip


def make_score(subject: Endpoint, peer: Endpoint, surprise: float, **values: object) -> Columns:
    """Return one score row: a packet from the subject to the peer with this surprise.

    Features that are given with their values, ranges and weights may be fewer than a row holds.
    """
    row = np.zeros((), dtype=SCORE)
    defaults: dict[str, object] = {
        "src": np.void(subject.raw),
        "dst": np.void(peer.raw),
        "src_mac": subject.mac_number,
        "dst_mac": peer.mac_number,
        "device_mac": subject.mac_number,
        "device_address": np.void(subject.raw),
        "device": subject.device,
        "packets": 1,
        "surprising": int(surprise >= 3),
        "length": 100,
        "surprise": surprise,
        "total": surprise,
        "network": surprise,
        "features": (),
        "src_port": 40_000,
        "dst_port": 443,
        "protocol": PROTOCOLS["tcp"],
        "mature": 1,
    }
    given = defaults | values
    for name, nothing in _NO_FEATURES.items():
        if name in given:
            some = tuple(cast("Iterable[object]", given[name]))
            given[name] = some + (nothing,) * (EXPLAINED - len(some))
    _fill(row, given)
    return row


def columns(rows: list[Columns], dtype: np.dtype[Any]) -> Columns:
    """Return rows as one structured array."""
    if not rows:
        return np.empty(0, dtype=dtype)
    return np.array(rows, dtype=dtype)


class WindowBuilder:
    """Builds one window; every method that adds something returns the builder."""

    def __init__(
        self, start: int = EPOCH, *, length: int = TICK, learning: bool = False, first_flow: int = 1
    ) -> None:
        self.start = start
        self.end = start + length
        self.learning = learning
        self._next_flow = first_flow
        self._flows: list[Columns] = []
        self._hosts: list[Columns] = []
        self._scores: list[Columns] = []
        self._observations: list[Observation] = []

    def flow(
        self,
        src: Endpoint,
        dst: Endpoint,
        port: int,
        *,
        protocol: str = "tcp",
        sent: int = 1,
        received: int = 0,
        payload: tuple[int, int] = (0, 0),
        **values: object,
    ) -> Self:
        """Add a flow row; `values` are fields of `records.columns.FLOW`."""
        overhead = 60
        defaults: dict[str, object] = {
            "id": self._next_flow,
            "start": self.start,
            "last": self.start,
            "packets": (sent, received),
            "octets": (sent * overhead + payload[0], received * overhead + payload[1]),
            "payload": payload,
        }
        self._next_flow += 1
        self._flows.append(make_flow(src, dst, port, protocol=protocol, **(defaults | values)))
        return self

    def host(self, host: Endpoint, **values: object) -> Self:
        """Add a host row; `values` are fields of `records.columns.HOST`."""
        times = {"first": self.start, "last": self.end - 1}
        self._hosts.append(make_host(host, **(times | values)))
        return self

    def score(self, subject: Endpoint, peer: Endpoint, surprise: float, **values: object) -> Self:
        """Add a score row; `values` are fields of `records.columns.SCORE`."""
        self._scores.append(make_score(subject, peer, surprise, **({"time": self.start} | values)))
        return self

    def observe(
        self,
        kind: str,
        src: Endpoint,
        dst: Endpoint,
        fields: Mapping[str, Value],
        *,
        ports: tuple[int, int] = (0, 0),
        time: int | None = None,
        flow: int = 0,
    ) -> Self:
        """Add an observation of any kind."""
        self._observations.append(
            make_observation(
                kind,
                self.start if time is None else time,
                src,
                dst,
                fields,
                ports=ports,
                flow=flow,
            )
        )
        return self

    def build(self) -> Window:
        """Return the window."""
        flows = columns(self._flows, FLOW)
        packets = int(flows["packets"].sum()) if len(flows) else 0
        return Window(
            start=self.start,
            end=self.end,
            packets=packets,
            octets=int(flows["octets"].sum()) if len(flows) else 0,
            flows=flows,
            hosts=columns(self._hosts, HOST),
            scores=columns(self._scores, SCORE),
            observations=tuple(self._observations),
            learning=self.learning,
        )


def make_observation(
    kind: str,
    time: int,
    src: Endpoint,
    dst: Endpoint,
    fields: Mapping[str, Value],
    *,
    ports: tuple[int, int] = (0, 0),
    flow: int = 0,
) -> Observation:
    """Return one observation; the protocol follows from its kind."""
    return Observation(
        kind=kind,
        time=time,
        packet=0,
        src=src.ip,
        dst=dst.ip,
        src_port=ports[0],
        dst_port=ports[1],
        src_mac=src.mac,
        dst_mac=dst.mac,
        vlan=0,
        protocol=_PROTOCOL_OF.get(kind, PROTOCOLS["tcp"]),
        device=src.device if src.home else dst.device,
        flow=flow,
        fields=fields,
    )
