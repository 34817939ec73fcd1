"""Rules about packets: what they mean, and that their compilation means the same."""

from __future__ import annotations

import datetime
import ipaddress
import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from phage.errors import RuleError
from phage.policy.compile import compile_rules, next_change, set_terms
from phage.policy.evaluate import Traffic, evaluate
from phage.policy.facts import Device, Listed, StaticFacts
from phage.policy.meaning.matching import Party
from phage.policy.reading.reader import read_rules
from phage.policy.rule import Kind
from phage.policy.ruleset import RuleSet, join
from phage.records.address import parse_mac
from phage.records.packetrule import Hook, PacketAction, PacketRule, PacketRules

if TYPE_CHECKING:
    from phage.records.packetrule import Addresses

WEDNESDAY = datetime.datetime(2026, 1, 7, 12, tzinfo=datetime.UTC)
NOON = int(WEDNESDAY.timestamp()) * 1_000_000_000
HOUR = 3600 * 1_000_000_000


def networks(*texts: str) -> tuple[Any, ...]:
    return tuple(map(ipaddress.ip_network, texts))


FACTS = StaticFacts(
    own=networks("192.168.1.1", "fd00::1"),
    home=networks("192.168.1.0/24", "fd00::/64"),
    gateways=networks("192.168.1.254"),
    inventory=(
        Device(
            "tv", ("192.168.1.20", "fd00::20"), "02:00:5e:00:53:20", "tv", frozenset({"children"})
        ),
        Device(
            "cam",
            ("192.168.1.30",),
            "02:00:5e:00:53:30",
            "camera",
            software=("cpe:2.3:a:boa:boa:0.94:*:*:*:*:*:*:*",),
        ),
        Device("tablet", ("192.168.1.40",), "02:00:5e:00:53:40", "tablet", frozenset({"children"})),
    ),
    sets={
        (Kind.LIST, "bad"): (
            *networks("203.0.113.0/25"),
            Listed(ipaddress.ip_network("203.0.113.128/25"), 30),
        ),
        (Kind.COUNTRY, "DE"): networks("198.51.100.0/24", "2001:db8:1::/48"),
        (Kind.AS, "64496"): networks("203.0.113.0/24"),
        (Kind.DOMAIN, "ads.example"): networks("198.51.100.7"),
    },
)


def ruleset(text: str) -> RuleSet:
    return join([read_rules(text, "t.yaml")])


def one(match: str, action: str = "drop", more: str = "") -> RuleSet:
    return ruleset(f"rules: [{{name: r, mode: enforce, match: {match}, action: {action}{more}}}]")


def compiled(rules: RuleSet, now: int = NOON) -> PacketRules:
    return compile_rules(rules, FACTS, now)


# The meaning of packet rules, read from the record's documentation alone.


def meets(addresses: Addresses, address: Any, sets: dict[str, tuple[Any, ...]]) -> bool:
    wanted = [*addresses.networks, *(item for name in addresses.sets for item in sets[name])]
    unwanted = [
        *addresses.excluded,
        *(item for name in addresses.excluded_sets for item in sets[name]),
    ]
    is_wanted = not (addresses.networks or addresses.sets) or any(address in net for net in wanted)
    return is_wanted and not any(address in net for net in unwanted)


def holds(rule: PacketRule, packet: Traffic, hook: Hook, sets: dict[str, tuple[Any, ...]]) -> bool:
    service = not rule.services or any(
        item.protocol == packet.protocol
        and (not item.ports or any(low <= (packet.port or 0) <= high for low, high in item.ports))
        for item in rule.services
    )
    ports = not rule.source_ports or (
        packet.protocol in {6, 17, 132}
        and any(low <= (packet.source_port or 0) <= high for low, high in rule.source_ports)
    )
    return (
        hook in rule.hooks
        and service
        and ports
        and meets(rule.source, packet.source.address, sets)
        and meets(rule.destination, packet.destination.address, sets)
        and (not rule.source_macs or parse_mac(packet.source.mac) in rule.source_macs)
        and (not rule.in_interfaces or packet.in_interface in rule.in_interfaces)
        and (not rule.out_interfaces or packet.out_interface in rule.out_interfaces)
        and (not rule.vlans or packet.vlan in rule.vlans)
        and (not rule.connections or packet.connections > rule.connections)
    )


def fate(rules: PacketRules, packet: Traffic, hook: Hook) -> tuple[PacketAction, str]:
    sets = dict(rules.sets)
    for rule in rules.rules:
        if not holds(rule, packet, hook, sets):
            continue
        if rule.action is PacketAction.LIMIT and packet.exceeds:
            return PacketAction.DROP, rule.name
        if rule.action in {PacketAction.ACCEPT, PacketAction.DROP, PacketAction.REJECT}:
            return rule.action, rule.name
    return dict(rules.defaults).get(hook, PacketAction.ACCEPT), ""


