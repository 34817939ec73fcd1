"""The deviation detector: what deviates how far, and what relieves it."""

from __future__ import annotations

from dataclasses import replace

from phage.detect.detector import Knowledge
from phage.detect.detectors.deviation import DeviationDetector
from phage.records import Finding, Severity, Window
from phage.records.profile import Deviation, DeviationKind, ProfileKey, Way

AT = 1_700_000_000_000_000_000
KEY = ProfileKey(Way.OUT, 6, 443, "name:elsewhere.com")
NEW = Deviation("d", "02:00:00:00:00:01", "192.168.1.5", "203.0.113.9", AT, DeviationKind.NEW, KEY)


def found(*deviations: Deviation, detector: DeviationDetector | None = None) -> list[Finding]:
    knowledge = Knowledge(deviations=deviations, names={"02:00:00:00:00:01": "Camera"})
    return list((detector or DeviationDetector()).inspect(Window(AT, AT + 1), knowledge))


def test_a_new_domain_is_found_and_told_in_words() -> None:
    [finding] = found(NEW)
    assert finding.summary == "Camera talks to elsewhere.com by tcp/443, which it never did."
    assert finding.severity is Severity.LOW
    assert finding.peers[0].ip == "203.0.113.9"


def test_an_inbound_service_is_worse_than_a_new_domain() -> None:
    served = replace(NEW, key=ProfileKey(Way.IN, 6, 23, "internet"))
    odd = replace(NEW, key=ProfileKey(Way.OUT, 6, 6667, "net:203.0.0.0/16"))
    scores = [found(each)[0].score for each in (served, odd, NEW)]
    assert scores == sorted(scores, reverse=True)
    assert found(served)[0].severity is Severity.HIGH
    assert not found(replace(NEW, known_peer=True))


def test_what_others_of_its_kind_do_too_is_relieved() -> None:
    assert not found(replace(NEW, peers_alike=True))
    assert not found(replace(NEW, fleet=True))
    assert not found(replace(NEW, renewed=True))


def test_phones_and_computers_are_not_judged() -> None:
    assert not found(replace(NEW, simple=False))


def test_rates_grow_with_their_excess() -> None:
    rate = Deviation(
        "d", "", "192.168.1.5", "", AT, DeviationKind.RATE, None, "arp_request", 60.0, 10.0
    )
    more = replace(rate, value=5000.0)
    assert found(rate)[0].score < found(more)[0].score
    assert "60 ARP requests in a minute" in found(rate)[0].summary


def test_an_upload_and_many_peers_are_told_in_words() -> None:
    rate = Deviation("d", "", "192.168.1.5", "", AT, DeviationKind.RATE, None, "up_down", 400, 2)
    [finding] = found(rate)
    assert "sent 400 times what it received in a minute; 2 times was" in finding.summary
    [finding] = found(replace(rate, what="peers"))
    assert "400 connections to different peers in a minute" in finding.summary


def test_many_new_things_are_one_finding() -> None:
    detector = DeviationDetector()
    several = [
        replace(NEW, at=AT + number, key=ProfileKey(Way.OUT, 6, 443, f"name:x{number}.com"))
        for number in range(200)
    ]
    findings = found(*several, detector=detector)
    assert len({finding.key for finding in findings}) == 1
    assert "200 such things since" in findings[-1].summary
    later = replace(NEW, at=AT + 2 * 3_600_000_000_000)
    assert found(later, detector=detector)[0].key != findings[0].key


def test_odd_hours_are_told_only_when_asked_for() -> None:
    odd = replace(NEW, kind=DeviationKind.HOUR)
    assert not found(odd)
    assert found(odd, detector=DeviationDetector(hours=True))


def test_what_comes_out_of_order_is_told_with_what_should_have_come_before() -> None:
    asked = ProfileKey(Way.OUT, 17, 53, "asks:elsewhere.com")
    [finding] = found(replace(NEW, kind=DeviationKind.ORDER, after=asked, share=0.991))
    assert finding.summary == (
        "Camera talks to elsewhere.com by tcp/443 without looking elsewhere.com up first."
    )
    assert finding.severity is Severity.LOW
    assert finding.evidence["usually_after"] == "out udp/53 asks:elsewhere.com"
    assert finding.evidence["share_of_cases"] == 0.991
    odd = replace(NEW, kind=DeviationKind.ORDER, key=asked, after=replace(KEY, way=Way.IN))
    assert "Camera looks elsewhere.com up without being asked by elsewhere.com" in (
        found(odd)[0].summary
    )
    assert not found(replace(NEW, kind=DeviationKind.ORDER, after=asked, renewed=True))
