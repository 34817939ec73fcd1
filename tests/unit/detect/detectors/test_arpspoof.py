"""Impostors on the link are found; moves, clusters, relays and stacks are not taken for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.detect.detector import Knowledge
from phage.detect.detectors.arpspoof import Arpspoof
from phage.detect.parties import UNSPECIFIED
from phage.records import Finding, Severity
from phage.testing.timeline import Timeline, findings_of
from phage.testing.windows import ROUTER, Endpoint, at, device, device6

if TYPE_CHECKING:
    from phage.records.observation import Value

ATTACKER = device(66)
VICTIM = device(20)
OTHER = device(21)
ROUTER6 = Endpoint("fe80::1", ROUTER.mac, device=0)


def found(timeline: Timeline, knowledge: Knowledge | None = None) -> list[Finding]:
    return findings_of(timeline.windows(), Arpspoof(), knowledge=knowledge)


def talk(timeline: Timeline, host: Endpoint, start: float, end: float, step: float = 20.0) -> None:
    """Let a host ask for the router now and then, and be answered."""
    time = start
    while time < end:
        timeline.arp(time, host, ROUTER.ip)
        timeline.arp(time + 0.01, ROUTER, host.ip, reply_to=host)
        time += step


@pytest.mark.parametrize("gap", [1.0, 2.0, 10.0])
def test_the_router_is_impersonated(gap: float) -> None:
    timeline = Timeline()
    talk(timeline, VICTIM, 0, 100)
    for number in range(12):
        timeline.arp(100 + number * gap, ATTACKER, VICTIM.ip, reply_to=VICTIM, claims=ROUTER.ip)
        timeline.arp(100.1 + number * gap, ATTACKER, ROUTER.ip, reply_to=ROUTER, claims=VICTIM.ip)
    (finding,) = found(timeline)
    assert finding.subject.mac == ATTACKER.mac
    assert finding.severity is Severity.CRITICAL
    assert {peer.ip for peer in finding.peers} == {ROUTER.ip, VICTIM.ip}
    assert finding.first_seen <= at(100 + gap * 3)


def test_poisoning_is_told_within_five_seconds() -> None:
    timeline = Timeline()
    talk(timeline, VICTIM, 0, 100)
    for number in range(30):
        timeline.arp(100 + number, ATTACKER, VICTIM.ip, reply_to=VICTIM, claims=ROUTER.ip)
    early = [window for window in timeline.windows() if window.end <= at(105)]
    assert len(findings_of(early, Arpspoof())) == 1


def test_two_owners_that_both_go_on_are_a_conflict() -> None:
    timeline = Timeline()
    talk(timeline, VICTIM, 0, 200)
    for number in range(10):
        timeline.arp(100 + number * 9, ATTACKER, ROUTER.ip, claims=VICTIM.ip)
        timeline.arp(104 + number * 9, VICTIM, ROUTER.ip)
    (finding,) = found(timeline)
    assert finding.subject.mac == ATTACKER.mac
    assert finding.evidence["kinds"] == ["conflict"]


def test_announcements_to_all_poison_as_well() -> None:
    timeline = Timeline()
    talk(timeline, VICTIM, 0, 160)
    for number in range(60):
        timeline.arp(100 + number, ATTACKER, ROUTER.ip, claims=ROUTER.ip)
    (finding,) = found(timeline)
    assert finding.subject.mac == ATTACKER.mac


def test_neighbour_advertisements_nobody_asked_for() -> None:
    timeline = Timeline()
    for number in range(10):
        timeline.neighbour(number * 10, device6(20), "fe80::1")
        timeline.neighbour(number * 10 + 0.1, ROUTER6, "fe80::1", reply_to=device6(20))
    for number in range(10):
        timeline.neighbour(100 + number * 2, device6(66), "fe80::1", reply_to=device6(20))
    (finding,) = found(timeline)
    assert finding.subject.mac == ATTACKER.mac
    assert finding.peers[0].ip == "fe80::1"


def test_a_storm_of_announcements() -> None:
    timeline = Timeline()
    for number in range(200):
        timeline.arp(1 + number * 0.05, VICTIM, VICTIM.ip)
    (finding,) = found(timeline)
    assert finding.evidence["kinds"] == ["storm"]
    assert finding.severity is Severity.MEDIUM


def offer(
    timeline: Timeline,
    time: float,
    server: Endpoint,
    router: str,
    kind: str = "offer",
    relay: str = "",
) -> None:
    fields: dict[str, Value] = {
        "message_type": kind,
        "server_id": server.ip,
        "router": router,
        "dns_servers": (router,),
        "client_mac": VICTIM.mac,
    }
    if relay:
        fields["relay_ip"] = relay
    timeline.message(time, "dhcp", server, VICTIM, fields, ports=(67, 68))


def test_a_second_dhcp_server() -> None:
    timeline = Timeline()
    offer(timeline, 1, ROUTER, ROUTER.ip)
    talk(timeline, VICTIM, 2, 90)
    offer(timeline, 100, ATTACKER, ATTACKER.ip)
    offer(timeline, 101, ATTACKER, ATTACKER.ip, "ack")
    (finding,) = found(timeline)
    assert finding.subject.mac == ATTACKER.mac
    assert finding.evidence["kinds"] == ["rogue DHCP server"]
    assert finding.severity is Severity.HIGH
    assert ROUTER.mac in finding.summary


def test_many_made_up_dhcp_clients() -> None:
    timeline = Timeline()
    for number in range(200):
        client = Endpoint(UNSPECIFIED, device(1000 + number).mac)
        fields: dict[str, Value] = {"message_type": "discover", "client_mac": client.mac}
        timeline.message(1 + number * 0.02, "dhcp", client, ROUTER, fields, ports=(68, 67))
    (finding,) = found(timeline)
    assert finding.evidence["kinds"] == ["DHCP starver"]


def strangers(timeline: Timeline, begin: float, count: int, step: float) -> None:
    for number in range(count):
        mac = f"02:66:00:00:{number >> 8:02x}:{number & 255:02x}"
        host = Endpoint(f"192.168.7.{number % 250 + 1}", mac, device=0)
        timeline.connect(begin + number * step, host, ROUTER, 80, answer="silent")


def test_addresses_that_are_made_up_by_the_hundred() -> None:
    timeline = Timeline()
    talk(timeline, VICTIM, 0, 1000)
    strangers(timeline, 900, 400, 0.01)
    (finding,) = found(timeline)
    assert finding.evidence["kinds"] == ["MAC flooder"]
    assert "400 MAC addresses that nobody knows within 10 s" in finding.summary


@pytest.mark.parametrize(("begin", "count", "step"), [(0, 400, 0.01), (900, 400, 0.5)])
def test_a_network_that_comes_up_and_a_crowd_that_comes_in(
    begin: float, count: int, step: float
) -> None:
    timeline = Timeline()
    talk(timeline, VICTIM, 0, 1200)
    strangers(timeline, begin, count, step)
    assert not found(timeline)


def advertise(timeline: Timeline, time: float, router: Endpoint, lifetime: int = 1800) -> None:
    fields: dict[str, Value] = {"router_lifetime": lifetime, "prefixes": ("2001:db8:1::/64",)}
    timeline.message(time, "ra", router, Endpoint("ff02::1", "33:33:00:00:00:01"), fields)


def test_a_second_router_that_advertises_itself() -> None:
    timeline = Timeline()
    for number in range(10):
        advertise(timeline, number * 100, ROUTER6)
    advertise(timeline, 950, Endpoint("fe80::66", ATTACKER.mac))
    (finding,) = found(timeline)
    assert finding.evidence["kinds"] == ["rogue router"]
    assert finding.subject.mac == ATTACKER.mac


def test_a_first_router_that_comes_late() -> None:
    timeline = Timeline(learning_until=50)
    talk(timeline, VICTIM, 0, 90)
    advertise(timeline, 95, Endpoint("fe80::66", ATTACKER.mac))
    assert [finding.subject.mac for finding in found(timeline)] == [ATTACKER.mac]


# What is rightful.


def test_a_lease_that_goes_to_another_device_after_silence() -> None:
    timeline = Timeline()
    talk(timeline, VICTIM, 0, 100)
    newcomer = Endpoint(VICTIM.ip, OTHER.mac)
    timeline.arp(2000, newcomer, newcomer.ip)
    talk(timeline, newcomer, 2001, 2300)
    assert found(timeline) == []


def test_a_device_that_changes_its_card() -> None:
    timeline = Timeline()
    talk(timeline, VICTIM, 0, 100)
    card = Endpoint(VICTIM.ip, OTHER.mac)
    for number in range(3):
        timeline.arp(101 + number, card, card.ip)
    talk(timeline, card, 105, 400)
    assert found(timeline) == []


def test_a_virtual_router_that_moves() -> None:
    timeline = Timeline()
    shared = Endpoint("192.168.1.254", "00:00:5e:00:01:0a")
    for number in range(40):
        timeline.arp(number * 2, shared, shared.ip)
        timeline.arp(number * 2 + 1, Endpoint(shared.ip, "00:00:0c:07:ac:01"), shared.ip)
    assert found(timeline) == []


def test_a_cluster_that_fails_over() -> None:
    timeline = Timeline()
    master = Endpoint("192.168.1.200", device(30).mac)
    backup = Endpoint("192.168.1.200", device(31).mac)
    talk(timeline, master, 0, 300)
    for number in range(10):
        timeline.arp(301 + (number // 5) * 5 + number * 0.01, backup, backup.ip)
    talk(timeline, backup, 310, 600)
    assert found(timeline) == []


def test_a_router_that_answers_for_others() -> None:
    timeline = Timeline()
    for number in range(30):
        target = f"192.168.1.{100 + number}"
        timeline.arp(number, VICTIM, target)
        timeline.arp(number + 0.01, ROUTER, VICTIM.ip, reply_to=VICTIM, claims=target)
    assert found(timeline) == []


def test_a_relay_and_a_mesh_router_and_a_replaced_server() -> None:
    timeline = Timeline()
    offer(timeline, 1, ROUTER, ROUTER.ip)
    relay = Endpoint(ROUTER.ip, OTHER.mac)
    offer(timeline, 10, relay, ROUTER.ip, relay=OTHER.ip)
    advertise(timeline, 20, ROUTER6)
    advertise(timeline, 21, Endpoint("fe80::77", OTHER.mac), lifetime=0)
    offer(timeline, 5000, device(40), device(40).ip)
    assert found(timeline) == []


def test_trusted_servers_are_trusted() -> None:
    timeline = Timeline()
    offer(timeline, 1, ROUTER, ROUTER.ip)
    offer(timeline, 2, OTHER, ROUTER.ip)
    knowledge = Knowledge(servers={"dhcp": frozenset({OTHER.ip})})
    assert found(timeline, knowledge) == []
