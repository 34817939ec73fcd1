"""Makers of records for tests: whole ones, where a test names only what it is about."""

from __future__ import annotations

from typing import Any

from phage.records import Feature, Finding, Observation, Peer, Severity, Subject
from phage.records.decision import Action, Decision, Target, TargetKind
from phage.records.flow import Flow

SECOND = 1_000_000_000
EPOCH = 1_700_000_000 * SECOND
"""The time at which test traffic begins: 2023-11-14T22:13:20Z."""


def make_finding(number: int = 0, **values: Any) -> Finding:
    """Return a finding; `number` makes its id and times differ."""
    fields: dict[str, Any] = {
        "id": f"{number:016x}",
        "detector": "portscan",
        "key": f"192.168.1.{number % 250}|vertical",
        "severity": Severity.MEDIUM,
        "score": 4.5,
        "subject": Subject("02:00:00:00:00:05", "192.168.1.5", "02:00:00:00:00:05"),
        "summary": "192.168.1.5 tried 100 ports of 192.168.1.9.",
        "first_seen": EPOCH + number * SECOND,
        "last_seen": EPOCH + (number + 5) * SECOND,
        "peers": (Peer("192.168.1.9", "02:00:00:00:00:09", ("tcp/22", "tcp/23")),),
        "peers_total": 1,
        "packets": 120,
        "evidence": {"ports": 100},
        "features": (Feature("ports", 100.0, 0.0, 3.0, "ports", 0.8, "distinct ports contacted"),),
    }
    return Finding(**fields | values)


def make_flow(number: int = 1, **values: Any) -> Flow:
    """Return a flow that ended; `number` makes its id and times differ."""
    fields: dict[str, Any] = {
        "id": number,
        "start": EPOCH + number * SECOND,
        "last": EPOCH + (number + 2) * SECOND,
        "src": "192.168.1.5",
        "dst": "93.184.216.34",
        "src_port": 50_000,
        "dst_port": 443,
        "protocol": 6,
        "src_mac": "02:00:00:00:00:05",
        "dst_mac": "02:00:00:00:00:01",
        "packets": (10, 8),
        "octets": (1200, 9000),
        "payload": (500, 8400),
        "flags": (0x1B, 0x1B),
        "state": "closed",
        "end_reason": "end of flow",
        "application": "tls",
        "ended": True,
    }
    return Flow(**fields | values)


def make_observation(kind: str, /, **fields: Any) -> Observation:
    """Return an observation of a kind, with these fields, from a device to a server."""
    return Observation(
        kind=kind,
        time=EPOCH + 123_456_789,
        packet=6,
        src="192.168.1.5",
        dst="192.168.1.1",
        src_port=40_000,
        dst_port=53,
        src_mac="02:00:00:00:00:05",
        dst_mac="02:00:00:00:00:01",
        vlan=0,
        protocol=17,
        device=0,
        flow=1,
        fields=fields,
    )


def make_decision(number: int = 0, **values: Any) -> Decision:
    """Return a decision that stands for an hour; `number` makes its id, target and times differ."""
    fields: dict[str, Any] = {
        "id": f"{number:026d}",
        "target": Target(TargetKind.IP, f"203.0.{number // 250 % 250}.{number % 250 + 1}"),
        "action": Action.BAN,
        "reason": "it tried 100 ports",
        "start": EPOCH + number * SECOND,
        "until": EPOCH + (number + 3600) * SECOND,
        "rule": "Scanners",
        "finding": f"{number:016x}",
    }
    return Decision(**fields | values)
