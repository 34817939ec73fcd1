"""Jobs in a table of the store, leased: what the queues of one machine and of many share."""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from phage.clock import Clock, SystemClock
from phage.errors import PhageError, StoreError
from phage.scan.queue import ATTEMPTS, LEASE_SECONDS, MOST, Handle, QueueError, QueueState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.records.scanjob import Progress, ScanJob

_log = logging.getLogger(__name__)

IDLE_SECONDS = 0.2
"""How often an idle worker looks for jobs."""

AGAIN_SECONDS = 1.0
"""How long to wait when the store does not answer."""


class JobTable(Protocol):
    """What the store keeps of jobs; see `phage.store.repositories.scanjobs`."""

    def add(self, jobs: Sequence[ScanJob], now: int, most: int) -> int:
        """Add jobs; return how many there was room for."""

    def lease(self, worker: str, count: int, now: int, until: int) -> list[ScanJob]:
        """Take jobs for a worker."""

    def extend(self, id: str, lease: str, until: int) -> bool:  # noqa: A002  The field's name.
        """Extend a lease; False when it is lost."""

    def tell(self, id: str, lease: str, progress: Progress) -> bool:  # noqa: A002  The field's name.
        """Note how far a job is; False when the lease is lost."""

    def done(self, id: str, lease: str, verdict: str, now: int) -> bool:  # noqa: A002  The field's name.
        """End a job; False when the lease is lost."""

    def failed(self, id: str, lease: str, error: str, now: int, attempts: int) -> bool:  # noqa: A002  The field's name.
        """Give a job back, or up."""

    def expire(self, now: int, attempts: int) -> int:
        """Give back jobs whose worker died."""

    def cancel(self, id: str, now: int) -> bool:  # noqa: A002  The field's name.
        """Cancel a job."""

    def retry(self, id: str, now: int) -> bool:  # noqa: A002  The field's name.
        """Put a job back."""

    def get(self, id: str) -> ScanJob | None:  # noqa: A002  The field's name.
        """Return a job."""

    def counts(self) -> Mapping[str, int]:
        """Return how many jobs there are by state."""

    def oldest(self) -> int:
        """Return when the oldest waiting job was submitted."""


@dataclass
class TableQueue:
    """Jobs in a table of the store, SQLite or PostgreSQL.

    Who works leases jobs and extends the lease meanwhile; a lease that ends, since its worker was
    killed, gives the job to the next.
    """

    lease_seconds: float = LEASE_SECONDS
    """How long a worker may be silent before its job is another's."""
    most: int = MOST
    """Jobs that may wait; more are refused."""
    table: JobTable | None = None
    clock: Clock = field(default_factory=SystemClock)
    _refused: int = field(default=0, init=False)

    def put(self, jobs: Sequence[ScanJob]) -> int:
        """Add jobs; return how many were taken."""
        taken = self._table.add(jobs, self.clock.now(), self.most)
        self._refused += len(jobs) - taken
        return taken

    def serve(self, worker: str, handle: Handle, stop: threading.Event) -> None:
        """Work on jobs until told to stop."""
        while not stop.is_set():
            if not self.has_room():
                stop.wait(IDLE_SECONDS)
                continue
            try:
                self._table.expire(self.clock.now(), ATTEMPTS)
                now = self.clock.now()
                jobs = self._table.lease(worker, 1, now, now + self._lease)
            except StoreError:
                stop.wait(AGAIN_SECONDS)
                continue
            if not jobs:
                stop.wait(IDLE_SECONDS)
            for job in jobs:
                self._work(job, handle)

    def has_room(self) -> bool:
        """Tell whether another job may be begun."""
        return True

    def tell(self, job: ScanJob, progress: Progress) -> None:
        """Note how far a job is; what the store cannot take now is left out."""
        with contextlib.suppress(StoreError):
            self._table.tell(job.id, job.lease, progress)

    def cancel(self, id: str) -> bool:  # noqa: A002  The field's name.
        """Cancel a job that is not done."""
        return self._table.cancel(id, self.clock.now())

    def retry(self, id: str) -> bool:  # noqa: A002  The field's name.
        """Put a job back that was given up or cancelled."""
        return self._table.retry(id, self.clock.now())

    def get(self, id: str) -> ScanJob | None:  # noqa: A002  The field's name.
        """Return a job as it stands."""
        return self._table.get(id)

    def state(self) -> QueueState:
        """Return how the queue stands."""
        return QueueState(self._table.counts(), self._table.oldest(), self._refused)

    def close(self) -> None:
        """Do nothing: the store is its owner's."""

    @property
    def _table(self) -> JobTable:
        if self.table is None:
            message = "the queue has no store"
            raise QueueError(message)
        return self.table

    @property
    def _lease(self) -> int:
        return int(self.lease_seconds * 1e9)

    def _work(self, job: ScanJob, handle: Handle) -> None:
        ended = threading.Event()
        heart = threading.Thread(target=self._beat, args=(job, ended), daemon=True)
        heart.start()
        try:
            self._finish(job, handle)
        except StoreError as error:  # The lease ends, and the job is tried again.
            _log.error("job %s: %s", job.id, error, extra={"limit": "queue"})
        finally:
            ended.set()
            heart.join()

    def _finish(self, job: ScanJob, handle: Handle) -> None:
        """Work on a job and note what became of it. Raises StoreError."""
        try:
            verdict = handle(job)
        except Exception as error:  # noqa: BLE001  No file may end the thread that serves all.
            if not isinstance(error, PhageError):
                _log.exception("job %s failed", job.id, extra={"limit": "queue"})
            fault = str(error) or type(error).__name__
            self._table.failed(job.id, job.lease, fault, self.clock.now(), ATTEMPTS)
        else:
            if verdict:  # Else it is made when engines elsewhere have answered.
                self._table.done(job.id, job.lease, verdict, self.clock.now())

    def _beat(self, job: ScanJob, ended: threading.Event) -> None:
        """Extend the lease until the job has ended or is lost."""
        while not ended.wait(self.lease_seconds / 3):
            try:
                if not self._table.extend(job.id, job.lease, self.clock.now() + self._lease):
                    return
            except StoreError:
                continue
