"""Finds those who look for holes in Web servers, in access logs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.detect import explain
from phage.detect.buckets import source_group
from phage.detect.tables import Distinct, Recent
from phage.records import Feature, Finding, LogEvent, LogKind, Severity, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.detect.detector import Knowledge

_SECOND = 1_000_000_000
_KINDS = frozenset({LogKind.HTTP_ERROR, LogKind.HTTP_PROBE, LogKind.SCANNER_AGENT})
_SHOWN_PATHS, _SHOWN_LINES = 8, 3
_SHOWN_TEXT, _PATH = 240, 120


@dataclass(slots=True)
class _Source:
    """One party at one server."""

    address: str
    log: str
    first: int
    last: int
    errors: Distinct[str] = field(default_factory=lambda: Distinct(128))
    probes: Distinct[str] = field(default_factory=lambda: Distinct(32))
    served: Distinct[str] = field(default_factory=lambda: Distinct(8))
    lines: list[str] = field(default_factory=list)
    requests: int = 0
    total_probes: int = 0
    by_scanner: int = 0
    kind: str = ""


@dataclass(slots=True)
class WebProbe:
    """Finds requests for what only those ask for who look for holes, and floods of errors.

    Different targets count, not requests: a page with one broken picture is no attack. A source is
    an IPv4 address or an IPv6 /64.

    Fails for slow and patient searching by many addresses, and for servers that log the address of
    a proxy before them.
    """

    name: ClassVar[str] = "webprobe"
    summary: ClassVar[str] = "Searching for holes in Web servers, from access logs."
    of_logs: ClassVar[bool] = True

    probes: int = 3
    """Different targets that no visitor asks for."""
    errors: int = 25
    """Different targets that were refused or not there."""
    scanner_requests: int = 3
    """Requests of a program that calls itself a scanner."""
    within_s: float = 600.0
    """Seconds within which they count."""
    quiet_s: float = 1800.0
    """Searching that rested for so long is over."""
    most_sources: int = 4096
    """Sources with state, about 12 kB each at the worst."""

    _sources: Recent[tuple[str, str], _Source] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the table."""
        self._sources = Recent(self.most_sources)

    @property
    def dropped(self) -> int:
        """How many sources the table had to drop so far."""
        return self._sources.dropped

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterator[Finding]:
        """Look at one window."""
        changed: dict[tuple[str, str], _Source] = {}
        events = [event for event in window.events if event.kind in _KINDS and event.address]
        events.sort(key=lambda event: (event.time, event.address, event.path, event.message))
        for event in events:
            key = (event.service, source_group(event.address, knowledge.home))
            source = self._take(key, event)
            if not source.kind:
                source.kind = self._judge(source)
            if source.kind:
                changed[key] = source
        for key, source in changed.items():
            yield self._finding(key, source, knowledge)

    def _take(self, key: tuple[str, str], event: LogEvent) -> _Source:
        source = self._sources.use(key)
        if source is None or event.time - source.last > self.quiet_s * _SECOND:
            fresh = _Source(event.address, event.source, event.time, event.time)
            source = self._sources.put(key, fresh)
        source.last = max(source.last, event.time)
        source.requests += 1
        before = event.time - round(self.within_s * _SECOND)
        target = event.path.partition("?")[0]
        if event.kind is LogKind.HTTP_ERROR:
            source.errors.expire(before)
            source.errors.refresh(target[:_PATH], event.time)
            return source
        if len(source.lines) < _SHOWN_LINES:
            source.lines.append(explain.escaped(event.message, _SHOWN_TEXT))
        if event.kind is LogKind.SCANNER_AGENT:
            source.by_scanner += 1
            return source
        source.probes.expire(before)
        source.total_probes += source.probes.refresh(event.path[:_PATH], event.time)
        if 200 <= event.status < 300:
            source.served.add(event.path[:_PATH], event.time)
        return source

    def _judge(self, source: _Source) -> str:
        """Return what a source does; '' while it may be a visitor."""
        if source.by_scanner >= self.scanner_requests:
            return "scanner"
        if len(source.probes) >= self.probes:
            return "probing"
        return "errors" if len(source.errors) >= self.errors else ""

    def _finding(self, key: tuple[str, str], source: _Source, knowledge: Knowledge) -> Finding:
        service, group = key
        severity = Severity.LOW if source.kind == "errors" else Severity.MEDIUM
        if source.served:
            severity = Severity.HIGH
        minutes = max((source.last - source.first) / (60 * _SECOND), 1.0)
        feature = Feature(
            "web_errors",
            round(source.requests / minutes, 2),
            0.0,
            round(self.errors * 60 / self.within_s, 2),
            "requests/min",
            1.0,
            "requests that a server refused or that look for holes",
        )
        paths = [explain.escaped(path, _PATH) for path in list(source.probes)[:_SHOWN_PATHS]]
        served = [explain.escaped(path, _PATH) for path in source.served]
        return Finding(
            detector=self.name,
            key=f"{group}/{service}",
            severity=severity,
            score=min(1.0, 0.4 + source.requests / 200),
            subject=explain.subject_named(source.address, ""),
            summary=_sentence(source, service, paths, served, knowledge),
            first_seen=source.first,
            last_seen=source.last,
            packets=source.requests,
            evidence={
                "kind": source.kind,
                "service": service,
                "prefix": group,
                "requests": source.requests,
                "probes": paths,
                "served": served,
                "distinct_errors": len(source.errors),
                "scanner": source.by_scanner > 0,
                "lines": list(source.lines),
                "log": source.log,
            },
            features=(feature,),
        )


def _sentence(
    source: _Source, service: str, paths: list[str], served: list[str], knowledge: Knowledge
) -> str:
    who = explain.label(explain.subject_named(source.address, ""), knowledge)
    took = explain.duration(max(1, source.last - source.first))
    requests = explain.counted(source.requests, "request")
    did = {
        "scanner": f"sent {requests} with a scanner",
        "probing": f"looked for holes with {requests}",
        "errors": f"asked for {explain.counted(len(source.errors), 'page')} that are not there",
    }[source.kind]
    first = f"{who} {did} at {service} in {took}"
    answered = f"{explain.listing(served)} was answered" if served else ""
    asked = f"it asked for {explain.listing(paths, source.total_probes)}" if paths else ""
    return explain.sentence([first, answered, asked])