PARTIES: tuple[Any, ...] = (
    "192.168.1.20",
    "192.168.1.0/25",
    "203.0.113.0/24",
    "fd00::/64",
    "self",
    "home",
    "internet",
    "gateway",
    "grp",
    "odd",
    ["cams", "internet"],
    {"device": "tv"},
    {"label": "children", "category": ["tv", "camera"]},
    {"mac": "02:00:5e:00:53:20"},
    {"country": "DE"},
    {"list": "bad", "confidence": 50},
    {"list": "any"},
    {"as": 64496, "not": "203.0.113.9"},
    {"domain": "ads.example"},
    {"not": ["192.168.1.30", {"list": "bad"}]},
)
OBJECTS = {
    "grp": ["192.168.1.20", "198.51.100.0/25", "cams"],
    "cams": {"category": "camera"},
    "odd": [{"address": "home", "not": "self"}, "203.0.113.77"],
    "svc": {"service": ["tcp/80-90", "udp/53"]},
    "day": {"time": {"from": "08:00", "to": "20:00"}},
    "night": {"time": {"from": "20:00", "to": "08:00"}},
}
SERVICES: tuple[Any, ...] = ("ssh", "tcp/1-1000", "udp", "icmp", ["svc", "icmp/8"], "dns")
ADDRESSES = (
    "192.168.1.1",
    "192.168.1.20",
    "192.168.1.30",
    "192.168.1.40",
    "192.168.1.99",
    "192.168.1.254",
    "203.0.113.9",
    "203.0.113.77",
    "203.0.113.200",
    "198.51.100.7",
    "198.51.100.200",
    "8.8.8.8",
    "224.0.0.251",
)
ADDRESSES6 = ("fd00::1", "fd00::20", "fd00::99", "2001:db8:1::5", "2001:db8:2::5", "ff02::fb")


NEAR = (
    {"device": "tv"},
    {"label": "children"},
    {"category": "camera"},
    {"software": "boa < 1"},
)
OPTIONS: tuple[tuple[float, tuple[dict[str, Any], ...]], ...] = (
    (0.5, tuple({"service": service} for service in SERVICES)),
    (0.2, ({"source_port": "1024-40000"},)),
    (
        0.3,
        tuple({"direction": way} for way in ("in", "out", "inside", "forward", ["in", "forward"])),
    ),
    (0.2, tuple({"interface": name} for name in ("eth0", {"in": "eth0"}, {"out": ["eth1"]}))),
    (0.15, ({"vlan": 20}, {"vlan": [10, 20]})),
    (0.3, ({"time": "day"}, {"time": "night"})),
    (0.1, ({"connections": 10},)),
    (
        0.4,
        tuple(
            {"not": conditions}
            for conditions in (
                {"source": "192.168.1.20"},
                {"country": "DE"},
                {"service": ["ssh", "icmp"]},
                {"device": "cam", "port": 80},
                {"time": "night"},
                {"destination": ["self", "gateway"], "list": "bad"},
            )
        ),
    ),
)
"""Conditions beside the parties, and how often they are there."""


def random_parties(dice: random.Random) -> dict[str, Any]:
    sides = ("source", "destination")
    if dice.random() < 0.6:
        return {side: dice.choice(PARTIES) for side in sides if dice.random() < 0.6}
    other: tuple[dict[str, Any], ...] = (
        {"country": "DE"},
        {"list": "bad"},
        {dice.choice(sides): dice.choice(PARTIES)},
        {},
    )
    return dice.choice(NEAR) | dice.choice(other)


def random_match(dice: random.Random) -> dict[str, Any] | str:
    match = random_parties(dice)
    for share, choices in OPTIONS:
        if dice.random() < share:
            match |= dice.choice(choices)
    return match or "everything"


def random_rules(dice: random.Random) -> dict[str, Any]:
    rules = []
    for number in range(dice.randrange(1, 8)):
        action = dice.choice(["accept", "drop", "reject", ["log", "drop"], "limit", "quarantine"])
        rule = {
            "name": f"r{number}",
            "match": random_match(dice),
            "action": action,
            "mode": dice.choice(["enforce", "enforce", "dry-run", "off"]),
            "priority": dice.choice([1, 1, 2]),
        }
        if action == "limit":
            rule["rate"] = "10/s"
        rules.append(rule)
    defaults = {hook: dice.choice(["accept", "drop"]) for hook in ("input", "forward", "output")}
    return {"objects": OBJECTS, "defaults": defaults, "rules": rules}


