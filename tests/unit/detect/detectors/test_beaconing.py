"""Regular contacts with a new peer are found; those that were always there are not."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from phage.detect.detectors.beaconing import Beaconing
from phage.testing.timeline import Timeline, findings_of
from phage.testing.windows import ROUTER, Endpoint, device, remote

if TYPE_CHECKING:
    from phage.records import Finding

BOT = device(20)
LEARNED = 7200.0


def found(timeline: Timeline) -> list[Finding]:
    return findings_of(timeline.windows(), Beaconing())


def life(timeline: Timeline, end: float) -> None:
    """Let a device report to its cloud every two minutes, from the beginning."""
    for number in range(int(end / 120)):
        timeline.connect(number * 120, BOT, remote(1), 8883)


def beacon(
    timeline: Timeline, interval: float, jitter: float, count: int, peer: Endpoint, port: int = 443
) -> None:
    rng = random.Random(int(interval))
    time = LEARNED + 100
    for _ in range(count):
        timeline.connect(time, BOT, peer, port)
        time += interval * (1 + jitter * (2 * rng.random() - 1))


@pytest.mark.parametrize(("interval", "count"), [(10, 140), (60, 40), (300, 30), (3600, 14)])
@pytest.mark.parametrize("jitter", [0.0, 0.1, 0.2])
def test_a_beacon_to_a_new_peer(interval: float, count: int, jitter: float) -> None:
    timeline = Timeline(learning_until=LEARNED)
    life(timeline, LEARNED * 2)
    beacon(timeline, interval, jitter, count, remote(77))
    (finding,) = found(timeline)
    assert finding.subject.mac == BOT.mac
    assert finding.peers[0].ip == remote(77).ip
    assert finding.evidence["interval_seconds"] == pytest.approx(interval, rel=0.15)


def test_missed_beats_are_forgiven() -> None:
    timeline = Timeline(learning_until=LEARNED)
    life(timeline, LEARNED * 2)
    for number in range(60):
        if number % 7:
            timeline.connect(LEARNED + 100 + number * 60, BOT, remote(77), 443)
    assert len(found(timeline)) == 1


# What is none.


def test_what_was_there_while_learning_is_none() -> None:
    timeline = Timeline(learning_until=LEARNED)
    life(timeline, LEARNED * 4)
    for number in range(500):
        timeline.datagrams(number * 60, BOT, remote(number), 123)
    assert found(timeline) == []


def test_a_cloud_that_changes_its_address_is_none() -> None:
    timeline = Timeline(learning_until=LEARNED)
    for number in range(400):
        peer = remote(number // 50)
        timeline.dns(number * 60, BOT, ROUTER, "mqtt.cloud.example", answers=(f"A {peer.ip}",))
        timeline.connect(number * 60 + 1, BOT, peer, 443)
    assert found(timeline) == []


def test_a_service_that_two_devices_use_is_none() -> None:
    timeline = Timeline(learning_until=LEARNED)
    life(timeline, LEARNED * 2)
    for number in range(10):
        timeline.connect(number * 100, device(21), remote(2), 443)
    beacon(timeline, 60, 0.0, 60, remote(77))
    for number in range(60):
        timeline.connect(LEARNED + 90 + number * 60, device(21), remote(77), 443)
    assert found(timeline) == []


def test_a_person_is_none() -> None:
    timeline = Timeline(learning_until=LEARNED)
    life(timeline, LEARNED * 2)
    rng = random.Random(9)
    time = LEARNED
    for _ in range(300):
        time += rng.expovariate(1 / 60)
        timeline.connect(time, BOT, remote(77), 443)
    assert found(timeline) == []


def test_a_new_device_is_learned_for_a_day() -> None:
    timeline = Timeline(learning_until=LEARNED)
    life(timeline, LEARNED * 2)
    for number in range(600):
        timeline.connect(LEARNED + 100 + number * 60, device(30), remote(88), 8883)
    assert found(timeline) == []


def test_a_short_series_is_none() -> None:
    timeline = Timeline(learning_until=LEARNED)
    life(timeline, LEARNED * 2)
    beacon(timeline, 10, 0.0, 60, remote(77))
    assert found(timeline) == []
