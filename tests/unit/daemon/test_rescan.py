"""Samples are scanned again when definitions are new: what is queued, and what is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.clock import FixedClock, SystemClock
from phage.config.scan import ScanSettings
from phage.daemon.rescan import Rescans
from phage.daemon.rescanbell import RescanBell
from phage.daemon.scanfolders import ScanFolders
from phage.daemon.scanning import ScanService, make_queue, make_scanner, new_job
from phage.records.indicator import Indicator, IndicatorKind
from phage.records.sample import Outcome
from phage.records.scanjob import Origin, Priority
from phage.scan import definitions
from phage.scan.content import Content
from phage.scan.vault import Vault
from phage.store.store import StoreLocation, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phage.scan.queue import Queue
    from phage.store.store import Store

SETTINGS = ScanSettings(engines=("hashlist", "feedhash"), processes=1)
ORIGIN = Origin("192.0.2.7", "00:00:5e:00:53:07", "198.51.100.9", "http", "a.com", 5)


class Desk:
    """A worker with everything around it."""

    def __init__(self, folder: Path, store: Store, clock: FixedClock) -> None:
        self.folders = ScanFolders(folder / "engines", folder / "samples")
        self.folders.samples.mkdir()
        self.store, self.clock = store, clock
        self.vault = Vault(self.folders.samples)
        self.queue: Queue = make_queue(SETTINGS, store, clock)
        scanner = make_scanner(SETTINGS, self.folders, clock, store, work=folder)
        self.service = ScanService(scanner, self.vault, self.queue, clock)
        self.rescans = Rescans(SETTINGS, self.folders, folder, store, self.vault, self.queue, clock)
        self.hash = ""

    def run(self) -> list[Priority]:
        """Do all jobs that wait; return their priorities."""
        done = []
        now = self.clock.now()
        for job in self.store.scan_jobs.lease("test", 100, now, now + 10**12):
            verdict = self.service.handle(job)
            self.store.scan_jobs.done(job.id, job.lease, verdict, now)
            done.append(Priority(job.priority))
        return done

    def scan(self, data: bytes) -> str:
        with Content.of_bytes(data) as content:
            self.vault.put(content)
            sha256 = content.hashes.sha256
        self.queue.put([new_job(sha256, "a.com", priority=Priority.NETWORK, origin=ORIGIN)])
        self.run()
        return sha256

    def look(self) -> int:
        """Look a minute later; return how many were queued."""
        before = self.rescans.queued
        self.clock.nanoseconds += 61 * 10**9
        self.rescans.look(self.service)
        return self.rescans.queued - before


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    clock = FixedClock(10**18)
    with open_store(StoreLocation.of("", "", tmp_path / "store.sqlite3"), clock) as store:
        made = Desk(tmp_path, store, clock)
        yield made
        made.service.stop()


def test_new_definitions_bring_what_older_ones_judged(desk: Desk, tmp_path: Path) -> None:
    sha256 = desk.scan(b"not yet known to be bad")
    other = desk.scan(b"good")
    assert desk.look() == 0
    source = tmp_path / "bad.txt"
    source.write_text(f"{sha256},Own.Bad\n")
    definitions.update("hashlist", source, SETTINGS, desk.folders.engines, SystemClock())
    before = desk.service.scanner
    assert desk.look() == 2
    assert desk.service.scanner is not before
    assert desk.run() == [Priority.RESCAN] * 2
    verdicts = desk.store.samples.history(sha256)
    assert [each.outcome for each in verdicts] == [Outcome.INFECTED, Outcome.CLEAN]
    assert verdicts[0].sample.submissions == 1
    jobs = [job for job in desk.store.scan_jobs.list() if job.priority == Priority.RESCAN]
    assert {job.origin for job in jobs} == {ORIGIN}
    assert desk.look() == 0

    source.write_text(f"{sha256},Own.Worse\n")
    definitions.update("hashlist", source, SETTINGS, desk.folders.engines, SystemClock())
    desk.vault.remove(other)
    assert desk.look() == 1
    (job,) = [job for job in desk.store.scan_jobs.list() if not job.verdict]
    assert job.origin is None  # That it is infected was told before.


def test_hashes_of_feeds_are_new_definitions(desk: Desk) -> None:
    sha256 = desk.scan(b"listed later")
    assert desk.look() == 0
    indicator = Indicator(IndicatorKind.HASH, sha256, "own", confidence=90)
    desk.store.indicators.replace("own", [indicator])
    assert desk.look() == 1
    desk.run()
    verdict = desk.store.samples.verdict(sha256)
    assert verdict is not None
    assert verdict.outcome is Outcome.INFECTED


def test_a_worker_that_sleeps_is_woken(tmp_path: Path) -> None:
    folders = ScanFolders(tmp_path / "engines", tmp_path / "samples")
    clock = FixedClock(10**18)
    rung: list[int] = []
    bell = RescanBell(folders, 3600.0, lambda: rung.append(1), clock)
    clock.nanoseconds += 3601 * 10**9
    assert not bell.look()  # Nothing was ever scanned.
    folders.samples.mkdir()
    assert not bell.look()
    clock.nanoseconds += 3601 * 10**9
    assert bell.look()
    (folders.engines / "hashlist" / "one").mkdir(parents=True)
    (folders.engines / "hashlist" / "current").symlink_to("one")
    assert bell.look()
    assert not bell.look()
    assert len(rung) == 2
