"""Adds traffic up for the store: by host, by service, by pair; bounded, once a minute."""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING

import numpy as np

from phage.daemon.talkers import Sums, busiest
from phage.records.address import format_address, format_mac
from phage.records.columns import Event
from phage.records.flow import APPLICATIONS
from phage.store.repositories.counters import minute_of
from phage.store.repositories.traffic import Traffic, TrafficKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.policy.desk import Outcome
    from phage.records import Finding, Window
    from phage.records.window import Columns
    from phage.store.writer import Writer

MAX_COUNTED = 10_000
"""Names of a kind that are counted in a minute; further ones are counted in `left_out`."""

MAX_STORED = {TrafficKind.HOST: 300, TrafficKind.SERVICE: 100, TrafficKind.PAIR: 300}
"""Names of a kind that are stored of a minute: those with most octets."""

MAX_FLOWS = 2000
"""Ended flows of a window that are looked at one by one: those with most octets."""

PROTOCOLS = {0: "arp", 1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 132: "sctp"}

_OF_FLOWS = (TrafficKind.SERVICE, TrafficKind.PAIR)

Key = tuple[str, str]


class TrafficSink:
    """Counts what hosts sent as it is sent, and services and pairs when their flows end."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._minute = 0
        self._left_out = 0
        self._hosts = Sums(MAX_COUNTED)
        self._counts: dict[TrafficKind, dict[Key, list[int]]] = {kind: {} for kind in _OF_FLOWS}

    @property
    def left_out(self) -> int:
        """How often a name came for which there was no room in its minute."""
        return self._left_out + self._hosts.left_out

    def window(self, window: Window) -> None:
        """Count a window; hand over what was counted when its minute is another."""
        minute = minute_of(window.end)
        if minute != self._minute:
            self._flush()
            self._minute = minute
        self._hosts.add(_named(busiest(window)))
        if len(window.flows):
            ended = window.flows[(window.flows["event"] & Event.ENDED) != 0]
            for service, pair, counts in _flows(ended):
                self._count(TrafficKind.SERVICE, (service, ""), counts)
                self._count(TrafficKind.PAIR, pair, counts)

    def decided(self, outcome: Outcome) -> None:
        """Decisions are no traffic."""

    def finding(self, finding: Finding) -> None:
        """Findings are no traffic."""

    def close(self) -> None:
        """Hand over what is left."""
        self._flush()

    def _count(self, kind: TrafficKind, key: Key, numbers: list[int]) -> None:
        counts = self._counts[kind]
        known = counts.get(key)
        if known is not None:
            for index, number in enumerate(numbers):
                known[index] += number
        elif len(counts) < MAX_COUNTED:
            counts[key] = list(numbers)
        else:
            self._left_out += 1

    def _flush(self) -> None:
        self._writer.traffic(_hosts(self._hosts.rows(), self._minute))
        for kind, counts in self._counts.items():
            most = nlargest(
                MAX_STORED[kind], counts.items(), key=lambda item: item[1][2] + item[1][3]
            )
            self._writer.traffic(
                Traffic(kind, name, peer, self._minute, (n[0], n[1]), (n[2], n[3]), n[4])
                for (name, peer), n in most
            )
        self._left_out = self.left_out
        self._hosts = Sums(MAX_COUNTED)
        self._counts = {kind: {} for kind in _OF_FLOWS}


def _named(hosts: Columns) -> Columns:
    """Return hosts by what they are known by: a device by its MAC, another by its address."""
    hosts = hosts.copy()
    by_mac = hosts["device"] & (hosts["mac"] != 0)
    hosts["mac"][~by_mac] = 0
    hosts["address"][by_mac] = np.void(bytes(16))
    return hosts


def _hosts(rows: Columns, minute: int) -> Iterator[Traffic]:
    """Yield the hosts with most octets."""
    octets = rows["numbers"][:, 2:].sum(axis=1).astype("i8")
    most = rows[(-octets).argsort(kind="stable")[: MAX_STORED[TrafficKind.HOST]]]
    columns = (most[name].tolist() for name in ("mac", "address", "numbers"))
    for mac, address, (p0, p1, o0, o1) in zip(*columns, strict=True):
        name = format_mac(mac) or format_address(address)
        yield Traffic(TrafficKind.HOST, name, "", minute, (p0, p1), (o0, o1), 0)


def _flows(rows: Columns) -> Iterator[tuple[str, Key, list[int]]]:
    """Yield service, pair and numbers of flows."""
    if len(rows) > MAX_FLOWS:
        rows = rows[(-rows["octets"].sum(axis=1).astype("i8")).argsort()[:MAX_FLOWS]]
    columns = {
        name: rows[name].tolist()
        for name in (
            "src", "dst", "src_mac", "dst_mac", "home", "protocol", "dst_port", "application",
            "packets", "octets",
        )
    }  # fmt: skip
    for src, dst, src_mac, dst_mac, home, protocol, port, application, packets, octets in zip(
        *columns.values(), strict=True
    ):
        # What is at home is known by its MAC; another's is its router's.
        ends = (
            (format_mac(src_mac) if home & 1 else "") or format_address(src) or format_mac(src_mac),
            (format_mac(dst_mac) if home & 2 else "") or format_address(dst) or format_mac(dst_mac),
        )
        yield _service(protocol, port, application), ends, [*packets, *octets, 1]


def _service(protocol: int, port: int, application: int) -> str:
    if 0 < application < len(APPLICATIONS):
        return APPLICATIONS[application]
    name = PROTOCOLS.get(protocol, f"ip/{protocol}")
    return f"{name}/{port}" if name in {"tcp", "udp", "sctp"} else name
