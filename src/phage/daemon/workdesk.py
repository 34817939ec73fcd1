"""What workers are answered: tasks by lease, files by its token; their answers are checked."""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING, Any, BinaryIO

from phage.daemon.releases import Releases
from phage.records.sample import Category, EngineResult, EngineVersion
from phage.records.scantask import TaskState
from phage.scan.master import GONE_SECONDS, LEASE_SECONDS, Claim, MasterError, Wanted
from phage.scan.queue import ATTEMPTS
from phage.scan.sandbox import answer
from phage.scan.sandbox.isolation import Level
from phage.scan.vault import Vault
from phage.scan.work import CRASHES, CRASHES_ENGINE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.clock import Clock
    from phage.config.scan import ScanSettings
    from phage.daemon.scanfolders import ScanFolders
    from phage.records.scantask import ScanTask, WorkerReport
    from phage.store.store import Store

_log = logging.getLogger(__name__)

GONE_NS = int(GONE_SECONDS * 1e9)
LEASE_NS = int(LEASE_SECONDS * 1e9)


class LocalWorkDesk:
    """Answers workers from the store; used by many threads."""

    def __init__(
        self, settings: ScanSettings, folders: ScanFolders, store: Store, clock: Clock
    ) -> None:
        self._settings = settings
        self._members = folders.members
        self._vault = Vault(folders.samples, settings.keep_size)
        self._store = store
        self._clock = clock
        self._least = Level(settings.isolation)
        self.releases = Releases(settings.workers, folders, store, clock)

    def beat(self, report: WorkerReport) -> Wanted:
        """Note what a worker says of itself. Raises MasterError where its name is another's."""
        if not self._store.scan_workers.seen(report, GONE_NS):
            message = (
                f"there is a worker {report.name} already, with another token; "
                "give this one another name"
            )
            raise MasterError(message, refused=True)
        kept = self._store.scan_workers.get(report.name)
        return Wanted(self.releases.wanted(report), bool(kept and kept.ending))

    def claim(self, task: str, worker: str, token: str) -> Claim | None:
        """Lease a task to a worker; None where it is not to be had. Raises MasterError."""
        about = self._store.scan_workers.get(worker)
        if about is None or about.token != token:
            message = f"there is no worker {worker} with this token; it has to tell of itself first"
            raise MasterError(message)
        found = self._store.scan_tasks.get(task)
        if found is None or found.state is not TaskState.QUEUED:
            return None
        if Level(about.isolation).rank < self._least.rank:
            message = f"its isolation is {about.isolation}; scan.isolation asks for {self._least}"
            raise MasterError(message, refused=True)
        if not any(each.name == found.engine and not each.fault for each in about.engines):
            message = f"the worker {worker} has not told of an engine {found.engine} that works"
            raise MasterError(message, refused=True)
        now = self._clock.now()
        leased = self._store.scan_tasks.claim(task, worker, now, now + LEASE_NS)
        if leased is None:
            return None
        return Claim(
            leased.id, leased.lease, leased.engine, leased.sha256, leased.name, leased.size
        )

    def sample(self, task: str, lease: str) -> tuple[BinaryIO, int]:
        """Open the file of a task that is leased, and tell its size as it lies there.

        Raises MasterError.
        """
        found = self._leased(task, lease)
        for vault in (Vault(self._members / found.job), self._vault):
            if vault.has(found.sha256):
                file = vault.disguised(found.sha256)
                return file, file.seek(0, 2) + file.seek(0)
        message = f"the file {found.sha256} is not kept any more"
        raise MasterError(message, refused=True)

    def extend(self, task: str, lease: str) -> bool:
        """Extend a lease; False when it is lost."""
        return self._store.scan_tasks.extend(task, lease, self._clock.now() + LEASE_NS)

    def answer(self, task: str, lease: str, said: Mapping[str, Any]) -> bool:
        """Keep what an engine said, once; False when the lease is lost."""
        try:
            found = self._leased(task, lease)
        except MasterError:
            return False
        row, tags = _row(found, said), answer.tags(said.get("tags"))
        now = self._clock.now()
        options = answer.text(said.get("options", found.options))[:64]
        store = self._store
        with store.database.transaction():
            if CRASHES_ENGINE in tags:
                kept = store.scan_tasks.bury(found, row, tags, now)
                for _ in range(CRASHES if kept else 0):
                    store.engine_results.crashed(found.sha256, found.engine, now)
            else:
                kept = store.scan_tasks.answer(found, row, tags, now)
            if kept and row.category.is_answer:
                store.engine_results.keep(found.sha256, [(row, options)], now)
        return kept

    def give_back(self, task: str, lease: str, error: str) -> bool:
        """Let others do what a worker cannot; after some of them it is given up."""
        try:
            found = self._leased(task, lease)
        except MasterError:
            return False
        now = self._clock.now()
        if found.attempts < ATTEMPTS:
            return self._store.scan_tasks.give_back(task, lease, error, now)
        row = EngineResult(
            found.engine, found.engine_kind, Category.FAILURE, error=answer.text(error)[:500]
        )
        return self._store.scan_tasks.bury(found, row, (), now)

    def definitions(self, release: str) -> tuple[BinaryIO, int]:
        """Open a file with definitions, and tell its size as it lies there. Raises MasterError."""
        return self.releases.open(release)

    def _leased(self, task: str, lease: str) -> ScanTask:
        """Return a task whose lease is shown. Raises MasterError."""
        found = self._store.scan_tasks.get(task)
        held = (
            found is not None
            and found.state is TaskState.LEASED
            and found.lease_until >= self._clock.now()
            and hmac.compare_digest(found.lease.encode(), lease.encode())
        )
        if found is None or not held:
            message = "that lease has ended"
            raise MasterError(message, refused=True)
        return found


def _row(task: ScanTask, said: Mapping[str, Any]) -> EngineResult:
    """Return what a worker says, checked as what comes out of a sandbox is."""
    built = said.get("built", 0)
    version = EngineVersion(
        answer.text(said.get("version", ""))[:200],
        answer.text(said.get("definitions", ""))[:200],
        built if isinstance(built, int) and 0 <= built < 2**62 else 0,
    )
    if said.get("category") == Category.TIMEOUT:
        error = answer.text(said.get("error", "") or "took too long")[:500]
        return EngineResult(
            task.engine, task.engine_kind, Category.TIMEOUT, version=version, error=error
        )
    return answer.result_of(said, task.engine, task.engine_kind, version)
