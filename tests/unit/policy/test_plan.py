"""The plan: what other rules would have done, the same as asking them flow by flow."""

from __future__ import annotations

import ipaddress
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phage.policy import plan as plans
from phage.policy.evaluate import Traffic, evaluate
from phage.policy.facts import Device, StaticFacts
from phage.policy.meaning.matching import Party
from phage.policy.plan import make_plan, needs
from phage.policy.planfindings import plan_findings
from phage.policy.presets import preset_names, preset_text
from phage.policy.reading.reader import read_rules
from phage.policy.rule import Kind
from phage.policy.ruleset import RuleSet, join
from phage.records import FindingState, Severity, Subject
from phage.records.packetrule import PacketAction
from phage.store.repositories.flowgroups import FlowGroup
from phage.testing.records import EPOCH, make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator

FACTS = StaticFacts(
    own=(ipaddress.ip_network("192.168.1.1"),),
    gateways=(ipaddress.ip_network("192.168.1.1"),),
    protected=(ipaddress.ip_network("192.168.1.250"),),
    inventory=(
        Device("tv", mac="02:00:00:00:00:20", category="camera", labels=frozenset({"thing"})),
        Device("hub", ("192.168.1.21",), labels=frozenset({"hub"})),
    ),
    sets={(Kind.LIST, "bad"): (ipaddress.ip_network("203.0.113.0/24"),)},
)


def rules(text: str) -> RuleSet:
    return join([read_rules(f"rules:\n{text}", "rules.yaml")])


def group(src: str, dst: str, port: int = 443, flows: int = 1, **more: object) -> FlowGroup:
    fields: dict[str, object] = {"protocol": 6, "octets": flows * 100, "last": EPOCH}
    return FlowGroup(src, dst, dst_port=port, flows=flows, **fields | more)  # type: ignore[arg-type]


def test_our_own_hosts_that_are_blocked_come_first() -> None:
    candidate = rules(
        "  - {name: out, match: {direction: out, port: 443}, action: reject, mode: enforce}\n"
        "  - {name: in, match: {direction: in}, action: drop, mode: enforce}\n"
    )
    found = make_plan(
        [
            group("198.51.100.1", "192.168.1.9", flows=500),
            group("192.168.1.9", "198.51.100.1", flows=3),
            group("192.168.1.8", "198.51.100.1", flows=7),
            group("192.168.1.8", "198.51.100.2", port=80),
        ],
        RuleSet(),
        candidate,
        FACTS,
    )
    assert (found.flows, found.octets, found.blocked, found.freed) == (511, 51_100, 510, 0)
    assert [(each.host, each.is_ours, each.flows, each.rule) for each in found.changes] == [
        ("192.168.1.8", True, 7, "out"),
        ("192.168.1.9", True, 3, "out"),
        ("198.51.100.1", False, 500, "in"),
    ]
    assert found.changes[0].example == "198.51.100.1 tcp/443"
    assert [(each.rule.name, each.flows, each.ours) for each in found.effects] == [
        ("out", 10, 2),
        ("in", 500, 0),
    ]


def test_rules_in_dry_run_change_nothing_but_are_counted() -> None:
    candidate = rules("  - {name: web, match: {port: 443}, action: drop}\n")
    flows = [group("192.168.1.9", "198.51.100.1")]
    found = make_plan(flows, RuleSet(), candidate, FACTS)
    assert (found.blocked, found.changes, found.effects[0].flows) == (0, [], 1)
    enforced = make_plan(flows, RuleSet(), candidate, FACTS, as_enforced=True)
    assert enforced.blocked == 1


def test_what_would_pass_again_is_told_with_the_rule_that_blocked() -> None:
    now = rules("  - {name: old, match: {port: 443}, action: drop, mode: enforce}\n")
    found = make_plan([group("192.168.1.9", "198.51.100.1")], now, RuleSet(), FACTS)
    assert found.freed == 1
    change = found.changes[0]
    assert (change.before, change.after, change.rule) == (
        PacketAction.DROP,
        PacketAction.ACCEPT,
        "old",
    )


def test_what_flows_do_not_show_is_not_judged() -> None:
    candidate = rules(
        "  - {name: fast, match: {rate: 5/s}, action: drop, mode: enforce}\n"
        "  - {name: many, match: {connections: 9}, action: drop, mode: enforce}\n"
        "  - {name: ssh, match: {service: ssh}, action: drop, mode: enforce}\n"
    )
    found = make_plan([group("192.168.1.9", "198.51.100.1", 22)], RuleSet(), candidate, FACTS)
    assert [each.is_certain for each in found.effects] == [False, False, True]
    assert [each.flows for each in found.effects] == [0, 0, 1]


def test_needs() -> None:
    assert needs(rules("  - {name: a, match: {source_port: 53}, action: drop}\n")).source_ports
    assert needs(rules("  - {name: a, match: {time: {days: mon}}, action: drop}\n")).minutes
    assert needs(RuleSet()) == plans.Needs()


