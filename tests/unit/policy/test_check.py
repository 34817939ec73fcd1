"""Checking, explaining and testing rule sets."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phage.errors import RuleError
from phage.policy.check import check
from phage.policy.explain import explain, sentences, traffic_of
from phage.policy.facts import Device, Session, StaticFacts
from phage.policy.reading.reader import read_rules
from phage.policy.reading.schema import rule_schema
from phage.policy.rule import Kind
from phage.policy.ruleset import RuleSet, join, load
from phage.policy.runtests import run_tests
from phage.policy.writing.writer import dump, ruleset_values, write_file

if TYPE_CHECKING:
    from pathlib import Path

NOON = 1_767_787_200_000_000_000  # 2026-01-07T12:00:00Z, a Wednesday.
FACTS = StaticFacts(
    own=(ipaddress.ip_network("192.168.1.1"),),
    gateways=(ipaddress.ip_network("192.168.1.254"),),
    admins=(Session("192.168.1.5", "192.168.1.1"),),
    names={"detectors": frozenset({"portscan", "bruteforce"}), "scripts": frozenset({"hook"})},
    inventory=(Device("tv", ("192.168.1.20",), "02:00:5e:00:53:20", "tv"),),
    sets={(Kind.LIST, "bad"): (ipaddress.ip_network("203.0.113.0/24"),)},
)


def rules(*texts: str, head: str = "") -> RuleSet:
    lines = [f"- {{name: r{number}, {text}}}" for number, text in enumerate(texts)]
    return join([read_rules(f"{head}\nrules:\n" + "\n".join(lines), "t.yaml")])


def problems(*texts: str, head: str = "") -> list[str]:
    return [str(problem) for problem in check(rules(*texts, head=head), FACTS, NOON)]


@pytest.mark.parametrize(
    "match",
    [
        "{source: {address: 10.0.0.0/8, not: 10.0.0.0/8}}",
        "{source: 192.0.2.1, destination: '2001:db8::1'}",
        "{source: 8.8.8.8, direction: out}",
        "{service: ssh, not: {protocol: tcp}}",
        "{service: icmp, source_port: 5}",
        "{time: {days: mon}, not: {time: {days: mon}}}",
    ],
)
def test_a_rule_that_can_never_match_is_told_with_its_place(match: str) -> None:
    (told,) = problems(f"match: {match}, action: drop")
    assert told.startswith("t.yaml:3:3: warning: rule 'r0': ")
    assert told.endswith("it never matches")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("match: everything", "match: {source: 10.0.0.1}"),
        ("match: {source: 10.0.0.0/8}", "match: {source: [10.1.0.0/16, 10.2.0.1], service: ssh}"),
        ("match: {destination: internet}", "match: {destination: 8.8.8.8, port: 53}"),
        ("match: {port: 1-100}", "match: {service: ssh}"),
        ("match: {protocol: tcp}", "match: {port: 22, protocol: tcp, source: {list: bad}}"),
        ("match: {source: {list: bad}}", "match: {source: {list: bad}, vlan: 5}"),
        (
            "match: {source: home, not: {source: 192.168.1.9}}",
            "match: {source: 192.168.1.0/29, destination: self}",
        ),
        ("match: {time: {days: mon}}", "match: {time: {days: mon}, service: ssh}"),
    ],
)
def test_a_rule_that_an_earlier_one_leaves_nothing_is_told(first: str, second: str) -> None:
    told = problems(f"{first}, action: accept, mode: enforce", f"{second}, action: drop")
    assert [text for text in told if "never asked" in text] == [
        (
            "t.yaml:4:3: warning: rule 'r1': is never asked: the rule 'r0' (t.yaml:3) decides "
            "about all that it matches; put it before that one, or remove it"
        )
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("match: {source: 10.0.0.0/8}, action: log", "match: {source: 10.0.0.1}"),
        ("match: {source: 10.0.0.0/8, rate: 5/s}, action: drop", "match: {source: 10.0.0.1}"),
        ("match: {source: 10.0.0.0/8, connections: 5}, action: drop", "match: {source: 10.0.0.1}"),
        ("match: {source: 10.0.0.0/9}, action: drop", "match: {source: 10.0.0.0/8}"),
        ("match: {service: ssh}, action: drop", "match: {port: 22}"),
        ("match: {source: {list: bad}}, action: drop", "match: {source: 203.0.113.1}"),
        ("match: {time: {days: mon}}, action: drop", "match: {service: ssh}"),
        ("match: {interface: {in: eth0}}, action: drop", "match: {interface: eth0}"),
        ("match: {source: home, not: {source: self}}, action: drop", "match: {source: home}"),
        ("match: {severity: high, finding: any}, action: ban", "match: {finding: portscan}"),
    ],
)
def test_a_rule_of_which_something_is_left_is_not_told(first: str, second: str) -> None:
    action = "ban" if "finding" in second else "drop"
    told = problems(f"{first}, mode: enforce", f"{second}, action: {action}")
    assert not [text for text in told if "never" in text]


def test_rules_about_findings_are_never_asked_either() -> None:
    told = problems(
        "match: {finding: any, severity: medium}, action: ban",
        "match: {finding: portscan, severity: high, source: 203.0.113.9}, action: notify",
    )
    assert "t.yaml:4:3: warning: rule 'r1': is never asked, once that one is enforced" in told[0]


@pytest.mark.parametrize(
    ("rule", "gravity"),
    [
        ("match: {service: ssh}, action: drop, mode: enforce", "error"),
        ("match: everything, action: reject, mode: enforce", "error"),
        ("match: {source: home, time: {days: sat}}, action: drop, mode: enforce", "error"),
        ("match: {service: ssh}, action: drop", "warning"),
    ],
)
def test_a_rule_that_would_cut_the_admin_off_is_told(rule: str, gravity: str) -> None:
    (told,) = problems(rule)
    assert told.startswith(f"t.yaml:3:3: {gravity}: rule 'r0': would cut off the admin")
    assert "192.168.1.5 (port 22 of 192.168.1.1)" in told
    assert (
        problems("match: {source: admin}, action: accept, priority: 1, mode: enforce", rule) == []
    )


@pytest.mark.parametrize(("interface", "is_told"), [("lan", True), ("wan", False)])
def test_the_admin_comes_by_the_interface_that_has_the_address(
    interface: str, is_told: bool
) -> None:
    session = Session("192.168.1.5", "192.168.1.1", interface="lan")
    ruleset = rules(f"match: {{interface: {{in: {interface}}}}}, action: drop, mode: enforce")
    told = [each.kind for each in check(ruleset, replace(FACTS, admins=(session,)), NOON)]
    assert told == (["lock-out"] if is_told else [])


def test_a_default_that_would_cut_the_admin_off_is_told() -> None:
    (told,) = problems("match: {service: http}, action: accept", head="defaults: {input: drop}")
    assert told.startswith("t.yaml:1:19: error: the default of input would cut off the admin")


def test_names_that_nobody_knows_are_told_with_their_place() -> None:
    told = problems(
        "match: {source: {list: worse}, device: [tv, phone]}, action: drop",
        "match: {finding: portscn}, action: [ban, run], run: hok",
        head="objects: {lonely: 10.0.0.1}",
    )
    assert told == [
        "t.yaml:1:11: warning: no rule names the object 'lonely'",
        (
            "t.yaml:3:37: warning: rule 'r0': nothing is known here of the indicator list "
            "'worse'; it means nobody yet"
        ),
        "t.yaml:3:58: warning: rule 'r0': no device is known by device phone; it means nobody yet",
        "t.yaml:4:3: warning: rule 'r1': no detector is called 'portscn'; did you mean 'portscan'?",
        "t.yaml:4:3: warning: rule 'r1': no script is called 'hok'; did you mean 'hook'?",
    ]


def test_explain_names_the_rule_and_why_none_before_it_decided() -> None:
    ruleset = rules(
        "match: {source: {list: bad}}, action: drop, mode: enforce",
        "match: {service: ssh}, action: [log], mode: enforce",
        "match: {service: ssh, not: {source: home}}, action: reject",
        "match: {service: [ssh, https]}, action: accept, mode: enforce",
    )
    traffic = traffic_of("198.51.100.7", "self", "ssh", FACTS)
    assert list(sentences(explain(ruleset, traffic, FACTS, NOON))) == [
        "198.51.100.7 -> 192.168.1.1 is accepted at input: rule 'r3' (t.yaml:6)",
        "If all rules were enforced it would be rejected: rule 'r2' (t.yaml:5)",
        "",
        "- t.yaml:3  r0: source is 198.51.100.7, not list bad",
        "+ t.yaml:4  r1: matches: log, and goes on",
        "+ t.yaml:5  r2: matches, and would reject (dry run)",
        "= t.yaml:6  r3: matches: accept",
    ]
    assert str(traffic_of("tv", "gateway", "53", FACTS).source) == "192.168.1.20"
    both = replace(FACTS, own=(*FACTS.own, ipaddress.ip_network("2001:db8::1")))
    for stranger, here in (("198.51.100.7", "192.168.1.1"), ("2001:db8:9::7", "2001:db8::1")):
        assert str(traffic_of(stranger, "self", "ssh", both).destination) == here
        assert str(traffic_of("self", stranger, "ssh", both).source) == here
    for wrong in ("nobody", "10.0.0.0/8"):
        with pytest.raises(ValueError, match="no device is called so"):
            traffic_of(wrong, "self", "ssh", FACTS)
    with pytest.raises(ValueError, match="no service"):
        traffic_of("tv", "self", "what", FACTS)


TESTED = """
rules:
- {name: scanners, match: {finding: portscan, not: {source: home}}, action: [ban, notify]}
- {name: callers, match: {finding: beaconing}, action: ban}
- {name: ssh, match: {service: ssh, not: {source: home}}, action: [log, drop]}
- {name: hasty, match: {service: https, rate: 5/s}, action: drop}
- {name: work, match: {service: smtp, time: {days: weekend}}, action: reject}
given: {self: 192.168.1.1, home: 192.168.1.0/24, devices: {tv: {address: 192.168.1.20}}}
tests:
- {finding: {detector: portscan, source: 203.0.113.9}, expect: [ban, notify], rule: scanners}
- {finding: {detector: portscan, source: tv}, expect: nothing}
- {finding: {detector: beaconing, source: 203.0.113.9, destination: tv}, expect: ban}
- {traffic: {source: 203.0.113.9, destination: self, service: ssh}, expect: [log, drop], rule: ssh}
- {traffic: {source: tv, destination: self, service: ssh}, expect: nothing}
- {traffic: {source: tv, destination: self, service: ssh}, expect: accept}
- {traffic: {source: tv, destination: 203.0.113.1, service: https}, expect: nothing}
- {traffic: {source: tv, destination: 203.0.113.1, service: https, exceeds: true}, expect: drop}
- traffic: {source: tv, destination: 203.0.113.1, service: smtp}
  expect: reject
  at: 2026-01-10T12:00:00+00:00
