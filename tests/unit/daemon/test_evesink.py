"""What is written of several collectors as EVE JSON lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from phage.clock import FixedClock
from phage.daemon.sinks import EveSink
from phage.records import Window
from phage.telemetry.evelog import EveLog
from phage.telemetry.rotation import RotatingFile
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 10**9


def written(path: Path, windows: list[Window]) -> list[dict[str, Any]]:
    clock = FixedClock(EPOCH)
    log = EveLog(RotatingFile(path, 10**6, 1, clock), ["anomaly", "stats"])
    sink = EveSink(log, clock, 2.0)
    for window in windows:
        sink.window(window)
    sink.close()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_totals_are_of_all_collectors_and_faults_of_each(tmp_path: Path) -> None:
    def window(second: int, collector: int, packets: int, malformed: int) -> Window:
        time = EPOCH + second * SECOND
        counters = {"packets": packets, "malformed.arp_malformed": malformed}
        name = f"eth{collector}"
        return Window(time, time, counters=counters, collector=collector, interface=name)

    windows = [window(0, 1, 10, 5), window(1, 2, 20, 3), window(2, 1, 30, 5), window(3, 2, 40, 4)]
    # A window of logs has no such counters, and takes none away.
    events = written(tmp_path / "eve.json", [*windows[:3], Window(EPOCH, EPOCH), windows[3]])
    faults = [each for each in events if each["event_type"] == "anomaly"]
    assert [(each["in_iface"], each["anomaly"]["count"]) for each in faults] == [
        ("eth1", 5),
        ("eth2", 3),
        ("eth2", 1),
    ]
    totals = [each["stats"] for each in events if each["event_type"] == "stats"]
    assert [each["decoder"]["pkts"] for each in totals] == [10, 50]
    assert totals[1]["decoder"]["invalid"] == 8
