"""Searching for holes is found in access logs; broken links and busy visitors are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.detect.detector import Knowledge
from phage.detect.detectors.webprobe import WebProbe
from phage.records import Finding, LogEvent, LogKind, Severity, Window
from phage.testing.windows import SECOND, at

if TYPE_CHECKING:
    from collections.abc import Iterable


def event(
    seconds: float, path: str, status: int = 404, kind: LogKind = LogKind.HTTP_ERROR
) -> LogEvent:
    line = f'198.51.100.7 - - [x] "GET {path} HTTP/1.1" {status}'
    return LogEvent(
        kind, at(seconds), "access.log", "nginx", "198.51.100.7", "", path, status, line
    )


def found(events: Iterable[LogEvent]) -> list[Finding]:
    detector, last = WebProbe(), {}
    for each in events:
        window = Window(each.time, each.time + SECOND, events=(each,))
        for finding in detector.inspect(window, Knowledge()):
            last[finding.key] = finding
    return list(last.values())


def test_probes() -> None:
    paths = ("/.env", "/.git/config", "/phpmyadmin/")
    probes = [event(number, path, kind=LogKind.HTTP_PROBE) for number, path in enumerate(paths)]
    assert not found(probes[:2])
    (finding,) = found(probes)
    assert finding.evidence["probes"] == list(paths)
    assert finding.severity is Severity.MEDIUM


def test_a_probe_that_was_answered_is_worse() -> None:
    paths = ("/.env", "/.git/config", "/.aws/credentials")
    probes = [event(n, path, 200, LogKind.HTTP_PROBE) for n, path in enumerate(paths)]
    (finding,) = found(probes)
    assert finding.severity is Severity.HIGH
    assert "answered" in finding.summary


def test_many_pages_that_are_not_there() -> None:
    (finding,) = found(event(number, f"/page{number}") for number in range(30))
    assert (finding.evidence["kind"], finding.severity) == ("errors", Severity.LOW)


def test_one_broken_picture_is_none() -> None:
    assert not found(event(number, f"/logo.png?{number}") for number in range(500))


def test_broken_links_over_a_day_are_none() -> None:
    assert not found(event(300 * number, f"/page{number}") for number in range(200))


def test_a_scanner_by_its_name() -> None:
    (finding,) = found(event(n, f"/{n}", 200, LogKind.SCANNER_AGENT) for n in range(4))
    assert finding.evidence["scanner"] is True
