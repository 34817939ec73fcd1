"""Hits of rules: sums that outlive rule sets, and rules that nobody met."""

from __future__ import annotations

from phage.policy.hits import HitMeter, unused
from phage.policy.reading.reader import read_rules
from phage.policy.ruleset import join
from phage.records.rulehits import RuleHits


def test_what_is_new_is_noted_and_what_moved_is_counted() -> None:
    meter = HitMeter()
    assert meter.read([], 50) == []
    assert meter.read([("a", 5, 90), ("b", 0, 0)], 100) == [
        RuleHits("a", 5, 0, 90, 100),
        RuleHits("b", 0, 0, 0, 100),
    ]
    assert meter.read([("a", 5, 90), ("b", 0, 0)], 200) == []
    assert meter.read([("a", 7, 290), ("b", 1, 0)], 300) == [
        RuleHits("a", 2, 0, 290, 300),
        RuleHits("b", 1, 0, 300, 300),
    ]


def test_what_an_earlier_phage_counted_is_not_counted_again() -> None:
    meter = HitMeter()
    assert meter.read([("a", 5, 90)], 100) == [RuleHits("a", 0, 0, 0, 100)]
    assert meter.read([("a", 5, 90)], 200) == []
    assert meter.read([("a", 6, 210)], 300) == [RuleHits("a", 1, 0, 210, 300)]


def test_a_counter_that_began_anew_is_counted_whole() -> None:
    meter = HitMeter()
    meter.read([("a", 100, 1)], 1)
    assert meter.read([("a", 3, 2)], 2) == [RuleHits("a", 3, 0, 2, 2)]


def test_rules_that_were_never_met() -> None:
    rules = join(
        [
            read_rules(
                "rules:\n"
                "  - {name: met, match: {service: ssh}, action: drop}\n"
                "  - {name: new, match: {service: dns}, action: drop, mode: enforce}\n"
                "  - {name: idle, match: {service: ntp}, action: drop}\n"
                "  - {name: old, match: {service: smb}, action: drop}\n"
                "  - {name: 'off', match: {service: rdp}, action: drop, mode: 'off'}\n",
                "my.yaml",
            )
        ]
    )
    hits = [RuleHits("met", 1, since=1), RuleHits("idle", since=9), RuleHits("old", since=5)]
    found = unused(rules, hits)
    assert [(each.rule, each.place, each.since) for each in found] == [
        ("old", "my.yaml:5", 5),
        ("idle", "my.yaml:4", 9),
        ("new", "my.yaml:3", 0),
    ]


def test_what_bans_for_a_rate_is_met_when_it_decided() -> None:
    rules = join(
        [
            read_rules(
                "rules:\n"
                "  - {name: bans, match: {rate: 9/s}, action: ban, mode: enforce}\n"
                "  - {name: dry, match: {rate: 8/s}, action: ban}\n"
                "  - {name: tells, match: {rate: 7/s}, action: notify, mode: enforce}\n"
                "  - {name: proxy, match: {destination: self, service: ssh}, action: synproxy,\n"
                "     mode: enforce}\n",
                "my.yaml",
            )
        ]
    )
    assert {each.rule for each in unused(rules, [])} == {"bans", "dry"}
    kernel, decided = RuleHits("dry", 4, since=7), [RuleHits("dry"), RuleHits("bans", 1)]
    assert unused(rules, [kernel, *decided]) == []
