"""A job of scanning: one sample to be given a verdict by somebody, somewhere."""

from __future__ import annotations

import enum
from dataclasses import field
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


class JobState(enum.StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    LEASED = "leased"
    """A worker has it, until the lease ends."""
    DONE = "done"
    DEAD = "dead"
    """It was given up after too many attempts; a person may put it back."""
    CANCELLED = "cancelled"


@frozen
class Origin:
    """Who got a sample over the network, from whom, and how; '' where that is not known.

    `time` is when, in nanoseconds since the Unix epoch.
    """

    address: str
    mac: str = ""
    peer: str = ""
    protocol: str = ""
    name: str = ""
    time: int = 0


class Priority(enum.IntEnum):
    """Whose job goes first; the lower the sooner."""

    INTERACTIVE = 0
    API = 10
    NETWORK = 20
    WATCH = 30
    RESCAN = 40


@frozen
class Progress:
    """How far a job at work is.

    Attributes:
        parts: Files in the sample that are done, itself included.
        engines: The gravest category that each engine has said so far, by its name.
    """

    parts: int = 0
    engines: Mapping[str, str] = field(default_factory=dict)


NOTHING_YET = Progress()


@frozen
class ScanJob:
    """One job.

    The sample itself does not travel with it: workers get it by its hash. `engines` is empty for
    all. Times are nanoseconds since the Unix epoch. `lease` is the token of who works on it: what
    comes with an older one is refused. `passwords` are tried on what is encrypted.
    """

    id: str
    sha256: str
    name: str = ""
    engines: tuple[str, ...] = ()
    priority: int = Priority.API
    submitted: int = 0
    force: bool = False
    passwords: tuple[str, ...] = ()
    origin: Origin | None = None
    state: JobState = JobState.QUEUED
    attempts: int = 0
    worker: str = ""
    lease: str = ""
    lease_until: int = 0
    verdict: str = ""
    error: str = ""
    progress: Progress = NOTHING_YET
