"""Packet rules to nft scripts."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.records.decision import Rate
from phage.records.packetrule import (
    Addresses,
    Hook,
    PacketAction,
    PacketRule,
    PacketRules,
    Service,
    SynProxy,
)
from phage.respond.nft.names import RuleSetError
from phage.respond.nft.render import compose, render

FORWARD = frozenset({Hook.FORWARD})
NET = ip_network("192.0.2.0/24")


def rule(action: PacketAction = PacketAction.DROP, **conditions: object) -> PacketRule:
    return PacketRule("a rule", action, FORWARD, **conditions)  # type: ignore[arg-type]


def lines(*rules: PacketRule, **rest: object) -> list[str]:
    """Return the statements of these rules in the chain of forwarded packets."""
    rendering = compose(PacketRules(rules, **rest))  # type: ignore[arg-type]
    chain = next(each for each in rendering.chains if each.name == "rule_a_forward")
    found = []
    for line in chain.lines:
        if line.rule:
            head, _, tail = line.text.partition('counter name "')
            found.append(head + tail.partition('"')[2].strip())
    return found


COMMENT = ' comment "a rule"'


@pytest.mark.parametrize(
    ("conditions", "wanted"),
    [
        ({}, ["drop"]),
        ({"source": Addresses((NET,))}, ["ip saddr 192.0.2.0/24 drop"]),
        ({"source": Addresses((ip_network("0.0.0.0/0"),))}, ["meta nfproto ipv4 drop"]),
        ({"source": Addresses(excluded=(ip_network("0.0.0.0/0"),)), "family": 4}, []),
        (
            {"destination": Addresses(excluded=(NET,))},
            ["ip daddr != 192.0.2.0/24 drop", "meta nfproto ipv6 drop"],
        ),
        ({"source": Addresses((NET,)), "family": 6}, []),
        ({"services": (Service(6, ((80, 80), (81, 90))),)}, ["tcp dport 80-90 drop"]),
        (
            {"services": (Service(6, ((53, 53),)), Service(17, ((53, 53),)))},
            ["meta l4proto { 6, 17 } th dport 53 drop"],
        ),
        (
            {"services": (Service(6, ((80, 80),)), Service(17, ((53, 53),)))},
            ["meta l4proto . th dport { 6 . 80, 17 . 53 } drop"],
        ),
        (
            {"services": (Service(47), Service(1, ((8, 8),)), Service(6, ((22, 22),)))},
            ["meta l4proto 47 drop", "tcp dport 22 drop", "icmp type 8 drop"],
        ),
        ({"services": (Service(6, ((22, 22),)), Service(6))}, ["meta l4proto 6 drop"]),
        ({"source_ports": ((53, 53),)}, ["meta l4proto { 6, 17, 132 } th sport 53 drop"]),
        ({"source_ports": ((53, 53),), "services": (Service(1),)}, []),
        ({"new": True}, ["ct state new drop"]),
        ({"in_interfaces": ("eth1", "eth0")}, ['iifname { "eth0", "eth1" } drop']),
        ({"source_macs": (0x02005E000001,)}, ["ether saddr 02:00:5e:00:00:01 drop"]),
    ],
)
def test_conditions(conditions: dict[str, object], wanted: list[str]) -> None:
    made = rule(PacketAction.DROP, **conditions)
    assert [line.removesuffix(COMMENT) for line in lines(made)] == wanted


@pytest.mark.parametrize(
    ("action", "wanted"),
    [
        (PacketAction.ACCEPT, "accept"),
        (PacketAction.REJECT, "goto rule_a_refuse"),
        (PacketAction.COUNT, ""),
        (
            PacketAction.LOG,
            'limit rate 10/second burst 20 packets log prefix "phage a rule: "',
        ),
    ],
)
def test_actions(action: PacketAction, wanted: str) -> None:
    assert lines(rule(action)) == [f"{wanted}{COMMENT}".strip()]


def test_a_condition_on_several_sets_is_one_look_up() -> None:
    members = tuple(IPv4Network((0x0A000000 + 2 * number, 32)) for number in range(100))
    sets = (("one", members[:60]), ("two", members[50:]))
    condition = Addresses(sets=("one", "two"))
    (text,) = lines(rule(source=condition), sets=sets)
    assert text.startswith("ip saddr @rule_set4_networks_")
    rendering = compose(PacketRules((rule(source=condition),), sets=sets))
    definition = next(each for each in rendering.definitions if each.elements)
    assert len(definition.elements) == 100
    assert definition.body == ("type ipv4_addr",), "single addresses are hashed"


def test_an_empty_set_matches_nothing_and_excludes_nothing() -> None:
    sets = (("empty", ()),)
    assert lines(rule(source=Addresses(sets=("empty",))), sets=sets) == []
    assert lines(rule(source=Addresses(excluded_sets=("empty",))), sets=sets) == [f"drop{COMMENT}"]


def test_what_did_not_change_keeps_its_name() -> None:
    limit = rule(PacketAction.LIMIT, rate=Rate(10), per="source")
    before = compose(PacketRules((limit,)), "a")
    after = compose(PacketRules((replace(limit, name="other", rate=Rate(9)), limit)), "b")
    assert {each.name for each in before.definitions} < {each.name for each in after.definitions}
    assert {each.name for each in before.chains}.isdisjoint(each.name for each in after.chains)


def test_rules_that_are_alike_have_limits_of_their_own() -> None:
    limit = rule(PacketAction.LIMIT, rate=Rate(10))
    rendering = compose(PacketRules((limit, limit)))
    assert len([each for each in rendering.definitions if each.kind == "limit"]) == 2
    assert len(rendering.counters) == 1, "but one name has one counter"


@pytest.mark.parametrize(
    ("faulty", "why"),
    [
        ({"in_interfaces": ('x"; flush ruleset; #',)}, "is not the name of an interface"),
        ({"in_interfaces": ("",)}, "is not the name of an interface"),
        ({"out_interfaces": ("a" * 16,)}, "is not the name of an interface"),
        ({"vlans": (4096,)}, "is not a VLAN id"),
        ({"source_macs": (1 << 48,)}, "is not a MAC"),
        ({"family": 5}, "a family is 4, 6 or 0"),
        ({"services": (Service(256),)}, "is not an IP protocol"),
        ({"services": (Service(6, ((80, 70),)),)}, "is no range of ports"),
        ({"services": (Service(6, ((0, 65536),)),)}, "is no range of ports"),
        ({"services": (Service(1, ((0, 256),)),)}, "is no range of message types"),
        ({"services": (Service(47, ((1, 2),)),)}, "protocol 47 has no ports"),
        ({"source": Addresses(sets=("absent",))}, "there is no set 'absent'"),
        ({"connections": -1}, "connections is out of range"),
        ({"action": PacketAction.LIMIT}, "a limit needs a rate"),
        ({"rate": Rate(0)}, "is out of range"),
        ({"rate": Rate(1, "miles")}, "a rate counts packets, octets or connections"),
        ({"rate": Rate(1, seconds=0)}, "one second to a week"),
        ({"rate": Rate(1), "per": "device"}, "per source or destination"),
    ],
)
def test_what_cannot_be_rendered_is_refused_by_the_rules_name(
    faulty: dict[str, object], why: str
) -> None:
    conditions = {"action": PacketAction.DROP} | faulty
    with pytest.raises(RuleSetError, match=why) as refused:
        render(PacketRules((rule(**conditions),)))  # type: ignore[arg-type]
    assert str(refused.value).startswith("rule 'a rule': ")


def test_a_default_that_decides_nothing_is_refused() -> None:
    with pytest.raises(RuleSetError, match="the default of input is accept, drop or reject"):
        render(PacketRules(defaults=((Hook.INPUT, PacketAction.LOG),)))


def test_two_sets_of_one_name_are_refused() -> None:
    with pytest.raises(RuleSetError, match="there are two sets 'x'"):
        render(PacketRules(sets=(("x", ()), ("x", ()))))


@pytest.mark.parametrize(
    ("proxies", "why"),
    [
        ([SynProxy((), ((80, 80),))], "needs the addresses and ports"),
        ([SynProxy((NET,), ((80, 80),), mss=0)], "cannot promise mss 0"),
        ([SynProxy((NET,), ((80, 80),), window_scale=15)], "window scale 15"),
        (
            [SynProxy((NET,), ((80, 90),)), SynProxy((ip_network("192.0.2.7/32"),), ((85, 85),))],
            "two SYN proxies stand for one service",
        ),
    ],
)
def test_a_syn_proxy_that_cannot_be_is_refused(proxies: list[SynProxy], why: str) -> None:
    with pytest.raises(RuleSetError, match=why):
        render(PacketRules(synproxy=tuple(proxies)))


@given(st.text(), st.text())
def test_names_cannot_leave_their_quotes(name: str, set_name: str) -> None:
    """Whatever a rule is called, each line has the shape that it has for a tame name."""

    def shape(name: str, set_name: str) -> list[int]:
        named = replace(rule(PacketAction.LOG, source=Addresses(sets=(set_name,))), name=name)
        members = tuple(IPv4Network((2 * number, 32)) for number in range(70))
        text = render(PacketRules((named,), sets=((set_name, members),)))
        assert text.isascii()
        assert text.replace("\n", "").replace("\t", "").isprintable()
        return [line.count('"') for line in text.splitlines()]

    assert shape(name, set_name) == shape("tame", "tame")
