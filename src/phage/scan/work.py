"""One worker: takes a sample apart and asks every engine about every part.

Results that are known for a file, an engine, its versions and options are not made again. Used by
one thread; as many workers as files are to be scanned at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from phage.errors import PhageError
from phage.records.sample import Category, EngineKind, EngineResult, Part
from phage.scan.bench import Bench, Said
from phage.scan.sandbox import answer
from phage.scan.sandbox.isolation import Isolation, Level
from phage.scan.tree import Bounds, Node, Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from phage.clock import Clock
    from phage.scan.content import Content
    from phage.scan.engineset import EngineSet, Ready

CRASHES = 2
"""A file that kills an engine twice is not shown to it again."""

CRASHES_ENGINE = "crashes-engine"
ENCRYPTED = "encrypted"

PLAIN = frozenset({"empty", "text", "xml", "html"})
"""Kinds of members that have no facts worth telling; they are most of a document's."""

PARTS = 1000
"""Parts of a sample that are kept, the grave ones first; all are counted."""


class Results(Protocol):
    """What is known of files already."""

    def known(
        self, sha256: str, keys: Sequence[tuple[str, str, str, str]]
    ) -> Mapping[str, EngineResult]:
        """Return results by engine, for engines with these versions and options."""

    def keep(self, sha256: str, results: Sequence[tuple[EngineResult, str]], now: int) -> None:
        """Keep results, each with the digest of its engine's options."""

    def crashes(self, sha256: str) -> Mapping[str, int]:
        """Return how often a file killed engines, by name."""

    def crashed(self, sha256: str, engine: str, now: int) -> None:
        """Count one more time that a file killed an engine."""


class NoResults:
    """Knows nothing and keeps nothing but what kills engines."""

    def __init__(self) -> None:
        self._crashes: dict[tuple[str, str], int] = {}

    def known(
        self, sha256: str, keys: Sequence[tuple[str, str, str, str]]
    ) -> Mapping[str, EngineResult]:
        """Return nothing."""
        del sha256, keys
        return {}

    def keep(self, sha256: str, results: Sequence[tuple[EngineResult, str]], now: int) -> None:
        """Keep nothing."""

    def crashes(self, sha256: str) -> Mapping[str, int]:
        """Return what killed engines since this was made."""
        return {engine: count for (each, engine), count in self._crashes.items() if each == sha256}

    def crashed(self, sha256: str, engine: str, now: int) -> None:
        """Count one more time that a file killed an engine."""
        del now
        if len(self._crashes) < 10_000:
            key = (sha256, engine)
            self._crashes[key] = self._crashes.get(key, 0) + 1


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """How a worker works: see `UnpackSettings`."""

    unpack: bool = True
    bounds: Bounds = field(default_factory=Bounds)
    passwords: tuple[str, ...] = ()
    metadata_members: int = 50
    least_isolation: Level = Level.PARTIAL
    folder: Path | None = None
    bubblewrap: bool = True


@dataclass
class Findings:
    """What a walk through one sample found.

    Attributes:
        parts: The parts, the sample first.
        parts_total: How many there are.
        faults: What could not be looked at, by path.
        tags: Set by engines and by the walk.
        worst: The gravest row of each engine.
    """

    parts: list[Part] = field(default_factory=list)
    parts_total: int = 0
    faults: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    worst: dict[str, EngineResult] = field(default_factory=dict)

    def add(self, part: Part) -> None:
        """Add a part; of many the plain ones are only counted."""
        self.parts_total += 1
        for result in part.results:
            before = self.worst.get(result.engine)
            if before is None or result.category.rank > before.category.rank:
                self.worst[result.engine] = result
        grave = any(each.category.rank > Category.UNDETECTED.rank for each in part.results)
        if len(self.parts) < PARTS or (grave and len(self.parts) < 2 * PARTS):
            self.parts.append(part)


