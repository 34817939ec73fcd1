"""`phage worker` on one machine: serves the queue, watches folders, keeps within its bounds."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from phage.daemon.feedhashes import write_feed_hashes
from phage.daemon.rescan import Rescans
from phage.daemon.scandesk import LocalScanDesk
from phage.daemon.scanfolders import ScanFolders
from phage.daemon.scanfronts import Fronts, OwnJudge
from phage.daemon.scanjobs import make_queue, new_job
from phage.daemon.scanning import ScanService, Servers, make_scanner
from phage.daemon.workcounts import CountsFile, work_counts
from phage.errors import PhageError, StoreError
from phage.records.scanjob import Priority
from phage.scan.content import Content
from phage.scan.selftest import healthy_engines
from phage.scan.suricata import is_record, origin_of
from phage.scan.vault import Vault
from phage.scan.watch import WatchedFolders
from phage.store.retention import Retention
from phage.store.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.clock import Clock
    from phage.config.scan import ScanSettings
    from phage.config.settings import Settings
    from phage.config.statedir import StateDirectory
    from phage.daemon.dispatch import Dispatcher
    from phage.daemon.workcounts import Told
    from phage.scan.desk import Judge
    from phage.scan.queue import Queue
    from phage.scan.queues.celery import CeleryQueue
    from phage.store.store import Store, StoreLocation

_log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""How often watched folders are looked at."""

SWEEP_SECONDS = 3600.0
"""How often what is too old goes."""


def work(
    settings: Settings,
    state: StateDirectory,
    location: StoreLocation,
    clock: Clock,
    *,
    stop: threading.Event | None = None,
    idle: float | None = None,
) -> None:
    """Serve until told to stop (SIGTERM, SIGINT), or until no job came for `idle` seconds.

    Raises PhageError when the sandbox, the store or the queue cannot be had.
    """
    stopping = stop or _until_signal()
    folders = ScanFolders.of(state)
    with ExitStack() as stack:
        store = stack.enter_context(open_store(location, clock))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="phage-scan-")))
        write_feed_hashes(store.indicators, folders.engines)
        vault = Vault(folders.samples, settings.scan.keep_size)
        vault.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        queue = make_queue(settings.scan, store, clock)
        stack.callback(queue.close)
        rescans = Rescans(settings.scan, folders, folder, store, vault, queue, clock)
        if settings.scan.queue == "celery":
            dispatcher = _dispatch(
                settings.scan, folders, store, cast("CeleryQueue", queue), clock, folder, stack
            )
            look = partial(rescans.look_elsewhere, dispatcher.fingerprint)
            desk = LocalScanDesk(
                settings.scan, store, vault, queue, clock, fingerprint=dispatcher.fingerprint
            )
            stack.callback(desk.close)
            judge: Judge = desk
            counters = None
        else:
            service = _serve(settings.scan, folders, store, queue, clock, folder, stack)
            look = partial(rescans.look, service)
            judge = OwnJudge(settings.scan, service, vault)
            counters = service.scanner.counters
        fronts = Fronts(settings.scan, judge, clock)
        stack.callback(fronts.close)
        fronts.look()
        counts = CountsFile(folders.counts, clock)
        tell = partial(_tell, counts, partial(work_counts, counters, fronts.opened, rescans))
        stack.callback(tell)
        watched = WatchedFolders(settings.scan.watch, lambda path: _submit(path, vault, queue))
        swept = clock.monotonic() - SWEEP_SECONDS
        busy = clock.monotonic()
        while not stopping.wait(LOOK_SECONDS):
            fronts.look()
            watched.look()
            look()
            if counts.is_time():
                tell()
            if clock.monotonic() - swept >= SWEEP_SECONDS:
                swept = clock.monotonic()
                try:
                    Retention(settings.retention).sweep(store.database, clock.now())
                except StoreError as error:  # The next hour may do better.
                    _log.error("retention: %s", error)
                vault.prune(clock.now() / 1e9 - settings.scan.keep_time)
            if _waits(queue):
                busy = clock.monotonic()
            elif idle is not None and clock.monotonic() - busy >= idle:
                return


def _serve(
    settings: ScanSettings,
    folders: ScanFolders,
    store: Store,
    queue: Queue,
    clock: Clock,
    folder: Path,
    stack: ExitStack,
) -> ScanService:
    """Scan here, with the engines of this machine. Raises PhageError."""
    with make_scanner(settings, folders, clock, work=folder) as tried:
        engines = healthy_engines(tried)
    if not engines:
        message = "no engine passes its self-test; `phage engines test` says why"
        raise PhageError(message)
    scanner = stack.enter_context(
        make_scanner(settings, folders, clock, store, engines=engines, work=folder)
    )
    isolation = scanner.start()
    _log.info(
        "scanning with %s, isolation %s by %s",
        ", ".join(engines), isolation.level, isolation.means,
    )  # fmt: skip
    service = ScanService(scanner, Vault(folders.samples, settings.keep_size), queue, clock)
    service.start()
    stack.callback(service.stop)
    return service


def _dispatch(
    settings: ScanSettings,
    folders: ScanFolders,
    store: Store,
    queue: CeleryQueue,
    clock: Clock,
    folder: Path,
    stack: ExitStack,
) -> Dispatcher:
    """Take samples apart here, and have workers elsewhere scan them. Raises PhageError."""
    from phage.daemon.dispatch import Dispatcher  # noqa: PLC0415  Only with many workers.
    from phage.daemon.fleets import Fleets  # noqa: PLC0415

    queue.prepare()
    dispatcher = Dispatcher(settings, folders, store, queue, clock, folder)
    dispatcher.start()
    stack.callback(dispatcher.stop)
    fleets = Fleets(settings.workers, store, clock)
    fleets.start()
    stack.callback(fleets.close)
    servers = Servers(queue, dispatcher.handle, settings.processes or os.cpu_count() or 1)
    servers.start()
    stack.callback(servers.stop)
    _log.info("taking samples apart for workers elsewhere")
    return dispatcher


def _tell(counts: CountsFile, told: Callable[[], Told]) -> None:
    """Tell what was done; a full disk must not end what goes on."""
    try:
        counts.tell(told())
    except OSError as error:
        _log.warning("counters: %s", error, extra={"limit": "counts"})


def _waits(queue: Queue) -> bool:
    """Tell whether jobs wait or are at work; the store may be away for a moment."""
    try:
        counts = queue.state().counts
    except StoreError:
        return True
    return bool(counts.get("queued") or counts.get("leased"))


def _submit(path: Path, vault: Vault, queue: Queue) -> bool:
    """Keep a file of a watched folder and queue it; False when the queue is full.

    Of a file that Suricata has taken off the wire it is told who got it.
    """
    if is_record(path):
        return True
    origin = origin_of(path)
    with Content.of_file(path, follow=False) as content:
        if not vault.put(content):
            return True
        sha256 = content.hashes.sha256
    priority = Priority.WATCH if origin is None else Priority.NETWORK
    job = new_job(sha256, str(path), priority=priority, origin=origin)
    return queue.put([job]) == 1


def _until_signal() -> threading.Event:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping
