"""Takes over the alerts of another engine, such as Suricata, as findings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.detect import explain
from phage.detect.tables import Recent, Unlisted
from phage.records import Finding, LogEvent, LogKind, Peer, Severity, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.detect.detector import Knowledge

_SECOND = 1_000_000_000
# Suricata's classification.config: 1 is the worst.
_SEVERITIES = {1: Severity.HIGH, 2: Severity.MEDIUM, 3: Severity.LOW, 4: Severity.INFO}
_SHOWN = 120
_MOST_PEERS = 32


@dataclass(slots=True)
class _Alerts:
    """One rule of the engine and one source."""

    event: LogEvent
    first: int
    last: int
    severity: Severity
    count: int = 0
    spoofable: bool = True
    targets: dict[str, Peer] = field(default_factory=dict)
    more: Unlisted = field(default_factory=Unlisted)

    @property
    def total(self) -> int:
        """How many targets there were."""
        return len(self.targets) + self.more.total


@dataclass(slots=True)
class IdsAlert:
    """Makes a finding of each rule of another engine and each source that sets it off.

    The severity is the engine's. An alert on packets that nobody answered is marked as one whose
    source anyone can forge.

    Fails where the engine does: what it takes for an attack is one here.
    """

    name: ClassVar[str] = "idsalert"
    summary: ClassVar[str] = "Alerts of Suricata and others that write eve.json."
    of_logs: ClassVar[bool] = True

    ignored: tuple[int, ...] = ()
    """Numbers of the engine's rules (signature_id) that are no finding."""
    least: int = 3
    """Severity of the engine, 1 to 4, up to which an alert is a finding; 4 is information."""
    quiet_s: float = 600.0
    """What rested for so long is over."""
    most: int = 2048
    """Rules and sources with state, about 4 kB each at the worst."""

    _alerts: Recent[str, _Alerts] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the table."""
        self._alerts = Recent(self.most)

    @property
    def dropped(self) -> int:
        """How many entries the table had to drop so far."""
        return self._alerts.dropped

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterator[Finding]:
        """Look at one window."""
        changed: dict[str, _Alerts] = {}
        events = [each for each in window.events if each.kind is LogKind.ALERT and each.address]
        events.sort(key=lambda each: (each.time, each.address, each.message, _target(each)))
        for event in events:
            rank = event.number("severity") or 3
            if rank > self.least or event.number("signature_id") in self.ignored:
                continue
            key = f"{event.address}/{event.service}/{_rule(event)}"
            changed[key] = self._take(key, event, _SEVERITIES.get(rank, Severity.LOW))
        for key, alerts in changed.items():
            yield self._finding(key, alerts, knowledge)

    def _take(self, key: str, event: LogEvent, severity: Severity) -> _Alerts:
        alerts = self._alerts.use(key)
        if alerts is None or event.time - alerts.last > self.quiet_s * _SECOND:
            fresh = _Alerts(event, event.time, event.time, severity)
            alerts = self._alerts.put(key, fresh)
        alerts.last = max(alerts.last, event.time)
        alerts.count += 1
        alerts.spoofable &= event.spoofable
        target = _target(event)
        if target and target not in alerts.targets:
            if len(alerts.targets) < _MOST_PEERS:
                alerts.targets[target] = Peer(target, services=_service(event))
            else:
                alerts.more.add(target)
        return alerts

    def _finding(self, key: str, alerts: _Alerts, knowledge: Knowledge) -> Finding:
        event = alerts.event
        subject = explain.subject_named(event.address, "")
        who = explain.label(subject, knowledge)
        rule = explain.escaped(event.text("signature"), _SHOWN)
        engine = event.service.capitalize()
        category = explain.escaped(event.text("category"), _SHOWN)
        targets = explain.listing(list(alerts.targets), alerts.total)
        times = explain.counted(alerts.count, "time")
        return Finding(
            detector=self.name,
            key=key,
            severity=alerts.severity,
            score={"high": 0.9, "medium": 0.7, "low": 0.5}.get(alerts.severity, 0.3),
            subject=subject,
            summary=explain.sentence(
                [
                    f'{who} set off {engine}\'s rule "{rule}" {times} at {targets}',
                    category,
                ]
            ),
            first_seen=alerts.first,
            last_seen=alerts.last,
            peers=tuple(alerts.targets.values()),
            peers_total=alerts.total,
            packets=alerts.count,
            evidence={
                "kind": "alert",
                "service": event.service,
                "signature": rule,
                "signature_id": event.number("signature_id"),
                "category": category,
                "severity": event.number("severity"),
                "community_id": explain.escaped(event.text("community_id"), _SHOWN),
                "protocol": explain.escaped(event.text("protocol"), _SHOWN),
                "alerts": alerts.count,
                "log": event.source,
            },
            spoofable=alerts.spoofable,
        )


def _rule(event: LogEvent) -> str:
    """Return what names the engine's rule: its number, else its text."""
    return str(event.number("signature_id") or event.text("signature"))


def _target(event: LogEvent) -> str:
    return event.text("target")


def _service(event: LogEvent) -> tuple[str, ...]:
    protocol, port = event.text("protocol"), event.number("target_port")
    if not protocol:
        return ()
    return (
        f"{explain.escaped(protocol, _SHOWN)}/{port}"
        if port
        else explain.escaped(protocol, _SHOWN),
    )
