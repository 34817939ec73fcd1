"""What processes that scan have done, told to the one that answers /metrics: a file of each."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.api.workershapes import worker_state
from phage.errors import PhageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from phage.clock import Clock
    from phage.daemon.rescan import Rescans
    from phage.records.scantask import WorkerReport
    from phage.scan.front import Front
    from phage.scan.scanner import ScanCounters
    from phage.store.store import Store
    from phage.telemetry.metrics import Registry

TELL_SECONDS = 10.0
"""How often a process tells."""

AWAY_SECONDS = 86_400.0
"""A file that nobody writes any more, as of a process that was killed, goes after so long."""

MOST_FILES = 64
LARGEST = 65_536
"""Processes that are heard, and octets of what each tells."""

MOST_SOURCES = 4096
"""Processes and workers of whom it is remembered what was counted; the first ones are forgotten."""

COUNTED: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "files": ("phage_scan_files_total", "Files that were scanned, by outcome.", ("outcome",)),
    "known": ("phage_scan_known_total", "Files whose verdict was known.", ()),
    "engine_files": (
        "phage_scan_engine_files_total", "Files that engines looked at.", ("engine",)
    ),
    "engine_failures": (
        "phage_scan_engine_failures_total", "Files on which engines failed.", ("engine",)
    ),
    "engine_seconds": (
        "phage_scan_engine_seconds_total", "Seconds that engines took.", ("engine",)
    ),
    "fronts": (
        "phage_scan_front_total", "What fronts have done and refused.", ("front", "what")
    ),
    "rescanned": ("phage_scan_rescanned_total", "Samples queued for newer engines.", ()),
    "faults": ("phage_scan_worker_faults_total", "What workers could not do.", ("fault",)),
}  # fmt: skip
"""What is counted: the metric, its meaning and its labels."""

Rows = list[tuple[tuple[str, ...], float]]
Told = dict[str, Rows]
"""Labels and total of each series, by the names of COUNTED."""


def work_counts(counters: ScanCounters | None, fronts: Iterable[Front], rescans: Rescans) -> Told:
    """Return what a process that scans has done."""
    told: Told = {
        "fronts": [
            ((front.name, what), float(count))
            for front in fronts
            for what, count in front.counters().items()
        ],
        "rescanned": [((), float(rescans.queued))],
    }
    if counters is not None:
        told["known"] = [((), float(counters.known))]
        for name, totals in (
            ("files", counters.outcomes),
            ("engine_files", counters.engine_files),
            ("engine_failures", counters.engine_failures),
            ("engine_seconds", counters.engine_seconds),
        ):
            told[name] = [((str(label),), float(total)) for label, total in dict(totals).items()]
    return told


class CountsFile:
    """A process's own file; it stays when the process ends, to be read once more.

    Args:
        folder: Where the files of all processes lie.
        clock: Tells when it is time.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"
        self._clock = clock
        self._next = 0.0

    def tell(self, told: Told) -> None:
        """Write it, at once. Raises OSError."""
        rows = {name: [[*labels, total] for labels, total in each] for name, each in told.items()}
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(rows), encoding="ascii")
        fresh.replace(self._path)

    def is_time(self) -> bool:
        """Tell whether it is time to tell."""
        now = self._clock.monotonic()
        if now < self._next:
            return False
        self._next = now + TELL_SECONDS
        return True


@dataclass
class WorkCounter:
    """Counts for /metrics what processes here and workers elsewhere tell of themselves.

    Attributes:
        folder: Where the files of processes here lie.
        store: Tells of workers elsewhere.
        clock: Tells which are gone.
        registry: The metrics.
    """

    folder: Path
    store: Store
    clock: Clock
    registry: Registry
    _before: dict[str, dict[tuple[str, tuple[str, ...]], float]] = field(
        default_factory=dict, init=False
    )
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def start(self) -> None:
        """Count whenever metrics are read."""
        for name, meaning, labels in COUNTED.values():
            self.registry.counter(name, meaning, labels)
        self.registry.on_read(self.refresh)

    def refresh(self) -> None:
        """Count what has come since."""
        with self._lock:
            for path, told in self._files():
                self._count(path, told)
            with contextlib.suppress(PhageError):  # The store says by itself that it is away.
                workers = self.store.scan_workers.list()
                for each in workers:
                    self._count(f"{each.name} {each.started}", _of_worker(each))
                self._gauge(workers)
            while len(self._before) > MOST_SOURCES:
                del self._before[next(iter(self._before))]

    def _count(self, source: str, told: Told) -> None:
        # Kept when a source is not heard for once: else all of it would count again.
        before, now = self._before.pop(source, {}), {}
        for name, rows in told.items():
            metric = self.registry.counter(*COUNTED[name])
            for labels, total in rows:
                last = before.get((name, labels), 0.0)
                metric.add(total - last if total >= last else total, *labels)
                now[name, labels] = total
        self._before[source] = now

    def _gauge(self, workers: Iterable[WorkerReport]) -> None:
        here = self.registry.gauge("phage_scan_workers", "Workers elsewhere, by state.", ("state",))
        states = [worker_state(each, self.clock.now()) for each in workers]
        for state in ("here", "ending", "gone"):
            here.set(states.count(state), state)
        tasks = self.registry.gauge(
            "phage_scan_tasks", "Files that engines elsewhere are asked about.", ("engine", "state")
        )
        opened = self.store.scan_tasks.open()
        for labels, _ in tasks.samples():
            if labels[0] not in opened:
                tasks.remove(*labels)
        for engine, (waiting, at_work) in opened.items():
            tasks.set(waiting, engine, "waiting")
            tasks.set(at_work, engine, "at_work")

    def _files(self) -> Iterator[tuple[str, Told]]:
        """Yield what processes here tell; files of those that are long gone are removed."""
        with contextlib.suppress(OSError):
            found = sorted(self.folder.glob("*.json"), key=lambda each: each.stat().st_mtime)
            for path in found[:-MOST_FILES]:
                path.unlink(missing_ok=True)
            for path in found[-MOST_FILES:]:
                about = path.stat()
                if self.clock.now() / 1e9 - about.st_mtime > AWAY_SECONDS:
                    path.unlink(missing_ok=True)
                elif about.st_size <= LARGEST:
                    yield path.name, _read(path.read_bytes())


def _of_worker(worker: WorkerReport) -> Told:
    return {
        "engine_files": [((each.name,), float(each.files)) for each in worker.engines],
        "faults": [((name,), float(count)) for name, count in worker.faults.items()],
    }


def _read(text: bytes) -> Told:
    """Return what a file tells; what makes no sense is left out."""
    try:
        found = json.loads(text)
        return {
            name: [
                (tuple(map(str, row[:-1])), float(row[-1]))
                for row in found.get(name, ())
                if len(row) == len(labels) + 1 and math.isfinite(row[-1]) and row[-1] >= 0
            ]
            for name, (_, _, labels) in COUNTED.items()
        }
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}
