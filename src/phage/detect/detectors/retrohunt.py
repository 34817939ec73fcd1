"""Finds who had to do with something before threat intelligence named it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phage.detect import explain
from phage.detect.parties import known_subject, mac_numbers
from phage.records import Finding, LogEvent, LogKind, Peer, Severity, Subject, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.detect.detector import Knowledge

_SHOWN = 120


@dataclass(slots=True)
class RetroHunt:
    """Tells each device that talked to an address, or asked for a name, that is listed since.

    What is stored of the last days is looked up whenever a feed says something new; this judges
    what was found. It tells where to look, and not that the device is still at it.

    Fails where the store keeps less than an attack lasted, and where an address had another owner
    then.
    """

    name: ClassVar[str] = "retrohunt"
    summary: ClassVar[str] = "Devices that met an indicator before it was one."
    of_logs: ClassVar[bool] = True

    incoming: bool = False
    """Tell also of listed addresses that turned to us: everybody is knocked at all day."""

    dropped: ClassVar[int] = 0
    """Nothing is kept."""

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterator[Finding]:
        """Look at one window of events."""
        routers = mac_numbers(knowledge.routers)
        events = [each for each in window.events if each.kind is LogKind.REMEMBERED]
        events.sort(key=lambda each: (each.time, each.address, each.text("value")))
        for event in events:
            if event.text("way") != "from" or self.incoming:
                yield self._finding(
                    event, known_subject(event.address, event.text("mac"), routers), knowledge
                )

    def _finding(self, event: LogEvent, subject: Subject, knowledge: Knowledge) -> Finding:
        value, indicator = event.text("value"), event.text("indicator")
        sure, times = event.number("confidence"), event.number("times")
        first = event.number("first") or event.time
        said = event.fields.get("feeds")
        feeds = [explain.clean(each, 32) for each in said] if isinstance(said, tuple) else []
        return Finding(
            detector=self.name,
            key=f"{subject.device}|{value}",
            severity=_severity(event.text("way"), sure),
            score=sure / 100,
            subject=subject,
            summary=_sentence(event, subject, feeds, knowledge),
            first_seen=first,
            last_seen=max(first, event.time),
            peers=(Peer(value),) if event.text("indicator_kind") == "network" else (),
            packets=times,
            evidence={
                "kind": "retro",
                "direction": event.text("way"),
                "indicator": explain.escaped(indicator, _SHOWN),
                "indicator_kind": event.text("indicator_kind"),
                "seen": explain.escaped(value, _SHOWN),
                "feeds": feeds[:16],
                "confidence": sure,
                "description": explain.escaped(event.text("description"), _SHOWN),
                "times": times,
            },
            spoofable=event.spoofable,
        )


def _severity(way: str, sure: int) -> Severity:
    if way == "from":
        return Severity.INFO
    if sure >= 90:
        return Severity.HIGH
    return Severity.MEDIUM if sure >= 50 else Severity.LOW


def _sentence(event: LogEvent, subject: Subject, feeds: list[str], knowledge: Knowledge) -> str:
    who = explain.label(subject, knowledge)
    value = explain.clean(event.text("value"), 100)
    verb = {"to": "turned to", "from": "was turned to by"}.get(event.text("way"), "named")
    times = explain.counted(event.number("times"), "time")
    span = event.time - (event.number("first") or event.time)
    over = f" over {explain.duration(span)}" if span > 0 else ""
    listed = f"{explain.listing(feeds)} {'lists' if len(feeds) == 1 else 'list'} since"
    return explain.sentence(
        [
            f"{who} {verb} {value} {times}{over}, which {listed}",
            explain.clean(event.text("description"), 80),
        ]
    )
