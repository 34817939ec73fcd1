"""Rule files: what they say as records, and what is wrong with them and where."""

from __future__ import annotations

import ipaddress
import zoneinfo

import pytest

from phage.errors import RuleError
from phage.policy.intent import Duration
from phage.policy.reading.reader import read_rules
from phage.policy.rule import (
    FindingCase,
    Kind,
    Mode,
    Role,
    TimeWindow,
    TrafficCase,
    Verb,
    Way,
)
from phage.records.decision import Direction, Pattern, Rate
from phage.records.finding import Severity
from phage.records.packetrule import Hook, PacketAction, Service

COMPLETE = """\
version: 1
zone: Europe/Paris

objects:
  office:  [198.51.100.0/28, "2001:db8:1::/48"]
  cameras: {category: ip-camera, not: 192.168.1.9}
  trusted: [office, cameras, 192.0.2.10-192.0.2.13]
  pages:   {service: [tcp/80, tcp/443, udp/443]}
  night:   {time: {days: [mon-fri], from: "22:00", to: "06:00"}}

defaults: {input: accept, forward: drop}

rules:
  - name: Known bad hosts
    priority: 10
    comment: From the enabled lists.
    match: {source: {list: spamhaus-drop, confidence: 80}}
    action: [log, drop]
    mode: enforce
  - name: Cameras stay at home
    match: {source: cameras, destination: internet, time: night, direction: out, vlan: 20}
    action: reject
    scope: {hooks: [forward]}
  - name: Printer for guests only by web
    match: {mac: 02-00-5E-00-53-01, not: {service: pages, country: [de, FR]}}
    action: drop
  - name: Slow down logins
    match: {service: ssh, interface: {in: eth0}, rate: 10 connections/minute}
    action: drop
  - name: Crowds
    match: {destination: self, connections: 50}
    action: drop
  - name: Pings
    match: {protocol: icmp, source_port: 1}
    action: limit
    rate: 5/s
    per: all
  - name: Guessing passwords
    match: {finding: bruteforce, severity: high, score: 0.8, not: {source: office}}
    action: [ban, notify, run]
    for: {first: 10m, times: 4, longest: 7d}
    notify: mail
    run: [block.sh]
    scope: {responders: nftables}
  - name: Floods with forged sources
    match: {finding: [synflood, any]}
    action: limit
    rate: 8 Mbit/s
    target: victim
    packets: to
    pattern: {protocol: udp, source_port: [123, 53], length: 468-1500, fragments: true}

given:
  self: 192.168.1.1
  home: 192.168.1.0/24
  devices: {tv: {address: 192.168.1.20, category: television, label: [living, children]}}
  lists: {spamhaus-drop: [203.0.113.0/24]}
  as: {AS64496: 192.0.2.0/24}

tests:
  - traffic: {source: 203.0.113.9, destination: self, service: ssh}
    expect: drop
    rule: Known bad hosts
    at: 2026-11-20T23:00:00+01:00
  - finding: {detector: bruteforce, source: 203.0.113.9, service: tcp/22}
    expect: [ban, notify, run]
  - traffic: {source: tv, destination: 192.0.2.1, protocol: udp, port: 53}
    expect: nothing
"""


def test_a_complete_file_is_read() -> None:
    file = read_rules(COMPLETE, "home.yaml")
    rules = {rule.name: rule for rule in file.rules}
    assert file.zone == zoneinfo.ZoneInfo("Europe/Paris")
    assert file.objects["night"].times == (TimeWindow(frozenset(range(5)), 22 * 3600, 6 * 3600),)
    assert [item.value for item in file.objects["trusted"].parties[0].all_of[0]] == [
        "office",
        "cameras",
        "192.0.2.10/31",
        "192.0.2.12/31",
    ]
    assert file.defaults[Hook.FORWARD][0] is PacketAction.DROP
    bad = rules["Known bad hosts"]
    assert (bad.priority, bad.mode, bad.actions) == (10, Mode.ENFORCE, (Verb.LOG, Verb.DROP))
    assert bad.match.source[0].all_of[0][0].confidence == 80
    assert str(bad.place) == "home.yaml:14:5"
    cameras = rules["Cameras stay at home"]
    assert cameras.mode is Mode.DRY_RUN
    assert cameras.match.ways == {Way.OUT}
    assert cameras.match.vlans == (20,)
    assert cameras.hooks == {Hook.FORWARD}
    printer = rules["Printer for guests only by web"].match
    assert printer.near[0].all_of[0][0].value == "02:00:5e:00:53:01"
    assert printer.excluded is not None
    assert [item.value for item in printer.excluded.far[0].all_of[0]] == ["DE", "FR"]
    logins = rules["Slow down logins"].match
    assert logins.rate == Rate(10, "connections", 60)
    assert logins.per == "source"
    assert logins.services == (Service(6, ((22, 22),)),)
    assert rules["Crowds"].match.connections == 50
    assert rules["Pings"].per == ""
    guessing = rules["Guessing passwords"]
    assert guessing.match.severity is Severity.HIGH
    assert guessing.duration == Duration(600.0, 4.0, 7 * 86_400.0)
    assert (guessing.notify, guessing.run) == (("mail",), ("block.sh",))
    assert guessing.responders == ("nftables",)
    flood = rules["Floods with forged sources"]
    assert flood.match.findings == ("any",)
    assert flood.rate == Rate(1_000_000, "octets", 1)
    assert (flood.target, flood.packets) == (Role.VICTIM, Direction.TO)
    assert flood.pattern == Pattern(
        17, source_ports=((123, 123), (53, 53)), lengths=((468, 1500),), fragments=True
    )
    assert file.given.sets[Kind.AS, "64496"] == (ipaddress.ip_network("192.0.2.0/24"),)
    assert file.given.devices[0].labels == ("living", "children")
    first, second, third = file.tests
    assert first.case == TrafficCase("203.0.113.9", "self", 6, 22)
    assert isinstance(second.case, FindingCase)
    assert second.expect == (Verb.BAN, Verb.NOTIFY, Verb.RUN)
    assert third.expect == ()


