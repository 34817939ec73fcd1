"""What a worker asks of its master, over HTTPS: tasks, files, and to be known.

A worker holds a token of its own and nothing else: no database, and of files only the one at work,
which it gets by the lease of the task, for as long as that lasts.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from phage.errors import PhageError
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from phage.records.scantask import WorkerReport
    from phage.scan.vault import Readable

BEAT_SECONDS = 5.0
"""How often a worker tells of itself."""

GONE_SECONDS = 20.0
"""A worker that is silent for so long is gone."""

LEASE_SECONDS = 20.0
"""How long a task is a worker's; it extends that every third of it."""


class MasterError(PhageError):
    """The master cannot be asked now, or refuses.

    Attributes:
        refused: It has answered, and asking again would change nothing.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


@frozen
class Claim:
    """A task that is ours for a while."""

    task: str
    lease: str
    engine: str
    sha256: str
    name: str = ""
    size: int = 0


@frozen
class Release:
    """Definitions that an engine should have: the file by its id, '' for those before all ours."""

    id: str
    sha256: str = ""
    name: str = ""


@frozen
class Wanted:
    """What the master wants of a worker: definitions by engine, and whether it should end."""

    releases: Mapping[str, Release] = field(default_factory=dict)
    end: bool = False


class Master(Protocol):
    """The master, as a worker sees it. Every method raises MasterError."""

    def beat(self, report: WorkerReport) -> Wanted:
        """Tell of oneself; return what is wanted."""

    def claim(self, task: str, worker: str) -> Claim | None:
        """Take a task; None when there is nothing to do: done, cancelled, or another's."""

    def sample(self, claim: Claim) -> AbstractContextManager[Readable]:
        """Open the file of a task, disguised as the vault does."""

    def extend(self, claim: Claim) -> bool:
        """Keep a task for longer; False when it is not ours any more."""

    def answer(self, claim: Claim, said: Mapping[str, object]) -> bool:
        """Tell what the engine said; False when the task is not ours any more."""

    def give_back(self, claim: Claim, error: str) -> bool:
        """Let others do a task that cannot be done here."""

    def definitions(self, release: Release) -> AbstractContextManager[Readable]:
        """Open a file with definitions."""

    def close(self) -> None:
        """Let go of the connection."""
