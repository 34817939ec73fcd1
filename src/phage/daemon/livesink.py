"""What goes on now, for the API: figures of this run, and events for who listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.api.shapes import decision_shape, finding_shape
from phage.api.vitals import Vitals
from phage.clock import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phage.api.events import EventHub
    from phage.clock import Clock
    from phage.policy.desk import Outcome
    from phage.records import Finding, Window

STATS_NS = 1_000_000_000
"""Figures are told once in this time."""


class LiveSink:
    """Keeps the figures of this run, and hands findings, decisions and figures to listeners.

    Args:
        hub: Where listeners are.
        clock: Tells when the run began.
        losses: Returns what was dropped or failed, by kind; quick.
    """

    def __init__(
        self, hub: EventHub, clock: Clock, losses: Callable[[], Mapping[str, int]]
    ) -> None:
        self.hub = hub
        self._losses = losses
        self._clock = clock
        self._started = clock.now()
        self._packets = self._octets = 0
        self._learning = False
        self._open: set[str] = set()
        self._begun = 0
        self._since = (0, 0)

    def vitals(self) -> Vitals:
        """Return the figures of now."""
        return Vitals(
            started=self._started,
            packets=self._packets,
            octets=self._octets,
            learning=self._learning,
            findings_open=len(self._open),
            drops=self._losses(),
        )

    def window(self, window: Window) -> None:
        """Add a window to the figures."""
        self._packets += window.packets
        self._octets += window.octets
        self._learning = bool(window.learning)
        if window.end - self._begun >= STATS_NS:
            self._tell(window.end)

    def _tell(self, now: int) -> None:
        packets, octets = self._packets - self._since[0], self._octets - self._since[1]
        seconds = max(1.0, (now - self._begun) / 1e9) if self._begun else 1.0
        self._begun, self._since = now, (self._packets, self._octets)
        self.hub.publish(
            "stats",
            {
                "at": rfc3339(now),
                "packets_per_second": round(packets / seconds, 1),
                "octets_per_second": round(octets / seconds, 1),
                "packets": self._packets,
                "octets": self._octets,
                "learning": self._learning,
                "findings_open": len(self._open),
            },
        )

    def decided(self, outcome: Outcome) -> None:
        """Tell a decision."""
        if outcome.decision is not None:
            shape = decision_shape(outcome.decision, self._clock.now())
            self.hub.publish("decision", shape)

    def finding(self, finding: Finding) -> None:
        """Tell a finding as it stands now."""
        if finding.state == "open":
            self._open.add(finding.id)
        else:
            self._open.discard(finding.id)
        self.hub.publish("finding", finding_shape(finding))

    def close(self) -> None:
        """Nothing is left to tell."""
