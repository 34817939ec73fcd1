"""Findings of one cause become one, in whatever order they come."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phage.detect.attack import Attacks, MergeSettings
from phage.records import Finding, FindingState, Peer, Severity, Subject
from phage.testing.windows import at

CAMERA = Subject("02:00:00:01:00:14", "192.168.1.22", "02:00:00:01:00:14")
LAPTOP = Subject("02:00:00:01:00:07", "192.168.1.9", "02:00:00:01:00:07")


def report(
    detector: str,
    time: float,
    subject: Subject = LAPTOP,
    *,
    key: str = "",
    peers: tuple[str, ...] = (CAMERA.ip,),
    severity: Severity = Severity.MEDIUM,
    packets: int = 1,
    first: float | None = None,
) -> Finding:
    return Finding(
        detector=detector,
        key=key or subject.device,
        severity=severity,
        score=0.5,
        subject=subject,
        summary=f"{detector} at {time}.",
        first_seen=at(time if first is None else first),
        last_seen=at(time),
        peers=tuple(Peer(ip) for ip in peers),
        peers_total=len(peers),
        packets=packets,
    )


class Desk:
    """Keeps what a reader would see."""

    def __init__(self, settings: MergeSettings | None = None) -> None:
        self.attacks = Attacks(settings)
        self.seen: dict[str, Finding] = {}
        self.changes: list[Finding] = []

    def take(self, time: float, *findings: Finding) -> list[Finding]:
        changed = self.attacks.merge(findings, at(time))
        self.changes += changed
        self.seen.update((finding.id, finding) for finding in changed)
        return changed

    @property
    def listed(self) -> list[Finding]:
        return [one for one in self.seen.values() if one.state is not FindingState.MERGED]


def test_the_same_key_updates() -> None:
    desk = Desk()
    desk.take(1, report("portscan", 1, packets=10))
    desk.take(3, report("portscan", 3, packets=30, severity=Severity.HIGH, peers=("192.168.1.30",)))
    desk.take(5, report("portscan", 5, packets=40, severity=Severity.LOW))
    (finding,) = desk.listed
    assert finding.count == 3
    assert finding.packets == 40
    assert finding.severity is Severity.HIGH
    assert (finding.first_seen, finding.last_seen) == (at(1), at(5))
    assert [peer.ip for peer in finding.peers] == [CAMERA.ip, "192.168.1.30"]


def test_news_comes_once_a_second_but_severity_at_once() -> None:
    desk = Desk()
    assert len(desk.take(1, report("portscan", 1))) == 1
    assert desk.take(1.25, report("portscan", 1.25)) == []
    assert len(desk.take(1.5, report("portscan", 1.5, severity=Severity.HIGH))) == 1
    assert desk.take(1.75, report("portscan", 1.75)) == []
    assert [finding.count for finding in desk.take(3)] == [4]


def test_quiet_closes_and_news_after_that_is_another_attack() -> None:
    desk = Desk()
    desk.take(1, report("synflood", 1))
    closed = desk.take(100)
    assert [finding.state for finding in closed] == [FindingState.CLOSED]
    desk.take(200, report("synflood", 200, first=1))
    assert len(desk.listed) == 2
    assert desk.attacks.finish(at(300))[0].state is FindingState.CLOSED
    assert desk.attacks.open == ()


def test_a_detector_that_counts_anew_loses_nothing() -> None:
    desk = Desk()
    desk.take(1, report("portscan", 1, packets=100))
    desk.take(3, report("portscan", 3, packets=5))
    assert desk.attacks.open[0].packets == 105


@pytest.mark.parametrize("first", ["anomaly", "portscan"])
@pytest.mark.parametrize("subject", [LAPTOP, CAMERA])
def test_an_anomaly_is_folded_into_what_names_it(first: str, subject: Subject) -> None:
    desk = Desk()
    other = LAPTOP.ip if subject is CAMERA else CAMERA.ip
    anomaly = report("anomaly", 10, subject, peers=(other,))
    scan = report("portscan", 10)
    for number, finding in enumerate([anomaly, scan] if first == "anomaly" else [scan, anomaly]):
        desk.take(10 + number, replace(finding, last_seen=at(10 + number)))
    desk.take(20, report("anomaly", 20, subject, peers=(other,), first=10), report("portscan", 20))
    (finding,) = desk.listed
    assert finding.detector == "portscan"
    assert finding.related == (f"anomaly:{subject.device}",)


def test_the_first_id_is_kept() -> None:
    desk = Desk()
    (early,) = desk.take(10, report("anomaly", 10))
    (late,) = desk.take(12, report("portscan", 12))
    assert late.id == early.id
    assert late.first_seen == early.first_seen


def test_several_heralds_become_parts() -> None:
    desk = Desk()
    desk.take(10, report("anomaly", 10, LAPTOP), report("anomaly", 10, CAMERA, peers=(LAPTOP.ip,)))
    desk.take(12, report("portscan", 12))
    assert [finding.detector for finding in desk.listed] == ["portscan"]
    (part,) = [one for one in desk.seen.values() if one.state is FindingState.MERGED]
    assert part.related == (desk.listed[0].id,)


def test_an_echo_after_the_attack_is_folded_too() -> None:
    desk = Desk()
    desk.take(10, report("synflood", 10))
    desk.take(80)
    assert desk.take(100, report("anomaly", 100)) == []
    assert len(desk.take(500, report("anomaly", 500))) == 1


def test_an_anomaly_of_others_or_of_another_time_stays() -> None:
    desk = Desk()
    stranger = Subject("02:00:00:01:00:99", "192.168.1.99", "02:00:00:01:00:99")
    desk.take(10, report("portscan", 10), report("anomaly", 10, stranger, peers=("198.51.100.1",)))
    assert {one.detector for one in desk.listed} == {"portscan", "anomaly"}
    desk = Desk()
    desk.take(10, report("anomaly", 10))
    desk.take(600, report("portscan", 600))
    assert {one.detector for one in desk.listed} == {"portscan", "anomaly"}


def test_a_scan_that_is_a_flood_and_a_beacon_that_is_a_tunnel_are_folded() -> None:
    desk = Desk()
    desk.take(10, report("portscan", 10))
    desk.take(11, report("synflood", 11, CAMERA, peers=(LAPTOP.ip,)))
    assert [one.detector for one in desk.listed] == ["synflood"]
    desk = Desk()
    desk.take(
        10, report("beaconing", 10, peers=("9.9.9.9",)), report("dnstunnel", 10, peers=("9.9.9.9",))
    )
    assert [one.detector for one in desk.listed] == ["dnstunnel"]


def test_scan_and_guessing_of_one_host_name_each_other() -> None:
    desk = Desk()
    desk.take(10, report("portscan", 10))
    desk.take(30, report("bruteforce", 30))
    first, second = desk.listed
    assert first.related == (second.id,)
    assert second.related == (first.id,)


def test_too_many_are_counted_in_one() -> None:
    desk = Desk(MergeSettings(most_open=100, most_open_each=20))
    for number in range(500):
        subject = Subject("", f"198.51.{number // 250}.{number % 250}", f"{number}")
        desk.take(number * 0.01, report("portscan", number * 0.01, subject))
    desk.take(10)
    assert len(desk.attacks.open) == 21
    (rest,) = [one for one in desk.attacks.open if one.key == "more"]
    assert rest.evidence == {"kind": "more", "findings": 480}
    assert "480 findings more" in rest.summary
    assert desk.attacks.dropped == 480


def test_ids_and_results_do_not_depend_on_the_order_of_detectors() -> None:
    findings = [report("portscan", 1), report("anomaly", 1), report("synflood", 1, CAMERA)]
    forth, back = Desk(), Desk()
    forth.take(1, *findings)
    back.take(1, *reversed(findings))
    assert forth.changes == back.changes


def test_whom_specific_findings_name_is_known_while_they_are_open() -> None:
    desk = Desk()
    stranger = Subject("", "10.0.0.9", "10.0.0.9")
    desk.take(1, report("anomaly", 1, stranger, peers=("10.0.0.8",)), report("portscan", 1))
    assert desk.attacks.named == {*vars_of(LAPTOP), CAMERA.ip}
    desk.take(5000)
    assert desk.attacks.named == frozenset()


def vars_of(subject: Subject) -> set[str]:
    return {subject.mac, subject.ip, subject.device}


def test_a_flood_is_told_once_with_what_its_volume_tells() -> None:
    desk = Desk()
    volume = report("volumetric", 10, CAMERA)
    volume = replace(volume, evidence={"kind": "syn-flood", "suggested": [1]})
    desk.take(10, volume)
    flood = replace(report("synflood", 11, CAMERA, first=10), evidence={"kind": "syn"})
    desk.take(11, flood)
    desk.take(13, replace(volume, last_seen=volume.last_seen + 1, evidence={"suggested": [2]}))
    desk.take(15, replace(flood, last_seen=at(15)))
    [finding] = desk.listed
    assert finding.detector == "synflood"
    assert finding.evidence == {"kind": "syn", "suggested": [2]}
