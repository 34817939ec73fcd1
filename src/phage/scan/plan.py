"""Many workers: a sample is taken apart here and asked about elsewhere, an engine and file a task.

`Planner` walks through a sample as a worker does, in the same sandbox and within the same bounds,
and lays its members by for workers to fetch. `gathered` makes of the answers what a walk on one
machine would have found, so that the verdict is the same.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from phage.errors import PhageError
from phage.records.sample import Category, EngineKind, EngineResult, Part
from phage.records.scantask import PlannedPart, ScanPlan, ScanTask
from phage.scan.bench import Bench
from phage.scan.engineset import digest_of
from phage.scan.sandbox.isolation import Isolation, Level
from phage.scan.scanner import fingerprint
from phage.scan.tree import Node, Walk
from phage.scan.work import CRASHES, CRASHES_ENGINE, ENCRYPTED, PLAIN, Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from phage.clock import Clock
    from phage.records.scanjob import ScanJob
    from phage.records.scantask import EngineReport, WorkerReport
    from phage.scan.content import Content
    from phage.scan.work import Results, WorkOptions


class Keeper(Protocol):
    """Where parts lie until the verdict; `phage.scan.vault.Vault` is one."""

    def put(self, content: Content) -> bool:
        """Keep a file; False when it is too large."""


def in_service(workers: Sequence[WorkerReport]) -> dict[str, EngineReport]:
    """Return the engines that workers serve, each as those with the newest definitions have it."""
    found: dict[str, EngineReport] = {}
    for worker in workers:
        for report in worker.engines:
            before = found.get(report.name)
            if not report.fault and (before is None or _age(report) > _age(before)):
                found[report.name] = report
    return dict(sorted(found.items()))


def rests_on(engines: Iterable[EngineReport], options: WorkOptions) -> str:
    """Return the fingerprint of verdicts that engines of workers give."""
    return fingerprint(digest_of(each.key for each in engines), options)


def _age(report: EngineReport) -> tuple[int, str, str, str]:
    return (report.version.built, *report.key[1:])


@dataclass
class _Walked:
    """What a walk has come upon."""

    parts: list[PlannedPart] = field(default_factory=list)
    tasks: dict[tuple[str, str], ScanTask] = field(default_factory=dict)
    faults: list[tuple[tuple[str, ...], str]] = field(default_factory=list)


class Planner:
    """Takes samples apart, one at a time."""

    def __init__(self, results: Results, clock: Clock, options: WorkOptions) -> None:
        self._results = results
        self._clock = clock
        self._options = options
        self._bench = Bench((), clock, unpack=True, bubblewrap=options.bubblewrap)

    def start(self) -> Isolation:
        """Start the sandbox of the extractor. Raises PhageError where its isolation is too weak."""
        if not self._options.unpack:
            return Isolation(Level.FULL, means="nothing is opened")
        isolation = self._bench.start()
        if isolation.level.rank < self._options.least_isolation.rank:
            self._bench.close()
            message = (
                f"files would be taken apart with isolation {isolation.level} "
                f"({isolation.reason}); install bubblewrap, or allow it: "
                f"scan.isolation: {isolation.level}"
            )
            raise PhageError(message)
        return isolation

    def plan(
        self,
        job: ScanJob,
        content: Content,
        engines: Mapping[str, EngineReport],
        members: Keeper,
        beat: Callable[[], None] = lambda: None,
    ) -> tuple[ScanPlan, list[ScanTask]]:
        """Take a sample apart; return the plan, and the tasks whose answers are not known.

        Args:
            job: The job.
            content: Its sample.
            engines: Engines that are asked, as their workers tell them.
            members: Where what is in the sample is laid by.
            beat: Called at each part.
        """
        isolation = self.start()
        walked = _Walked()

        def visit(node: Node) -> None:
            beat()
            self._take(job, node, engines, members, walked)

        if self._options.unpack:
            passwords = tuple(dict.fromkeys((*job.passwords, *self._options.passwords)))
            walk = Walk(
                self._bench.unpack,
                visit,
                self._clock,
                self._options.folder,
                self._options.bounds,
                passwords,
            )
            walk.run(content)
            walked.faults += walk.faults
        else:
            visit(Node(content, ()))
        hashes = content.hashes
        plan = ScanPlan(
            job=job.id,
            sha256=hashes.sha256,
            sha1=hashes.sha1,
            md5=hashes.md5,
            made=self._clock.now(),
            parts=tuple(walked.parts),
            faults=tuple(walked.faults),
            tags=(ENCRYPTED,)
            if any(text.startswith(ENCRYPTED) for _, text in walked.faults)
            else (),
            engines=tuple(engines.values()),
            isolation=str(isolation.level),
        )
        return plan, list(walked.tasks.values())

    def close(self) -> None:
        """End the sandbox."""
        self._bench.close()

    def _take(
        self,
        job: ScanJob,
        node: Node,
        engines: Mapping[str, EngineReport],
        members: Keeper,
        walked: _Walked,
    ) -> None:
        content = node.content
        few = len(walked.parts) < self._options.metadata_members
        judged_only = bool(node.path) and not (few and content.kind not in PLAIN)
        sha256 = content.hashes.sha256
        part = PlannedPart(node.path, sha256, content.size, content.kind, judged_only)
        walked.parts.append(part)
        chosen = _chosen(part, engines)
        known = self._results.known(sha256, [each.key for each in chosen])
        crashes = self._results.crashes(sha256)
        asked = [
            each
            for each in chosen
            if each.name not in known
            and each.takes(part.kind, part.size)
            and crashes.get(each.name, 0) < CRASHES
            and (sha256, each.name) not in walked.tasks
        ]
        if not asked:
            return
        if node.path and not members.put(content):
            walked.faults.append((node.path, "limit: there is no room to lay it by"))
            return
        for each in asked:
            walked.tasks[sha256, each.name] = ScanTask(
                id=secrets.token_hex(16),
                job=job.id,
                sha256=sha256,
                engine=each.name,
                engine_kind=each.kind,
                options=each.options,
                name=content.name[:300],
                kind=part.kind,
                size=part.size,
                priority=job.priority,
            )


def gathered(plan: ScanPlan, tasks: Sequence[ScanTask], results: Results) -> Findings:
    """Return what all engines together have found, of their answers and of what was known."""
    engines = {each.name: each for each in plan.engines}
    told = {(task.sha256, task.engine): task for task in tasks}
    found = Findings(faults=list(plan.faults), tags=set(plan.tags))
    for part in plan.parts:
        chosen = _chosen(part, engines)
        known = results.known(part.sha256, [each.key for each in chosen])
        crashes = results.crashes(part.sha256)
        rows = []
        for each in chosen:
            task = told.get((part.sha256, each.name))
            if task is not None and task.answer is not None:
                rows.append(task.answer)
                found.tags.update(task.tags)
            elif not each.takes(part.kind, part.size):
                rows.append(_row(each, Category.TYPE_UNSUPPORTED))
            elif each.name in known:
                rows.append(known[each.name])
            elif crashes.get(each.name, 0) >= CRASHES:
                error = f"this file has ended the engine {crashes[each.name]} times"
                rows.append(_row(each, Category.FAILURE, error))
                found.tags.add(CRASHES_ENGINE)
            else:
                rows.append(_row(each, Category.FAILURE, "was not asked: it could not be laid by"))
        found.add(Part(part.path, part.sha256, part.size, part.kind, tuple(rows)))
    return found


def _chosen(part: PlannedPart, engines: Mapping[str, EngineReport]) -> list[EngineReport]:
    return [
        each
        for each in engines.values()
        if each.kind is EngineKind.EVILNESS or not part.judged_only
    ]


def _row(each: EngineReport, category: Category, error: str = "") -> EngineResult:
    return EngineResult(each.name, each.kind, category, version=each.version, error=error)
