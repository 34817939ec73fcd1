"""The scanner: what everybody asks who wants a verdict - commands, queue, fronts, the network side.

    with Scanner(engines, clock, options) as scanner:
        with Content.of_file(path) as content:
            verdict = scanner.scan(content)

It is used by as many threads as like; as many files are scanned at a time as it has workers.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, Self

from phage.scan import assess
from phage.scan.sandbox.isolation import Isolation, Level
from phage.scan.work import Findings, NoResults, Results, Worker, WorkOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phage.clock import Clock
    from phage.records.sample import EngineResult, Sample, Verdict
    from phage.scan.content import Content
    from phage.scan.engineset import EngineSet
    from phage.scan.vault import Vault


class Samples(Protocol):
    """Where verdicts are kept."""

    def save(self, verdict: Verdict, *, again: bool = False) -> None:
        """Keep a verdict and its sample; `again` for one that nobody submitted."""

    def seen(self, sample: Sample) -> None:
        """Count one more submission of a known sample."""

    def verdict(self, sha256: str, fingerprint: str = "") -> Verdict | None:
        """Return the last verdict of a sample, or the last with a fingerprint."""


@dataclass
class ScanCounters:
    """What has been done since the start."""

    scanned: int = 0
    known: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    engine_failures: dict[str, int] = field(default_factory=dict)
    engine_seconds: dict[str, float] = field(default_factory=dict)
    engine_files: dict[str, int] = field(default_factory=dict)

    def add(self, verdict: Verdict) -> None:
        """Count a verdict that was made."""
        self.scanned += 1
        self.outcomes[verdict.outcome] = self.outcomes.get(verdict.outcome, 0) + 1
        for part in verdict.parts:
            for row in part.results:
                if not row.category.is_answer:
                    count = self.engine_failures.get(row.engine, 0)
                    self.engine_failures[row.engine] = count + 1
                if row.seconds:
                    self.engine_files[row.engine] = self.engine_files.get(row.engine, 0) + 1
                    spent = self.engine_seconds.get(row.engine, 0.0)
                    self.engine_seconds[row.engine] = spent + row.seconds


class Scanner:
    """Gives verdicts."""

    def __init__(
        self,
        engines: EngineSet,
        clock: Clock,
        options: WorkOptions | None = None,
        *,
        samples: Samples | None = None,
        results: Results | None = None,
        vault: Vault | None = None,
        processes: int = 0,
    ) -> None:
        self.engines = engines
        self.options = options or WorkOptions()
        self.counters = ScanCounters()
        self.processes = processes or os.cpu_count() or 1
        self._clock = clock
        self._samples = samples
        self._results: Results = results or NoResults()
        self.vault = vault
        self.fingerprint = fingerprint_of(engines, self.options)
        self._lock = threading.Lock()
        self._made: list[Worker] = []
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()

    @property
    def isolation(self) -> Isolation:
        """The weakest isolation of the workers that were started."""
        with self._lock:
            started = [worker.isolation for worker in self._made]
        if not started:
            return Isolation(Level.NONE, reason="nothing was scanned yet")
        return min(started, key=lambda each: each.level.rank)

    def start(self) -> Isolation:
        """Start one worker, so that what is wrong is told now. Raises PhageError."""
        worker = self._take()
        self._idle.put(worker)
        return worker.isolation

    def known(self, content: Content) -> Verdict | None:
        """Return the verdict that these engines have given this file before; None for none."""
        return self.judged(content.hashes.sha256)

    def judged(self, sha256: str) -> Verdict | None:
        """Return the same of a file by its hash."""
        if self._samples is None:
            return None
        verdict = self._samples.verdict(sha256, self.fingerprint)
        if verdict is None or any(not row.category.is_answer for row in verdict.results):
            return None
        return verdict

    def scan(
        self,
        content: Content,
        *,
        name: str = "",
        force: bool = False,
        passwords: Sequence[str] = (),
        tags: Sequence[str] = (),
        progress: Callable[[int], None] | None = None,
        told: Callable[[EngineResult], None] | None = None,
        again: bool = False,
    ) -> Verdict:
        """Return the verdict on a file.

        Args:
            content: The file; the caller closes it.
            name: What it is called, where that is not the content's own name.
            force: Ask engines also where a verdict is known. Results of engines that are the same
                are still taken from before: only what changed runs.
            passwords: Tried on what is encrypted, before the usual ones.
            tags: Kept with the sample.
            progress: Told how many files in it are done.
            told: Told each engine's word on each file in it as it comes.
            again: Nobody has submitted it: it is kept no longer for being looked at once more.

        Raises:
            PhageError: The sandbox cannot be had.
        """
        called = name or content.name
        known = None if force or passwords else self.known(content)
        if known is not None and self._samples is not None:
            self.counters.known += 1
            self._samples.seen(replace(known.sample, names=(called,), last_seen=self._clock.now()))
            return known
        worker = self._take()
        began = self._clock.monotonic()
        try:
            found = worker.scan(content, passwords=passwords, progress=progress, told=told)
        finally:
            self._idle.put(worker)
        found.tags.update(tags)
        seconds = self._clock.monotonic() - began
        verdict = self.verdict_of(content, found, called, worker.isolation.level, seconds)
        self._keep(content, verdict, again=again)
        return verdict

    def verdict_of(
        self, content: Content, found: Findings, name: str, isolation: Level, seconds: float = 0.0
    ) -> Verdict:
        """Make the verdict of what was found; for those who gather results by other ways."""
        hashes = content.hashes
        return assess.verdict(
            found,
            (hashes.sha256, hashes.sha1, hashes.md5),
            name,
            self._clock.now(),
            fingerprint=self.fingerprint,
            isolation=str(isolation),
            seconds=seconds,
        )

    def close(self) -> None:
        """End all workers. Nothing may be scanned meanwhile."""
        with self._lock:
            made, self._made = self._made, []
        for worker in made:
            worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def worker(self) -> Worker:
        """Take a worker for something else than a verdict, as a self-test; give it back after."""
        return self._take()

    def give_back(self, worker: Worker) -> None:
        """Give a worker back."""
        self._idle.put(worker)

    def _take(self) -> Worker:
        """Return a worker that is idle, a new one, or wait for one."""
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            pass
        with self._lock:
            if len(self._made) < self.processes:
                worker = Worker(self.engines, self._results, self._clock, self.options)
                worker.start()
                self._made.append(worker)
                return worker
        return self._idle.get()

    def _keep(self, content: Content, verdict: Verdict, *, again: bool) -> None:
        with self._lock:
            self.counters.add(verdict)
        if self.vault is not None and not again:
            self.vault.put(content)
        if self._samples is not None:
            self._samples.save(verdict, again=again)


def fingerprint_of(engines: EngineSet, options: WorkOptions) -> str:
    """Return a digest of all that a verdict rests on besides the file."""
    return fingerprint(engines.fingerprint, options)


def fingerprint(engines: str, options: WorkOptions) -> str:
    """Return the same of a digest of the engines."""
    told = [engines, options.unpack, repr(options.bounds), options.metadata_members]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]
