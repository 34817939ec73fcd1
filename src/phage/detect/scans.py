"""A scan: what one source tried, as far as it was seen, and the sentence that says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.detect import explain
from phage.detect.tables import Unlisted
from phage.records import Feature, Finding, Peer, Severity, Subject

if TYPE_CHECKING:
    from phage.detect.detector import Knowledge

SHOWN = 16
"""Hosts, services and answers that are listed."""

# Hosts and services that are known one by one; beyond, they are only counted.
_MOST_HOSTS = 1024
_MOST_SERVICES = 4096


@dataclass(slots=True)
class Scan:
    """One source's scan. `pairs` counts distinct targets, `probes` what was sent to them."""

    subject: Subject
    first: int
    last: int
    home: bool
    usual: float
    kinds: dict[str, None] = field(default_factory=dict)
    hosts: dict[str, dict[str, None]] = field(default_factory=dict)
    services: dict[str, int] = field(default_factory=dict)
    """How many hosts each was tried on."""
    answered: dict[str, None] = field(default_factory=dict)
    least_hosts: int = 0
    """So many there were at least."""
    more_hosts: Unlisted = field(default_factory=Unlisted)
    more_services: Unlisted = field(default_factory=Unlisted)
    pairs: int = 0
    probes: int = 0
    two_way: bool = False
    severity: Severity = Severity.MEDIUM

    @property
    def hosts_total(self) -> int:
        """How many hosts were tried."""
        return max(self.least_hosts, len(self.hosts) + self.more_hosts.total)

    @property
    def services_total(self) -> int:
        """How many services were tried."""
        return len(self.services) + self.more_services.total

    def add(self, host: str, service: str) -> None:
        """Add a target."""
        self.pairs += 1
        services = self.hosts.get(host)
        if services is None:
            services = {}
            if len(self.hosts) < _MOST_HOSTS:
                self.hosts[host] = services
            else:
                self.more_hosts.add(host)
        if len(services) < SHOWN:
            services[service] = None
        if service in self.services:
            self.services[service] += 1
        elif len(self.services) < _MOST_SERVICES:
            self.services[service] = 1
        else:
            self.more_services.add(service)

    def finding(self, detector: str, name: str, knowledge: Knowledge) -> Finding:
        """Make the finding of it as it stands."""
        shown = list(self.hosts.items())[:SHOWN]
        targets = max(self.pairs, self.hosts_total)
        feature = Feature(
            "failed_targets",
            float(targets),
            0.0,
            max(self.usual, 3.0),
            "targets",
            1.0,
            "distinct targets that did not answer",
        )
        return Finding(
            detector=detector,
            key=name,
            severity=self.severity,
            score=min(1.0, 0.5 + targets / 200),
            subject=self.subject,
            summary=self.sentence(knowledge, feature),
            first_seen=self.first,
            last_seen=self.last,
            peers=tuple(Peer(ip, services=tuple(services)) for ip, services in shown),
            peers_total=self.hosts_total,
            packets=max(self.probes, self.pairs),
            evidence={
                "kinds": list(self.kinds),
                "hosts": self.hosts_total,
                "services": self.services_total,
                "first_services": list(self.services)[:SHOWN],
                "answered": list(self.answered),
                "usual_per_minute": round(self.usual, 1),
            },
            features=(feature,),
            spoofable=not (self.two_way or "neighbour sweep" in self.kinds),
        )

    def sentence(self, knowledge: Knowledge, feature: Feature) -> str:
        """Say who tried what, for how long, and what is normal."""
        who = explain.label(self.subject, knowledge)
        took = explain.duration(max(1, self.last - self.first))
        normal = explain.expected(0, feature.expected_high)
        if self.kinds.keys() == {"neighbour sweep"}:
            way = "neighbour discovery" if "nd" in self.services else "ARP"
            what = explain.counted(self.hosts_total, "distinct address", "distinct addresses")
            return explain.sentence(
                [
                    f"{who} asked for {what} by {way} in {took}",
                    f"normal for it is {normal} a minute",
                ]
            )
        parts = [
            f"{who} {self._deed()} in {took}",
            f"normal for it is {normal} failed targets a minute",
        ]
        if self.answered:
            parts.append(f"{explain.listing(list(self.answered), shown=2)} answered")
        return explain.sentence(parts)

    def _deed(self) -> str:
        hosts = explain.counted(self.hosts_total, "host")
        if self.kinds.keys() == {"icmp sweep"}:
            return f"sent echo requests to {hosts} that did not answer"
        if self.hosts_total == 1 and self.kinds.keys() == {"protocols"}:
            protocols = explain.counted(self.services_total, "IP protocol")
            return (
                f"tried {protocols} of {next(iter(self.hosts))} that it refused or left unanswered"
            )
        if self.hosts_total == 1:
            ports = explain.counted(self.services_total, "port")
            return f"tried {ports} of {next(iter(self.hosts))} that refused or did not answer"
        if self.services_total == 1:
            service = next(iter(self.services))
            return f"tried {service} on {hosts} that refused or did not answer"
        most = sorted(self.services, key=lambda name: -self.services[name])
        names = explain.listing(most, self.services_total)
        return f"tried {names} on {hosts} in vain"