"""


def test_tests_in_a_file_are_run() -> None:
    assert [
        str(result) for result in run_tests(join([read_rules(TESTED, "t.yaml")])) if result.why
    ] == []


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("expect: [ban, notify]", "expect: quarantine", "expected quarantine, got ban, notify"),
        ("rule: scanners", "rule: callers", "expected the rule 'callers', got rule 'scanners'"),
        ("source: tv}, expect: nothing", "source: tv}, expect: ban", "expected ban, got accept"),
        ("expect: [log, drop]", "expect: nothing", "expected nothing, got drop, log"),
        ("expect: accept", "expect: drop", "expected drop, got accept"),
        ("exceeds: true}, expect: drop", "exceeds: true}, expect: ban", "expected ban, got drop"),
        ("2026-01-10", "2026-01-09", "expected reject, got accept"),
        ("source: tv}, expect: nothing", "source: radio}, expect: nothing", "'radio' is neither"),
    ],
)
def test_a_test_that_fails_says_what_came_instead(old: str, new: str, why: str) -> None:
    assert TESTED.count(old) >= 1
    changed = TESTED.replace(old, new, 1)
    failed = [result for result in run_tests(join([read_rules(changed, "t.yaml")])) if result.why]
    assert len(failed) == 1
    assert str(failed[0]).startswith("t.yaml:")
    assert why in failed[0].why


def test_files_are_joined_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("rules: [{name: late, match: {service: ssh}, action: drop}]")
    (tmp_path / "a.yml").write_text(
        "objects: {x: 10.0.0.1}\nrules: [{name: early, match: {source: x}, action: drop}]"
    )
    (tmp_path / "notes.txt").write_text("no rules")
    extra = tmp_path / "more" / "c.yaml"
    extra.parent.mkdir()
    extra.write_text("rules: [{name: first, priority: 1, match: {source: x}, action: drop}]")
    names = [rule.name for rule in load([tmp_path, extra]).rules]
    assert names == ["first", "early", "late"]
    extra.write_text(
        "objects: {x: 10.0.0.2}\nrules: [{name: late, match: {source: y}, action: drop}]"
    )
    with pytest.raises(RuleError) as caught:
        load([tmp_path, extra])
    told = str(caught.value)
    assert f"{extra}:1:11: the name 'x' is taken at {tmp_path / 'a.yml'}:1" in told
    assert f"{extra}:2:9: the name 'late' is taken by the rule at {tmp_path / 'b.yaml'}:1" in told
    assert f"{extra}:2:38: 'y': no such object" in told


def test_what_is_written_is_read_as_the_same() -> None:
    file = read_rules(TESTED, "t.yaml")
    again = read_rules(write_file(file), "t.yaml")
    assert (again.rules, again.given, again.tests) == (file.rules, file.given, file.tests)
    ruleset = join([file, read_rules("rules: [{name: o, match: everything, action: log}]", "o")])
    joined = read_rules(dump(ruleset_values(ruleset)), "t.yaml")
    assert joined.rules == ruleset.rules


def test_the_schema_knows_every_key() -> None:
    schema = rule_schema()
    rule = schema["properties"]["rules"]["items"]
    assert rule["required"] == ["name", "match", "action"]
    assert "connections" in rule["properties"]["match"]["anyOf"][1]["properties"]
