"""Tells an MQTT broker how phage does, in the way that Home Assistant finds by itself.

Entities are described as Home Assistant's "MQTT Discovery" says; all of them read one document of
state, and findings are events. Nothing that a broker says steers phage.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phage.config.load import read_secret
from phage.notify.notice import shown
from phage.records import FindingState, Severity
from phage.telemetry.mqtt import MqttLink
from phage.telemetry.version import package_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Protocol

    from phage.clock import Clock
    from phage.config.mqtt import MqttSettings
    from phage.daemon.enforcement import Enforcement
    from phage.policy.desk import Outcome
    from phage.records import Finding, Window

    class Link(Protocol):
        """What publishes."""

        def state(self, topic: str, fields: Mapping[str, object]) -> None:
            """Tell how something is."""

        def event(self, topic: str, fields: Mapping[str, object]) -> None:
            """Tell that something happened."""


LONGEST_STATE = 250
"""Characters of a state; Home Assistant takes 255."""

MAX_OPEN = 4096
"""Open findings that are counted."""

ENTITIES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "findings_open": (
        "sensor",
        {"name": "Open findings", "icon": "mdi:shield-alert", "state_class": "measurement"},
    ),
    "worst": ("sensor", {"name": "Worst open finding", "icon": "mdi:alert-octagon"}),
    "last_finding": ("sensor", {"name": "Last finding", "icon": "mdi:text-box-search"}),
    "blocked": (
        "sensor",
        {"name": "Blocked", "icon": "mdi:cancel", "state_class": "measurement"},
    ),
    "traffic": (
        "sensor",
        {
            "name": "Traffic",
            "device_class": "data_rate",
            "unit_of_measurement": "bit/s",
            "state_class": "measurement",
        },
    ),
    "packets": (
        "sensor",
        {
            "name": "Packets",
            "icon": "mdi:swap-vertical",
            "unit_of_measurement": "packets/s",
            "state_class": "measurement",
        },
    ),
    "problem": ("binary_sensor", {"name": "Problem", "device_class": "problem"}),
    "enforcing": ("binary_sensor", {"name": "Enforcing", "icon": "mdi:shield-lock"}),
    "panic": ("binary_sensor", {"name": "Panic switch", "icon": "mdi:shield-off"}),
}
"""What is told: component of Home Assistant, and how it is shown."""


@dataclass
class HomeAssistantSink:
    """Keeps the figures of now, and tells them.

    Attributes:
        link: Where they are told.
        settings: How.
        clock: Tells when.
        status: Returns what else is told: blocked, problem, enforcing, panic.
        node: Name of this phage in topics.
    """

    link: Link
    settings: MqttSettings
    clock: Clock
    status: Callable[[], Mapping[str, object]]
    node: str
    stop: Callable[[], None] = lambda: None
    _open: dict[str, Severity] = field(default_factory=dict)
    _last: str = ""
    _since: float = 0.0
    _packets: int = 0
    _octets: int = 0
    _state: dict[str, object] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """Return the topic below which all of this phage is told."""
        return f"{self.settings.topic}/{self.node}"

    def announce(self) -> None:
        """Describe all entities, and tell the last state: the broker is new to us."""
        for topic, fields in self._descriptions():
            self.link.state(topic, fields)
        if self._state:
            self.link.state(f"{self.base}/state", self._state)

    def _descriptions(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if not self.settings.discovery:
            return
        common = {
            "availability_topic": f"{self.base}/available",
            "device": {
                "identifiers": [f"phage_{self.node}"],
                "name": f"phage {self.settings.name or self.node}",
                "manufacturer": "phage",
                "sw_version": package_version(),
            },
        }
        for entity, (component, own) in ENTITIES.items():
            fields = {
                **own,
                **common,
                "unique_id": f"phage_{self.node}_{entity}",
                "object_id": f"phage_{self.node}_{entity}",
                "state_topic": f"{self.base}/state",
                "value_template": f"{{{{ value_json.{entity} }}}}",
            }
            yield f"{self.settings.discovery}/{component}/phage_{self.node}/{entity}/config", fields
        yield (
            f"{self.settings.discovery}/event/phage_{self.node}/finding/config",
            {
                **common,
                "name": "Finding",
                "icon": "mdi:shield-search",
                "unique_id": f"phage_{self.node}_finding",
                "object_id": f"phage_{self.node}_finding",
                "state_topic": f"{self.base}/finding",
                "event_types": [str(each) for each in Severity],
            },
        )

    def window(self, window: Window) -> None:
        """Count a window, and tell how phage does when it is time."""
        self._packets += window.packets
        self._octets += window.octets
        now = self.clock.monotonic()
        if not self._since:
            self._since = now
        elif now - self._since >= self.settings.every:
            self._tell(now)

    def _tell(self, now: float) -> None:
        seconds = now - self._since
        worst = max(self._open.values(), key=lambda each: each.rank, default=None)
        self._state = {
            "findings_open": len(self._open),
            "worst": str(worst) if worst is not None else "none",
            "last_finding": self._last,
            "traffic": round(self._octets * 8 / seconds),
            "packets": round(self._packets / seconds, 1),
            **{
                name: ("ON" if value else "OFF") if isinstance(value, bool) else value
                for name, value in self.status().items()
            },
        }
        self._since, self._packets, self._octets = now, 0, 0
        self.link.state(f"{self.base}/state", self._state)

    def decided(self, outcome: Outcome) -> None:
        """Decisions are told by their number."""

    def finding(self, finding: Finding) -> None:
        """Tell a finding once, when it is new; count it while it is open."""
        if finding.state is not FindingState.OPEN:
            self._open.pop(finding.id, None)
            return
        is_new = finding.id not in self._open
        if is_new and len(self._open) >= MAX_OPEN:
            return
        self._open[finding.id] = finding.severity
        self._last = shown(finding.summary, LONGEST_STATE)
        if is_new:
            self.link.event(
                f"{self.base}/finding",
                {
                    "event_type": str(finding.severity),
                    "summary": self._last,
                    "detector": finding.detector,
                    "subject": shown(finding.subject.ip or finding.subject.device, 100),
                    "finding": finding.id,
                },
            )

    def close(self) -> None:
        """Say goodbye."""
        self.stop()


def homeassistant_sinks(
    settings: MqttSettings,
    clock: Clock,
    enforcement: Enforcement,
    health: Callable[[], Mapping[str, object]],
) -> list[HomeAssistantSink]:
    """Return what tells the broker; nothing where there is none. Raises ConfigError."""
    if not settings.url:
        return []

    def status() -> Mapping[str, object]:
        return {
            "blocked": enforcement.ledger.enforced,
            "problem": health()["status"] != "ok",
            "enforcing": enforcement.desk.enforce,
            "panic": enforcement.held,
        }

    password = settings.password.get_secret_value()
    if settings.password_file is not None:
        password = read_secret(settings.password_file, "outputs.mqtt.password_file")
    node = re.sub(r"[^a-zA-Z0-9_-]", "_", settings.name or socket.gethostname())
    available = f"{settings.topic}/{node}/available"
    link = MqttLink(settings.url, available, settings.user, password, settings.ca_file)
    sink = HomeAssistantSink(link, settings, clock, status, node, link.stop)
    link.on_connect = sink.announce
    link.start()
    return [sink]
