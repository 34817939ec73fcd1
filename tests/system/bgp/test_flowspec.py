"""FlowSpec rules at real routers: BIRD and GoBGP from Debian."""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from phage.records.decision import Direction, Pattern, Rate, ReceiptState
from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.bgp.conftest import Network

pytestmark = pytest.mark.system

DISCARD = "(generic, 0x80060000, 0x0)"
DNS_ANSWERS = Pattern(protocol=17, source_ports=((53, 53), (100, 123)), lengths=((1000, 65535),))


def wait_for(found: Callable[[], set[str]], wanted: set[str]) -> float:
    """Wait until what is found is as wanted; return the seconds that took."""
    return until(lambda: f"{wanted}, not {found()}", lambda: found() == wanted, pause=0.002)


def test_each_condition_arrives_at_bird_as_it_was_meant(network: Network) -> None:
    network.bird.begin()
    flowspec = network.flowspec(communities=("65535:65281",))
    syn_only = Pattern(protocol=6, ports=((80, 80),), tcp_flags=(0x12, 0x02))
    flags = "tcp flags 0x2/0x2 && 0x0/0x10; }"
    no_flags = Pattern(tcp_flags=(0x3F, 0))
    cases = {
        "f4": (
            (network.ban("203.0.113.8", pattern=DNS_ANSWERS),
             "flow4 { dst 203.0.113.8/32; proto 17; sport 53,100..123; length 1000..65535; }"),
            (network.ban("203.0.113.9", pattern=syn_only),
             "flow4 { dst 203.0.113.9/32; proto 6; dport 80; " + flags),
            (network.ban("198.51.100.0/24", Direction.FROM, pattern=no_flags),
             "flow4 { src 198.51.100.0/24; proto 6; tcp flags 0x0/0x3f; }"),
            (network.ban("203.0.113.10", pattern=Pattern(protocol=17, fragments=True)),
             "flow4 { dst 203.0.113.10/32; proto 17; fragment is_fragment; }"),
        ),
        "f6": (
            (network.ban("2001:db8::/64", Direction.FROM, pattern=syn_only),
             "flow6 { src 2001:db8::/64; next header 6; dport 80; " + flags),
            (network.ban("2001:db8::8", pattern=Pattern(fragments=True, lengths=((1280, 1280),))),
             "flow6 { dst 2001:db8::8/128; length 1280; fragment is_fragment; }"),
            (network.ban("2001:db8:1::/127"), "flow6 { dst 2001:db8:1::/127; }"),
        ),
    }  # fmt: skip
    decisions = [decision for table in cases.values() for decision, _ in table]
    receipts = network.reconcile(flowspec, decisions)
    assert {each.state for each in receipts} == {ReceiptState.APPLIED}
    for table, expected in cases.items():
        wait_for(partial(network.bird.table, table), {text for _, text in expected})
        detail = network.bird.detail(table)
        assert detail.count(DISCARD) == len(expected)
        assert detail.count("BGP.community: (65535,65281)") == len(expected)
    network.revoke(flowspec, *decisions)
    for table in cases:
        wait_for(partial(network.bird.table, table), set())


def test_limits_and_redirects_arrive_at_bird(network: Network) -> None:
    network.bird.begin()
    flowspec = network.flowspec(packet_rates=True)
    octets = network.limit(
        "203.0.113.8", Rate(1_000_000, "octets", 8), DNS_ANSWERS, Direction.TO
    )  # fmt: skip
    packets = network.limit("2001:db8::8", Rate(1000, "packets"), Pattern(), Direction.TO)
    network.reconcile(flowspec, [octets, packets])
    # 125000.0 and 1000.0 as IEEE single-precision numbers.
    wait_for(lambda: {t for t in ("0x47f42400",) if t in network.bird.detail("f4")}, {"0x47f42400"})
    text = "(generic, 0x800c0000, 0x447a0000)"
    wait_for(lambda: {t for t in (text,) if t in network.bird.detail("f6")}, {text})
    network.do(flowspec.close)
    scrubbed = network.flowspec(redirect="65000:100")
    network.reconcile(scrubbed, [network.ban("203.0.113.8")])
    text = "(generic, 0x8008fde8, 0x64)"
    wait_for(lambda: {t for t in (text,) if t in network.bird.detail("f4")}, {text})


def test_the_strictest_of_two_decisions_is_in_force(network: Network) -> None:
    network.bird.begin()
    flowspec = network.flowspec()
    limited = network.limit("203.0.113.8", Rate(125_000, "octets"), Pattern(), Direction.TO)
    banned = network.ban("203.0.113.8")
    network.reconcile(flowspec, [limited])

    def action() -> set[str]:
        detail = network.bird.detail("f4")
        return {text for text in (DISCARD, "0x47f42400") if text in detail}

    wait_for(action, {"0x47f42400"})
    network.apply(flowspec, banned)
    wait_for(action, {DISCARD})
    network.revoke(flowspec, banned)
    wait_for(action, {"0x47f42400"})
    assert len(network.bird.table("f4")) == 1


