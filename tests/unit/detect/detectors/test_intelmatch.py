"""Who has to do with what threat intelligence names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from phage.detect.detector import Knowledge
from phage.detect.detectors.intelmatch import IntelMatch
from phage.records import Finding, Observation, Severity, Window
from phage.records.address import parse_address
from phage.records.columns import MATCH
from phage.records.indicator import IndicatorKind, Mention
from phage.testing.records import EPOCH, SECOND, make_observation

CAMERA = 0x02_00_00_00_00_05


class Lists:
    """Says what a test tells it to."""

    def __init__(self, confidence: int = 80) -> None:
        self.mention = Mention(
            "drop", IndicatorKind.NETWORK, "45.1.1.0/24", confidence, ("c2",), "Dridex"
        )

    def address(self, raw: bytes) -> tuple[Mention, ...]:
        return (self.mention,) if raw[12:15] == bytes((45, 1, 1)) else ()

    def domain(self, name: str) -> tuple[Mention, ...]:
        if not name.endswith("bad.example.com"):
            return ()
        return (replace(self.mention, kind=IndicatorKind.DOMAIN, value="bad.example.com"),)

    def value(self, kind: IndicatorKind, value: str) -> tuple[Mention, ...]:
        return (replace(self.mention, kind=kind, value=value),) if value == "a" * 32 else ()


def matched(src: str, dst: str, *, end: int, reverse: int = 0) -> np.ndarray:
    row = np.zeros(1, MATCH)
    row["time"], row["protocol"] = EPOCH, 6
    row["src"], row["dst"] = parse_address(src), parse_address(dst)
    row["src_mac"], row["dst_mac"] = CAMERA, 0x02_00_00_00_00_01
    row["src_port"], row["dst_port"], row["end"], row["reverse"] = 50_000, 443, end, reverse
    return row


def found(
    *rows: np.ndarray, seen: tuple[Observation, ...] = (), confidence: int = 80
) -> list[Finding]:
    matches = np.concatenate(rows) if rows else np.zeros(0, MATCH)
    window = Window(EPOCH, EPOCH + SECOND, matches=matches, observations=seen)
    knowledge = Knowledge(intelligence=Lists(confidence), routers=frozenset({"02:00:00:00:00:01"}))
    return list(IntelMatch().inspect(window, knowledge))


def test_a_device_that_turns_to_a_listed_address() -> None:
    (finding,) = found(matched("192.168.1.5", "45.1.1.7", end=1))
    assert finding.severity is Severity.HIGH
    assert finding.subject.mac == "02:00:00:00:00:05"
    assert finding.peers[0].ip == "45.1.1.7"
    assert finding.peers[0].services == ("tcp/443",)
    assert not finding.spoofable
    assert finding.evidence["feeds"] == ["drop"]
    assert finding.summary == (
        "02:00:00:00:00:05 (192.168.1.5) turned to 45.1.1.7 by tcp/443; 45.1.1.0/24 is listed by "
        "drop; Dridex; 1 time."
    )


def test_a_listed_address_that_turns_to_us_is_a_lesser_thing_and_may_be_forged() -> None:
    (finding,) = found(matched("45.1.1.7", "192.168.1.5", end=0))
    assert finding.severity is Severity.LOW
    assert finding.subject.ip == "45.1.1.7"
    assert finding.spoofable
    (answered,) = found(matched("192.168.1.5", "45.1.1.7", end=1, reverse=1))
    assert answered.subject.ip == "45.1.1.7"
    assert not answered.spoofable


def test_names_and_fingerprints() -> None:
    seen = make_observation("dns", query="x.bad.example.com", response=False)
    (finding,) = found(seen=(seen,))
    assert "named x.bad.example.com; bad.example.com is listed by drop" in finding.summary
    hello = make_observation("tls", sni="good.example.com", ja3="a" * 32)
    (finding,) = found(seen=(hello,))
    assert finding.evidence["indicator_kind"] == "ja3"
    web = make_observation("http", host="bad.example.com:8080")
    assert len(found(seen=(web,))) == 1
    answer = make_observation("dns", query="bad.example.com", response=True)
    assert found(seen=(answer,)) == []


def test_what_is_unsure_or_no_longer_listed_is_no_finding() -> None:
    assert found(matched("192.168.1.5", "45.1.1.7", end=1), confidence=20) == []
    assert found(matched("192.168.1.5", "45.2.1.7", end=1)) == []


def test_a_case_goes_on_under_one_key() -> None:
    detector, knowledge = IntelMatch(), Knowledge(intelligence=Lists())
    row = matched("192.168.1.5", "45.1.1.7", end=1)
    first, second = (
        next(iter(detector.inspect(Window(EPOCH, EPOCH + 1, matches=row), knowledge)))
        for _ in range(2)
    )
    assert first.key == second.key
    assert second.packets == 2
