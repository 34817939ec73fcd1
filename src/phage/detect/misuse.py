"""A misuse of DNS: what one client did, as far as it was seen, and the sentence that says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.detect import explain
from phage.records import Feature, Finding, Peer, Severity

if TYPE_CHECKING:
    from phage.detect.detector import Knowledge
    from phage.records import Subject

SHOWN = 16
"""Servers and samples that are listed."""


@dataclass(slots=True)
class Misuse:
    """One client's misuse of DNS as it goes on."""

    kind: str
    subject: Subject
    domain: str
    first: int
    last: int
    queries: int = 0
    names: int = 0
    up: int = 0
    down: int = 0
    longest: int = 0
    entropy: float = 0.0
    usual: float = 0.0
    servers: dict[str, None] = field(default_factory=dict)
    types: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    spoofable: bool = True

    def finding(self, detector: str, key: str, knowledge: Knowledge) -> Finding:
        """Make the finding of it as it stands."""
        octets = float(self.up + self.down)
        if self.kind == "generated names":
            feature = Feature(
                "missing_domains",
                float(self.names),
                0.0,
                5.0,
                "domains",
                1.0,
                "domains that do not exist",
            )
        else:
            feature = Feature(
                "carried_octets",
                octets,
                0.0,
                max(self.usual, 500.0),
                "octets",
                1.0,
                "octets carried in names and records",
            )
        servers = tuple(self.servers)[:SHOWN]
        service = self.types[0] if self.kind == "not DNS" else "udp/53"
        return Finding(
            detector=detector,
            key=key,
            severity=Severity.MEDIUM if self.kind == "generated names" else Severity.HIGH,
            score=1.0,
            subject=self.subject,
            summary=self._sentence(knowledge, feature),
            first_seen=self.first,
            last_seen=self.last,
            peers=tuple(Peer(ip, services=(service,)) for ip in servers),
            peers_total=len(servers),
            packets=self.queries,
            evidence={
                "kind": self.kind,
                "domain": explain.clean(self.domain),
                "names": self.names,
                "octets_up": self.up,
                "octets_down": self.down,
                "longest_name": self.longest,
                "entropy": round(self.entropy, 2),
                "types": list(self.types),
                "samples": list(self.samples),
            },
            features=(feature,),
            spoofable=self.spoofable,
        )

    def _sentence(self, knowledge: Knowledge, feature: Feature) -> str:
        who = explain.label(self.subject, knowledge)
        took = explain.duration(max(1, self.last - self.first))
        where = explain.listing(list(self.servers), shown=2)
        normal = explain.octets(feature.expected_high)
        if self.kind == "generated names":
            sample = explain.listing(list(self.samples), shown=2)
            domains = explain.counted(self.names, "domain")
            return explain.sentence(
                [
                    f"{who} asked {where} for {domains} that do not exist in {took}",
                    f"normal is 0 to {explain.number(feature.expected_high)}",
                    f"for example {sample}",
                ]
            )
        if self.kind == "not DNS":
            amount = explain.octets(self.up + self.down)
            what = f"{who} exchanged {amount} with {where} by {self.types[0]} in {took}"
            return explain.sentence(
                [f"{what}, and nothing of it is DNS", "normal there is DNS alone"]
            )
        types = explain.listing(list(self.types), shown=2)
        names = explain.counted(self.names, "different name")
        asked = f"{who} asked {where} for {names} under {explain.clean(self.domain, 48)} ({types})"
        carried = f"which carried {explain.octets(self.up)} up and {explain.octets(self.down)} down"
        return explain.sentence(
            [f"{asked} in {took}, {carried}", f"normal is up to {normal} a minute"]
        )
