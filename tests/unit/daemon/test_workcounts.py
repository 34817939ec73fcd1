"""What processes that scan have done is in /metrics, whoever answers there."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from phage.clock import FixedClock, SystemClock
from phage.daemon import workcounts
from phage.daemon.workcounts import CountsFile, WorkCounter, work_counts
from phage.errors import StoreError
from phage.records.scantask import EngineReport, WorkerReport
from phage.scan.scanner import ScanCounters
from phage.store.store import StoreLocation, open_store
from phage.telemetry.metrics import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phage.daemon.rescan import Rescans
    from phage.scan.front import Front
    from phage.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    location = StoreLocation.of("", "", tmp_path / "store.sqlite3")
    with open_store(location, SystemClock()) as made:
        yield made


@pytest.fixture
def counter(tmp_path: Path, store: Store) -> WorkCounter:
    made = WorkCounter(tmp_path / "counts", store, SystemClock(), Registry())
    made.start()
    return made


def done(files: int, refused: int = 0) -> Any:
    """Return what a process tells that scanned some files."""
    counters = ScanCounters(known=1, outcomes={"clean": files}, engine_files={"yara": files})
    front = SimpleNamespace(name="clamd", counters=lambda: {"refused": refused})
    rescans = cast("Rescans", SimpleNamespace(queued=2))
    return work_counts(counters, [cast("Front", front)], rescans)


def lines(counter: WorkCounter) -> set[str]:
    return {each for each in counter.registry.exposition().splitlines() if each[0] != "#"}


def test_what_processes_tell_is_added_up(counter: WorkCounter) -> None:
    first, second = (CountsFile(counter.folder, FixedClock(0)) for _ in range(2))
    first.tell(done(3, refused=4))
    second.tell(done(5))
    assert {
        'phage_scan_files_total{outcome="clean"} 8',
        'phage_scan_engine_files_total{engine="yara"} 8',
        'phage_scan_front_total{front="clamd",what="refused"} 4',
        "phage_scan_rescanned_total 4",
        "phage_scan_known_total 2",
    } <= lines(counter)
    first.tell(done(4, refused=4))
    assert 'phage_scan_files_total{outcome="clean"} 9' in lines(counter)
    second.tell(done(2))  # Its engines were replaced: it counts anew.
    assert 'phage_scan_files_total{outcome="clean"} 11' in lines(counter)


def test_a_store_that_was_away_counts_nothing_twice(
    counter: WorkCounter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = SystemClock().now()
    engines = (EngineReport("yara", files=3),)
    store.scan_workers.seen(WorkerReport("w", started=now, seen=now, engines=engines), 10**18)
    assert 'phage_scan_engine_files_total{engine="yara"} 3' in lines(counter)

    def away() -> list[WorkerReport]:
        message = "the store is away"
        raise StoreError(message)

    with monkeypatch.context() as patch:
        patch.setattr(store.scan_workers, "list", away)
        lines(counter)
    assert 'phage_scan_engine_files_total{engine="yara"} 3' in lines(counter)


def test_what_workers_elsewhere_tell_is_added_up(counter: WorkCounter, store: Store) -> None:
    found: set[str] = set()
    for files, faults in ((3, 1), (7, 1), (1, 0)):
        now = SystemClock().now()
        report = WorkerReport(
            "w", token="t", started=now, seen=now, engines=(EngineReport("yara", files=files),),
            faults={"beats not heard": faults},
        )  # fmt: skip
        store.scan_workers.seen(report, 10**18)
        found = lines(counter)
    assert 'phage_scan_engine_files_total{engine="yara"} 8' in found
    assert 'phage_scan_worker_faults_total{fault="beats not heard"} 1' in found
    assert 'phage_scan_workers{state="here"} 1' in found


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"\xff", b"[" * 5000, b'{"files": 7}', b'{"files": [7]}',
        b'{"files": [["clean"]]}',
        b'{"files": [["clean", -1], ["clean", NaN], ["clean", "x"], ["clean", 1, 2]]}',
        b'{"files": [["clean", 1e999]]}', b"{" + b" " * 70_000 + b"}",
    ],
)  # fmt: skip
def test_what_makes_no_sense_counts_nothing(counter: WorkCounter, text: bytes) -> None:
    counter.folder.mkdir()
    (counter.folder / "odd.json").write_bytes(text)
    assert not [each for each in lines(counter) if "clean" in each]


def test_what_nobody_writes_any_more_goes(
    counter: WorkCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workcounts, "MOST_FILES", 3)
    for number in range(5):
        CountsFile(counter.folder, FixedClock(0)).tell(done(number))
    lines(counter)
    left = list(counter.folder.iterdir())
    assert len(left) == 3
    os.utime(left[0], (0, 0))
    lines(counter)
    assert len(list(counter.folder.iterdir())) == 2


def test_it_is_told_now_and_then(tmp_path: Path) -> None:
    clock = FixedClock(10**18)
    file = CountsFile(tmp_path, clock)
    assert [file.is_time() for _ in range(2)] == [True, False]
    clock.nanoseconds += int(workcounts.TELL_SECONDS * 1e9)
    assert file.is_time()
