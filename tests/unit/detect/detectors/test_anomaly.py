"""Surprise is gathered per device, against a level that comes from the budget."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from phage.detect.detector import CatalogEntry, Knowledge
from phage.detect.detectors.anomaly import Anomaly, window_evidence
from phage.records import Finding, Severity
from phage.testing.timeline import Timeline, findings_of
from phage.testing.windows import ROUTER, SECOND, Endpoint, device, remote

CAMERA = device(20)
CATALOG = (
    CatalogEntry("peers_out", "peers", "distinct peers contacted in the last minute"),
    CatalogEntry("octets_out_rate", "octets/s", "octets sent per second"),
    CatalogEntry("length", "octets", "length of this packet"),
    CatalogEntry("peer_novelty", "1", "how new the peer is"),
    CatalogEntry("service_novelty", "1", "how new the service is"),
)


def found(timeline: Timeline, knowledge: Knowledge | None = None) -> list[Finding]:
    knows = knowledge or Knowledge(routers=frozenset({ROUTER.mac}), catalog=CATALOG)
    return findings_of(timeline.windows(), Anomaly(), knowledge=knows)


def calm(timeline: Timeline, hours: int, devices: int = 6, seed: int = 1) -> None:
    """Let devices be scored as the calibration promises: uniform probabilities."""
    rng = random.Random(seed)
    for number in range(hours * 60):
        for index in range(devices):
            packets = rng.randrange(1, 20)
            scores = [-math.log10(1.0 - rng.random()) for _ in range(packets)]
            timeline.score(
                number * 60 + index, device(20 + index), remote(1), max(scores), packets=packets,
                total=sum(scores), surprising=sum(score >= 3 for score in scores),
            )  # fmt: skip


def unusual(
    timeline: Timeline,
    time: float,
    subject: Endpoint = CAMERA,
    *,
    surprise: float = 4.0,
    peers: float = 54.0,
    octets: float = 4.1e6,
    **values: object,
) -> None:
    """Let a device's window be unlikely, with many peers and octets."""
    timeline.score(
        time, subject, remote(9), surprise,
        **{
            "packets": 20, "surprising": 15, "total": surprise * 20, "dst_port": 9001,
            "features": [0, 1], "values": [peers, octets], "low": [1, 0], "high": [4, 12e3],
            "weights": [0.7, 0.2],
        } | values,
    )  # fmt: skip


def attack(timeline: Timeline, start: float, seconds: float = 20.0, **values: Any) -> None:
    for number in range(int(seconds * 4)):
        unusual(timeline, start + number * 0.25, **values)


def test_an_episode_is_one_finding_that_explains_itself() -> None:
    timeline = Timeline()
    calm(timeline, 12)
    attack(timeline, 12 * 3600 + 100)
    (finding,) = found(timeline)
    assert finding.subject.mac == CAMERA.mac
    assert finding.peers[0].ip == remote(9).ip
    assert finding.peers[0].services == ("tcp/9001",)
    assert finding.summary == (
        f"{CAMERA.mac} ({CAMERA.ip}) sends 4.1 MB/s (normal up to 12 kB/s) and "
        "contacts 54 peers a minute (normal up to 4); unlike itself for 20 s."
    )
    assert [feature.name for feature in finding.features] == ["octets_out_rate", "peers_out"]
    assert finding.spoofable


def test_strong_evidence_opens_within_a_second_even_without_calibration() -> None:
    timeline = Timeline()
    attack(timeline, 1, seconds=1)
    assert len(found(timeline)) == 1


def test_a_single_surprise_is_not_enough_without_calibration() -> None:
    timeline = Timeline()
    unusual(timeline, 1, packets=1, surprise=4.0, total=4.0, peers=10.0, octets=20e3)
    assert found(timeline) == []


@pytest.mark.parametrize(
    "features",
    [
        {"features": []},
        {"features": [2], "values": [1500], "high": [90]},
        {"values": [0, 0], "low": [10, 10]},
        {"values": [3, 11e3]},
    ],
    ids=["none", "that mean nothing", "below the range", "within the range"],
)
def test_surprise_without_features_that_mean_something_is_no_finding(
    features: dict[str, object],
) -> None:
    timeline = Timeline()
    attack(timeline, 1, seconds=120, surprise=12.0, **features)
    assert found(timeline) == []


def test_packets_of_one_second_are_one_observation() -> None:
    timeline = Timeline()
    for number in range(100):
        unusual(timeline, 1 + number * 0.009, packets=1000, surprise=2.0, total=900.0, peers=9.0,
                octets=0.0)  # fmt: skip
    assert found(timeline) == []


def test_a_month_of_normal_scores_keeps_the_budget() -> None:
    timeline = Timeline(tick=60_000_000_000)
    calm(timeline, 24 * 28, devices=4)
    # Four devices, four weeks, one false alarm each and week: sixteen are allowed.
    assert len(found(timeline)) <= 16


