"""File scanning wired: engines by the settings, the store, the vault, the queue."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from phage.daemon.feedhashes import write_feed_hashes
from phage.daemon.scanfolders import ScanFolders
from phage.records.scanjob import Priority, Progress
from phage.scan.engineset import find_engines
from phage.scan.sandbox.isolation import Level
from phage.scan.scanner import Scanner
from phage.scan.tree import Bounds
from phage.scan.vault import Vault
from phage.scan.work import WorkOptions
from phage.store.store import Store, StoreLocation, open_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phage.clock import Clock
    from phage.config.scan import ScanSettings
    from phage.config.settings import Settings
    from phage.config.statedir import StateDirectory
    from phage.records.sample import Category, EngineResult, Verdict
    from phage.records.scanjob import ScanJob
    from phage.scan.content import Content
    from phage.scan.queue import Handle, Queue


def work_options(settings: ScanSettings, folder: Path | None = None) -> WorkOptions:
    """Return how workers work by the settings."""
    unpack = settings.unpack
    return WorkOptions(
        unpack=unpack.enabled,
        bounds=Bounds(unpack.depth, unpack.members, unpack.size, unpack.largest, unpack.time),
        passwords=unpack.passwords,
        metadata_members=unpack.metadata_members,
        least_isolation=Level(settings.isolation),
        folder=folder,
    )


def make_scanner(
    settings: ScanSettings,
    folders: ScanFolders,
    clock: Clock,
    store: Store | None = None,
    *,
    engines: Iterable[str] = (),
    work: Path | None = None,
) -> Scanner:
    """Return a scanner; without a store it knows nothing and keeps nothing. Raises ConfigError."""
    found = find_engines(settings, folders.engines, engines)
    vault = Vault(folders.samples, settings.keep_size) if store and settings.keep else None
    if vault is not None:
        vault.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Scanner(
        found,
        clock,
        work_options(settings, work),
        samples=store.samples if store else None,
        results=store.engine_results if store else None,
        vault=vault,
        processes=settings.processes,
    )


@contextmanager
def open_scanner(
    settings: Settings,
    state: StateDirectory,
    location: StoreLocation,
    clock: Clock,
    *,
    engines: Iterable[str] = (),
    keep: bool = True,
) -> Iterator[tuple[Scanner, Store | None]]:
    """Open store and scanner; both are closed at the end. Raises PhageError."""
    with ExitStack() as stack:
        store = stack.enter_context(open_store(location, clock)) if keep else None
        if store is not None:
            write_feed_hashes(store.indicators, ScanFolders.of(state).engines)
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="phage-scan-")))
        scanner = make_scanner(
            settings.scan, ScanFolders.of(state), clock, store, engines=engines, work=work
        )
        stack.enter_context(scanner)
        yield scanner, store
        if scanner.vault is not None:
            now = clock.now() / 1e9
            scanner.vault.prune_daily(now - settings.scan.keep_time, now)


TELL_SECONDS = 0.2
"""How often it is told how far a job is; each time is a write to the store."""


class _Teller:
    """Tells how far a job is, now and then."""

    def __init__(self, job: ScanJob, queue: Queue, clock: Clock) -> None:
        self._job = job
        self._queue = queue
        self._clock = clock
        self._parts = 0
        self._engines: dict[str, Category] = {}
        self._next = 0.0

    def part(self, parts: int) -> None:
        """Take note of the number of parts that are done."""
        self._parts = parts
        self._tell()

    def row(self, row: EngineResult) -> None:
        """Take note of what an engine said of a part: the gravest word counts."""
        before = self._engines.get(row.engine)
        if before is None or row.category.rank > before.rank:
            self._engines[row.engine] = row.category
            self._tell()

    def _tell(self) -> None:
        now = self._clock.monotonic()
        if now >= self._next:
            self._next = now + TELL_SECONDS
            said = {name: str(category) for name, category in self._engines.items()}
            self._queue.tell(self._job, Progress(self._parts, said))


class Servers:
    """Threads that serve a queue, each one job at a time."""

    def __init__(self, queue: Queue, handle: Handle, count: int) -> None:
        self._queue = queue
        self._handle = handle
        self._count = count
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start them."""
        name = f"{socket.gethostname()}-{os.getpid()}"
        for number in range(self._count):
            thread = threading.Thread(
                target=self._queue.serve,
                args=(f"{name}-{number}", self._handle, self._stop),
                name=f"phage-scan-{number}",
                daemon=True,
            )
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Have them finish what is at work, and stop."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()


class ScanService:
    """Serves the queue: as many threads as files are scanned at a time."""

    def __init__(self, scanner: Scanner, vault: Vault, queue: Queue, clock: Clock) -> None:
        self._clock = clock
        self.scanner = scanner
        self._vault = vault
        self._queue = queue
        self._lock = threading.Lock()
        self._at_work: Counter[Scanner] = Counter()
        self._servers = Servers(queue, self.handle, scanner.processes)

    def start(self) -> None:
        """Start the threads."""
        self._servers.start()

    def handle(self, job: ScanJob) -> str:
        """Scan the sample of a job; return the id of its verdict. Raises PhageError."""
        if not self._vault.has(job.sha256) and (done := self.scanner.judged(job.sha256)):
            return done.id  # Where samples are not kept, another job of the same was faster.
        teller = _Teller(job, self._queue, self._clock)
        with self._vault.get(job.sha256, job.name) as content, self._using() as scanner:
            verdict: Verdict = scanner.scan(
                content,
                name=job.name,
                force=job.force,
                passwords=job.passwords,
                progress=teller.part,
                told=teller.row,
                again=job.priority == Priority.RESCAN,
            )
        if scanner.vault is None:  # Samples are not to be kept; it was only on its way.
            self._vault.remove(job.sha256)
        return verdict.id

    def scan(self, content: Content, name: str) -> Verdict:
        """Return the verdict on a file that no job brought. Raises PhageError."""
        with self._using() as scanner:
            return scanner.scan(content, name=name)

    def replace(self, scanner: Scanner) -> None:
        """Scan with another scanner from now on; the one before ends with its last file."""
        with self._lock:
            before, self.scanner = self.scanner, scanner
            scanner.counters = before.counters
            is_idle = not self._at_work[before]
        if is_idle:
            before.close()

    def stop(self) -> None:
        """Finish what is at work and stop."""
        self._servers.stop()
        self.scanner.close()

    @contextmanager
    def _using(self) -> Iterator[Scanner]:
        with self._lock:
            scanner = self.scanner
            self._at_work[scanner] += 1
        try:
            yield scanner
        finally:
            with self._lock:
                self._at_work[scanner] -= 1
                is_left = scanner is not self.scanner and not self._at_work[scanner]
                if not self._at_work[scanner]:
                    del self._at_work[scanner]
            if is_left:
                scanner.close()
