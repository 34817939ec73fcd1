"""Samples are scanned again when definitions are new: what is queued, and what is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.clock import FixedClock, SystemClock
from phage.config.scan import ScanSettings
from phage.daemon import rescan
from phage.daemon.rescan import Rescans
from phage.daemon.rescanbell import RescanBell
from phage.daemon.scanfolders import ScanFolders
from phage.daemon.scanjobs import make_queue, new_job
from phage.daemon.scanning import ScanService, make_scanner
from phage.records.indicator import Indicator, IndicatorKind
from phage.records.sample import Outcome, Sample, Verdict
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


def test_engines_that_could_not_be_used_at_first_are_tried_again(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = desk.scan(b"not yet known to be bad")
    (tmp_path / "bad.txt").write_text(f"{sha256},Own.Bad\n")
    definitions.update(
        "hashlist", tmp_path / "bad.txt", SETTINGS, desk.folders.engines, SystemClock()
    )
    with monkeypatch.context() as patch:
        patch.setattr(rescan, "healthy_engines", lambda _: ())
        assert desk.look() == 0
    assert sum(desk.look() for _ in range(6)) == 1
    assert desk.run() == [Priority.RESCAN]
    assert desk.store.samples.history(sha256)[0].outcome is Outcome.INFECTED


def judged_by_others(desk: Desk, count: int, *, kept: bool) -> None:
    """Leave samples that other engines have judged, some of which nobody can scan any more."""
    for number in range(count):
        desk.clock.nanoseconds += 10**9
        with Content.of_bytes(b"%d %d" % (number, kept)) as content:
            found = content.hashes
            if kept:
                desk.vault.put(content)
        now = desk.clock.now()
        sample = Sample(found.sha256, found.sha1, found.md5, 3, "text", (), now, now)
        desk.store.samples.save(
            Verdict(f"v{found.md5}", sample, Outcome.CLEAN, True, now, fingerprint="others")
        )


def test_samples_that_cannot_be_scanned_hold_up_no_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rescan, "AT_ONCE", 4)
    judged_by_others(desk, 3, kept=True)
    judged_by_others(desk, 9, kept=False)
    assert [desk.look() for _ in range(4)] == [0, 0, 3, 0]
    assert desk.rescans.stuck == 9
    assert "9 samples are not kept any more" in caplog.text
    assert [desk.look() for _ in range(6)] == [0] * 6


def test_however_many_were_asked_for_others_follow(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescan, "AT_ONCE", 4)
    monkeypatch.setattr(rescan, "MOST_ASKED", 6)
    judged_by_others(desk, 11, kept=True)
    queued = []
    for _ in range(3):
        queued.append(desk.look())
        desk.run()
    assert queued == [4, 4, 3]
    assert len(desk.rescans._asked) <= 6


def test_while_much_waits_nothing_is_added(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescan, "AT_ONCE", 4)
    judged_by_others(desk, 6, kept=True)
    assert [desk.look() for _ in range(2)] == [4, 0]
    desk.run()
    assert [desk.look() for _ in range(2)] == [2, 0]


def test_where_nothing_is_kept_two_jobs_of_a_file_both_get_the_verdict(desk: Desk) -> None:
    desk.service.scanner.vault = None
    with Content.of_bytes(b"sent twice") as content:
        desk.vault.put(content)
        sha256 = content.hashes.sha256
    desk.queue.put([new_job(sha256, "a.com"), new_job(sha256, "b.com")])
    desk.run()
    assert not desk.vault.has(sha256)
    assert len({job.verdict for job in desk.store.scan_jobs.list()} - {""}) == 1


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