def test_both_directions_are_two_rules(network: Network) -> None:
    network.bird.begin()
    flowspec = network.flowspec()
    decision = network.ban("203.0.113.8", Direction.BOTH)
    network.reconcile(flowspec, [decision])
    both = {"flow4 { src 203.0.113.8/32; }", "flow4 { dst 203.0.113.8/32; }"}
    wait_for(lambda: network.bird.table("f4"), both)
    network.revoke(flowspec, decision)
    wait_for(lambda: network.bird.table("f4"), set())


def test_blackholes_and_rules_share_one_session(network: Network) -> None:
    network.bird.begin()
    rtbh, flowspec = network.rtbh(), network.flowspec()
    victim = network.ban("203.0.113.8")
    network.reconcile(rtbh, [victim])
    network.reconcile(flowspec, [victim])
    assert rtbh._speaker is flowspec._speaker
    wait_for(lambda: network.bird.table("master4"), {"203.0.113.8/32".ljust(21) + "blackhole"})
    wait_for(lambda: network.bird.table("f4"), {"flow4 { dst 203.0.113.8/32; }"})
    network.do(rtbh.replace, [], 0)
    wait_for(lambda: network.bird.table("master4"), set())
    assert network.bird.table("f4") == {"flow4 { dst 203.0.113.8/32; }"}
    network.do(rtbh.close)
    assert network.apply(flowspec, victim)[0].state is ReceiptState.APPLIED
    other = network.rtbh(hold_s=30)
    (refused,) = network.apply(other, victim)
    assert refused.state is ReceiptState.FAILED
    assert "must be the same" in refused.detail


def test_a_router_without_flowspec_is_told_of(network: Network) -> None:
    network.bird.begin(flows="")
    rtbh, flowspec = network.rtbh(), network.flowspec()
    victim = network.ban("203.0.113.8")
    network.reconcile(rtbh, [victim])
    (receipt,) = network.apply(flowspec, victim)
    assert receipt.state is ReceiptState.FAILED
    assert receipt.detail == "10.78.0.1 does not take ipv4 flow"


def test_gobgp_takes_blackholes_and_rules(network: Network) -> None:
    network.gobgp.begin()
    rtbh, flowspec = network.rtbh(), network.flowspec()
    network.reconcile(rtbh, [network.ban("203.0.113.7"), network.ban("2001:db8::7")])
    rules = [
        network.ban("203.0.113.8", pattern=DNS_ANSWERS),
        network.limit("2001:db8::8", Rate(125_000, "octets"), Pattern(protocol=17), Direction.TO),
    ]
    network.reconcile(flowspec, rules)
    four = "[destination: 203.0.113.8/32][protocol: ==udp][source-port: ==53 >=100&<=123]"
    six = "[destination: 2001:db8::8/128/0][protocol: ==udp]"
    rib = network.gobgp.rib
    wait_for(lambda: set(rib("ipv4")), {"203.0.113.7/32"})
    wait_for(lambda: set(rib("ipv6")), {"2001:db8::7/128"})
    wait_for(lambda: set(rib("ipv4-flowspec")), {f"{four}[packet-length: >=1000&<=65535]"})
    wait_for(lambda: set(rib("ipv6-flowspec")), {six})
    assert 0xFFFF029A in _attribute(rib("ipv4")["203.0.113.7/32"], "communities")
    assert [each["rate"] for each in _attribute(rib("ipv6-flowspec")[six], "value")] == [125_000]
    network.revoke(flowspec, *rules)

    def ribs(family: str) -> set[str]:
        return set(rib(family))

    for family in ("ipv4-flowspec", "ipv6-flowspec"):
        wait_for(partial(ribs, family), set())


def _attribute(paths: list[dict[str, Any]], name: str) -> list[Any]:
    """Return a list in the attributes of a route of GoBGP."""
    for attribute in paths[0]["attrs"]:
        value = attribute.get(name)
        if isinstance(value, list):
            return value
    return []


@pytest.mark.parametrize("version", [4, 6])
def test_from_ban_to_rule(
    network: Network, capsys: pytest.CaptureFixture[str], version: int
) -> None:
    """Prints how long a ban of a pattern takes to become a rule, with 100 in force."""
    network.bird.begin()
    flowspec = network.flowspec()
    victim = {4: "198.51.100.{}", 6: "2001:db8::{:x}"}[version]
    standing = [network.ban(victim.format(n), pattern=DNS_ANSWERS) for n in range(1, 101)]
    network.reconcile(flowspec, standing)
    table = f"f{version}"
    wait_for(lambda: {str(len(network.bird.table(table)))}, {"100"})
    begun, ended = [], []
    for number in range(150, 180):
        decision = network.ban(victim.format(number), pattern=DNS_ANSWERS)
        start = time.monotonic()
        network.apply(flowspec, decision)
        wait_for(lambda: {str(len(network.bird.table(table)))}, {"101"})
        begun.append(time.monotonic() - start)
        start = time.monotonic()
        network.revoke(flowspec, decision)
        wait_for(lambda: {str(len(network.bird.table(table)))}, {"100"})
        ended.append(time.monotonic() - start)
    with capsys.disabled():
        print(  # noqa: T201  A figure.
            f"\nBGP: FlowSpec of IPv{version} to rule at BIRD, 100 in force:"
            f" median {statistics.median(begun) * 1e3:.1f} ms, worst {max(begun) * 1e3:.1f} ms;"
            f" to withdrawal {statistics.median(ended) * 1e3:.1f} ms",
            end="",
        )
