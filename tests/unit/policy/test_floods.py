"""What rules make of a flood: its prefix as a whole, and the filters that were suggested."""

from __future__ import annotations

import pytest

from phage.policy.meaning.roles import roles_of
from phage.policy.meaning.targets import suggested_patterns
from phage.records import Finding, Severity, Subject
from phage.records.decision import Pattern


def flood(**evidence: object) -> Finding:
    return Finding(
        detector="volumetric",
        key="in/198.51.100.0/24",
        severity=Severity.HIGH,
        score=1.0,
        subject=Subject(device="198.51.100.0/24"),
        summary="A flood.",
        first_seen=0,
        last_seen=1,
        evidence={"subject_is": "victim", **evidence},
    )


def test_a_prefix_is_the_victim_as_a_whole() -> None:
    [victim] = roles_of(flood(target="198.51.100.0/24")).victims
    assert (victim.ip, victim.network) == ("198.51.100.0", "198.51.100.0/24")
    assert str(victim) == "198.51.100.0/24"
    assert roles_of(flood(target="nonsense")).victims == ()


def test_suggestions_become_patterns() -> None:
    told = [
        {"protocol": 17, "source_ports": [[123, 123]], "lengths": [[468, 468]], "covers": 0.9},
        {"protocol": 6, "tcp_flags": [0x17, 2], "ports": [[443, 443]]},
        {"protocol": 17, "fragments": True},
    ]
    assert suggested_patterns(flood(suggested=told)) == [
        Pattern(17, source_ports=((123, 123),), lengths=((468, 468),)),
        Pattern(6, ports=((443, 443),), tcp_flags=(0x17, 2)),
        Pattern(17, fragments=True),
    ]


@pytest.mark.parametrize("told", [None, "x", 7, [None], [{}], [{"protocol": "x"}], [["a"]]])
def test_what_is_no_suggestion_is_left_out(told: object) -> None:
    assert suggested_patterns(flood(suggested=told)) == []
