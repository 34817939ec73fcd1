"""The desk where files are handed over: one for all ways in, whatever queue is behind it."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from phage.daemon.engineboard import EngineBoard
from phage.daemon.ownprogram import OwnWorker
from phage.daemon.rescanbell import RescanBell
from phage.daemon.scanfolders import ScanFolders
from phage.daemon.scanfollower import Follower
from phage.daemon.scanintake import BoundedIntake, Quota, no_room, too_large
from phage.daemon.scanjobs import make_queue, new_job
from phage.errors import PhageError
from phage.records.scanjob import JobState, Priority, Progress
from phage.scan.desk import (
    Analysis,
    DeskError,
    JobFailedError,
    NoRoomError,
    TooLargeError,
    TooManyError,
)
from phage.scan.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import ExitStack

    from phage.clock import Clock
    from phage.config.scan import ScanSettings
    from phage.config.settings import Settings
    from phage.config.statedir import StateDirectory
    from phage.daemon.ownprogram import OwnProgram
    from phage.daemon.scanfollower import Hands
    from phage.daemon.workerboard import WorkerBoard
    from phage.records.sample import Category, Verdict
    from phage.records.scanjob import ScanJob
    from phage.scan.content import Content, Intake
    from phage.scan.desk import EngineState
    from phage.scan.queue import Queue
    from phage.store.store import Store
    from phage.telemetry.metrics import Registry

BUSY_SECONDS = 30.0
"""When to come again, for who finds the queue full."""

_REASONS: dict[type[DeskError], str] = {
    TooLargeError: "too_large",
    NoRoomError: "no_room",
    TooManyError: "too_many",
}

TIDY_SECONDS = 3600.0
"""How often it is looked whether samples are too old."""

UNSERVED_SECONDS = 30
"""How long a file may wait before it is said that nobody is at work."""

SOONEST_LOOK, LATEST_LOOK = 0.02, 0.25
"""Seconds after which who waits for a verdict looks first, and then ever later."""


class LocalScanDesk:
    """The desk of a daemon that has the store; the queue may lead anywhere.

    Args:
        settings: How files are scanned.
        store: Where verdicts are kept.
        vault: Where samples are kept.
        queue: Who scans them.
        clock: Tells the time.
        fingerprint: Tells what verdicts of now rest on.
        board: The engines, here or of workers elsewhere; None where they are of no interest.
        hands: A worker of our own, that is woken when there is work; None where others serve.
    """

    def __init__(
        self,
        settings: ScanSettings,
        store: Store,
        vault: Vault,
        queue: Queue,
        clock: Clock,
        *,
        fingerprint: Callable[[], str],
        board: EngineBoard | WorkerBoard | None = None,
        hands: Hands | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._vault = vault
        self._queue = queue
        self._clock = clock
        self._fingerprint = fingerprint
        self._board = board
        self._hands = hands
        self._quota = Quota(settings.uploads_a_minute, clock)
        self._follower: Follower | None = None
        self.refused: Counter[str] = Counter()
        """Files that were not taken, by why."""

    def follow(self, tell: Callable[[Analysis], None]) -> None:
        """Tell how far files are, whenever that has changed."""
        self._follower = Follower(self.analysis, tell, self._hands)

    @property
    def largest(self) -> int:
        """Octets of the largest file that is taken."""
        return min(self._settings.largest, self._vault.most)

    @property
    def fingerprint(self) -> str:
        """What verdicts of now rest on."""
        return self._fingerprint()

    def intake(self, size: int = 0) -> Intake:
        """Return what a file is written to as it comes."""
        folder = self._vault.folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return BoundedIntake(folder, self.largest, size)

    def submit(
        self,
        content: Content,
        name: str = "",
        by: str = "",
        *,
        force: bool = False,
        passwords: Sequence[str] = (),
        priority: Priority = Priority.API,
    ) -> Analysis:
        """Take a file; it is answered at once where these engines know it."""
        try:
            return self._submit(content, name, by, force, tuple(passwords), priority)
        except DeskError as error:
            self.refused[_REASONS.get(type(error), "other")] += 1
            raise

    def _submit(
        self,
        content: Content,
        name: str,
        by: str,
        force: bool,  # noqa: FBT001  As it was given.
        passwords: tuple[str, ...],
        priority: Priority,
    ) -> Analysis:
        if content.size > self.largest:
            raise too_large(self.largest)
        self._quota.charge(by)
        known = None if force or passwords else self._known(content.hashes.sha256)
        if known is not None:
            now = self._clock.now()
            names = (name,) if name else ()
            self._store.samples.seen(replace(known.sample, names=names, last_seen=now))
            return _of_verdict(known)
        try:
            self._vault.put(content)
        except OSError as error:
            raise no_room(error.strerror or str(error)) from error
        job = new_job(
            content.hashes.sha256,
            name,
            priority=priority,
            submitted=self._clock.now(),
            force=force,
            passwords=passwords,
        )
        return self._put(job)

    def rescan(self, sha256: str, by: str = "", *, forgive: bool = False) -> Analysis:
        """Have a sample that is kept scanned again."""
        self._quota.charge(by)
        if not self._vault.has(sha256):
            message = f"the sample {sha256} is not kept any more; hand the file in again"
            raise JobFailedError(message)
        if forgive:
            self._store.engine_results.forgive(sha256)
        sample = self._store.samples.get(sha256)
        name = next(iter(sample.names), "") if sample is not None else ""
        return self._put(
            new_job(
                sha256, name, priority=Priority.INTERACTIVE, submitted=self._clock.now(), force=True
            )
        )

    def judge(self, content: Content, name: str, seconds: float) -> Verdict:
        """Return the verdict on a file, once there is one."""
        found = self.submit(content, name, priority=Priority.INTERACTIVE)
        late = self._clock.monotonic() + seconds
        pause, waiting = SOONEST_LOOK, threading.Event()
        while not found.is_over:
            if self._clock.monotonic() >= late:
                self._queue.cancel(found.id)
                message = f"{name or found.sha256}: no verdict within {seconds:g} s"
                raise TimeoutError(message)
            waiting.wait(pause)
            pause = min(pause * 1.5, LATEST_LOOK)
            found = self.analysis(found.id) or replace(found, state=JobState.DEAD)
        if found.verdict is None:
            raise JobFailedError(found.error or "nobody could scan it")
        return found.verdict

    def analysis(self, id: str) -> Analysis | None:  # noqa: A002  The field's name.
        """Return how far a file is."""
        job = self._queue.get(id)
        if job is None:
            verdict = self._store.samples.verdict_by_id(id)
            return _of_verdict(verdict) if verdict is not None else None
        verdict = self._store.samples.verdict_by_id(job.verdict) if job.verdict else None
        return Analysis(
            job.id,
            job.sha256,
            job.name,
            JobState.DEAD if job.state is JobState.DONE and verdict is None else job.state,
            job.submitted,
            self._progress(job),
            verdict,
            "" if verdict is not None else job.error or self._fault(job),
        )

    def cancel(self, id: str) -> bool:  # noqa: A002  The field's name.
        """Cancel the scanning of a file that is not done."""
        return self._queue.cancel(id)

    def jobs(self) -> Mapping[str, int]:
        """Return how many files there are by state. Raises StoreError."""
        return self._queue.state().counts

    @property
    def crowded(self) -> int:
        """Samples that went before their time, to make room."""
        return self._vault.crowded

    def has(self, sha256: str) -> bool:
        """Tell whether the sample itself is kept."""
        return self._vault.has(sha256)

    def open(self, sha256: str, name: str = "") -> Content:
        """Return a sample that is kept."""
        return self._vault.get(sha256, name)

    def remove(self, sha256: str) -> bool:
        """Forget a sample, its verdicts and its octets."""
        kept = self._vault.remove(sha256)
        return self._store.samples.remove(sha256) or kept

    def engines(self) -> Sequence[EngineState]:
        """Return all engines as they stand."""
        return self._board.engines() if self._board is not None else []

    def test(self, name: str) -> EngineState:
        """Test an engine in the sandbox."""
        if self._board is None:
            message = "engines are not tested here"
            raise JobFailedError(message)
        return self._board.test(name)

    def close(self) -> None:
        """Stop looking after jobs."""
        if self._follower is not None:
            self._follower.close()

    def _known(self, sha256: str) -> Verdict | None:
        """Return the verdict that the engines of now have given; None for none."""
        verdict = self._store.samples.verdict(sha256)
        if verdict is None or any(not row.category.is_answer for row in verdict.results):
            return None
        return verdict if verdict.fingerprint == self._fingerprint() else None

    def _progress(self, job: ScanJob) -> Progress:
        """Return how far a job is; what workers elsewhere have said so far lies with its tasks."""
        if job.state is not JobState.LEASED or self._settings.queue == "local":
            return job.progress
        gravest: dict[str, Category] = {}
        for row in self._store.scan_tasks.told(job.id):
            before = gravest.get(row.engine)
            if before is None or row.category.rank > before.rank:
                gravest[row.engine] = row.category
        return Progress(0, {name: str(category) for name, category in gravest.items()})

    def _fault(self, job: ScanJob) -> str:
        """Return why a job waits though it should not; ''."""
        if job.state is not JobState.QUEUED:
            return ""
        if self._hands is not None:
            return self._hands.fault
        waits = self._clock.now() - job.submitted > UNSERVED_SECONDS * 10**9
        if waits and not self._queue.state().counts.get("leased"):
            return "nobody serves the queue; does `phage worker` run?"
        return ""

    def _put(self, job: ScanJob) -> Analysis:
        if not self._queue.put([job]):
            message = "too many files wait to be scanned; come again later"
            raise TooManyError(message, BUSY_SECONDS)
        if self._hands is not None:
            self._hands.wake()
        taken = Analysis(job.id, job.sha256, job.name, submitted=job.submitted)
        if self._follower is not None:
            self._follower.follow(taken)
        return taken


def _of_verdict(verdict: Verdict) -> Analysis:
    sample = verdict.sample
    name = sample.names[0] if sample.names else ""
    return Analysis(verdict.id, sample.sha256, name, JobState.DONE, verdict.time, verdict=verdict)


def start_desk(
    settings: Settings,
    state: StateDirectory,
    program: OwnProgram,
    store: Store,
    clock: Clock,
    tell: Callable[[Analysis], None],
    stack: ExitStack,
    worker: OwnWorker | None = None,
) -> LocalScanDesk:
    """Return the desk, with a worker of its own where the settings want one. Raises ConfigError."""
    scan = settings.scan
    folders = ScanFolders.of(state)
    vault = Vault(folders.samples, scan.keep_size)
    worker = worker or own_worker(settings, state, program, clock, stack)
    queue = make_queue(scan, store, clock)
    stack.callback(queue.close)
    board: EngineBoard | WorkerBoard
    if scan.queue == "local":
        board = EngineBoard(scan, folders.engines, program, clock)
    else:
        from phage.daemon.workerboard import WorkerBoard  # noqa: PLC0415  Loads what scans.

        board = WorkerBoard(scan, store, clock)
    desk = LocalScanDesk(
        scan,
        store,
        vault,
        queue,
        clock,
        fingerprint=board.fingerprint,
        board=board,
        hands=worker,
    )
    desk.follow(tell)
    ended = threading.Event()
    threading.Thread(
        target=_tidy, args=(vault, scan.keep_time, clock, ended), name="phage-tidy", daemon=True
    ).start()
    stack.callback(ended.set)
    stack.callback(desk.close)
    if worker is not None and queue.state().counts.get("queued"):
        worker.wake()
    return desk


def count_desk(registry: Registry, desk: LocalScanDesk) -> None:
    """Count for /metrics: jobs by state, files that were refused, samples that made room."""
    jobs = registry.gauge("phage_scan_jobs", "Files to be scanned, by state.", ("state",))
    refused = registry.counter(
        "phage_scan_refused_total", "Files that were not taken, by why.", ("reason",)
    )
    crowded = registry.counter(
        "phage_scan_crowded_total", "Samples that went before their time, to make room."
    )

    def refresh() -> None:
        with contextlib.suppress(PhageError):  # The store says by itself that it is away.
            for state, count in desk.jobs().items():
                jobs.set(float(count), state)
        for reason, count in desk.refused.items():
            refused.reach(float(count), reason)
        crowded.reach(float(desk.crowded))

    registry.on_read(refresh)


def _tidy(vault: Vault, keep_time: float, clock: Clock, ended: threading.Event) -> None:
    """Let samples go that were not seen for long, also where no worker runs for days."""
    while not ended.wait(TIDY_SECONDS):
        if vault.folder.is_dir():
            now = clock.now() / 1e9
            vault.prune_daily(now - keep_time, now)


def own_worker(
    settings: Settings,
    state: StateDirectory,
    program: OwnProgram,
    clock: Clock,
    stack: ExitStack,
) -> OwnWorker | None:
    """Return a worker of this machine that runs when there is work; None without one."""
    scan = settings.scan
    if not scan.own_worker:
        return None
    # What takes samples apart for workers elsewhere, fronts and watched folders wait for no file.
    stays = scan.queue != "local" or bool(scan.fronts or scan.watch)
    worker = OwnWorker(program, clock, idle=0.0 if stays else scan.worker_idle)
    stack.callback(worker.close)
    if stays:
        worker.stand()
    elif scan.rescan and scan.keep:
        bell = RescanBell(ScanFolders.of(state), scan.rescan_every, worker.wake, clock)
        bell.start()
        stack.callback(bell.close)
    return worker
