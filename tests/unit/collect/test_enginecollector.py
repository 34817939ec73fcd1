"""Windows of an engine, up to the last one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from phage.collect.enginecollector import EngineCollector
from phage.records.columns import FLOW

if TYPE_CHECKING:
    from phage.native import PrefixSet


@dataclass
class FakeEngine:
    """Hands windows out, and when it is finished the flows that were open."""

    raws: list[Any]
    last: list[Any] = field(default_factory=list)

    def next(self, wait: float) -> Any:
        return self.raws.pop(0) if self.raws else None

    def finish(self) -> None:
        self.raws, self.last = self.last, []

    def ended(self) -> bool:
        return not self.raws

    def take_uses(self) -> bytes:
        return b""

    def take_volumes(self) -> tuple[bytes, bytes]:
        return b"", b""

    def counters(self) -> dict[str, int]:
        return {}

    def faults(self) -> list[str]:
        return []

    def replace_prefixes(self, prefixes: PrefixSet, /) -> None:
        pass

    def close(self) -> None:
        pass


def raw(start: int, end: int, packets: int, flows: int = 0) -> Any:
    rows = np.zeros(flows, dtype=FLOW).tobytes()
    return (start, end, packets, 0, rows, b"", b"", b"", (), False)


def test_flows_that_end_with_the_source_end_at_its_last_packet() -> None:
    for stops in (False, True):
        ends = [raw(0, 0, 0, flows=2)]
        engine = FakeEngine([raw(5, 7, 1)] + ([] if stops else ends), ends if stops else [])
        collector = EngineCollector(engine, lambda _: None)
        windows = []
        for window in collector.windows():
            windows.append((window.start, window.end, len(window.flows)))
            if stops:
                collector.stop()
        assert windows == [(5, 7, 0), (7, 7, 2)]
