from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar, cast

from phage.clock import FixedClock
from phage.daemon.pipeline import Pipeline
from phage.detect.detector import Detector, Knowledge
from phage.plugin import Runner
from phage.records import Subject
from phage.testing.records import make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.daemon.pipeline import Sink
    from phage.records import Finding, Window

SECOND = 1_000_000_000


class Patient:
    """A detector that notes the windows that it is shown."""

    name: ClassVar[str] = "patient"
    summary: ClassVar[str] = "waits"
    dropped = 0

    def __init__(self) -> None:
        self.windows: list[Window] = []

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterator[Finding]:
        self.windows.append(window)
        return iter(())


def test_detectors_see_time_pass_while_nothing_is_sent() -> None:
    patient = Patient()
    runner: Runner[Detector] = Runner("patient", patient, FixedClock())
    pipeline = Pipeline([runner], Knowledge(), [])
    pipeline.idle(5 * SECOND)
    pipeline.idle(6 * SECOND)
    assert [(each.start, each.end, each.packets) for each in patient.windows] == [
        (5 * SECOND, 5 * SECOND, 0),
        (5 * SECOND, 6 * SECOND, 0),
    ]


def test_time_never_goes_back() -> None:
    patient = Patient()
    runner: Runner[Detector] = Runner("patient", patient, FixedClock())
    pipeline = Pipeline([runner], Knowledge(), [])
    pipeline.idle(6 * SECOND)
    pipeline.idle(5 * SECOND)
    assert len(patient.windows) == 1
    assert pipeline.now == 6 * SECOND


class Attacked:
    """A detector that finds our own machine in both roles."""

    name: ClassVar[str] = "attacked"
    summary: ClassVar[str] = "finds"
    dropped = 0

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterator[Finding]:
        for role in ("attacker", "victim"):
            yield replace(
                make_finding(1),
                key=role,
                subject=Subject(ip="192.0.2.1", device="192.0.2.1"),
                evidence={"subject_is": role},
            )


def test_who_attacks_us_while_we_scan_is_told_of() -> None:
    told: list[Finding] = []
    sink = SimpleNamespace(finding=told.append)
    runner: Runner[Detector] = Runner("attacked", Attacked(), FixedClock())
    own = frozenset({"192.0.2.1"})
    pipeline = Pipeline([runner], Knowledge(), [cast("Sink", sink)], scanning=lambda: own)
    pipeline.idle(6 * SECOND)
    assert {each.evidence["subject_is"] for each in told} == {"victim"}
