"""Decisions as routes: what they say, and what is refused."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.records.decision import (
    Action,
    Decision,
    Direction,
    Pattern,
    Rate,
    Target,
    TargetKind,
)
from phage.respond.bgp.nlri import (
    Bounds,
    Route,
    UnsuitedError,
    blackhole,
    discard,
    flow,
    flow_conditions,
    limit,
)

WIDE = Bounds(shortest4=8, shortest6=32)
HOSTS = Bounds()
# What a command may be made of; anything else could be a word of ExaBGP's language.
SAFE = re.compile(r"[a-z0-9 .:/=<>&!;{}\[\]-]*")


def ban(value: str, direction: Direction = Direction.TO, **more: Any) -> Decision:
    kind = TargetKind.PREFIX if "/" in value else TargetKind.IP
    return Decision(
        Target(kind, value), **{"action": Action.BAN, "reason": "", "start": 1, **more},
        direction=direction,
    )  # fmt: skip


def hole(decision: Decision, bounds: Bounds = HOSTS, *, source_based: bool = False) -> Route:
    (route,) = blackhole(decision, bounds, lambda v: f"next-hop {v}", source_based=source_based)
    return route


def rules(decision: Decision, bounds: Bounds = WIDE) -> tuple[Route, ...]:
    return flow(decision, bounds, lambda _: discard())


def test_a_victim_is_a_route_of_its_own_length() -> None:
    assert hole(ban("203.0.113.7")).announcement == "announce route 203.0.113.7/32 next-hop 4"
    six = hole(ban("2001:db8::7"))
    assert six.withdrawal == "withdraw route 2001:db8::7/128 next-hop 6"
    assert six.family == "ipv6 unicast"
    assert hole(ban("203.0.113.0/24"), WIDE).nlri == "203.0.113.0/24"


@pytest.mark.parametrize(
    ("decision", "why"),
    [
        (ban("203.0.113.7", action=Action.LIMIT), "cannot limit"),
        (ban("203.0.113.7", action=Action.QUARANTINE), "cannot quarantine"),
        (ban("203.0.113.7", pattern=Pattern(protocol=17)), "only some of them"),
        (ban("203.0.113.7", Direction.FROM), "source_based"),
        (ban("203.0.113.7", Direction.BOTH), "source_based"),
        (ban("203.0.113.0/31"), "shorter than /32"),
        (ban("2001:db8::/64"), "shorter than /128"),
        (ban("0.0.0.1"), "no address of a single host"),
        (ban("127.0.0.1"), "no address of a single host"),
        (ban("224.0.0.251"), "no address of a single host"),
        (ban("255.255.255.255"), "no address of a single host"),
        (ban("::1"), "no address of a single host"),
        (ban("::ffff:192.0.2.1"), "no address of a single host"),
        (ban("fe80::1"), "no address of a single host"),
        (ban("ff02::1"), "no address of a single host"),
        (ban("203.0.113.7/24"), "not an address or a prefix"),
        (ban("; shutdown"), "not an address or a prefix"),
        (ban(""), "not an address or a prefix"),
    ],
)
def test_what_cannot_be_a_blackhole_says_why(decision: Decision, why: str) -> None:
    with pytest.raises(UnsuitedError, match=why):
        hole(decision)


@pytest.mark.parametrize("kind", [TargetKind.MAC, TargetKind.DEVICE, TargetKind.DOMAIN])
def test_only_addresses_are_announced(kind: TargetKind) -> None:
    decision = Decision(Target(kind, "203.0.113.7"), Action.BAN, "", 1, direction=Direction.TO)
    for make in (hole, rules):
        with pytest.raises(UnsuitedError, match=f"no {kind}"):
            make(decision)


def test_a_source_is_announced_where_that_is_set() -> None:
    assert hole(ban("203.0.113.7", Direction.FROM), source_based=True).nlri == "203.0.113.7/32"


def test_only_our_own_victims_are_announced() -> None:
    own = Bounds(within=(ipaddress.ip_network("203.0.113.0/24"), ipaddress.ip_network("fd00::/8")))
    for mine in ("203.0.113.7", "fd00::7"):
        assert mine in hole(ban(mine), own).nlri
    for other in ("198.51.100.7", "2001:db8::7"):
        with pytest.raises(UnsuitedError, match="not in the networks"):
            hole(ban(other), own)
        assert other in hole(ban(other, Direction.FROM), own, source_based=True).nlri


def test_the_sessions_own_ends_are_never_announced() -> None:
    ends = Bounds(shortest4=8, never=(ipaddress.ip_network("192.0.2.1"),))
    for value in ("192.0.2.1", "192.0.2.0/24"):
        with pytest.raises(UnsuitedError, match="an end of the BGP session"):
            rules(ban(value), ends)
    assert rules(ban("192.0.3.0/24"), ends)
    assert rules(ban("2001:db8::1"), ends)


def test_directions_are_ends_of_packets() -> None:
    assert [r.nlri for r in rules(ban("203.0.113.7"))] == ["destination 203.0.113.7/32;"]
    assert [r.nlri for r in rules(ban("203.0.113.7", Direction.FROM))] == ["source 203.0.113.7/32;"]
    assert [r.nlri for r in rules(ban("2001:db8::/64", Direction.BOTH))] == [
        "source 2001:db8::/64;",
        "destination 2001:db8::/64;",
    ]


@pytest.mark.parametrize(
    ("pattern", "version", "conditions"),
    [
        (Pattern(), 4, []),
        (Pattern(protocol=0), 6, ["next-header =0"]),
        (Pattern(protocol=17), 4, ["protocol =17"]),
        (Pattern(ports=((80, 80), (0, 65535))), 4, ["destination-port [ >=0&<=65535 =80 ]"]),
        (Pattern(source_ports=((9, 9), (1, 2), (9, 9))), 4, ["source-port [ >=1&<=2 =9 ]"]),
        (Pattern(lengths=((1000, 1500),)), 4, ["packet-length [ >=1000&<=1500 ]"]),
        (Pattern(fragments=True), 6, ["fragment [ =is-fragment ]"]),
        (Pattern(tcp_flags=(0x12, 0x02)), 4, ["protocol =6", "tcp-flags [ =0x02&!0x10 ]"]),
        (Pattern(tcp_flags=(0x12, 0x12)), 6, ["next-header =6", "tcp-flags [ =0x12 ]"]),
        (Pattern(tcp_flags=(0x3F, 0)), 4, ["protocol =6", "tcp-flags [ !0x3f ]"]),
        (Pattern(tcp_flags=(0, 0)), 4, ["protocol =6"]),
    ],
)
def test_a_pattern_is_its_components(pattern: Pattern, version: int, conditions: list[str]) -> None:
    assert flow_conditions(pattern, version) == conditions


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (Pattern(protocol=256), "no IP protocol"),
        (Pattern(protocol=-1), "no IP protocol"),
        (Pattern(protocol=1, ports=((8, 8),)), "ports of TCP and UDP only"),
        (Pattern(protocol=17, tcp_flags=(2, 2)), "has no TCP flags"),
        (Pattern(tcp_flags=(2, 3)), "can never match"),
        (Pattern(tcp_flags=(256, 0)), "can never match"),
        (Pattern(tcp_flags=(-1, -1)), "can never match"),
        (Pattern(ports=((2, 1),)), "no range"),
        (Pattern(ports=((-1, 1),)), "no range"),
        (Pattern(lengths=((0, 65536),)), "no range"),
        (Pattern(ports=tuple((n, n) for n in range(33))), "33 ranges"),
    ],
)
def test_a_pattern_that_no_rule_can_say_says_why(pattern: Pattern, why: str) -> None:
    with pytest.raises(UnsuitedError, match=why):
        flow_conditions(pattern, 4)


def test_limits_are_octets_or_packets_a_second() -> None:
    assert limit(Rate(1, "octets"), packets=False) == ("rate-limit 1;", 1.0)
    assert limit(Rate(10, "octets", 3), packets=False) == ("rate-limit 4;", 4.0)
    # 1000.0 is 0x447a0000 (IEEE 754).
    assert limit(Rate(1000), packets=True)[0] == "extended-community 0x800c0000447a0000;"
    for rate, why in (
        (None, "needs a rate"),
        (Rate(0, "octets"), "at least 1"),
        (Rate(1, "octets", 0), "at least 1"),
        (Rate(1000), "packet_rates"),
        (Rate(10**400, "octets"), "no router limits"),
        (Rate(5, "connections"), "cannot limit connections"),
        (Rate(5, "}\n"), "cannot limit"),
    ):
        with pytest.raises(UnsuitedError, match=why):
            limit(rate, packets=False)
    with pytest.raises(UnsuitedError, match="no router limits"):
        limit(Rate(10**400), packets=True)


integers = st.integers(-10, 70_000)
ranges = st.lists(st.tuples(integers, integers), max_size=4).map(tuple)


@given(
    st.one_of(st.text(), st.ip_addresses().map(str)),
    st.sampled_from(TargetKind),
    st.sampled_from(Direction),
    st.builds(
        Pattern,
        protocol=st.one_of(st.none(), integers),
        ports=ranges,
        source_ports=ranges,
        tcp_flags=st.one_of(st.none(), st.tuples(integers, integers)),
        lengths=ranges,
        fragments=st.booleans(),
    ),
)
def test_no_text_of_a_decision_gets_into_a_command(
    value: str, kind: TargetKind, direction: Direction, pattern: Pattern
) -> None:
    decision = Decision(
        Target(kind, value), Action.BAN, value, 1, direction=direction, pattern=pattern
    )
    for make in (rules, lambda d: (hole(d, source_based=True),)):
        try:
            routes = make(decision)
        except UnsuitedError:
            continue
        for route in routes:
            assert SAFE.fullmatch(route.announcement)
            assert str(ipaddress.ip_network(value)) in route.announcement
