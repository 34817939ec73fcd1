"""Adds traffic up for the store: by host, by service, by pair; bounded, once a minute."""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING

from phage.daemon.talkers import busiest
from phage.records.address import format_address, format_mac
from phage.records.columns import Event
from phage.records.flow import APPLICATIONS
from phage.store.repositories.counters import minute_of
from phage.store.repositories.traffic import Traffic, TrafficKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.daemon.talkers import Numbers
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

Key = tuple[str, str]


class TrafficSink:
    """Counts what hosts sent as it is sent, and services and pairs when their flows end."""

    def __init__(self, writer: Writer) -> None:
        self.left_out = 0
        self._writer = writer
        self._minute = 0
        self._counts: dict[TrafficKind, dict[Key, list[int]]] = {kind: {} for kind in TrafficKind}
        # A device by its MAC, another by its address; windows have no time for names.
        self._hosts: dict[int | bytes, list[int]] = {}

    def window(self, window: Window) -> None:
        """Count a window; hand over what was counted when its minute is another."""
        minute = minute_of(window.end)
        if minute != self._minute:
            self._flush()
            self._minute = minute
        for (mac, address), numbers in busiest(window):
            self._count_host((numbers[4] and mac) or address, numbers)
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

    def _count_host(self, host: int | bytes, numbers: Numbers) -> None:
        known = self._hosts.get(host)
        if known is not None:
            known[0] += numbers[0]
            known[1] += numbers[1]
            known[2] += numbers[2]
            known[3] += numbers[3]
        elif len(self._hosts) < MAX_COUNTED:
            self._hosts[host] = [*numbers[:4], 0]
        else:
            self.left_out += 1

    def _count(self, kind: TrafficKind, key: Key, numbers: list[int]) -> None:
        counts = self._counts[kind]
        known = counts.get(key)
        if known is not None:
            for index, number in enumerate(numbers):
                known[index] += number
        elif len(counts) < MAX_COUNTED:
            counts[key] = list(numbers)
        else:
            self.left_out += 1

    def _flush(self) -> None:
        self._counts[TrafficKind.HOST] = {
            (_name_of(host), ""): numbers for host, numbers in self._hosts.items()
        }
        self._hosts = {}
        for kind, counts in self._counts.items():
            most = nlargest(
                MAX_STORED[kind], counts.items(), key=lambda item: item[1][2] + item[1][3]
            )
            self._writer.traffic(
                Traffic(kind, name, peer, self._minute, (n[0], n[1]), (n[2], n[3]), n[4])
                for (name, peer), n in most
            )
        self._counts = {kind: {} for kind in TrafficKind}


def _name_of(host: int | bytes) -> str:
    return format_mac(host) if isinstance(host, int) else format_address(host)


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
