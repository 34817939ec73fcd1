"""Attacks: findings about floods, in the shape in which they are listed and shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from phage.api.shapes import finding_shape
from phage.store.repositories.findings import ORDERS, FindingFilter

if TYPE_CHECKING:
    from phage.records import Finding
    from phage.store.store import Store

DETECTORS = ("volumetric", "synflood")
"""Detectors whose findings are attacks by volume."""

_KINDS = {
    "syn": "syn-flood", "tcp": "tcp-flood", "tcp out": "tcp-flood", "udp": "udp-flood",
    "udp out": "udp-flood", "icmp": "icmp-flood", "icmp out": "icmp-flood",
}  # fmt: skip
"""How `synflood` calls what others call a vector."""

_DETAILS = (
    "why", "pulses", "hosts", "octets", "top_sources", "top_targets", "top_source_ports",
    "top_ports", "top_lengths", "top_tcp_flags", "top_systems", "entropy_bits", "sample",
    "suggested", "suggested_cover", "suggested_collateral", "suggestions_refused", "networks",
)  # fmt: skip
"""What is known of an attack besides; taken over as evidence tells it."""


def attack_shape(finding: Finding) -> dict[str, Any]:
    """Return an attack as `phage attacks` prints it."""
    told = finding.evidence
    attacker = told.get("subject_is") == "attacker"
    kind = _KINDS.get(str(told.get("kind", "")), str(told.get("kind", "")))
    peak = told.get("peak_packets_per_second", told.get("peak_per_second", 0))
    shape = finding_shape(finding)
    return {
        "id": finding.id,
        "state": str(finding.state),
        "severity": str(finding.severity),
        "target": str(told.get("target") or finding.subject.ip or finding.subject.device),
        "direction": str(told.get("direction") or ("outgoing" if attacker else "incoming")),
        "kind": kind,
        "vectors": told.get("vectors") or [{"name": kind, "share": 1.0}],
        "packets_per_second": told.get("packets_per_second", peak),
        "peak_packets_per_second": peak,
        "peak_bits_per_second": told.get("peak_bits_per_second", 0),
        "packets": finding.packets,
        "sources": told.get("sources", finding.peers_total),
        "first_seen": shape["first_seen"],
        "last_seen": shape["last_seen"],
        "seconds": round((finding.last_seen - finding.first_seen) / 1e9, 1),
        "detector": finding.detector,
        "summary": finding.summary,
        "details": {name: told[name] for name in _DETAILS if name in told},
    }


def list_attacks(store: Store, wanted: FindingFilter, limit: int) -> list[Finding]:
    """Return findings about attacks, in the order that is wanted."""
    order = ORDERS[wanted.order]
    found = [
        finding
        for detector in DETECTORS
        for finding in store.findings.list(replace(wanted, detector=detector), limit)
    ]
    return sorted(found, key=order.keys, reverse=True)[:limit]


def get_attack(store: Store, id: str) -> Finding | None:  # noqa: A002  The field's name.
    """Return the attack with an id, or with the only id that begins so; None for none."""
    finding = store.findings.get(id)
    return finding if finding is not None and finding.detector in DETECTORS else None