def random_packet(dice: random.Random) -> Traffic:
    pool = ADDRESSES6 if dice.random() < 0.25 else ADDRESSES
    source, destination = dice.choice(pool), dice.choice(pool)
    protocol = dice.choice([6, 6, 17, 1, 47])
    own = [str(item.network_address) for item in FACTS.own]
    device = FACTS.device_of(source, "")
    port = {1: dice.choice([0, 8]), 47: None}.get(
        protocol, dice.choice([22, 53, 80, 85, 443, 5000])
    )
    is_out, is_in = source in own, destination in own
    return Traffic(
        Party(source, device.mac if device else "02:00:5e:00:53:fe"),
        Party(destination),
        protocol,
        port,
        source_port=dice.choice([53, 30_000, 50_000]) if protocol in {6, 17} else None,
        in_interface="" if is_out and not is_in else dice.choice(["eth0", "eth1"]),
        out_interface="" if is_in else dice.choice(["eth0", "eth1"]),
        vlan=dice.choice([0, 20]),
        connections=dice.choice([1, 50]),
        exceeds=dice.random() < 0.5,
    )


@pytest.mark.parametrize("seed", range(8))
def test_compiled_rules_mean_what_the_rules_say(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(25):
        written = random_rules(dice)
        rules = ruleset(json.dumps(written))
        now = NOON + dice.randrange(24) * HOUR
        packets = compiled(rules, now)
        for _ in range(40):
            packet = random_packet(dice)
            said = evaluate(rules, packet, FACTS, now)
            got = fate(packets, packet, said.hook)
            # A MAC address is only seen of what comes in.
            assert got == (said.action, said.rule.name if said.rule else ""), (written, packet)


def test_what_nobody_can_match_is_left_out_and_never_widened() -> None:
    for match in (
        "{source: admin}",
        "{source: {address: 10.0.0.0/8, not: 10.0.0.0/8}}",
        "{source: self, direction: in}",
        "{source: 192.0.2.1, destination: '2001:db8::1'}",
        "{service: ssh, not: {service: tcp}}",
        "{time: {from: '20:00', to: '21:00'}}",
        "{source_port: 5, service: icmp}",
    ):
        assert compiled(one(match)).rules == ()


def test_names_become_sets_and_their_members_stand_beside_the_rules() -> None:
    rules = one("{source: {list: bad, confidence: 50}, destination: {category: camera}}")
    made = compiled(rules)
    (rule,) = made.rules
    sets = dict(made.sets)
    assert sets[rule.source.sets[0]] == networks("203.0.113.0/25")
    assert sets[rule.destination.sets[0]] == networks("192.168.1.30/32")
    terms = set_terms(rules)
    assert terms.keys() == sets.keys()
    assert str(terms[rule.source.sets[0]]) == "list bad (confidence 50)"
    assert all(name.isidentifier() and name.islower() for name in sets)


def test_a_set_without_members_stands_there_empty() -> None:
    (name, members) = compiled(one("{source: {list: unheard-of}}")).sets[0]
    assert name.startswith("list_unheard_of_")
    assert members == ()


def test_a_rule_in_dry_run_only_counts_and_one_that_is_off_does_not_even() -> None:
    text = (
        "rules: [{name: a, match: {service: ssh}, action: drop}, "
        "{name: b, mode: off, match: everything, action: drop}]"
    )
    (rule,) = compiled(ruleset(text)).rules
    assert (rule.name, rule.action) == ("a", PacketAction.COUNT)


def test_more_than_a_rate_is_dropped_by_a_limit() -> None:
    (rule,) = compiled(one("{service: ssh, rate: 10 connections/min, per: destination}")).rules
    assert rule.action is PacketAction.LIMIT
    assert rule.rate is not None
    assert (rule.rate.count, rule.rate.unit, rule.rate.seconds) == (10, "connections", 60)
    assert rule.per == "destination"


def test_quarantine_leaves_the_lifelines() -> None:
    rules = one("{device: cam}", "quarantine")
    cam, router = Party("192.168.1.30"), Party("192.168.1.254")

    def sent(to: Party, protocol: int, port: int) -> PacketAction:
        return evaluate(rules, Traffic(cam, to, protocol, port), FACTS, NOON).action

    assert sent(router, 17, 53) is PacketAction.ACCEPT
    assert sent(router, 1, 8) is PacketAction.ACCEPT
    assert sent(Party("255.255.255.255"), 17, 67) is PacketAction.ACCEPT
    assert sent(router, 6, 80) is PacketAction.DROP
    assert sent(Party("8.8.8.8"), 17, 53) is PacketAction.DROP


def test_the_allow_list_passes_before_any_rule() -> None:
    facts = StaticFacts(protected=networks("203.0.113.9"))
    packet = Traffic(Party("203.0.113.9"), Party("192.168.1.1"), 6, 22)
    rules = one("everything")
    verdict = evaluate(rules, packet, facts, NOON)
    assert verdict.action is PacketAction.ACCEPT
    assert verdict.why == "203.0.113.9/32 is on the allow-list, which comes first"
    assert compile_rules(rules, facts, NOON).protect == networks("203.0.113.9/32")


def test_the_next_change_is_when_a_window_opens_or_closes() -> None:
    rules = one("{time: {days: mon-fri, from: '22:00', to: '06:00', zone: Europe/Paris}}")
    friday = datetime.datetime(2026, 1, 9, 22, 30, tzinfo=datetime.UTC)
    now = int(friday.timestamp()) * 1_000_000_000
    closes = next_change(rules, now)
    assert closes == now + 6 * HOUR + HOUR // 2  # Saturday, 06:00 in Paris.
    assert compiled(rules, closes - 1).rules
    assert not compiled(rules, closes).rules
    opens = next_change(rules, closes)
    assert opens == closes + (2 * 24 + 16) * HOUR  # Monday, 22:00.
    assert compiled(rules, opens).rules
    assert next_change(one("everything"), now) is None
    assert next_change(one("{time: {days: mon-sun}}"), now) is None


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2026-03-28", 23),  # Clocks go forward in the night to the 29th.
        ("2026-10-24", 25),
        ("2026-06-10", 24),
    ],
)
def test_a_day_has_the_hours_that_its_zone_gives_it(day: str, hours: int) -> None:
    zone = "Europe/Paris"
    rules = one(f"{{time: {{from: '12:00', to: '12:01', zone: {zone}}}}}")
    noon = datetime.datetime.fromisoformat(f"{day}T11:30:00+00:00")
    start = int(noon.timestamp()) * 1_000_000_000
    first = next_change(rules, start)
    if first is not None and not compiled(rules, first).rules:
        first = next_change(rules, first)
    assert first is not None
    second = next_change(rules, first)
    assert second is not None
    third = next_change(rules, second)
    assert third is not None
    assert second - first == 60 * 1_000_000_000
    assert (third - first) // HOUR in {hours, 24}


