from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phage.clock import FixedClock
from phage.daemon.pipeline import Pipeline
from phage.detect.detector import Detector, Knowledge
from phage.plugin import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator

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
