"""Who takes a router's part is found; routers that replace each other are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.detect.detector import Knowledge
from phage.detect.detectors.arpspoof import Arpspoof
from phage.testing.timeline import Timeline, findings_of
from phage.testing.windows import ROUTER, Endpoint, device

if TYPE_CHECKING:
    from phage.records import Finding

ATTACKER = device(66)
VICTIM = device(20)
FIRST, SECOND = device(2), device(3)
ALL_ROUTERS = Endpoint("224.0.0.2", "01:00:5e:00:00:02", device=0)
KNOWLEDGE = Knowledge(routers=frozenset({ROUTER.mac}))


def found(timeline: Timeline) -> list[Finding]:
    return findings_of(timeline.windows(), Arpspoof(), knowledge=KNOWLEDGE)


def hello(timeline: Timeline, speaker: Endpoint, start: float, end: float, step: float) -> None:
    """Let a router say all the time that it is there."""
    time = start
    while time < end:
        timeline.datagrams(time, speaker, ALL_ROUTERS, 1985, answer="silent", src_port=1985)
        time += step


def advertise(timeline: Timeline, speaker: Endpoint, start: float, end: float) -> None:
    time = start
    while time < end:
        timeline.datagrams(time, speaker, ALL_ROUTERS, 0, answer="silent", protocol=112, src_port=0)
        time += 1.0


def test_a_newcomer_to_hsrp_is_a_rogue_router() -> None:
    timeline = Timeline()
    hello(timeline, FIRST, 0, 800, 3)
    hello(timeline, SECOND, 1, 800, 3)
    hello(timeline, ATTACKER, 700, 760, 3)
    (finding,) = found(timeline)
    assert finding.subject.mac == ATTACKER.mac
    assert {peer.ip for peer in finding.peers} == {FIRST.ip, SECOND.ip}
    assert "HSRP" in finding.summary


def test_a_newcomer_that_silences_the_vrrp_master_is_a_rogue_router() -> None:
    timeline = Timeline()
    advertise(timeline, FIRST, 0, 700)
    advertise(timeline, ATTACKER, 700.2, 730)
    (finding,) = found(timeline)
    assert finding.subject.mac == ATTACKER.mac


def test_a_backup_that_comes_after_silence_is_none() -> None:
    timeline = Timeline()
    advertise(timeline, FIRST, 0, 700)
    advertise(timeline, SECOND, 704, 800)
    advertise(timeline, FIRST, 800, 900)
    assert found(timeline) == []


def redirects(timeline: Timeline, sender: Endpoint, count: int) -> None:
    for number in range(count):
        said = Endpoint(ROUTER.ip, sender.mac, device=sender.device)
        timeline.datagrams(
            10 + number * 5, said, VICTIM, 1, answer="silent", protocol=1, src_port=5
        )


def test_redirects_of_who_is_no_router_are_found() -> None:
    timeline = Timeline()
    redirects(timeline, ATTACKER, 10)
    (finding,) = found(timeline)
    assert finding.subject.mac == ATTACKER.mac
    assert VICTIM.ip in {peer.ip for peer in finding.peers}


def test_redirects_of_the_router_are_none() -> None:
    timeline = Timeline()
    redirects(timeline, ROUTER, 10)
    assert found(timeline) == []
