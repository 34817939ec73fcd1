"""What each interface and exporter's address carries: throughput, packets, requests.

Told to Prometheus as counters, and to InfluxDB as rates, under the names that phalanx uses.
"""

from __future__ import annotations

import socket
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.records.address import format_address
from phage.telemetry.influx import InfluxSender, line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    from phage.clock import Clock
    from phage.config.settings import InfluxSettings
    from phage.policy.desk import Outcome
    from phage.records import Finding, Window
    from phage.telemetry.metrics import Registry

    class Watched(Protocol):
        """A collector with the name of what it watches."""

        interface: str

        def counters(self) -> Mapping[str, int]:
            """Return its counters."""


_COUNTED = {
    "packets": ("phage_collect_packets_total", "Packets seen, or told of by exporters."),
    "octets": ("phage_collect_octets_total", "Octets seen, or told of by exporters."),
    "requests": ("phage_collect_requests_total", "Packets that were counted as requests."),
    "records": ("phage_collect_records_total", "Flow records of exporters."),
    "source.dropped": ("phage_collect_dropped_total", "Packets or datagrams the kernel dropped."),
}
"""Counters of collectors, and the metrics that they become."""

MOST_SOURCES = 4096
"""Sources whose requests are followed between two reports."""

TOP = 20
"""Sources that are told of in one report."""


def by_interface(collectors: Sequence[Watched]) -> dict[str, Counter[str]]:
    """Return the counters of each interface: threads that share one are added up."""
    sums: dict[str, Counter[str]] = {}
    for collector in collectors:
        counters = collector.counters()
        sums.setdefault(collector.interface, Counter()).update(
            {name: counters[name] for name in _COUNTED if name in counters}
        )
    return sums


def count_interfaces(registry: Registry, collectors: Sequence[Watched]) -> None:
    """Let /metrics tell what each interface carries."""
    metrics = {
        name: registry.counter(metric, meaning, ("interface",))
        for name, (metric, meaning) in _COUNTED.items()
    }

    def refresh() -> None:
        for interface, counters in by_interface(collectors).items():
            for name, value in counters.items():
                metrics[name].reach(float(value), interface)

    registry.on_read(refresh)


@dataclass
class InfluxSink:
    """Tells InfluxDB what each interface carries, and who makes most requests.

    Attributes:
        collectors: What is watched.
        send: Takes lines.
        clock: The time of reports.
        every: Seconds between two.
        tags: Tags of every line.
    """

    collectors: Sequence[Watched]
    send: Callable[[list[str]], None]
    clock: Clock
    every: float
    tags: Mapping[str, str]
    stop: Callable[[], None] = lambda: None
    _last: dict[str, Counter[str]] = field(default_factory=dict)
    _told: float = 0.0
    _sources: Counter[bytes] = field(default_factory=Counter)

    def window(self, window: Window) -> None:
        """Count requests of sources, and report when it is time."""
        if len(window.requests):
            columns = (window.requests[name].tolist() for name in ("address", "packets"))
            for address, packets in zip(*columns, strict=True):
                if address in self._sources or len(self._sources) < MOST_SOURCES:
                    self._sources[address] += packets
        now = self.clock.monotonic()
        if not self._told:
            self._told, self._last = now, by_interface(self.collectors)
        elif now - self._told >= self.every:
            self.report(now)

    def report(self, now: float) -> None:
        """Send the rates since the last report."""
        seconds = max(now - self._told, 1e-3)
        time = self.clock.now()
        counted = by_interface(self.collectors)
        lines = []
        for interface, counters in counted.items():
            tags = {**self.tags, "interface": interface}
            before = self._last.get(interface, Counter())
            rate = {name: (value - before[name]) / seconds for name, value in counters.items()}
            lines.append(
                line("throughput", tags, {"value": max(0.0, rate.get("octets", 0.0)) * 8}, time)
            )
            lines.append(line("packets", tags, {"value": max(0.0, rate.get("packets", 0.0))}, time))
            if "requests" in rate:
                lines.append(line("requests", tags, {"value": max(0.0, rate["requests"])}, time))
        for address, packets in self._sources.most_common(TOP):
            tags = {**self.tags, "source": format_address(address)}
            lines.append(line("source_requests", tags, {"value": packets / seconds}, time))
        self._told, self._last = now, counted
        self._sources.clear()
        self.send(lines)

    def decided(self, outcome: Outcome) -> None:
        """Tell of a decision."""
        decision = outcome.decision
        if decision is not None:
            tags = {**self.tags, "action": str(decision.action), "target": decision.target.value}
            fields = {"carried_out": int(outcome.objection is None)}
            self.send([line("decisions", tags, fields, decision.start)])

    def finding(self, finding: Finding) -> None:
        """Findings have their own places."""

    def close(self) -> None:
        """Report what is left, and stop the sender."""
        if self._told:
            self.report(self.clock.monotonic())
        self.stop()


def influx_sinks(
    settings: InfluxSettings, collectors: Sequence[Watched], clock: Clock
) -> list[InfluxSink]:
    """Return what tells InfluxDB; nothing where none is wanted."""
    if not settings.url:
        return []
    token = settings.token.get_secret_value()
    if settings.token_file is not None:
        token = settings.token_file.read_text(encoding="utf-8").partition("\n")[0].strip()
    sender = InfluxSender(settings.url, token)
    sender.start()
    tags = {"host": socket.gethostname(), **settings.tags}
    return [InfluxSink(collectors, sender.put, clock, settings.every, tags, sender.stop)]
