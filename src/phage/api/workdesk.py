"""What the routes for workers ask of the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.records.scanrelease import DefinitionRelease
    from phage.records.scantask import WorkerReport
    from phage.scan.content import Content
    from phage.scan.master import Claim, Wanted


class ReleaseDesk(Protocol):
    """Rolls definitions out. Methods raise PhageError to refuse, and StoreError."""

    def begin(
        self, engine: str, content: Content, author: str, canary: str = ""
    ) -> DefinitionRelease:
        """Roll a file with definitions out, to a canary first."""

    def withdraw(self, id: str) -> DefinitionRelease:  # noqa: A002  The field's name.
        """Take a release back."""


class WorkDesk(Protocol):
    """Answers workers. Methods raise MasterError to refuse, and StoreError."""

    @property
    def releases(self) -> ReleaseDesk:
        """What rolls definitions out."""

    def beat(self, report: WorkerReport) -> Wanted:
        """Note what a worker says of itself; return what is wanted of it."""

    def claim(self, task: str, worker: str, token: str) -> Claim | None:
        """Lease a task to a worker; None where it is not to be had."""

    def sample(self, task: str, lease: str) -> tuple[BinaryIO, int]:
        """Open the file of a task that is leased, and tell its size as it lies there."""

    def extend(self, task: str, lease: str) -> bool:
        """Extend a lease; False when it is lost."""

    def answer(self, task: str, lease: str, said: Mapping[str, Any]) -> bool:
        """Keep what an engine said, once; False when the lease is lost."""

    def give_back(self, task: str, lease: str, error: str) -> bool:
        """Let others do what a worker cannot."""

    def definitions(self, release: str) -> tuple[BinaryIO, int]:
        """Open a file with definitions, and tell its size as it lies there."""
