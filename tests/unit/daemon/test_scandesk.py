"""The desk where files are handed over, with a queue that a test serves by hand."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from phage.clock import FixedClock
from phage.config.scan import ScanSettings
from phage.daemon import scanintake
from phage.daemon.scandesk import LocalScanDesk, count_desk
from phage.records.sample import Category, EngineKind, EngineResult, Outcome, Sample, Verdict
from phage.records.scanjob import JobState, Priority, Progress
from phage.records.scantask import ScanPlan, ScanTask
from phage.scan.content import Content
from phage.scan.desk import DeskError, JobFailedError, NoRoomError, TooLargeError, TooManyError
from phage.scan.queues.local import LocalQueue
from phage.scan.trials import EICAR
from phage.scan.vault import Vault
from phage.store.store import StoreLocation, open_store
from phage.telemetry.metrics import Registry
from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phage.scan.desk import Analysis
    from phage.store.store import Store

NOW = 1_700_000_000 * 10**9


class Hands:
    """Notes that it was woken."""

    def __init__(self) -> None:
        self.fault = ""
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


class Bench:
    """A desk with all that is behind it."""

    def __init__(self, store: Store, folder: Path, uploads_a_minute: int = 0) -> None:
        self.store = store
        self.clock = FixedClock(NOW)
        self.vault = Vault(folder / "samples", 10**6)
        self.queue = LocalQueue(table=store.scan_jobs, clock=self.clock)
        self.hands = Hands()
        self.told: list[Analysis] = []
        settings = ScanSettings(largest=10**5, uploads_a_minute=uploads_a_minute)
        self.desk = LocalScanDesk(
            settings, store, self.vault, self.queue, self.clock,
            fingerprint=lambda: "now", hands=self.hands,
        )  # fmt: skip
        self.desk.follow(self.told.append)

    def submit(
        self, data: bytes = EICAR, name: str = "c.com", by: str = "", *, force: bool = False
    ) -> Analysis:
        with Content.of_bytes(data, name) as content:
            return self.desk.submit(content, name, by, force=force)

    def work(self, outcome: Outcome = Outcome.INFECTED, fingerprint: str = "now") -> None:
        """Do what a worker does with the next job."""
        (job,) = self.store.scan_jobs.lease("w", 1, NOW, NOW + 10**10)
        with self.vault.get(job.sha256, job.name) as content:
            hashes = content.hashes
            sample = Sample(hashes.sha256, hashes.sha1, hashes.md5, content.size, "text",
                            (job.name,), NOW, NOW)  # fmt: skip
        verdict = Verdict(f"v{job.id}", sample, outcome, complete=True, time=NOW,
                          fingerprint=fingerprint)  # fmt: skip
        self.store.samples.save(verdict)
        self.store.scan_jobs.done(job.id, job.lease, verdict.id, NOW)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    location = StoreLocation.of("", "", tmp_path / "store.sqlite3")
    with open_store(location, FixedClock(NOW)) as made:
        yield made


@pytest.fixture
def bench(store: Store, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(store, tmp_path)
    yield made
    made.desk.close()


def test_a_file_goes_to_a_worker_and_is_known_then(bench: Bench) -> None:
    taken = bench.submit()
    assert (taken.state, bench.hands.woken) == (JobState.QUEUED, 1)
    job = bench.store.scan_jobs.get(taken.id)
    assert job is not None
    assert job.priority == Priority.API
    bench.work()
    done = bench.desk.analysis(taken.id)
    assert done is not None
    assert done.verdict is not None
    assert done.verdict.outcome is Outcome.INFECTED
    again = bench.submit(name="d.com")
    assert again.state is JobState.DONE
    assert again.verdict is not None
    assert bench.queue.state().counts == {"done": 1}
    by_verdict = bench.desk.analysis(again.id)
    assert by_verdict is not None
    assert by_verdict.verdict is not None
    assert set(by_verdict.verdict.sample.names) == {"c.com", "d.com"}
    forced = bench.submit(force=True)
    assert forced.state is JobState.QUEUED


def test_what_other_engines_said_is_not_known(bench: Bench) -> None:
    bench.submit()
    bench.work(fingerprint="before")
    assert bench.submit().state is JobState.QUEUED


def test_how_far_a_file_is_is_told_to_who_watches(bench: Bench) -> None:
    taken = bench.submit()
    (job,) = bench.store.scan_jobs.lease("w", 1, NOW, NOW + 10**10)
    bench.queue.tell(job, Progress(1, {"yara": "malicious"}))
    until("progress", lambda: bench.told and bench.told[-1].progress.parts)
    assert bench.told[-1].id == taken.id
    assert bench.told[-1].progress.engines == {"yara": "malicious"}


def test_why_nobody_comes_is_told(bench: Bench) -> None:
    taken = bench.submit()
    bench.hands.fault = "install bubblewrap"
    waiting = bench.desk.analysis(taken.id)
    assert waiting is not None
    assert waiting.error == "install bubblewrap"


def test_what_workers_elsewhere_say_is_told_as_it_comes(store: Store, bench: Bench) -> None:
    settings = ScanSettings(queue="celery")
    desk = LocalScanDesk(
        settings, store, bench.vault, bench.queue, bench.clock, fingerprint=lambda: "now"
    )
    with Content.of_bytes(EICAR) as content:
        taken = desk.submit(content)
        hashes = content.hashes
    (job,) = store.scan_jobs.lease("master", 1, NOW, NOW + 10**10)
    plan = ScanPlan(job.id, hashes.sha256, hashes.sha1, hashes.md5, NOW, ())
    tasks = [
        ScanTask(f"{number:032x}", job.id, digest, "yara")
        for number, digest in enumerate((hashes.sha256, "b" * 64))
    ]
    assert store.scan_tasks.plan(plan, tasks, job.lease)
    for task, category in zip(tasks, (Category.MALICIOUS, Category.UNDETECTED), strict=True):
        claimed = store.scan_tasks.claim(task.id, "w", NOW, NOW + 10**10)
        assert claimed is not None
        row = EngineResult("yara", EngineKind.EVILNESS, category, "Eicar")
        assert store.scan_tasks.answer(claimed, row, (), NOW)
    found = desk.analysis(taken.id)
    assert found is not None
    assert found.progress.engines == {"yara": "malicious"}


def test_that_nobody_serves_is_told(store: Store, bench: Bench) -> None:
    desk = LocalScanDesk(
        ScanSettings(), store, bench.vault, bench.queue, bench.clock, fingerprint=lambda: "now"
    )
    with Content.of_bytes(EICAR) as content:
        taken = desk.submit(content)
    assert desk.analysis(taken.id).error == ""  # type: ignore[union-attr]
    bench.clock.nanoseconds += 31 * 10**9
    assert "does `phage worker` run" in desk.analysis(taken.id).error  # type: ignore[union-attr]


def test_who_waits_too_long_is_told_and_the_job_is_cancelled(bench: Bench) -> None:
    with (
        Content.of_bytes(EICAR) as content,
        pytest.raises(TimeoutError, match="no verdict within 0 s"),
    ):
        bench.desk.judge(content, "c.com", 0.0)
    assert bench.queue.state().counts == {"cancelled": 1}


def test_a_job_that_was_given_up_is_no_verdict(bench: Bench) -> None:
    taken = bench.submit()
    bench.queue.cancel(taken.id)
    found = bench.desk.analysis(taken.id)
    assert found is not None
    assert found.is_over
    assert found.verdict is None
    assert bench.desk.analysis("0" * 32) is None


def test_quotas_are_each_ones_own(store: Store, tmp_path: Path) -> None:
    bench = Bench(store, tmp_path, uploads_a_minute=2)
    for number in range(2):
        bench.submit(b"%d" % number, by="user:anna")
    with pytest.raises(TooManyError, match="2 files a minute"):
        bench.submit(b"3", by="user:anna")
    bench.submit(b"4", by="user:ben")
    bench.clock.nanoseconds += 60 * 10**9
    bench.submit(b"5", by="user:anna")


def test_too_large_files_are_refused_however_they_come(bench: Bench) -> None:
    with pytest.raises(TooLargeError):
        bench.submit(bytes(10**5 + 1))
    with pytest.raises(TooLargeError):
        bench.desk.intake(10**5 + 1)
    with bench.desk.intake() as intake:
        intake.write(bytes(10**5))
        with pytest.raises(TooLargeError):
            intake.write(b"x")


def test_a_full_disk_is_told_and_leaves_nothing_behind(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("phage.scan.vault.Path.replace", full)
    with pytest.raises(NoRoomError, match="No space left"):
        bench.submit()
    assert [path for path in bench.vault.folder.rglob("*") if path.is_file()] == []
    monkeypatch.undo()
    monkeypatch.setattr("phage.scan.content._write_all", full)
    with bench.desk.intake() as intake, pytest.raises(NoRoomError, match="No space left"):
        intake.write(b"x")
    usage = SimpleNamespace(free=scanintake.RESERVE)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(NoRoomError, match="octets are free"):
        bench.desk.intake(1)


def test_a_full_queue_is_told(bench: Bench) -> None:
    bench.queue.most = 1
    bench.submit(b"1")
    with pytest.raises(TooManyError, match="too many files wait"):
        bench.submit(b"2")


def test_what_is_refused_is_counted(bench: Bench) -> None:
    registry = Registry()
    count_desk(registry, bench.desk)
    bench.queue.most = 1
    bench.submit(b"1")
    for data in (b"2", bytes(10**5 + 1)):
        with pytest.raises(DeskError):
            bench.submit(data)
    text = registry.exposition()
    assert 'phage_scan_refused_total{reason="too_many"} 1' in text
    assert 'phage_scan_refused_total{reason="too_large"} 1' in text
    assert 'phage_scan_jobs{state="queued"} 1' in text


def test_a_sample_is_scanned_again_and_removed(bench: Bench) -> None:
    taken = bench.submit()
    bench.work()
    again = bench.desk.rescan(taken.sha256, forgive=True)
    job = bench.store.scan_jobs.get(again.id)
    assert job is not None
    assert (job.force, job.name) == (True, "c.com")
    with bench.desk.open(taken.sha256) as content:
        assert bytes(content.data) == EICAR
    assert bench.desk.remove(taken.sha256)
    assert not bench.desk.remove(taken.sha256)
    assert not bench.desk.has(taken.sha256)
    with pytest.raises(JobFailedError, match="not kept any more"):
        bench.desk.rescan(taken.sha256)
