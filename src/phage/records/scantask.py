"""A task: one engine is asked about one file, by whichever worker has that engine."""

from __future__ import annotations

import enum
from dataclasses import field
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.records.sample import EngineKind, EngineVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.records.sample import EngineResult


NOT_KNOWN = EngineVersion("")


class TaskState(enum.StrEnum):
    """Where a task stands."""

    QUEUED = "queued"
    LEASED = "leased"
    """A worker has it, until the lease ends."""
    DONE = "done"
    DEAD = "dead"
    """It has ended so many workers, or none has its engine: it is not tried again."""


@frozen
class ScanTask:
    """One task. Times are nanoseconds since the Unix epoch.

    Attributes:
        id: 32 hexadecimal digits; all that a message carries.
        job: The job that it belongs to.
        sha256: The file: the job's sample, or something in it.
        engine: Who is asked.
        engine_kind: Whether that engine judges.
        options: The digest of its settings, as its workers told it.
        name: What the file is called.
        kind: Its type, told from its content.
        size: Its octets.
        priority: The job's; the lower the sooner.
        attempts: Workers that have had it.
        worker: Who has it, or had it last.
        lease: The token of who works on it; what comes with an older one is refused.
        lease_until: When it is another's, unless the worker is heard of.
        published: When its message was sent; 0 for not yet.
        answer: What the engine said; None while it has said nothing.
    """

    id: str
    job: str
    sha256: str
    engine: str
    engine_kind: EngineKind = EngineKind.EVILNESS
    options: str = ""
    name: str = ""
    kind: str = ""
    size: int = 0
    priority: int = 10
    state: TaskState = TaskState.QUEUED
    attempts: int = 0
    worker: str = ""
    lease: str = ""
    lease_until: int = 0
    published: int = 0
    answer: EngineResult | None = None
    tags: tuple[str, ...] = ()
    error: str = ""


@frozen
class EngineReport:
    """What a worker says of one of its engines.

    Attributes:
        name: The engine.
        kind: Whether it judges.
        version: What answers.
        options: A digest of its settings: other settings, other results.
        accepts: Kinds of file that it takes; empty for all.
        largest: Octets of the largest file that it takes.
        timeout: Seconds that it may take.
        place: "sandbox" or "service".
        fault: Why its self-test failed; '' when it passed, and then it is served.
        isolation: How well it is shut in; for an engine on yet another machine, as told there.
        release: The release of definitions in force (`DefinitionRelease.id`); '' for none of ours.
        refused: The release that was refused last, and why, as "ID: reason"; ''.
        files: Files that it has looked at since the worker began.
        median: Seconds that half of the latest took at most.
        slowest: Seconds that 95 of 100 of the latest took at most.
    """

    name: str
    kind: EngineKind = EngineKind.EVILNESS
    version: EngineVersion = NOT_KNOWN
    options: str = ""
    accepts: frozenset[str] = frozenset()
    largest: int = 0
    timeout: float = 30.0
    place: str = "sandbox"
    fault: str = ""
    isolation: str = ""
    release: str = ""
    refused: str = ""
    files: int = 0
    median: float = 0.0
    slowest: float = 0.0

    def takes(self, kind: str, size: int) -> bool:
        """Tell whether it takes files of a kind and size."""
        return (not self.accepts or kind in self.accepts) and size <= self.largest

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What its results are kept under, besides the file's hash."""
        return (self.name, self.version.engine, self.version.definitions, self.options)


@frozen
class WorkerReport:
    """What is known of a worker. Times are nanoseconds by the master's clock.

    Attributes:
        name: Its name, one worker's at a time.
        token: Id of the token with which it came.
        host: The machine.
        address: From where it asks.
        version: Of phage.
        started: When it was first heard of since it began.
        seen: When it was last heard of.
        isolation: "full", "partial" or "none", as its sandbox proved.
        reason: Why it is no better.
        processes: Files that it looks at at a time.
        engines: Its engines, those that failed included.
        faults: What went wrong since it began, by kind.
        ending: When it was asked to end; 0 for not.
    """

    name: str
    token: str = ""
    host: str = ""
    address: str = ""
    version: str = ""
    started: int = 0
    seen: int = 0
    isolation: str = "none"
    reason: str = ""
    processes: int = 1
    engines: tuple[EngineReport, ...] = ()
    faults: Mapping[str, int] = field(default_factory=dict)
    ending: int = 0


@frozen
class PlannedPart:
    """A part of a sample about which engines are asked; `faults` are told at the sample.

    `judged_only` tells that facts of it are not worth asking for.
    """

    path: tuple[str, ...]
    sha256: str
    size: int
    kind: str
    judged_only: bool = False


@frozen
class ScanPlan:
    """A sample taken apart, whose parts engines are asked about.

    Attributes:
        job: The job.
        sha256: SHA-256 of the sample.
        sha1: SHA-1 of it.
        md5: MD5 of it.
        made: When it was taken apart.
        parts: The parts, the sample first.
        faults: What could not be looked at, by path.
        tags: Set by the walk.
        engines: The engines that there were, each with what it was then.
        isolation: How well the extractor was shut in.
    """

    job: str
    sha256: str
    sha1: str
    md5: str
    made: int
    parts: tuple[PlannedPart, ...]
    faults: tuple[tuple[tuple[str, ...], str], ...] = ()
    tags: tuple[str, ...] = ()
    engines: tuple[EngineReport, ...] = ()
    isolation: str = "none"
