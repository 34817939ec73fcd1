"""The master of many workers: samples are taken apart, tasks announced, verdicts made of answers.

All that it knows is in the store: it may be killed at any moment, started again, and run several
times, on several machines that share the store and the folder of state.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from phage.daemon.scanning import work_options
from phage.daemon.workerboard import REMEMBERED_NS
from phage.errors import PhageError, StoreError
from phage.records.sample import Category, EngineResult
from phage.records.scanjob import Priority
from phage.scan import assess
from phage.scan.master import GONE_SECONDS
from phage.scan.plan import Planner, gathered, in_service, rests_on
from phage.scan.queue import ATTEMPTS
from phage.scan.vault import Vault
from phage.scan.work import CRASHES_ENGINE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from phage.clock import Clock
    from phage.config.scan import ScanSettings
    from phage.daemon.scanfolders import ScanFolders
    from phage.records.scanjob import ScanJob
    from phage.records.scantask import EngineReport, ScanTask
    from phage.scan.queues.celery import CeleryQueue
    from phage.store.store import Store

_log = logging.getLogger(__name__)

TICK_SECONDS = 0.2
"""How often tasks are announced and verdicts made."""

LOOK_SECONDS = 2.0
"""How often it is looked for workers that died."""

SEARCH_SECONDS = 15.0
"""How often it is looked for messages that the broker has lost, and engines that are gone."""

GONE_NS = int(GONE_SECONDS * 1e9)


class Dispatcher:
    """Takes samples apart in `handle`, and sees to tasks and verdicts in a thread.

    Args:
        settings: Of scanning.
        folders: Where samples and their members lie.
        store: Where all is kept.
        queue: Jobs, and the way to the workers.
        clock: Tells the time.
        work: Where large members lie while they are looked at.
    """

    def __init__(
        self,
        settings: ScanSettings,
        folders: ScanFolders,
        store: Store,
        queue: CeleryQueue,
        clock: Clock,
        work: Path | None = None,
    ) -> None:
        self._settings = settings
        self._members = folders.members
        self._vault = Vault(folders.samples, settings.keep_size)
        self._store = store
        self._queue = queue
        self._clock = clock
        self._options = work_options(settings, work)
        self._local = threading.local()
        self._planners: list[Planner] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="phage-dispatch", daemon=True)
        queue.gate = lambda: bool(self.engines())

    def start(self) -> None:
        """Prove the sandbox of the extractor, and begin. Raises PhageError."""
        self._planner().start()
        self._members.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop; what waits is in the store."""
        self._stop.set()
        self._thread.join()
        for planner in self._planners:
            planner.close()

    def engines(self) -> dict[str, EngineReport]:
        """Return the engines that are asked: served now, or not long ago. Raises StoreError."""
        return in_service(self._store.scan_workers.list(self._clock.now() - REMEMBERED_NS))

    def fingerprint(self) -> str:
        """Return what verdicts rest on now, '' without engines. Raises StoreError."""
        engines = self.engines()
        return rests_on(engines.values(), self._options) if engines else ""

    def handle(self, job: ScanJob) -> str:
        """Take the sample of a job apart; return its verdict's id if that is known already.

        Raises PhageError.
        """
        engines = self.engines()
        known = "" if job.force or job.passwords else self._known(job, engines)
        if known:
            self._let_go(job.sha256, job.id)
            return known
        folder = self._members / job.id
        members = Vault(folder, self._settings.workers.members_size)
        with self._vault.get(job.sha256, job.name) as content:
            plan, tasks = self._planner().plan(job, content, engines, members)
        if not self._store.scan_tasks.plan(plan, tasks, job.lease):
            shutil.rmtree(folder, ignore_errors=True)
            _log.info("job %s was given to another meanwhile", job.id)
        return ""

    def tick(self) -> int:
        """Announce tasks and make verdicts; return how many verdicts. Raises StoreError."""
        self._queue.announce()
        made = 0
        for job in self._store.scan_tasks.finished():
            made += self._finish(job)
        return made

    def look(self) -> None:
        """Give the tasks of workers that died to others, or up. Raises StoreError."""
        for task in self._store.scan_tasks.overdue(self._clock.now()):
            if task.attempts < ATTEMPTS:
                error = f"the worker {task.worker} died"
                self._store.scan_tasks.give_back(task.id, task.lease, error, self._clock.now())
                continue
            error = f"{task.attempts} workers have died of this file or with it"
            if self._bury(task, error, (CRASHES_ENGINE,)):
                _log.error("task %s (%s): %s", task.id, task.engine, error)

    def search(self) -> None:
        """Find what waits in vain. Raises StoreError."""
        tasks = self._store.scan_tasks
        now = self._clock.now()
        waiting = tasks.open()
        self._queue.find_lost(list(waiting))
        last = self._last_seen()
        patience = int(self._settings.workers.wait * 1e9)
        for engine in waiting:
            if now - last.get(engine, 0) > patience:
                error = "no worker has this engine now"
                for task in tasks.waiting(engine, now - min(patience, GONE_NS)):
                    self._bury(task, error)
        for job in tasks.abandoned():
            self._forget(job)
        self._sweep()

    def _last_seen(self) -> dict[str, int]:
        """Return when a worker of each engine was last heard of."""
        found: dict[str, int] = {}
        for worker in self._store.scan_workers.list():
            for report in worker.engines:
                if not report.fault:
                    found[report.name] = max(worker.seen, found.get(report.name, 0))
        return found

    def _bury(self, task: ScanTask, error: str, tags: tuple[str, ...] = ()) -> bool:
        row = EngineResult(task.engine, task.engine_kind, Category.FAILURE, error=error)
        return self._store.scan_tasks.bury(task, row, tags, self._clock.now())

    def _known(self, job: ScanJob, engines: Mapping[str, EngineReport]) -> str:
        verdict = self._store.samples.verdict(job.sha256, rests_on(engines.values(), self._options))
        if verdict is None or any(not row.category.is_answer for row in verdict.results):
            return ""
        names = (job.name,) if job.name else ()
        seen = replace(verdict.sample, names=names, last_seen=self._clock.now())
        self._store.samples.seen(seen)
        return verdict.id

    def _finish(self, job: str) -> bool:
        """Make the verdict of a job whose tasks have ended; once, whoever tries."""
        try:
            return self._judge(job)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  One job must not keep the others back.
            _log.exception("job %s: no verdict can be made", job, extra={"limit": "dispatch"})
            text = str(error) or type(error).__name__
            self._store.scan_tasks.again(job, text, self._clock.now(), ATTEMPTS)
            self._forget(job)
            return False

    def _judge(self, job: str) -> bool:
        tasks = self._store.scan_tasks
        plan, about = tasks.planned(job), self._store.scan_jobs.get(job)
        if plan is None or about is None:
            self._forget(job)
            return False
        found = gathered(plan, tasks.of(job), self._store.engine_results)
        now = self._clock.now()
        verdict = assess.verdict(
            found,
            (plan.sha256, plan.sha1, plan.md5),
            about.name,
            now,
            fingerprint=rests_on(plan.engines, self._options),
            isolation=plan.isolation,
            seconds=max(0, now - plan.made) / 1e9,
        )
        with self._store.database.transaction():
            made = tasks.finish(job, verdict.id, now)
            if made:
                again = about.priority == Priority.RESCAN
                self._store.samples.save(verdict, again=again)
        self._forget(job)
        if made:
            self._let_go(plan.sha256, job)
        return made

    def _let_go(self, sha256: str, job: str) -> None:
        """Remove a sample that is not to be kept, unless another job needs it."""
        if not self._settings.keep and not self._store.scan_jobs.is_awaited(sha256, job):
            self._vault.remove(sha256)

    def _forget(self, job: str) -> None:
        self._store.scan_tasks.forget(job)
        shutil.rmtree(self._members / job, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove members of jobs that there are none of any more, as after a kill."""
        with contextlib.suppress(OSError):
            for folder in self._members.iterdir():
                job = self._store.scan_jobs.get(folder.name)
                if job is None or job.state not in {"queued", "leased"}:
                    shutil.rmtree(folder, ignore_errors=True)

    def _planner(self) -> Planner:
        """Return this thread's extractor."""
        planner: Planner | None = getattr(self._local, "planner", None)
        if planner is None:
            planner = Planner(self._store.engine_results, self._clock, self._options)
            self._local.planner = planner
            self._planners.append(planner)
        return planner

    def _run(self) -> None:
        looked = searched = 0.0
        while not self._stop.wait(TICK_SECONDS):
            try:
                self.tick()
                now = self._clock.monotonic()
                if now - looked >= LOOK_SECONDS:
                    looked = now
                    self.look()
                if now - searched >= SEARCH_SECONDS:
                    searched = now
                    self.search()
            except StoreError as error:
                _log.error("files wait: %s", error, extra={"limit": "dispatch"})
                self._stop.wait(LOOK_SECONDS)
            except PhageError as error:
                _log.error("%s", error, extra={"limit": "dispatch"})
            except Exception:  # noqa: BLE001  What goes on must go on.
                _log.exception("dispatching", extra={"limit": "dispatch"})
