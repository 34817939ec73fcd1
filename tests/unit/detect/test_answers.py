"""Who answers to the names of others is found; hosts with aliases and slow resolvers are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.detect.detector import Knowledge
from phage.detect.detectors.arpspoof import Arpspoof
from phage.testing.timeline import Timeline, findings_of
from phage.testing.windows import ROUTER, Endpoint, device

if TYPE_CHECKING:
    from phage.records import Finding
    from phage.records.observation import Value

ATTACKER = device(66)
VICTIM = device(20)
OTHER = device(21)
RESOLVER = Endpoint("10.9.0.53", ROUTER.mac, device=0)
LLMNR = Endpoint("224.0.0.252", "01:00:5e:00:00:fc", device=0)
BROADCAST = Endpoint("192.168.1.255", "ff:ff:ff:ff:ff:ff", device=0)


def found(timeline: Timeline) -> list[Finding]:
    return findings_of(timeline.windows(), Arpspoof())


def llmnr(timeline: Timeline, time: float, name: str, answers: Endpoint | None) -> None:
    question: dict[str, Value] = {"id": 7, "response": False, "query": name, "query_type": "A"}
    timeline.message(time, "llmnr", VICTIM, LLMNR, question, ports=(50_000, 5355))
    if answers is not None:
        said: dict[str, Value] = question | {
            "response": True,
            "answers": 1,
            "answer": (f"A {answers.ip}",),
        }
        timeline.message(time + 0.01, "llmnr", answers, VICTIM, said, ports=(5355, 50_000))


def nbns(timeline: Timeline, time: float, name: str, asked: Endpoint, answers: Endpoint) -> None:
    question: dict[str, Value] = {
        "id": 7,
        "response": False,
        "operation": "query",
        "name": name,
        "suffix": "20",
    }
    timeline.message(time, "nbns", VICTIM, asked, question, ports=(137, 137))
    said: dict[str, Value] = question | {
        "response": True,
        "rcode": 0,
        "address": answers.ip,
        "group": False,
    }
    timeline.message(time + 0.01, "nbns", answers, VICTIM, said, ports=(137, 137))


def lookup(timeline: Timeline, time: float, name: str, *answers: tuple[str, Endpoint]) -> None:
    port = 40_000 + int(time * 10) % 20_000
    question: dict[str, Value] = {
        "id": int(time),
        "response": False,
        "query": name,
        "query_type": "A",
    }
    timeline.message(time, "dns", VICTIM, RESOLVER, question, ports=(port, 53))
    for number, (address, sender) in enumerate(answers):
        said: dict[str, Value] = question | {
            "response": True,
            "rcode": "NOERROR",
            "answer": (f"A {address}",),
        }
        source = Endpoint(RESOLVER.ip, sender.mac, device=0)
        timeline.message(time + 0.01 * (number + 1), "dns", source, VICTIM, said, ports=(53, port))


def test_who_answers_to_every_name_poisons() -> None:
    timeline = Timeline()
    for number in range(8):
        llmnr(timeline, 10 + number * 30, f"filserver{number}", ATTACKER)
    (finding,) = found(timeline)
    assert finding.subject.mac == ATTACKER.mac
    assert finding.evidence["kinds"] == ["poisoner of names"]
    assert "answered to" in finding.summary
    assert [peer.ip for peer in finding.peers] == [VICTIM.ip]


def test_names_of_both_protocols_count_together() -> None:
    timeline = Timeline()
    for number in range(3):
        llmnr(timeline, 10 + number * 30, f"printer{number}", ATTACKER)
        nbns(timeline, 12 + number * 30, f"SCANNER{number}", BROADCAST, ATTACKER)
    (finding,) = found(timeline)
    assert finding.subject.mac == ATTACKER.mac


def test_a_host_answers_to_its_own_names() -> None:
    timeline = Timeline()
    for number in range(60):
        llmnr(timeline, 10 + number * 30, ("nas", "fileserver", "backup")[number % 3], OTHER)
        nbns(timeline, 12 + number * 30, "NAS", BROADCAST, OTHER)
        llmnr(timeline, 14 + number * 30, f"missing{number}", None)
    assert found(timeline) == []


def test_a_name_server_that_is_asked_alone_may_know_all_names() -> None:
    timeline = Timeline()
    for number in range(40):
        nbns(timeline, 10 + number * 30, f"HOST{number}", OTHER, OTHER)
    assert found(timeline) == []


def test_contradicting_dns_answers_show_a_forger() -> None:
    timeline = Timeline()
    for number in range(10):
        lookup(timeline, 10 + number, f"a{number}.example", ("192.0.2.7", ROUTER))
    for number in range(10):
        forged, true = ("198.51.100.9", ATTACKER), ("192.0.2.7", ROUTER)
        lookup(timeline, 100 + number * 5, f"b{number}.example", forged, true)
    (finding,) = found(timeline)
    assert finding.subject.mac == ATTACKER.mac
    assert "198.51.100.9" in finding.summary
    assert RESOLVER.ip in {peer.ip for peer in finding.peers}


def test_a_known_router_is_no_forger_though_he_was_slower_from_the_start() -> None:
    timeline = Timeline()
    for number in range(10):
        forged, true = ("198.51.100.9", ATTACKER), ("192.0.2.7", ROUTER)
        lookup(timeline, 10 + number * 5, f"b{number}.example", forged, true)
    knowledge = Knowledge(routers=frozenset({ROUTER.mac}))
    (finding,) = findings_of(timeline.windows(), Arpspoof(), knowledge=knowledge)
    assert finding.subject.mac == ATTACKER.mac


def test_a_forger_somewhere_outside_is_told_by_the_server_he_imitates() -> None:
    timeline = Timeline()
    for number in range(10):
        forged, true = ("198.51.100.9", ROUTER), ("192.0.2.7", ROUTER)
        lookup(timeline, 100 + number * 5, f"b{number}.example", forged, true)
    (finding,) = found(timeline)
    assert (finding.subject.ip, finding.subject.mac) == (RESOLVER.ip, "")


def test_the_same_answer_twice_and_questions_asked_again_are_no_forgery() -> None:
    timeline = Timeline()
    for number in range(30):
        name, time = f"c{number}.example", 10 + number * 5
        lookup(timeline, time, name, ("192.0.2.7", ROUTER), ("192.0.2.7", OTHER))
        # Asked again from the same port: each question has an answer of its own.
        lookup(timeline, time + 3.0, f"d{number}.example")
        lookup(timeline, time + 3.05, f"d{number}.example", ("192.0.2.8", ROUTER))
    assert found(timeline) == []
