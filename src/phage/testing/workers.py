"""Workers that scan files, as they tell of themselves; for pages and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.records.sample import EngineKind, EngineVersion
from phage.records.scanrelease import DefinitionRelease
from phage.records.scantask import EngineReport, WorkerReport
from phage.store.repositories.scanfleets import FleetRow

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = 3_600 * 10**9


def some_workers(now: int) -> Iterator[WorkerReport]:
    """Yield a worker that is here, with an engine that failed, and one that is gone."""
    engines = (
        EngineReport(
            "clamav", version=EngineVersion("1.4.6", "27841", now - 5 * HOUR), largest=10**8,
            place="service", files=1_204, median=0.0009, slowest=0.012,
        ),
        EngineReport("magika", EngineKind.METADATA, EngineVersion("1.1.0"), largest=10**8),
        EngineReport("yara", version=EngineVersion("1.22"), fault="eicar.com: says undetected"),
    )  # fmt: skip
    yield WorkerReport(
        "scan-1", "0123456789ab", "scan-1.lan", "192.168.1.40", "1.0", now - HOUR, now - 10**9,
        "full", processes=4, engines=engines, faults={"tasks not done": 2},
    )  # fmt: skip
    yield WorkerReport(
        "scan-2", "ba9876543210", "scan-2.lan", "192.168.1.41", "1.0", now - 9 * HOUR, now - HOUR,
        "partial", "the machine's files can be seen", 2, engines[:1],
    )  # fmt: skip


def a_release(now: int) -> DefinitionRelease:
    """Return definitions that a canary tries."""
    return DefinitionRelease(
        "00006555a1b2c3d4e5f6", "yara", "a" * 64, "rules.yar", 4_096, canary="scan-1",
        author="user:admin", made=now - HOUR, changed=now - HOUR,
    )  # fmt: skip


def a_fleet(now: int) -> FleetRow:
    """Return a fleet of one machine whose launcher has refused another."""
    machines = [("i-0123456789abcdef0", "scan-1", "10.0.0.7")]
    return FleetRow("clamav", "ec2", 2, 8, machines=machines, seen=now, fault="EC2: no capacity")