def rule(text: str) -> str:
    return f"rules:\n  - {{name: x, {text}}}\n"


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("rules: 5\n", "1:8", "must be keys and values"),
        ("rulez: []\n", "1:1", "no such key; did you mean 'rules'"),
        ("version: 2\n", "1:10", "whole number from 1 to 1"),
        ("zone: Mars/Base\n", "1:7", "no time zone"),
        ("zone: ../../etc/passwd\n", "1:7", "no time zone"),
        ("a: &x 1\nb: *x\n", "1:4", "anchors and aliases"),
        ("rules: [\n", "2:1", "is not YAML"),
        (rule("match: {source: 10.0.0.1}"), "2:5", "has no `action`"),
        (rule("action: drop"), "2:5", "match: everything"),
        (rule("match: {}, action: drop"), "2:22", "is empty"),
        (rule("match: , action: drop"), "2:22", "must be conditions"),
        (rule("match: all, action: drop"), "2:22", "`everything`"),
        (rule("match: {sorce: 10.0.0.1}, action: drop"), "2:23", "did you mean 'source'"),
        (rule("match: {source: 10.1.2.3/8}, action: drop"), "2:31", "write 10.0.0.0/8"),
        (rule("match: {source: []}, action: drop"), "2:31", "empty list"),
        (rule("match: {source: {}}, action: drop"), "2:31", "says nothing"),
        (rule("match: {port: 70000}, action: drop"), "2:29", "up to 65535"),
        (rule("match: {protocol: icmp, port: 1}, action: drop"), "2:45", "have ports"),
        (rule("match: {service: ssh, port: 1}, action: drop"), "2:43", "use one of them"),
        (rule("match: {confidence: 5}, action: drop"), "2:35", "belongs beside `list`"),
        (rule("match: {country: DEU}, action: drop"), "2:32", "two letters"),
        (rule("match: {as: 0}, action: drop"), "2:27", "no autonomous system"),
        (rule("match: {country: DE, list: x}, action: drop"), "2:32", "cannot stand beside"),
        (
            rule("match: {device: a, source: self, destination: home}, action: drop"),
            "2:31",
            "both sides are said",
        ),
        (rule("match: {source: home}, action: dorp"), "2:46", "did you mean 'drop'"),
        (rule("match: {source: home}, action: [drop, accept]"), "2:53", "exclude each other"),
        (rule("match: {source: home}, action: limit"), "2:46", "needs a `rate`"),
        (rule("match: {source: home}, action: drop, rate: 5/s"), "2:58", "belongs to the action"),
        (rule("match: {source: home}, action: ban"), "2:46", "packets are dropped"),
        (rule("match: {source: home}, action: notify"), "2:46", "needs a `finding`"),
        (rule("match: {finding: any}, action: drop"), "2:46", "`action: ban`"),
        (rule("match: {finding: any, vlan: 5}, action: ban"), "2:22", "no vlan"),
        (rule("match: {finding: any}, action: ban, for: for ever"), "2:56", "must be a time"),
        (rule("match: {finding: any}, action: ban, for: 9999d"), "2:56", "must be from"),
        (rule("match: {finding: any}, action: run"), "2:46", "the name of a script"),
        (rule("match: {finding: any}, action: notify, for: 5m"), "2:59", "or run"),
        (rule("match: {source: home, rate: 0/s}, action: drop"), "2:43", "out of range"),
        (rule("match: {source: home, rate: 5 G/s}, action: drop"), "2:43", "out of range"),
        (rule("match: {interface: 'eth*'}, action: drop"), "2:34", "whole names"),
        (rule("match: {time: {from: '22:00', to: '22:00'}}, action: drop"), "2:29", "never hold"),
        (rule("match: {time: {days: caturday}}, action: drop"), "2:36", "no day"),
        ("objects: {self: 10.0.0.1}\n", "1:11", "known already"),
        ("objects: {ssh: {service: tcp/22}}\n", "1:11", "is a service already"),
        ("tests: [{expect: drop}]\n", "1:9", "either `traffic` or `finding`"),
        ("defaults: {input: log}\n", "1:19", "none of them"),
    ],
)
def test_a_fault_is_told_with_its_place_and_what_to_do(text: str, place: str, says: str) -> None:
    with pytest.raises(RuleError) as caught:
        read_rules(text, "f.yaml")
    first = str(caught.value).splitlines()[0]
    assert first.startswith(f"f.yaml:{place}: ")
    assert says in first
    assert f"{caught.value.line}:{caught.value.column}" == place
    assert caught.value.file == "f.yaml"


def test_all_faults_are_told_at_once_up_to_a_number() -> None:
    lines = "".join(f"  - {{name: r{number}}}\n" for number in range(50))
    with pytest.raises(RuleError) as caught:
        read_rules(f"rules:\n{lines}", "f.yaml")
    told = str(caught.value).splitlines()
    assert len(told) == 21
    assert told[4].startswith("f.yaml:6:5: has no `match`")


def test_an_empty_file_says_nothing() -> None:
    assert read_rules("", "f.yaml").rules == ()
    assert read_rules("rules:\nobjects:\n", "f.yaml").rules == ()
