"""The shapes in which records are printed as JSON; tables show parts of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from phage.clock import rfc3339
from phage.records.exporter import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.records import Feature, Finding, Peer
    from phage.records.decision import Decision, Receipt
    from phage.records.exporter import Exporter
    from phage.records.flow import Flow
    from phage.store.repositories.decisions import AuditEntry

PROTOCOLS = {
    0: "arp",
    1: "icmp",
    2: "igmp",
    6: "tcp",
    17: "udp",
    47: "gre",
    58: "icmp6",
    132: "sctp",
}
"""Names of the IP protocols that are met every day (IANA, Assigned Internet Protocol Numbers)."""


def finding_shape(finding: Finding) -> dict[str, Any]:
    """Return a finding as `phage replay --output json` and `phage findings` print it."""
    return {
        "id": finding.id,
        "detector": finding.detector,
        "severity": str(finding.severity),
        "score": finding.score,
        "state": str(finding.state),
        "subject": {
            "mac": finding.subject.mac,
            "ip": finding.subject.ip,
            "device": finding.subject.device,
        },
        "peers": [_peer(peer) for peer in finding.peers],
        "peers_total": max(finding.peers_total, len(finding.peers)),
        "first_seen": rfc3339(finding.first_seen),
        "last_seen": rfc3339(finding.last_seen),
        "packets": finding.packets,
        "count": finding.count,
        "summary": finding.summary,
        "spoofable": finding.spoofable,
        "evidence": dict(finding.evidence),
        "features": [_feature(feature) for feature in finding.features],
        "capture": finding.capture,
        "related": list(finding.related),
    }


def _peer(peer: Peer) -> dict[str, Any]:
    return {"ip": peer.ip, "mac": peer.mac, "services": list(peer.services)}


def _feature(feature: Feature) -> dict[str, Any]:
    return {
        "name": feature.name,
        "value": feature.value,
        "expected_low": feature.expected_low,
        "expected_high": feature.expected_high,
        "unit": feature.unit,
        "weight": feature.weight,
        "meaning": feature.meaning,
    }


def decision_shape(
    decision: Decision,
    now: int,
    receipts: Sequence[Receipt] = (),
    audit: Sequence[AuditEntry] = (),
) -> dict[str, Any]:
    """Return a decision as `phage decisions` prints it."""
    return {
        "id": decision.id,
        "state": decision_state(decision, now, receipts),
        "kind": str(decision.target.kind),
        "target": decision.target.value,
        "action": str(decision.action),
        "direction": str(decision.direction),
        "reason": decision.reason,
        "start": rfc3339(decision.start),
        "until": rfc3339(decision.until) if decision.until else "",
        "rule": decision.rule,
        "finding": decision.finding,
        "by": decision.by,
        "rate": asdict(decision.rate) if decision.rate else None,
        "pattern": None if decision.pattern.is_everything else asdict(decision.pattern),
        "responders": list(decision.responders),
        "dry_run": decision.dry_run,
        "spoofable": decision.spoofable,
        "ended": rfc3339(decision.ended) if decision.ended else "",
        "ended_by": decision.ended_by,
        "receipts": [
            {
                "responder": each.responder,
                "state": str(each.state),
                "at": rfc3339(each.at),
                "detail": each.detail,
            }
            for each in receipts
        ],
        "audit": [
            {"at": rfc3339(each.happened), "by": each.author, "act": each.act,
             "detail": each.detail}
            for each in audit
        ],
    }  # fmt: skip


def decision_state(decision: Decision, now: int, receipts: Sequence[Receipt] = ()) -> str:
    """Return "in force", "recorded", "not carried out" or "ended".

    One may expire while no daemon runs. Not carried out is what suits no responder, as a ban of a
    domain where none speaks of names.
    """
    if decision.ended or (decision.until and decision.until <= now):
        return "ended"
    if decision.dry_run:
        return "recorded"
    suits = not receipts or any(each.state != "unsuited" for each in receipts)
    return "in force" if suits else "not carried out"


def flow_shape(flow: Flow) -> dict[str, Any]:
    """Return a flow as `phage flows` prints it."""
    return {
        "id": flow.id,
        "start": rfc3339(flow.start),
        "last": rfc3339(flow.last),
        "src": flow.src,
        "src_port": flow.src_port,
        "dst": flow.dst,
        "dst_port": flow.dst_port,
        "protocol": protocol_name(flow.protocol),
        "application": flow.application,
        "packets": list(flow.packets),
        "octets": list(flow.octets),
        "payload": list(flow.payload),
        "src_mac": flow.src_mac,
        "dst_mac": flow.dst_mac,
        "vlan": flow.vlan,
        "state": flow.state,
        "end_reason": flow.end_reason,
        "handshake_us": flow.handshake,
        "ended": flow.ended,
    }


def protocol_name(number: int) -> str:
    """Return the name of an IP protocol, or its number."""
    return PROTOCOLS.get(number, str(number))


def protocol_number(name: str) -> int | None:
    """Return the number of an IP protocol by name or number; None where there is none."""
    if name.isascii() and name.isdigit() and int(name) < 256:
        return int(name)
    return next((number for number, known in PROTOCOLS.items() if known == name.lower()), None)


def exporter_shape(exporter: Exporter) -> dict[str, Any]:
    """Return an exporter as it is printed: times as text, the clock's drift in seconds."""
    shape = asdict(exporter)
    drift = shape.pop("drift")
    return shape | {
        "format": VERSIONS.get(exporter.version, str(exporter.version)),
        "first_seen": rfc3339(exporter.first_seen),
        "last_seen": rfc3339(exporter.last_seen),
        "clock_behind_seconds": round(drift / 1e9, 3),
    }
