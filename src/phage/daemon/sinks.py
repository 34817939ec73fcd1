"""Sinks: the store, EVE JSON lines and metrics take what the pipeline hands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.daemon.pipeline import total
from phage.records.columns import Event
from phage.records.flow import read_flows
from phage.telemetry import eve
from phage.telemetry.evestats import stats_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from phage.clock import Clock
    from phage.policy.desk import Outcome
    from phage.records import Finding, Window
    from phage.records.flow import Flow
    from phage.telemetry.evelog import EveLog
    from phage.telemetry.metrics import Registry

MALFORMED = "malformed."
"""How the core's counters of malformed packets begin; the kind follows."""


MAX_BLOCKED = 10_000
"""Findings of which it is remembered that they are blocked; a tenth is open at most."""


class EveSink:
    """Writes what is seen and found as EVE JSON lines."""

    def __init__(self, log: EveLog, clock: Clock, stats_interval: float) -> None:
        self.log = log
        self._clock = clock
        self._began = clock.monotonic()
        self._interval = stats_interval
        self._next_stats = 0
        self._interface = ""
        self._blocked: dict[str, str] = {}
        # The latest totals of each collector, by its number.
        self._counted: dict[int, Mapping[str, int]] = {}

    def window(self, window: Window) -> None:
        """Write the flows that ended, messages, malformed packets, and now and then statistics."""
        log = self.log
        self._interface = window.interface
        if len(window.flows) and (log.wants("flow") or log.wants("netflow")):
            ended = window.flows[(window.flows["event"] & Event.ENDED) != 0]
            self._write_flows(read_flows(ended), window.interface)
        events = (eve.observation_event(each, window.interface) for each in window.observations)
        log.write(event for event in events if event is not None)
        before = self._counted.get(window.collector, {})
        if window.counters and window.counters is not before:
            self._counted[window.collector] = window.counters
            if log.wants("anomaly"):
                self._write_malformed(window, before)
        if window.end >= self._next_stats and log.wants("stats"):
            uptime = int(self._clock.monotonic() - self._began)
            log.write([stats_event(window.end, uptime, total(self._counted.values()))])
            self._next_stats = window.end + int(self._interval * 1e9)

    def _write_flows(self, flows: Sequence[Flow], interface: str) -> None:
        if self.log.wants("flow"):
            self.log.write(eve.flow_event(flow, interface) for flow in flows)
        if self.log.wants("netflow"):
            for flow in flows:
                self.log.write(eve.netflow_events(flow, interface))

    def _write_malformed(self, window: Window, before: Mapping[str, int]) -> None:
        for name, count in window.counters.items():
            more = count - before.get(name, 0)
            if name.startswith(MALFORMED) and more > 0:
                kind = name.removeprefix(MALFORMED)
                self.log.write([eve.anomaly_event(kind, more, window.end, window.interface)])

    def decided(self, outcome: Outcome) -> None:
        """Note which findings are blocked, and by which decision."""
        if outcome.decision is not None and outcome.objection is None:
            self._blocked[outcome.finding.id] = outcome.decision.id
            if len(self._blocked) > MAX_BLOCKED:
                del self._blocked[next(iter(self._blocked))]

    def finding(self, finding: Finding) -> None:
        """Write a finding as an alert."""
        decision = self._blocked.get(finding.id, "")
        self.log.write([eve.alert_event(finding, self._interface, decision)])
        if finding.state != "open":
            self._blocked.pop(finding.id, None)

    def close(self) -> None:
        """Close the file."""
        self.log.close()


class MetricsSink:
    """Counts for /metrics: the core's counters, findings, drops."""

    def __init__(self, registry: Registry, counters: Callable[[], Mapping[str, int]]) -> None:
        self._findings = registry.counter(
            "phage_detect_findings_total", "Findings that were opened.", ("detector", "severity")
        )
        self._decisions = registry.counter(
            "phage_policy_decisions_total",
            "Decisions of rules, by action, and whether they were carried out or why not.",
            ("action", "outcome"),
        )
        self._core = registry.counter(
            "phage_core_total", "Counters of the core, by name; drops included.", ("counter",)
        )
        self._learning = registry.gauge(
            "phage_learn_learning", "1 while the model is learning what is normal."
        )
        self._counters = counters
        self._seen: dict[str, None] = {}
        registry.on_read(self._refresh)

    def _refresh(self) -> None:
        for name, value in self._counters().items():
            self._core.reach(float(value), name)

    def window(self, window: Window) -> None:
        """Note whether the model is learning."""
        self._learning.set(float(window.learning))

    def decided(self, outcome: Outcome) -> None:
        """Count a decision: carried out, or why not."""
        if outcome.decision is not None:
            done = outcome.objection.kind if outcome.objection is not None else "carried_out"
            self._decisions.add(1, str(outcome.decision.action), done)

    def finding(self, finding: Finding) -> None:
        """Count a finding when it is new."""
        if finding.id not in self._seen:
            self._seen[finding.id] = None
            self._findings.add(1, finding.detector, finding.severity.value)
        if finding.state != "open":
            self._seen.pop(finding.id, None)

    def close(self) -> None:
        """Nothing is left to write."""
