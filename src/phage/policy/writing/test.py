"""Tests of rule files back to YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.policy.rule import FindingCase, Kind, TrafficCase
from phage.policy.services import protocol_name
from phage.policy.writing.plain import filled, some

if TYPE_CHECKING:
    from phage.policy.rule import Given, RuleTest
    from phage.policy.writing.plain import Values


def given_values(given: Given) -> Values:
    """Return what tests take for known, as plain values."""
    names = {Kind.LIST: "lists", Kind.COUNTRY: "countries", Kind.AS: "as", Kind.DOMAIN: "domains"}
    sets: Values = {}
    for (kind, name), members in given.sets.items():
        sets.setdefault(names[kind], {})[name] = list(map(str, members))
    devices = {
        item.name: filled(
            {
                "address": some(item.addresses),
                "mac": item.mac,
                "category": item.category,
                "label": some(item.labels),
            }
        )
        for item in given.devices
    }
    return filled(
        {
            "self": some(list(map(str, given.own))),
            "home": some(list(map(str, given.home))),
            "gateway": some(list(map(str, given.gateways))),
            "admin": some(list(map(str, given.admins))),
            "devices": devices,
            **sets,
        }
    )


def test_values(test: RuleTest) -> Values:
    """Return a test as plain values."""
    case = test.case
    kind = "traffic" if isinstance(case, TrafficCase) else "finding"
    return filled(
        {
            kind: _traffic(case) if isinstance(case, TrafficCase) else _finding(case),
            "expect": some([verb.value for verb in test.expect]) or "nothing",
            "rule": test.rule,
            "at": test.at.isoformat() if test.at is not None else None,
        }
    )


def _traffic(case: TrafficCase) -> Values:
    protocol = protocol_name(case.protocol)
    service = protocol if case.port is None else f"{protocol}/{case.port}"
    return filled(
        {
            "source": case.source,
            "destination": case.destination,
            "service": service,
            "source_port": case.source_port,
            "interface": filled({"in": case.in_interface, "out": case.out_interface}),
            "vlan": case.vlan or None,
            "connections": case.connections or None,
            "exceeds": case.exceeds or None,
        }
    )


def _finding(case: FindingCase) -> Values:
    return filled(
        {
            "detector": case.detector,
            "source": case.source,
            "destination": case.destination,
            "severity": case.severity.value if case.severity is not None else None,
            "score": None if case.score == 1.0 else case.score,
            "service": some(case.services),
            "domain": case.domain,
            "spoofable": case.spoofable or None,
        }
    )