@pytest.mark.parametrize("budget", [0.25, 1.0, 4.0])
def test_odd_hours_that_come_again_keep_the_budget(budget: float) -> None:
    rng = random.Random(5)
    timeline = Timeline(tick=SECOND)
    weeks, devices = 8, 3
    for index in range(devices):
        for _ in range(weeks * 14):
            # Twice a day a device does something odd, as odd as it likes.
            start = rng.uniform(0, weeks * 7 * 86_400)
            for second in range(rng.choice([1, 1, 2, 3, 10, 30])):
                surprise = min(1.0 + rng.expovariate(0.8), 6.0)
                unusual(timeline, start + second, device(20 + index), surprise=surprise,
                        peers=4.0 * 2 ** rng.expovariate(0.7), octets=0.0)  # fmt: skip
    knowledge = Knowledge(catalog=CATALOG, budget=budget)
    assert len(found(timeline, knowledge)) <= max(1.0, budget) * weeks * devices


def test_nothing_is_reported_while_learning() -> None:
    timeline = Timeline(learning_until=1000)
    attack(timeline, 100)
    assert found(timeline) == []


def test_steps_that_are_seconds_apart_add_up() -> None:
    timeline = Timeline()
    calm(timeline, 24)
    for number in range(12):
        unusual(timeline, 24 * 3600 + number * 15, surprise=3.0, peers=18.0, octets=0.0)
    assert len(found(timeline)) == 1


def test_two_episodes_hours_apart_are_two_findings() -> None:
    timeline = Timeline()
    calm(timeline, 12)
    attack(timeline, 6 * 3600 + 7)
    attack(timeline, 11 * 3600 + 7)
    assert len({finding.id for finding in found(timeline)}) == 2


def test_the_same_again_is_reported_ever_less() -> None:
    timeline = Timeline()
    for number in range(20):
        attack(timeline, 10 + number * 8 * 3600, seconds=3, peers=40.0, octets=0.0, surprise=3.5)
    assert 1 <= len(found(timeline)) <= 3


def test_what_a_specific_detector_confirms_costs_nothing() -> None:
    def count(attacked: frozenset[str]) -> int:
        timeline = Timeline()
        for number in range(20):
            attack(timeline, 10 + number * 8 * 3600, seconds=3, peers=40.0, octets=0.0)
        return len(found(timeline, Knowledge(catalog=CATALOG, attacked=attacked)))

    assert count(frozenset({CAMERA.mac})) > count(frozenset())


def test_a_lasting_episode_of_a_known_device_is_grave_and_a_young_one_is_not() -> None:
    timeline = Timeline()
    calm(timeline, 12)
    attack(timeline, 12 * 3600 + 100, seconds=60)
    assert found(timeline)[0].severity is Severity.HIGH
    young = Timeline()
    attack(young, 1, seconds=60, mature=0)
    assert found(young)[0].severity is Severity.LOW


def test_a_new_device_is_no_anomaly_but_a_stranger_at_a_server_is() -> None:
    stranger, server = device(66), device(30)
    novel = {
        "features": [3, 4], "values": [1, 1], "low": [0, 0], "high": [0.3, 0.3],
        "packets": 4, "dst_port": 502,
    }  # fmt: skip
    new = Timeline()
    for number in range(30):
        new.score(1 + number, stranger, ROUTER, 4.0, total=16, mature=0, **novel)
        # Whoever is new asks the router for something.
        new.score(1 + number, ROUTER, stranger, 2.2, total=8.8, **novel | {"features": [3]})
    assert found(new) == []
    forged = Timeline()
    forged.score(1, stranger, server, 4.0, total=16, mature=0, **novel)
    forged.score(1, server, stranger, 2.2, total=8.8, **novel)
    (finding,) = found(forged)
    assert finding.subject.mac == server.mac
    assert f"first contact with {stranger.ip} by tcp/502" in finding.summary


def test_devices_that_change_together_are_one_finding() -> None:
    timeline = Timeline()
    for number in range(6):
        attack(timeline, 10 + number * 15, seconds=3, subject=device(20 + number), peers=30.0,
               octets=0.0)  # fmt: skip
    attack(timeline, 2000, seconds=3, subject=device(40), peers=30.0, octets=0.0)
    together, alone = sorted(found(timeline), key=lambda finding: finding.first_seen)
    assert together.subject.mac == device(20).mac
    assert alone.subject.mac == device(40).mac


def test_a_grave_episode_has_its_own_finding_even_among_others() -> None:
    timeline = Timeline()
    attack(timeline, 10, seconds=3, subject=device(20), peers=30.0, octets=0.0)
    attack(timeline, 20, seconds=10, subject=device(21))
    assert {finding.subject.mac for finding in found(timeline)} == {
        device(20).mac,
        device(21).mac,
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_scores_that_are_no_numbers_are_skipped(value: float) -> None:
    timeline = Timeline()
    for number in range(100):
        timeline.score(1 + number * 0.25, CAMERA, remote(9), value, total=value)
    assert found(timeline) == []


@pytest.mark.parametrize("copies", [1, 5, 50])
def test_the_evidence_of_a_window_is_a_bound_however_packets_depend(copies: int) -> None:
    rng = random.Random(3)
    above = 0
    rounds = 20_000
    for _ in range(rounds):
        scores = [-math.log10(1.0 - rng.random()) for _ in range(50 // copies)] * copies
        above += window_evidence(len(scores), max(scores), sum(scores)) >= 2.0
    # Two bounds, each at most one in a hundred.
    assert above / rounds <= 0.02
    assert window_evidence(1000, 5.0, 5000.0) == pytest.approx(4.566, abs=0.001)
    assert window_evidence(0, 5.0, 5.0) == 0.0
