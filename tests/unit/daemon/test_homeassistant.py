"""What Home Assistant is told, by a link that only keeps it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from phage.clock import FixedClock
from phage.config.mqtt import MqttSettings
from phage.daemon.homeassistant import ENTITIES, MAX_OPEN, HomeAssistantSink
from phage.errors import ConfigError
from phage.records import FindingState, Severity
from phage.telemetry.mqtt import MqttLink
from phage.testing.records import EPOCH, make_finding
from phage.testing.windows import WindowBuilder, at

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Kept:
    def __init__(self) -> None:
        self.states: dict[str, dict[str, object]] = {}
        self.events: list[tuple[str, Mapping[str, object]]] = []

    def state(self, topic: str, fields: Mapping[str, object]) -> None:
        self.states[topic] = json.loads(json.dumps(fields))

    def event(self, topic: str, fields: Mapping[str, object]) -> None:
        self.events.append((topic, fields))


def sink_of(**settings: object) -> tuple[HomeAssistantSink, Kept, FixedClock]:
    kept, clock = Kept(), FixedClock(EPOCH)
    status = {"blocked": 3, "problem": False, "enforcing": True, "panic": False}
    own = MqttSettings.model_validate({"url": "mqtt://h", **settings})
    return HomeAssistantSink(kept, own, clock, lambda: status, "box"), kept, clock


def watch(sink: HomeAssistantSink, clock: FixedClock) -> None:
    """Let ten seconds pass, with traffic."""
    window = replace(WindowBuilder(start=at(0)).build(), packets=100, octets=1000)
    sink.window(window)
    clock.nanoseconds += 10 * 10**9
    sink.window(window)


@pytest.mark.parametrize(
    "url", ["http://h", "mqtt://", "mqtt://:1883", "mqtt://h:99999", "mqtts://["]
)
def test_an_address_that_is_none_is_refused_when_settings_are_read(url: str) -> None:
    with pytest.raises(ValidationError, match="url"):
        MqttSettings(url=url)


def test_certificates_that_are_not_there_are_named(tmp_path: Path) -> None:
    pytest.importorskip("paho")
    with pytest.raises(ConfigError, match=r"ca_file: .*none\.pem: No such file"):
        MqttLink("mqtts://h", "available", ca_file=tmp_path / "none.pem")


def test_every_entity_reads_something_that_is_told() -> None:
    sink, kept, clock = sink_of()
    watch(sink, clock)
    sink.announce()
    state = kept.states["phage/box/state"]
    found = set()
    for topic, fields in kept.states.items():
        if not topic.startswith("homeassistant/"):
            continue
        found.add(topic.split("/")[3])
        assert fields["availability_topic"] == "phage/box/available"
        device = fields["device"]
        assert isinstance(device, dict)
        assert device["identifiers"] == ["phage_box"]
        if template := fields.get("value_template"):
            assert re.findall(r"value_json\.(\w+)", str(template))[0] in state
    assert found == {*ENTITIES, "finding"}
    assert state["enforcing"] == "ON"
    assert state["problem"] == "OFF"
    assert (state["blocked"], state["packets"], state["traffic"]) == (3, 20.0, 1600)


def test_a_finding_is_an_event_once_and_counted_while_it_is_open() -> None:
    sink, kept, clock = sink_of()
    finding = make_finding(1, severity=Severity.HIGH, summary="Bad\x1b[31m things")
    sink.finding(finding)
    sink.finding(replace(finding, severity=Severity.CRITICAL))
    ((topic, event),) = kept.events
    assert topic == "phage/box/finding"
    assert event["event_type"] == "high"
    assert "\x1b" not in str(event["summary"])
    watch(sink, clock)
    state = kept.states["phage/box/state"]
    assert (state["findings_open"], state["worst"]) == (1, "critical")
    sink.finding(replace(finding, state=FindingState.CLOSED))
    watch(sink, clock)
    state = kept.states["phage/box/state"]
    assert (state["findings_open"], state["worst"]) == (0, "none")
    assert str(state["last_finding"]).startswith("Bad")


def test_open_findings_are_bounded() -> None:
    sink, kept, _ = sink_of()
    for number in range(MAX_OPEN + 10):
        sink.finding(make_finding(number, id=f"{number:016d}", state=FindingState.OPEN))
    assert len(kept.events) == MAX_OPEN


def test_without_discovery_only_the_state_is_told() -> None:
    sink, kept, clock = sink_of(discovery="", topic="house/net")
    watch(sink, clock)
    sink.announce()
    assert list(kept.states) == ["house/net/box/state"]