class Worker:
    """Scans samples, one at a time."""

    def __init__(
        self,
        engines: EngineSet,
        results: Results,
        clock: Clock,
        options: WorkOptions = WorkOptions(),
    ) -> None:
        self._engines = engines.ready
        self._results = results
        self._clock = clock
        self._options = options
        self._bench = Bench(
            tuple(self._engines.values()),
            clock,
            unpack=options.unpack,
            bubblewrap=options.bubblewrap,
        )
        self._services: dict[str, str] = {}
        self._told: Callable[[EngineResult], None] = _nobody
        self.isolation = Isolation(Level.NONE, reason="has not been started")

    def start(self) -> Isolation:
        """Start the sandbox and the services. Raises PhageError where isolation is too weak."""
        self.isolation = self._bench.start()
        if self.isolation.level.rank < self._options.least_isolation.rank:
            self._bench.close()
            message = (
                f"files would be scanned with isolation {self.isolation.level} "
                f"({self.isolation.reason}); install bubblewrap, or allow it: "
                f"scan.isolation: {self.isolation.level}"
            )
            raise PhageError(message)
        for each in self._engines.values():
            if not each.in_sandbox and each.name not in self._services:
                try:
                    each.engine.prepare()
                except PhageError as error:
                    self._services[each.name] = str(error)
                else:
                    self._services[each.name] = ""
        return self.isolation

    def lacking(self, name: str) -> str:
        """Return why an engine does not answer though it is there; '' when it does."""
        return self._services.get(name, "") or self._bench.lacking(name)

    def scan(
        self,
        content: Content,
        *,
        unpack: bool = True,
        passwords: Sequence[str] = (),
        progress: Callable[[int], None] | None = None,
        told: Callable[[EngineResult], None] | None = None,
    ) -> Findings:
        """Scan a sample and all that is in it.

        Args:
            content: The sample.
            unpack: False to look at the sample as a whole only.
            passwords: Tried before those of the settings.
            progress: Told the number of parts done.
            told: Told each engine's word on each part as it comes.
        """
        found = Findings()
        self._told = told or _nobody

        def visit(node: Node) -> None:
            found.add(self._part(node, found))
            if progress is not None:
                progress(found.parts_total)

        try:
            if unpack and self._options.unpack:
                walk = Walk(
                    self._bench.unpack,
                    visit,
                    self._clock,
                    self._options.folder,
                    self._options.bounds,
                    tuple(dict.fromkeys((*passwords, *self._options.passwords))),
                )
                walk.run(content)
                found.faults = walk.faults
            else:
                visit(Node(content, ()))
        finally:
            self._told = _nobody
            self._bench.end_sample()
        if any(text.startswith(ENCRYPTED) for _, text in found.faults):
            found.tags.add(ENCRYPTED)
        return found

    def ask(
        self, content: Content, engines: Sequence[str], tags: set[str] | None = None
    ) -> list[EngineResult]:
        """Ask some engines about one file, as it is; for workers of one engine.

        What they set as tags is added to `tags`.
        """
        chosen = [self._engines[name] for name in engines]
        try:
            return self._asked(content, chosen, set() if tags is None else tags)
        finally:
            self._bench.end_sample()

    def close(self) -> None:
        """End the sandbox and let go of services."""
        self._bench.close()
        for each in self._engines.values():
            if not each.in_sandbox:
                each.engine.close()
        self._services.clear()

    def _part(self, node: Node, found: Findings) -> Part:
        content = node.content
        few = found.parts_total <= self._options.metadata_members
        metadata = not node.path or (few and content.kind not in PLAIN)
        chosen = [
            each for each in self._engines.values() if metadata or each.kind is EngineKind.EVILNESS
        ]
        results = self._asked(content, chosen, found.tags)
        return Part(node.path, content.hashes.sha256, content.size, content.kind, tuple(results))

    def _asked(
        self, content: Content, chosen: Sequence[Ready], tags: set[str]
    ) -> list[EngineResult]:
        """Return a row for each engine: known, unsupported, or asked now."""
        sha256 = content.hashes.sha256
        rows = dict(self._results.known(sha256, [each.key for each in chosen]))
        open_ = [each for each in chosen if each.name not in rows]
        for each in open_:
            if not each.takes(content.kind, content.size):
                rows[each.name] = _row(each, Category.TYPE_UNSUPPORTED)
        open_ = [each for each in open_ if each.name not in rows]
        for row in rows.values():
            self._told(row)
        fresh = self._fresh(content, open_, tags) if open_ else {}
        rows.update(fresh)
        options = {each.name: each.options for each in chosen}
        keep = [(row, options[row.engine]) for row in fresh.values() if row.category.is_answer]
        if keep:
            self._results.keep(sha256, keep, self._clock.now())
        return [rows[each.name] for each in chosen if each.name in rows]

    def _fresh(
        self, content: Content, open_: Sequence[Ready], tags: set[str]
    ) -> dict[str, EngineResult]:
        sha256 = content.hashes.sha256
        crashes = self._results.crashes(sha256)
        rows: dict[str, EngineResult] = {}
        for each in open_:
            if crashes.get(each.name, 0) >= CRASHES:
                error = f"this file has ended the engine {crashes[each.name]} times"
                rows[each.name] = _row(each, Category.FAILURE, error)
                tags.add(CRASHES_ENGINE)
        left = [each for each in open_ if each.name not in rows]
        for each in left:
            if not each.in_sandbox:
                rows[each.name] = self._of_service(each, content, tags)
                self._told(rows[each.name])
        inside = {each.name: each for each in left if each.in_sandbox}
        rows.update(self._inside(content, inside, tags))
        return rows

    def _inside(
        self, content: Content, engines: Mapping[str, Ready], tags: set[str]
    ) -> dict[str, EngineResult]:
        """Ask engines of the sandbox; one that died of the file is asked once more."""
        rows: dict[str, EngineResult] = {}
        waiting = list(engines)
        self._bench.told = lambda said: self._told(_of_said(engines[said.engine], said, set()))
        for attempt in range(CRASHES):
            crashed = []
            for said in self._bench.scan(content, waiting):
                rows[said.engine] = _of_said(engines[said.engine], said, tags)
                if said.crashed:
                    self._results.crashed(content.hashes.sha256, said.engine, self._clock.now())
                    crashed.append(said.engine)
            waiting = crashed
            if not waiting:
                break
            if attempt == CRASHES - 1:
                tags.add(CRASHES_ENGINE)
        return rows

    def _of_service(self, each: Ready, content: Content, tags: set[str]) -> EngineResult:
        if fault := self._services.get(each.name, "is not started"):
            return _row(each, Category.FAILURE, fault)
        began = self._clock.monotonic()
        try:
            said = each.engine.scan(content)
        except TimeoutError:
            row = _row(each, Category.TIMEOUT, "took too long")
        except (PhageError, OSError) as error:
            row = _row(each, Category.FAILURE, str(error)[:500])
        except Exception as error:  # noqa: BLE001  Whatever an engine makes of an odd answer.
            row = _row(each, Category.FAILURE, f"{type(error).__name__}: {error}"[:500])
        else:
            message = {"category": said.category, "label": said.label, "facts": dict(said.facts)}
            row = answer.result_of(message, each.name, each.kind, each.version)
            tags.update(said.tags)
        return replace(row, seconds=self._clock.monotonic() - began)


def _nobody(_: EngineResult) -> None:
    """Tell nobody before all is known."""


def _row(each: Ready, category: Category, error: str = "") -> EngineResult:
    return EngineResult(each.name, each.kind, category, version=each.version, error=error)


def _of_said(each: Ready, said: Said, tags: set[str]) -> EngineResult:
    if said.timed_out:
        return _row(each, Category.TIMEOUT, f"took longer than {each.engine.timeout:g} s")
    if said.crashed:
        return _row(each, Category.FAILURE, f"its process {said.crashed}")
    tags.update(answer.tags(said.message.get("tags")))
    return answer.result_of(said.message, each.name, each.kind, each.version)
