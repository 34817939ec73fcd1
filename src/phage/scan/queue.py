"""The contract of a queue: who wants verdicts puts jobs, workers serve them.

Samples do not travel in it: a worker gets one by its hash. A job is given to another worker when
its own dies, is given up after `ATTEMPTS`, and never has two verdicts: what a worker says whose
lease was lost is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from phage.errors import PhageError
from phage.frozen import frozen
from phage.plugin import Family

if TYPE_CHECKING:
    import threading

    from phage.records.scanjob import Progress, ScanJob

ATTEMPTS = 3
"""Workers that a job may kill before it is given up."""

LEASE_SECONDS = 30.0
"""How long a worker may be silent; a healthy one extends its lease every third of it."""

MOST = 100_000
"""Jobs that may wait; more are refused, so that who puts them hears of it."""


class QueueError(PhageError):
    """The queue cannot be reached, or refuses."""


@frozen
class QueueState:
    """How a queue stands.

    Attributes:
        counts: Jobs by state.
        oldest: When the oldest job that waits was submitted, nanoseconds; 0 for none.
        refused: Jobs that were refused since this process started.
        workers: Who serves it: name, and what it says of itself.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    oldest: int = 0
    refused: int = 0
    workers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


Handle = Callable[["ScanJob"], str]
"""Scans the sample of a job and keeps the verdict; returns the verdict's id, '' where it is made
when others have answered.

Raises PhageError when the job cannot be done now; it is then tried again, by whom it may.
"""


@runtime_checkable
class Queue(Protocol):
    """Carries jobs from those who want verdicts to those who scan."""

    name: ClassVar[str]
    """The queue's name, as settings carry it."""

    summary: ClassVar[str]
    """What it is for, in one line."""

    def put(self, jobs: Sequence[ScanJob]) -> int:
        """Add jobs; return how many were taken, the rest was refused. Raises QueueError."""

    def serve(self, worker: str, handle: Handle, stop: threading.Event) -> None:
        """Work on jobs, one at a time, until `stop` is set and the job at work is done.

        Called once for each file that this worker is to scan at a time, each in its own thread.
        Raises QueueError when the queue is lost for good; while it may come back, it waits.
        """

    def tell(self, job: ScanJob, progress: Progress) -> None:
        """Note how far a job at work is, for who waits for it; may be left out."""

    def cancel(self, id: str) -> bool:  # noqa: A002  The field's name.
        """Cancel a job that is not done."""

    def retry(self, id: str) -> bool:  # noqa: A002  The field's name.
        """Put a job back that was given up or cancelled."""

    def get(self, id: str) -> ScanJob | None:  # noqa: A002  The field's name.
        """Return a job as it stands."""

    def state(self) -> QueueState:
        """Return how the queue stands."""

    def close(self) -> None:
        """Let go of it."""


QUEUES = Family("queues", Queue, "phage.scan.queues")
