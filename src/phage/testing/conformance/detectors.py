"""Checks that every detector passes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from phage.detect.detector import Detector, Knowledge
from phage.records import Finding, Severity, Window
from phage.testing.conformance.plugins import expect
from phage.testing.conformance.quiet import no_input_or_output
from phage.testing.windows import EPOCH, TICK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def run(detector: Detector, windows: Sequence[Window], *, learning: bool = False) -> list[Finding]:
    """Return all that a detector finds in windows, in order, without input and output."""
    knowledge = Knowledge(learning=learning, home=("192.168.0.0/16", "fd00::/8"))
    with no_input_or_output(detector.name):
        return [finding for window in windows for finding in detector.inspect(window, knowledge)]


def check_finding(detector: Detector, finding: Finding) -> None:
    """A finding says who, what, when and how bad, in a form that every output can carry."""
    name = detector.name
    expect(finding.detector == name, f"{name}: a finding of {finding.detector!r}")
    expect(finding.key, f"{name}: a finding without a key")
    expect(isinstance(finding.severity, Severity), f"{name}: severity {finding.severity!r}")
    expect(math.isfinite(finding.score), f"{name}: score {finding.score}")
    expect(finding.first_seen <= finding.last_seen, f"{name}: ends before it begins")
    expect(finding.summary.strip() == finding.summary != "", f"{name}: no summary")
    expect("\n" not in finding.summary, f"{name}: a summary of several lines")
    expect(finding.packets >= 0, f"{name}: {finding.packets} packets")
    expect(
        finding.subject.device or finding.subject.mac or finding.subject.ip,
        f"{name}: a finding about nobody",
    )
    for feature in finding.features:
        expect(feature.name, f"{name}: a feature without a name")
        expect(
            not feature.expected_low > feature.expected_high,
            f"{name}: {feature.name} is expected from {feature.expected_low} "
            f"to {feature.expected_high}",
        )


def check_nothing(make: Callable[[], Detector]) -> None:
    """Nothing is found where nothing is."""
    windows = [
        Window(start=EPOCH + number * TICK, end=EPOCH + (number + 1) * TICK) for number in range(50)
    ]
    found = run(make(), windows)
    expect(not found, f"{make().name} finds {found[:1]} in empty windows")


def check_same(make: Callable[[], Detector], windows: Sequence[Window]) -> None:
    """The same windows give the same findings, from the first call on."""
    first, second = run(make(), windows), run(make(), windows)
    expect(first == second, f"{make().name} finds something else the second time")
    for finding in first:
        check_finding(make(), finding)


def check_windows_unchanged(make: Callable[[], Detector], windows: Sequence[Window]) -> None:
    """A detector does not write to windows: others read them after it."""
    before = [
        (window.flows.tobytes(), window.hosts.tobytes(), window.scores.tobytes())
        for window in windows
    ]
    run(make(), windows)
    after = [
        (window.flows.tobytes(), window.hosts.tobytes(), window.scores.tobytes())
        for window in windows
    ]
    expect(before == after, f"{make().name} changes windows")