@pytest.mark.parametrize("start", ["2026-03-28T12:00", "2026-10-24T12:00"])
def test_no_edge_is_missed_where_the_clock_is_changed(start: str) -> None:
    rules = one("{time: {from: '02:15', to: '02:45', zone: Europe/Paris}}")
    begin = int(datetime.datetime.fromisoformat(f"{start}+00:00").timestamp()) * 1_000_000_000
    minute = 60 * 1_000_000_000
    states = [bool(compiled(rules, begin + step * minute).rules) for step in range(24 * 60)]
    seen = [
        begin + step * minute for step in range(1, len(states)) if states[step] != states[step - 1]
    ]
    told, now = [], begin
    while (edge := next_change(rules, now)) is not None and edge < begin + 24 * HOUR:
        told.append(edge)
        now = edge
    assert told == seen


def test_a_service_is_answered_for_with_cookies() -> None:
    rules = one(
        "{destination: [192.0.2.10, 2001:db8::10], service: [https, tcp/8000-8001]}", "synproxy"
    )
    (proxy,) = compiled(rules).synproxy
    assert proxy.services == networks("192.0.2.10/32", "2001:db8::10/128")
    assert proxy.ports == ((443, 443), (8000, 8001))
    assert compiled(rules).rules == ()


@pytest.mark.parametrize(
    "text",
    [
        "mode: dry-run, match: {destination: 192.0.2.10, service: https}",
        "mode: enforce, match: {destination: {list: bad}, service: https}",
        "mode: enforce, match: {destination: 192.0.2.10, service: udp/443}",
    ],
)
def test_nothing_is_answered_for_in_dry_run_or_without_addresses_and_ports(text: str) -> None:
    rules = ruleset(f"rules: [{{name: r, {text}, action: synproxy}}]")
    assert compiled(rules).synproxy == ()


@pytest.mark.parametrize("match", ["{finding: any}", "{destination: 192.0.2.10}", "everything"])
def test_a_proxy_needs_a_service(match: str) -> None:
    with pytest.raises(RuleError, match="synproxy"):
        one(match, "synproxy")
