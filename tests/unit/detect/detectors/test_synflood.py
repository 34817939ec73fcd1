"""Floods are found at once and told from scans, crowds and transfers."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from phage.detect.detectors.portscan import Portscan
from phage.detect.detectors.synflood import Synflood
from phage.testing.timeline import Answer, Timeline, findings_of
from phage.testing.windows import ROUTER, Endpoint, at, device, device6, remote, remote6

if TYPE_CHECKING:
    from phage.records import Finding

VICTIM = device(20)


def found(timeline: Timeline) -> list[Finding]:
    return findings_of(timeline.windows(), Portscan(), Synflood())


def one(timeline: Timeline) -> Finding:
    findings = found(timeline)
    assert [finding.detector for finding in findings] == ["synflood"]
    return findings[0]


@pytest.mark.parametrize("answer", ["silent", "half", "refused"])
@pytest.mark.parametrize("six", [False, True])
def test_made_up_sources_at_one_port(answer: Answer, six: bool) -> None:
    timeline = Timeline()
    for number in range(4000):
        source = remote6(number) if six else remote(number)
        victim = device6(20) if six else VICTIM
        timeline.connect(1 + number * 0.001, source, victim, 80, answer=answer)
    finding = one(timeline)
    assert finding.subject.mac == VICTIM.mac
    assert finding.spoofable
    assert finding.peers_total >= 250
    assert finding.first_seen < at(2)
    assert "is sent" in finding.summary


@pytest.mark.parametrize("answer", ["silent", "refused"])
def test_one_source_at_random_ports_is_a_flood_and_no_scan(answer: Answer) -> None:
    timeline = Timeline()
    rng = random.Random(1)
    for number in range(20_000):
        timeline.connect(
            1 + number * 0.00005, remote(1), VICTIM, rng.randrange(1, 65_536),
            answer=answer, src_port=rng.randrange(1024, 65_536),
        )  # fmt: skip
    assert one(timeline).peers[0].ip == remote(1).ip


def test_a_slow_flood_fills_the_backlog() -> None:
    timeline = Timeline()
    for number in range(1000):
        timeline.connect(1 + number * 0.05, remote(number), VICTIM, 443, answer="half")
    assert one(timeline).evidence["kind"] == "syn"


def test_a_home_device_that_floods_is_the_subject() -> None:
    timeline = Timeline()
    for number in range(5000):
        timeline.connect(1 + number * 0.0005, VICTIM, remote(9), 80, answer="silent")
    finding = one(timeline)
    assert finding.subject.mac == VICTIM.mac
    assert finding.peers[0].ip == remote(9).ip
    assert "sends" in finding.summary


def test_a_home_device_that_makes_up_sources_is_known_by_its_mac() -> None:
    timeline = Timeline()
    for number in range(5000):
        forged = Endpoint(remote(number).ip, VICTIM.mac, home=False)
        timeline.connect(1 + number * 0.0005, forged, remote(9), 80, answer="silent")
    assert one(timeline).subject.mac == VICTIM.mac


@pytest.mark.parametrize("counter", ["udp", "echo"])
def test_floods_of_datagrams_and_echo_requests(counter: str) -> None:
    timeline = Timeline()
    for number in range(40):
        counts = {counter: (0, 2000), "packets": (10, 2000), "flows": (0, 900)}
        timeline.count(1 + number * 0.25, VICTIM, **counts)
    finding = one(timeline)
    assert finding.evidence["kind"] == {"udp": "udp", "echo": "icmp"}[counter]


def test_a_flood_in_the_middle_of_honest_traffic() -> None:
    timeline = Timeline()
    for number in range(300):
        timeline.connect(number * 0.1, device(number % 9), VICTIM, 443)
    for number in range(6000):
        timeline.connect(10 + number * 0.0005, remote(number), VICTIM, 443, answer="half")
    assert one(timeline).subject.mac == VICTIM.mac


def test_segments_without_connection() -> None:
    timeline = Timeline()
    for number in range(40):
        timeline.count(
            number * 0.25,
            VICTIM,
            packets=(1200, 1300),
            rst=(1200, 0),
            flows=(0, 1300),
            peers=(0, 900),
        )
    assert one(timeline).evidence["kind"] == "tcp"


def test_a_flood_between_devices_is_one_finding_of_the_sender() -> None:
    timeline = Timeline()
    sender = device(7)
    for number in range(40):
        timeline.datagrams(number * 0.25, sender, VICTIM, 53, sent=6000, answer="silent")
    finding = one(timeline)
    assert finding.subject.mac == sender.mac
    assert [peer.ip for peer in finding.peers] == [VICTIM.ip]


# What is not a flood.


def test_a_flash_crowd_is_none() -> None:
    timeline = Timeline()
    for number in range(6000):
        timeline.connect(1 + number * 0.001, remote(number), VICTIM, 443, lasts=0.5)
    assert found(timeline) == []


@pytest.mark.parametrize("gap", [0.0005, 0.00005])
def test_a_fast_scan_is_a_scan(gap: float) -> None:
    timeline = Timeline()
    ports = list(range(1, 10_001))
    random.Random(2).shuffle(ports)
    for number, port in enumerate(ports):
        timeline.connect(
            1 + number * gap, device(7), VICTIM, port, answer="refused", src_port=43_210
        )
    assert [finding.detector for finding in found(timeline)] == ["portscan"]


def test_a_fast_connect_scan_is_a_scan() -> None:
    timeline = Timeline()
    for number in range(20_000):
        timeline.connect(
            1 + number * 0.00005, device(7), VICTIM, number + 1,
            answer="refused", src_port=32_768 + number % 28_000,
        )  # fmt: skip
    assert [finding.detector for finding in found(timeline)] == ["portscan"]


def test_a_server_that_is_down_is_none() -> None:
    timeline = Timeline()
    for number in range(1200):
        timeline.connect(number * 0.5, device(number % 40), VICTIM, 445)
    for number in range(600):
        timeline.connect(600 + number * 0.5, device(number % 40), VICTIM, 445, answer="silent")
    assert not [one for one in found(timeline) if one.detector == "synflood"]


def test_a_download_by_quic_is_none() -> None:
    timeline = Timeline()
    for number in range(80):
        timeline.count(number * 0.25, VICTIM, udp=(400, 4000), packets=(400, 4000), flows=(1, 0))
    assert found(timeline) == []


def test_a_camera_that_streams_by_udp_is_none() -> None:
    timeline = Timeline()
    for number in range(80):
        timeline.count(number * 0.25, VICTIM, udp=(400, 0), packets=(400, 0), flows=(1, 0))
        timeline.count(number * 0.25, ROUTER, udp=(0, 400), packets=(0, 400))
    assert found(timeline) == []
