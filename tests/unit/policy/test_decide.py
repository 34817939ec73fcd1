"""Findings to intents: who is meant, by what, for how long."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest

from phage.policy.decide import decide
from phage.policy.facts import Device, StaticFacts
from phage.policy.intent import Duration, Intent
from phage.policy.reading.reader import read_rules
from phage.policy.rule import Kind
from phage.policy.ruleset import RuleSet, join
from phage.records import Finding, FindingState, Peer, Severity, Subject
from phage.records.decision import Action, Direction, Pattern, Rate, Target, TargetKind
from phage.testing.records import make_finding

NOON = 1_767_787_200_000_000_000  # 2026-01-07T12:00:00Z, a Wednesday.

BOA = "cpe:2.3:a:boa:boa:0.94.13:*:*:*:*:*:*:*"

FACTS = StaticFacts(
    home=(ipaddress.ip_network("192.168.1.0/24"),),
    inventory=(
        Device(
            "cam", ("192.168.1.30",), "02:00:5e:00:53:30", "camera", frozenset({"cheap"}), (BOA,)
        ),
    ),
    sets={
        (Kind.COUNTRY, "DE"): (ipaddress.ip_network("198.51.100.0/24"),),
        (Kind.LIST, "bad"): (ipaddress.ip_network("203.0.113.0/24"),),
    },
    domains={"bad": frozenset({"evil.example"})},
)

STRANGER = Subject("", "203.0.113.9", "203.0.113.9")
CAM = Subject("02:00:5e:00:53:30", "192.168.1.30", "02:00:5e:00:53:30")


def rules(*texts: str) -> RuleSet:
    lines = [f"- {{name: r{number}, {text}}}" for number, text in enumerate(texts)]
    return join([read_rules("rules:\n" + "\n".join(lines), "t.yaml")])


def enforced(match: str, action: str = "ban", more: str = "") -> RuleSet:
    return rules(f"mode: enforce, match: {{{match}}}, action: {action}{more}")


def asked(ruleset: RuleSet, **values: Any) -> list[Intent]:
    return decide(ruleset, finding(**values), FACTS, NOON)


def finding(**values: Any) -> Finding:
    fields: dict[str, Any] = {
        "detector": "portscan",
        "severity": Severity.HIGH,
        "score": 0.9,
        "subject": STRANGER,
        "peers": (Peer("192.168.1.30", "02:00:5e:00:53:30", ("tcp/22", "tcp/23")),),
        "evidence": {},
    }
    return make_finding(**fields | values)


def targets(intents: list[Intent]) -> list[str]:
    return [intent.target.value for intent in intents if intent.target is not None]


def test_a_finding_that_meets_a_rule_leads_to_a_ban_of_who_attacks() -> None:
    (intent,) = asked(enforced("finding: portscan, severity: medium", more=", for: 2h"))
    assert intent == Intent(
        rule="r0",
        action=Action.BAN,
        target=Target(TargetKind.IP, "203.0.113.9"),
        reason="192.168.1.5 tried 100 ports of 192.168.1.9.",
        duration=Duration(7200.0),
        direction=Direction.FROM,
        dry_run=False,
    )


@pytest.mark.parametrize(
    ("match", "is_met"),
    [
        ("finding: any", True),
        ("finding: [bruteforce, portscan]", True),
        ("finding: bruteforce", False),
        ("severity: high", True),
        ("severity: critical", False),
        ("score: 0.9", True),
        ("score: 0.91", False),
        ("finding: any, source: 203.0.113.0/24", True),
        ("finding: any, source: home", False),
        ("finding: any, destination: {category: camera, label: cheap}", True),
        ("finding: any, device: cam", True),
        ("finding: any, destination: {software: 'boa < 0.95'}", True),
        ("finding: any, destination: {software: 'boa < 0.94'}", False),
        ("finding: any, source: {software: boa}", False),
        ("finding: any, device: tv", False),
        ("finding: any, list: bad", True),
        ("finding: any, country: DE", False),
        ("finding: any, list: bad, device: cam", True),
        ("finding: any, direction: in", True),
        ("finding: any, direction: [out, inside]", False),
        ("finding: any, service: ssh", True),
        ("finding: any, service: https", False),
        ("finding: any, not: {service: ssh}", False),
        ("finding: any, not: {finding: portscan}", False),
        ("finding: any, not: {source: internet}", False),
        ("finding: any, not: {country: DE}", True),
        ("finding: any, time: {from: '11:00', to: '13:00'}", True),
        ("finding: any, time: {days: sat}", False),
        ("finding: any, not: {time: {days: wed}}", False),
    ],
)
def test_every_condition_counts(match: str, is_met: bool) -> None:
    assert bool(asked(enforced(match))) is is_met


def test_only_the_parties_that_a_rule_means_are_acted_against() -> None:
    crowd = {
        "detector": "bruteforce",
        "subject": CAM,
        "peers": (Peer("198.51.100.7"), Peer("203.0.113.9"), Peer("192.168.1.77")),
        "evidence": {"kind": "distributed", "subject_is": "victim"},
    }
    assert targets(asked(enforced("finding: bruteforce, source: {country: DE}"), **crowd)) == [
        "198.51.100.7"
    ]
    assert targets(asked(enforced("finding: bruteforce, not: {source: home}"), **crowd)) == [
        "198.51.100.7",
        "203.0.113.9",
    ]


def test_the_first_that_decides_wins_and_dry_runs_are_told_once() -> None:
    ruleset = rules(
        "match: {finding: any}, action: notify, mode: enforce",
        "match: {finding: portscan}, action: ban",
        "match: {finding: any}, action: quarantine",
        "match: {severity: high}, action: reject, mode: enforce",
        "match: {severity: low}, action: ban, mode: enforce",
    )
    told = [(intent.rule, intent.action, intent.dry_run) for intent in asked(ruleset)]
    assert told == [("r0", None, False), ("r1", Action.BAN, True), ("r3", Action.REJECT, False)]


def test_accept_is_an_exception() -> None:
    ruleset = rules(
        "match: {finding: any, source: 203.0.113.9}, action: accept, mode: enforce",
        "match: {finding: any}, action: ban, mode: enforce",
    )
    assert asked(ruleset) == []
    assert targets(asked(ruleset, subject=replace(STRANGER, ip="203.0.113.8"))) == ["203.0.113.8"]


@pytest.mark.parametrize("state", [FindingState.CLOSED, FindingState.MERGED])
def test_what_is_over_leads_to_nothing(state: FindingState) -> None:
    assert asked(enforced("finding: any"), state=state) == []


@pytest.mark.parametrize(
    ("target", "value", "direction"),
    [
        ("source", "203.0.113.9", Direction.FROM),
        ("subject", "203.0.113.9", Direction.FROM),
        ("victim", "192.168.1.30", Direction.TO),
        ("peers", "192.168.1.30", Direction.TO),
    ],
)
def test_a_rule_says_who_is_acted_against(target: str, value: str, direction: Direction) -> None:
    (intent,) = asked(enforced("finding: any", more=f", target: {target}"))
    assert intent.target == Target(TargetKind.IP, value)
    assert intent.direction is direction


def test_a_device_is_acted_against_by_its_mac_address() -> None:
    (intent,) = asked(enforced("finding: any", "ban", ", target: device"), subject=CAM)
    assert intent.target == Target(TargetKind.DEVICE, CAM.mac)
    assert intent.direction is Direction.FROM


def test_whom_a_device_calls_is_cut_off_both_ways() -> None:
    (intent,) = asked(
        enforced("finding: beaconing"),
        detector="beaconing",
        subject=CAM,
        peers=(Peer("203.0.113.66", services=("tcp/443",)),),
    )
    assert targets([intent]) == ["203.0.113.66"]
    assert intent.direction is Direction.BOTH


def test_a_device_is_quarantined_by_its_mac_address() -> None:
    (intent,) = asked(enforced("finding: any", "quarantine"), subject=CAM, peers=())
    assert intent.target == Target(TargetKind.DEVICE, "02:00:5e:00:53:30")
    assert intent.direction is Direction.BOTH


def test_who_forges_addresses_on_the_link_is_known_by_its_frames() -> None:
    (intent,) = asked(
        enforced("finding: arpspoof"),
        detector="arpspoof",
        subject=CAM,
        peers=(Peer("192.168.1.254", services=("arp",)),),
    )
    assert intent.target == Target(TargetKind.MAC, "02:00:5e:00:53:30")


def test_a_flood_from_forged_sources_is_answered_at_the_service() -> None:
    flood = {
        "detector": "synflood",
        "subject": Subject("", "192.168.1.30", "192.168.1.30"),
        "peers": tuple(Peer(f"203.0.113.{n}", services=("tcp/80", "tcp/443")) for n in range(9)),
        "evidence": {"kind": "syn", "subject_is": "victim"},
        "spoofable": True,
    }
    (intent,) = asked(
        enforced("finding: synflood", "limit", ", rate: 1000/s, target: service"), **flood
    )
    assert targets([intent]) == ["192.168.1.30"]
    assert intent.direction is Direction.TO
    assert intent.rate == Rate(1000)
    assert intent.pattern == Pattern(6, ((80, 80), (443, 443)), tcp_flags=(0x12, 0x02))
    (all_of_it,) = asked(
        enforced(
            "finding: synflood",
            more=", target: victim, pattern: {protocol: udp, source_port: 123}, "
            "scope: {responders: [flowspec]}",
        ),
        **flood,
    )
    assert all_of_it.pattern == Pattern(17, source_ports=((123, 123),))
    assert all_of_it.responders == ("flowspec",)


def test_a_service_that_is_not_known_is_never_cut_off_whole() -> None:
    unknown = {"peers": (), "subject": CAM, "evidence": {"subject_is": "victim"}}
    assert asked(enforced("finding: any", more=", target: service"), **unknown) == []
    (intent,) = asked(enforced("finding: any", "limit", ", rate: 5/s, target: service"), **unknown)
    assert intent.pattern.is_everything


def test_a_domain_is_named_by_the_evidence() -> None:
    tunnel = {"detector": "dnstunnel", "subject": CAM, "evidence": {"domain": "A.Evil.example."}}
    (intent,) = asked(enforced("finding: dnstunnel", more=", target: domain"), **tunnel)
    assert intent.target == Target(TargetKind.DOMAIN, "a.evil.example")
    assert asked(enforced("finding: any, domain: evil.example"), **tunnel)
    assert asked(enforced("finding: any, list: bad"), **tunnel)
    assert not asked(enforced("finding: any, domain: vil.example"), **tunnel)


def test_an_account_attacks_nobody() -> None:
    account = {"subject": Subject(device="ssh:root"), "peers": (Peer("203.0.113.5"),)}
    assert targets(asked(enforced("finding: any"), **account)) == ["203.0.113.5"]


def test_people_and_programs_are_told() -> None:
    (intent,) = asked(enforced("finding: any", "notify"))
    assert (intent.action, intent.target, intent.notify) == (None, None, ("*",))
    (intent,) = asked(
        enforced("finding: any", "[ban, notify, run]", ", notify: [mail], run: [hook]")
    )
    assert (intent.notify, intent.run) == (("mail",), ("hook",))
    (intent,) = asked(enforced("finding: any", "run", ", run: hook, for: 10m"))
    assert (intent.action, targets([intent])) == (None, ["203.0.113.9"])
    assert intent.duration.first == 600


def test_a_finding_of_strange_content_is_no_problem() -> None:
    strange = {
        "subject": Subject("", "not an address", "x"),
        "peers": (Peer("", "", ("tcp/99999", "arp", "")), Peer("fe80::1%eth0")),
        "evidence": {"domain": 5, "kind": None, "subject_is": ["x"]},
    }
    for target in ("source", "victim", "subject", "peers", "service", "domain"):
        asked(enforced("finding: any", more=f", target: {target}"), **strange)
        asked(enforced("finding: any, source: internet, device: cam"), **strange)