def random_groups(number: int) -> Iterator[FlowGroup]:
    """Yield groups of many kinds, from a seed."""
    choose = random.Random(7)
    hosts = [
        *(f"192.168.1.{end}" for end in (1, 9, 20, 21, 250)), "198.51.100.7", "203.0.113.9",
        "10.9.9.9", "224.0.0.251", "fe80::1", "2001:db8::7", "", "no address",
    ]  # fmt: skip
    macs = ["", "02:00:00:00:00:20", "02:00:00:00:00:99"]
    for _ in range(number):
        yield FlowGroup(
            choose.choice(hosts),
            choose.choice(hosts),
            choose.choice([1, 6, 6, 6, 17, 17, 47, 58]),
            choose.choice([0, 8, 22, 23, 25, 53, 67, 80, 443, 445, 3306, 65_535]),
            choose.choice([8, 53, 123, 11_211, 50_000]),
            choose.choice(macs),
            choose.choice([0, 7]),
            EPOCH,
            flows=1,
            last=EPOCH,
        )


@pytest.mark.parametrize("name", preset_names())
def test_classes_say_what_each_flow_would_be_told(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = join([read_rules(preset_text(name), name)])
    groups = list(random_groups(3000))
    whole = make_plan(groups, RuleSet(), candidate, FACTS, as_enforced=True)
    blocked = sum(_is_blocked(candidate, each) for each in groups)
    assert blocked
    assert whole.blocked == blocked
    monkeypatch.setattr(plans, "MAX_VERDICTS", 5)
    monkeypatch.setattr("phage.policy.sorting.MAX_REMEMBERED", 3)
    small = make_plan(groups, RuleSet(), candidate, FACTS, as_enforced=True)
    assert (small.blocked, small.changes) == (whole.blocked, whole.changes)


def _is_blocked(ruleset: RuleSet, each: FlowGroup) -> bool:
    is_icmp, is_ported = each.protocol in {1, 58}, each.protocol in {6, 17}
    source = Party(each.src)
    is_local = source.address is not None and source.address in ipaddress.ip_network(
        "192.168.0.0/16" if source.address.version == 4 else "fe80::/10"
    )
    is_local = is_local or each.src in {"10.9.9.9", "224.0.0.251"}
    ours = is_local or source.address is None
    traffic = Traffic(
        Party(each.src, each.src_mac if ours else ""),
        Party(each.dst),
        each.protocol,
        each.src_port if is_icmp else each.dst_port if is_ported else None,
        each.src_port if is_ported else None,
        vlan=each.vlan,
    )
    verdict = evaluate(ruleset, traffic, FACTS, EPOCH, as_enforced=True)
    return verdict.action is not PacketAction.ACCEPT


def test_changes_beyond_what_is_kept_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MAX_CHANGES", 2)
    candidate = rules("  - {name: in, match: {direction: in}, action: drop, mode: enforce}\n")
    flows = [group(f"198.51.100.{end}", "192.168.1.9") for end in range(5)]
    found = make_plan(flows, RuleSet(), candidate, FACTS)
    assert (found.blocked, len(found.changes), found.uncounted) == (5, 2, 3)


def test_findings_of_the_past_are_asked_too() -> None:
    candidate = rules(
        "  - {name: scans, match: {finding: portscan, severity: medium}, action: ban}\n"
        "  - {name: others, match: {finding: anomaly}, action: [ban, notify]}\n"
    )
    outside = Subject("", "198.51.100.7", "198.51.100.7")
    findings = [
        make_finding(1, state=FindingState.CLOSED),
        make_finding(2, subject=outside),
        make_finding(3, subject=outside),
        make_finding(4, severity=Severity.LOW),
    ]
    scans, others = plan_findings(findings, candidate, FACTS)
    assert (scans.findings, others.findings) == (3, 0)
    assert "198.51.100.7" in scans.targets
    assert list(scans.ours) == ["192.168.1.5"]


def test_a_rule_that_bans_for_a_rate_is_told_of_with_its_findings() -> None:
    candidate = rules("  - {name: hasty, match: {rate: 9/s}, action: ban}\n")
    outside = Subject("", "198.51.100.7", "198.51.100.7")
    found = make_finding(1, detector="rate", subject=outside, evidence={"rule": "hasty"})
    (hasty,) = plan_findings([found], candidate, FACTS)
    assert (hasty.rule.name, hasty.findings, hasty.targets) == ("hasty", 1, {"198.51.100.7"})
    assert plan_findings([replace(found, evidence={"rule": "gone"})], candidate, FACTS) == []


def test_who_may_be_forged_is_no_target() -> None:
    candidate = rules("  - {name: scans, match: {finding: portscan}, action: ban}\n")
    (scans,) = plan_findings([make_finding(1, spoofable=True)], candidate, FACTS)
    assert (scans.findings, scans.targets) == (1, set())
