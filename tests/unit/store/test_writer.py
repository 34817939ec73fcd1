"""The writer: it stores, holds findings while the disk is full, drops the rest, and recovers."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest

from phage.clock import FixedClock, SystemClock
from phage.config.settings import RetentionSettings
from phage.errors import StoreError
from phage.records.columns import FLOW
from phage.records.indicator import IndicatorKind
from phage.records.sighting import Sighting
from phage.store.repositories.counters import MinuteCounter
from phage.store.repositories.flows import FlowFilter
from phage.store.repositories.traffic import Traffic, TrafficKind
from phage.store.retention import Retention
from phage.store.store import Store, StoreLocation, open_reader, open_store
from phage.store.writer import MAX_HELD, Writer
from phage.testing.records import EPOCH, make_finding, make_flow
from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def running(writer: Writer) -> Iterator[Writer]:
    writer.start()
    try:
        yield writer
    finally:
        writer.stop()


def test_rows_of_flows_are_stored_as_records_and_dropped_beyond_the_capacity(
    location: StoreLocation,
) -> None:
    rows = np.zeros(250, FLOW)
    rows["id"], rows["start"], rows["last"] = np.arange(250), EPOCH, EPOCH
    rows["packets"] = (3, 4)
    clock = SystemClock()
    writer = Writer(lambda: open_store(location, clock), clock, capacity=100)
    writer.flow_rows(rows)
    with running(writer):
        pass
    assert writer.state.written["flows"] == 100
    assert writer.state.dropped["flows"] == 150
    with open_reader(location) as store:
        assert {each.packets for each in store.flows.list(FlowFilter(), 100)} == {(3, 4)}


def test_what_is_handed_over_is_stored(location: StoreLocation) -> None:
    clock = SystemClock()
    with running(Writer(lambda: open_store(location, clock), clock)) as writer:
        writer.findings([make_finding(1), make_finding(1, packets=7), make_finding(2)])
        writer.flows(make_flow(number) for number in range(5000))
        writer.counters([MinuteCounter(EPOCH, "packets", 5)])
        writer.traffic([Traffic(TrafficKind.HOST, "d", at=EPOCH)])
        writer.sightings([Sighting(IndicatorKind.DOMAIN, "a.example", "d", "", EPOCH, EPOCH)])
    assert writer.state.fault == ""
    assert writer.state.written == {
        "findings": 2,
        "flows": 5000,
        "counters": 1,
        "traffic": 1,
        "exporters": 0,
        "sightings": 1,
    }
    assert writer.state.queued == 0
    with open_reader(location) as store:
        assert store.flows.count() == 5000
        found = store.findings.get(make_finding(1).id)
        assert found is not None
        assert found.packets == 7


def test_a_finding_is_stored_at_once(sqlite: StoreLocation) -> None:
    clock = SystemClock()
    with running(Writer(lambda: open_store(sqlite, clock), clock)) as writer:
        writer.findings([make_finding(1)])
        until("it", lambda: writer.state.written["findings"] == 1)


def test_more_than_fits_is_dropped_and_counted(sqlite: StoreLocation) -> None:
    clock = SystemClock()
    writer = Writer(lambda: open_store(sqlite, clock), clock, capacity=100)
    writer.flows(make_flow(number) for number in range(250))
    writer.findings(make_finding(number) for number in range(MAX_HELD + 10))
    assert writer.state.dropped["flows"] == 150
    assert writer.state.dropped["findings"] == 10
    assert writer.state.queued == 100 + MAX_HELD
    with running(writer):
        until("it", lambda: writer.state.queued == 0)
    assert writer.state.written["flows"] == 100


class Disk:
    """Opens stores that fill up when told."""

    def __init__(self, location: StoreLocation, clock: FixedClock) -> None:
        self.location = location
        self.clock = clock
        self.full = False
        self.opened = 0

    def open(self) -> Store:
        store = open_store(self.location, self.clock)
        self.opened += 1
        pages = int(store.database.query("PRAGMA page_count")[0][0] or 0)
        # The engine itself then says "database or disk is full" (SQLITE_FULL).
        store.database.query(f"PRAGMA max_page_count = {pages if self.full else 1_000_000}")
        return store


def test_a_full_disk_stops_storing_only_while_it_is_full(
    sqlite: StoreLocation, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FixedClock(EPOCH)
    disk = Disk(sqlite, clock)
    open_store(sqlite, clock).close()
    disk.full = True
    with running(Writer(disk.open, clock)) as writer:
        writer.flows(make_flow(number) for number in range(3000))
        writer.findings(make_finding(number) for number in range(50))
        until("it", lambda: writer.state.fault != "")
        assert "free some space" in writer.state.fault
        assert writer.state.written["findings"] == 0
        # Newer news of a finding replace older ones while they wait.
        writer.findings([make_finding(3, packets=333)])
        disk.full = False
        assert writer.state.fault
        clock.nanoseconds += 120 * 10**9
        until("it", lambda: writer.state.fault == "" and writer.state.written["findings"] >= 50)
    # Every flow was written or is counted as dropped.
    assert writer.state.written["flows"] + writer.state.dropped["flows"] == 3000
    assert "storing stops, detection goes on" in caplog.text
    assert caplog.text.count("storing stops") == 1
    assert "storing goes on" in caplog.text
    with open_reader(sqlite) as store:
        assert store.findings.count() == 50
        found = store.findings.get(make_finding(3).id)
        assert found is not None
        assert found.packets == 333


def test_a_store_that_cannot_be_opened_is_tried_again(sqlite: StoreLocation) -> None:
    clock = FixedClock(EPOCH)
    tries: list[int] = []

    def opener() -> Store:
        tries.append(1)
        if len(tries) < 3:
            message = "the server is not there"
            raise StoreError(message)
        return open_store(sqlite, clock)

    with running(Writer(opener, clock)) as writer:
        writer.findings([make_finding(1)])
        for expected in (1, 2):
            until("it", lambda expected=expected: len(tries) >= expected)  # type: ignore[misc]
            clock.nanoseconds += 120 * 10**9
        until("it", lambda: writer.state.written["findings"] == 1)
    assert writer.state.dropped["findings"] == 0


def test_one_record_that_cannot_be_stored_does_not_hold_up_the_others(
    location: StoreLocation,
) -> None:
    clock = SystemClock()
    with running(Writer(lambda: open_store(location, clock), clock)) as writer:
        writer.flows([make_flow(1), make_flow(2, handshake=2**80), make_flow(3)])
        until(
            "it",
            lambda: sum(writer.state.written.values()) + sum(writer.state.dropped.values()) == 3,
        )
    assert writer.state.written["flows"] == 2
    assert writer.state.dropped["flows"] == 1
    assert writer.state.fault == ""


def test_stopping_while_nothing_can_be_written_ends_and_counts(sqlite: StoreLocation) -> None:
    def opener() -> Store:
        message = "no"
        raise StoreError(message)

    writer = Writer(opener, SystemClock())
    with running(writer):
        writer.findings([make_finding(1)])
        writer.flows([make_flow(1)])
    assert sum(writer.state.dropped.values()) == 2


def test_what_is_too_old_goes_by_itself(sqlite: StoreLocation) -> None:
    clock = FixedClock(EPOCH + 30 * 86_400 * 10**9)
    retention = Retention(RetentionSettings(flows=3600))
    with running(Writer(lambda: open_store(sqlite, clock), clock, retention=retention)) as writer:
        writer.flows(make_flow(number) for number in range(100))
        until("it", lambda: writer.state.written["flows"] == 100)
        clock.nanoseconds += 61 * 10**9
        writer.findings([make_finding(1)])

        def gone() -> bool:
            with open_reader(sqlite) as store:
                return store.flows.count() == 0

        until("it", gone)
    assert writer.state.used > 0


@pytest.mark.system
def test_a_really_full_file_system(clock: FixedClock, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    import subprocess

    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(mount)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {made.stderr.decode()}")
    try:
        location = StoreLocation.of("", "", mount / "store.sqlite3")
        ballast = mount / "ballast"
        open_store(location, clock).close()
        with ballast.open("wb") as file:
            about = os.statvfs(mount)
            file.write(b"x" * (about.f_bavail * about.f_frsize - 100_000))
        with running(Writer(lambda: open_store(location, clock), clock)) as writer:
            writer.flows(make_flow(number) for number in range(3000))
            writer.findings([make_finding(1)])
            until("it", lambda: writer.state.fault != "")
            ballast.unlink()
            writer.findings([make_finding(2)])
            clock.nanoseconds += 120 * 10**9
            until("it", lambda: writer.state.fault == "" and writer.state.queued == 0)
        with open_reader(location) as store:
            assert store.findings.count() == 2
            assert store.database.check() == []
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)
