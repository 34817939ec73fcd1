"""Scans of every kind are found once, and busy but honest hosts are not."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Literal

import pytest

from phage.detect.detectors.portscan import Portscan
from phage.detect.parties import UNSPECIFIED
from phage.testing.timeline import Answer, Timeline, findings_of
from phage.testing.windows import ROUTER, Endpoint, at, device, device6, remote, remote6

if TYPE_CHECKING:
    from phage.records import Finding

SCANNER = device(7)
VICTIM = device(20)


def found(timeline: Timeline) -> list[Finding]:
    return findings_of(timeline.windows(), Portscan())


def one(timeline: Timeline) -> Finding:
    findings = found(timeline)
    assert [finding.detector for finding in findings] == ["portscan"]
    return findings[0]


@pytest.mark.parametrize("answer", ["refused", "silent", "stealth", "stealth refused"])
@pytest.mark.parametrize("gap", [0.005, 0.1])
def test_many_ports_of_one_host(answer: Answer, gap: float) -> None:
    timeline = Timeline()
    for number in range(200):
        timeline.connect(1 + number * gap, SCANNER, VICTIM, number + 1, answer=answer)
    finding = one(timeline)
    assert finding.subject.mac == SCANNER.mac
    assert [peer.ip for peer in finding.peers] == [VICTIM.ip]
    assert finding.evidence["services"] == 200
    assert finding.severity.rank >= 3
    assert "200 ports of 192.168.1.22" in finding.summary


@pytest.mark.parametrize("answer", ["refused", "silent"])
def test_a_scan_is_told_within_five_seconds_of_its_first_packet(answer: Answer) -> None:
    timeline = Timeline()
    for number in range(1000):
        timeline.connect(1 + number * 0.02, SCANNER, VICTIM, number + 1, answer=answer)
    detector = Portscan()
    early = [window for window in timeline.windows() if window.end <= at(6)]
    assert len(findings_of(early, detector)) == 1


def test_many_ports_of_one_host_by_ipv6() -> None:
    timeline = Timeline()
    for number in range(60):
        timeline.connect(1 + number * 0.1, device6(7), device6(20), number + 1, answer="refused")
    finding = one(timeline)
    assert finding.subject.mac == SCANNER.mac
    assert finding.peers[0].ip == device6(20).ip


def test_a_connect_scan_that_finds_open_ports_names_them() -> None:
    timeline = Timeline()
    for number in range(100):
        answer: Answer = "open" if number + 1 in {22, 80} else "refused"
        timeline.connect(
            1 + number * 0.05, SCANNER, VICTIM, number + 1, answer=answer, payload=(0, 0)
        )
    finding = one(timeline)
    assert finding.evidence["answered"] == ["192.168.1.22 tcp/22", "192.168.1.22 tcp/80"]
    assert not finding.spoofable


@pytest.mark.parametrize("pause", [0.0002, 0.05])
def test_who_completes_handshakes_is_nobodys_invention(pause: float) -> None:
    timeline = Timeline()
    for number in range(100):
        answer: Answer = "open" if number + 1 in {22, 80} else "refused"
        timeline.connect(
            1 + number * pause, remote(5), VICTIM, number + 1, answer=answer, payload=(0, 0)
        )
    timeline.connect(8, device(3), remote(1), 443)
    assert not one(timeline).spoofable


@pytest.mark.parametrize("pause", [0.0002, 0.05])
def test_answers_to_a_forged_source_are_no_evidence_against_it(pause: float) -> None:
    timeline = Timeline()
    for number in range(100):
        answer: Answer = "half" if number + 1 in {22, 80} else "silent"
        timeline.connect(1 + number * pause, remote(5), VICTIM, number + 1, answer=answer)
    timeline.connect(1.2, remote(5), VICTIM, 443, answer="half", handshake=90, flags=(0x12, 0x14))
    assert one(timeline).spoofable


def test_a_slow_scan_of_one_probe_in_half_a_minute() -> None:
    timeline = Timeline()
    for number in range(30):
        timeline.connect(1 + number * 30, SCANNER, VICTIM, 1000 + number, answer="refused")
    assert one(timeline).evidence["services"] == 30


@pytest.mark.parametrize("answer", ["refused", "silent"])
def test_one_service_on_many_hosts_at_home(answer: Answer) -> None:
    timeline = Timeline()
    for number in range(60):
        timeline.connect(1 + number * 0.2, SCANNER, device(30 + number), 445, answer=answer)
    finding = one(timeline)
    assert finding.evidence["kinds"] == ["horizontal"]
    assert finding.peers_total == 60
    assert "tcp/445 on 60 hosts" in finding.summary


@pytest.mark.parametrize("six", [False, True])
def test_a_worm_that_tries_two_services_everywhere(six: bool) -> None:
    timeline = Timeline()
    source = device6(7) if six else SCANNER
    # The network is answered from outside meanwhile.
    for number in range(40):
        timeline.connect(1 + number, device(3), remote(1), 443)
    for number in range(300):
        target = remote6(number) if six else remote(1000 + number)
        port = 2323 if number % 10 == 0 else 23
        timeline.connect(1 + number * 0.1, source, target, port, answer="silent")
    finding = one(timeline)
    assert finding.subject.mac == SCANNER.mac
    assert "horizontal" in str(finding.evidence["kinds"])


def test_datagrams_to_many_ports() -> None:
    timeline = Timeline()
    for number in range(100):
        answer: Literal["refused", "silent"] = "refused" if number % 3 else "silent"
        timeline.datagrams(1 + number * 0.1, SCANNER, VICTIM, number + 1, answer=answer)
    assert one(timeline).evidence["kinds"] == ["vertical"]


@pytest.mark.parametrize("six", [False, True])
def test_an_icmp_sweep(six: bool) -> None:
    timeline = Timeline()
    maker = device6 if six else device
    for number in range(50):
        timeline.echo(1 + number * 0.1, maker(7), maker(60 + number), answered=number % 10 == 0)
    assert one(timeline).evidence["kinds"] == ["icmp sweep"]


@pytest.mark.parametrize(("gap", "count"), [(0.02, 254), (1.0, 254), (20.0, 150)])
def test_an_arp_sweep(gap: float, count: int) -> None:
    timeline = Timeline()
    for number in range(count):
        timeline.arp(1 + number * gap, SCANNER, f"192.168.1.{number % 254 + 1}")
        if number == 19:
            timeline.arp(1.005 + number * gap, VICTIM, SCANNER.ip, reply_to=SCANNER)
    finding = one(timeline)
    assert finding.subject.mac == SCANNER.mac
    assert finding.evidence["kinds"] == ["neighbour sweep"]
    # Its own address is among them, and is no question.
    assert f"{count - 1} distinct addresses by ARP" in finding.summary
    assert "normal for it is 0 to 3 a minute" in finding.summary


def test_what_a_host_asks_for_after_its_sweep_is_no_other() -> None:
    timeline = Timeline()
    for number in range(254):
        timeline.arp(1 + number * 0.1, SCANNER, f"192.168.1.{number + 1}")
    for number in range(30):
        timeline.arp(300 + number * 240, SCANNER, ROUTER.ip)
        timeline.arp(301 + number * 240, SCANNER, f"192.168.1.{200 + number % 3}")
    timeline.arp(4000, SCANNER, "192.168.2.77")
    finding = one(timeline)
    assert finding.last_seen < at(30)


@pytest.mark.parametrize("pause", [300, 1200])
def test_a_sweep_that_comes_again(pause: float) -> None:
    timeline = Timeline()
    for number in range(254 * 4):
        begin = 1 + number // 254 * pause
        timeline.arp(begin + number % 254 * 0.1, SCANNER, f"192.168.1.{number % 254 + 1}")
    assert len(found(timeline)) == (1 if pause < 600 else 4)


def test_a_neighbour_discovery_sweep() -> None:
    timeline = Timeline()
    for number in range(100):
        timeline.neighbour(1 + number * 0.1, device6(7), f"2001:db8:1::{number + 256:x}")
    assert one(timeline).evidence["kinds"] == ["neighbour sweep"]


def test_the_service_that_was_tried_most_is_named_first() -> None:
    timeline = Timeline()
    for port in (8883, 67):
        timeline.connect(1 + port / 10_000, device(7), remote(port), port, answer="silent")
    for number in range(60):
        timeline.connect(30 + number * 0.1, device(7), remote(number), 23, answer="silent")
    assert "tried tcp/23, tcp/67 and tcp/8883 on" in one(timeline).summary


def test_discovery_and_scan_of_one_host_are_one_attack() -> None:
    timeline = Timeline()
    for number in range(254):
        timeline.arp(1 + number * 0.02, SCANNER, f"192.168.1.{number + 1}")
    for number in range(100):
        timeline.connect(8 + number * 0.05, SCANNER, VICTIM, number + 1, answer="refused")
    assert one(timeline).evidence["kinds"] == ["neighbour sweep", "vertical"]


def test_a_scan_from_outside_names_the_address() -> None:
    timeline = Timeline()
    for number in range(100):
        timeline.connect(1 + number * 0.1, remote(5), VICTIM, number + 1, answer="silent")
    finding = one(timeline)
    assert finding.subject.ip == remote(5).ip
    assert finding.subject.mac == ""
    assert finding.spoofable


def test_a_second_scan_after_a_rest_is_a_second_finding() -> None:
    timeline = Timeline()
    for start in (1.0, 4000.0):
        for number in range(60):
            timeline.connect(start + number * 0.1, SCANNER, VICTIM, number + 1, answer="refused")
    findings = found(timeline)
    assert len(findings) == 2
    assert len({finding.id for finding in findings}) == 2


# What is not a scan.


def test_a_browser_with_many_servers_is_none() -> None:
    timeline = Timeline()
    rng = random.Random(1)
    for number in range(600):
        answer: Answer = "silent" if rng.random() < 0.05 else "open"
        timeline.connect(1 + number * 0.05, SCANNER, remote(number), 443, answer=answer)
    assert found(timeline) == []


def test_a_peer_to_peer_client_is_none() -> None:
    timeline = Timeline()
    rng = random.Random(2)
    for number in range(1500):
        port = 6881 if rng.random() < 0.05 else rng.randrange(1024, 65_535)
        answer: Answer = rng.choice(["open", "silent", "refused"])
        timeline.connect(1 + number * 0.5, SCANNER, remote(number), port, answer=answer)
        timeline.datagrams(
            1.1 + number * 0.5, SCANNER, remote(number), port, answer=rng.choice(["open", "silent"])
        )
    assert found(timeline) == []


def test_an_outage_of_the_internet_is_none() -> None:
    timeline = Timeline()
    for number in range(200):
        timeline.connect(number * 0.1, SCANNER, remote(number), 443)
    for number in range(40):
        timeline.connect(60 + number, SCANNER, remote(500 + number), 443, answer="silent")
        timeline.connect(60 + number, SCANNER, remote(number % 5), 443, answer="silent")
    assert found(timeline) == []


def test_a_device_whose_cloud_is_blocked_is_none() -> None:
    timeline = Timeline()
    for number in range(120):
        target = remote(number)
        timeline.dns(number * 30, SCANNER, ROUTER, "cloud.example.net", answers=(f"A {target.ip}",))
        timeline.connect(number * 30 + 0.1, SCANNER, target, 8883, answer="silent")
        timeline.connect(number * 30 + 0.2, device(3), remote(1), 443)
    assert found(timeline) == []


def test_a_back_up_server_that_talks_to_every_host_is_none() -> None:
    timeline = Timeline()
    for number in range(200):
        timeline.connect(
            1 + number * 0.1, SCANNER, device(30 + number), 445, payload=(4000, 90_000)
        )
    assert found(timeline) == []


def test_answers_to_searches_are_none() -> None:
    timeline = Timeline()
    for number in range(200):
        timeline.datagrams(
            1 + number, SCANNER, VICTIM, 33_000 + number, answer="refused", src_port=1900
        )
        timeline.datagrams(1.5 + number, SCANNER, VICTIM, 40_000 + number, answer="silent")
    assert found(timeline) == []


def test_traceroute_is_none() -> None:
    timeline = Timeline()
    for number in range(90):
        timeline.datagrams(1 + number * 0.1, SCANNER, remote(3), 33_434 + number, answer="silent")
    assert found(timeline) == []


def test_the_resets_of_a_scanned_host_are_none() -> None:
    timeline = Timeline()
    for number in range(200):
        timeline.connect(
            1 + number * 0.05, VICTIM, SCANNER, 40_000 + number, answer="stealth", flags=(20, 0)
        )
        timeline.connect(
            1 + number * 0.05, VICTIM, remote(number), 443, answer="stealth", flags=(18, 0)
        )
    assert found(timeline) == []


def test_a_phone_that_comes_back_and_asks_for_its_neighbours_is_none() -> None:
    timeline = Timeline()
    neighbours = [device(40 + number) for number in range(25)]
    for number, neighbour in enumerate(neighbours):
        timeline.arp(number * 0.5, neighbour, ROUTER.ip)
    for visit in range(20):
        start = 100 + visit * 120
        timeline.arp(start, SCANNER, SCANNER.ip, claims=UNSPECIFIED)
        timeline.arp(start + 0.1, SCANNER, SCANNER.ip)
        timeline.arp(start + 0.2, SCANNER, ROUTER.ip)
        for number, neighbour in enumerate(neighbours):
            timeline.arp(start + 1 + number * 0.05, SCANNER, neighbour.ip)
    assert found(timeline) == []


def test_a_router_that_asks_for_its_subnet_is_none() -> None:
    timeline = Timeline()
    for number in range(1000):
        timeline.arp(number * 0.6, ROUTER, f"192.168.1.{number % 254 + 1}")
    assert found(timeline) == []


def other_protocol(timeline: Timeline, time: float, target: Endpoint, protocol: int) -> None:
    timeline.datagrams(
        time, SCANNER, target, 0, answer="silent", payload=(0, 0), protocol=protocol, src_port=0
    )


def test_a_scan_of_protocols_is_one_finding() -> None:
    timeline = Timeline()
    for number in range(20, 60):
        other_protocol(timeline, 1 + number * 0.1, VICTIM, 100 + number)
    (finding,) = found(timeline)
    assert finding.evidence["kinds"] == ["protocols"]
    assert finding.evidence["services"] == 40
    assert [peer.ip for peer in finding.peers] == [VICTIM.ip]
    assert "IP protocols of" in finding.summary


@pytest.mark.parametrize("port", [19, 389, 1900, 11_211, 27_960])
def test_what_amplifiers_send_is_no_scan(port: int) -> None:
    timeline = Timeline()
    for number in range(100):
        source = Endpoint(f"198.51.100.{number % 4}", home=False)
        timeline.datagrams(
            1 + number * 0.1, source, VICTIM, 2000 + number * 300, answer="silent",
            src_port=port, payload=(1400, 0),
        )  # fmt: skip
    assert found(timeline) == []


def test_one_way_tunnels_are_no_scan() -> None:
    timeline = Timeline()
    for number in range(40):
        other_protocol(timeline, 1 + number, device(100 + number), 47)
        other_protocol(timeline, 1 + number, VICTIM, (47, 50, 51, 89)[number % 4])
    assert found(timeline) == []


def test_two_connect_scans_of_one_host_are_two_findings_and_no_flood() -> None:
    timeline = Timeline()
    for number in range(1000):
        for scanner in (SCANNER, device(67)):
            timeline.connect(
                1 + number * 0.001, scanner, VICTIM, number + 1, answer="refused",
                src_port=30_000 + number,
            )  # fmt: skip
    assert {finding.subject.mac for finding in found(timeline)} == {SCANNER.mac, device(67).mac}


def test_the_results_do_not_depend_on_the_order_of_rows() -> None:
    timeline = Timeline()
    for number in range(300):
        timeline.connect(1 + number * 0.01, SCANNER, VICTIM, number + 1, answer="refused")
    windows = list(timeline.windows())
    turned = [
        type(window)(
            start=window.start,
            end=window.end,
            flows=window.flows[::-1].copy(),
            hosts=window.hosts[::-1].copy(),
            observations=window.observations[::-1],
        )
        for window in windows
    ]
    assert findings_of(windows, Portscan()) == findings_of(turned, Portscan())


def test_a_flood_of_sources_is_bounded_and_does_not_hide_a_scan() -> None:
    detector = Portscan(most_sources=256, most_targets=2048)
    timeline = Timeline()
    rng = random.Random(3)
    for number in range(20_000):
        spoofed = Endpoint(
            f"{rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.7", home=False
        )
        timeline.connect(
            1 + number * 0.0005, spoofed, device(rng.randrange(99, 200)), 80, answer="silent"
        )
    for number in range(100):
        timeline.connect(3 + number * 0.05, SCANNER, VICTIM, number + 1, answer="refused")
    findings = findings_of(timeline.windows(), detector)
    assert [finding.subject.mac for finding in findings] == [SCANNER.mac]
    assert len(detector._probes) <= 256 + 64
    assert detector._probes.pairs <= 2048
    assert detector.dropped > 0
