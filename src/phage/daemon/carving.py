"""Files that the core took out of traffic are kept and queued, with who got them."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from phage.daemon.storesink import location
from phage.errors import PhageError
from phage.records.address import format_address, format_mac
from phage.records.scanjob import Origin, Priority
from phage.scan.content import Content

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phage.clock import Clock
    from phage.config.settings import Settings
    from phage.config.statedir import StateDirectory
    from phage.daemon.options import RunOptions
    from phage.daemon.ownprogram import OwnWorker
    from phage.records.carved import CarvedFile
    from phage.scan.queue import Queue
    from phage.scan.vault import Vault

_log = logging.getLogger(__name__)

WAITING = 256
"""Files that wait to be kept; the core holds no more for one window."""

WAITING_OCTETS = 64 * 2**20
"""Octets of those."""

AGAIN_SECONDS = 60.0
"""A file that the same device gets again so soon is not queued again: pages have parts that come
with each look at them."""

REMEMBERED = 4096
"""Files and devices that are remembered for that."""

STOP_SECONDS = 5.0
"""How long stopping waits for what is being kept."""

Take = tuple["Vault", "Queue"]


class CarvedFiles:
    """Keeps and queues files, in a thread of its own: what watches the wire waits for nobody.

    Args:
        open_: Opens the vault and the queue, in that thread.
        clock: Tells the time.
    """

    def __init__(self, open_: Callable[[contextlib.ExitStack], Take], clock: Clock) -> None:
        self._open = open_
        self._wake: Callable[[], None] | None = None
        self._clock = clock
        self._waiting: queue.Queue[CarvedFile | None] = queue.Queue(WAITING)
        self._octets = 0
        self._lock = threading.Lock()
        self._lately: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._thread = threading.Thread(target=self._run, name="phage-carved", daemon=True)
        self.queued = 0
        """Files that were queued to be scanned."""
        self.dropped = 0
        """Files that were not, since too many came or they could not be kept."""

    def start(self, wake: Callable[[], None] | None = None) -> None:
        """Start the thread; `wake` starts a worker where none stays."""
        self._wake = wake
        self._thread.start()

    def stop(self) -> None:
        """Queue what waits, and stop."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=STOP_SECONDS)
            self._thread.join(timeout=STOP_SECONDS)

    def put(self, files: Sequence[CarvedFile]) -> None:
        """Take files that are whole; never waits."""
        for file in files:
            with self._lock:
                fits = self._octets + len(file.data) <= WAITING_OCTETS
                if fits:
                    try:
                        self._waiting.put_nowait(file)
                    except queue.Full:
                        fits = False
                self._octets += len(file.data) if fits else 0
                self.dropped += not fits

    def keep(self, file: CarvedFile, vault: Vault, jobs: Queue) -> bool:
        """Keep one file and queue it; tell whether it was. Raises PhageError, OSError."""
        from phage.daemon.scanjobs import new_job  # noqa: PLC0415  With the first file.

        origin = origin_of(file)
        with Content.of_bytes(file.data, origin.name) as content:
            sha256 = content.hashes.sha256
            if self._was_lately(sha256, origin.address):
                return False
            if not vault.put(content):
                self.dropped += 1
                return False
        job = new_job(
            sha256, origin.name, priority=Priority.NETWORK, submitted=file.time, origin=origin
        )
        if not jobs.put([job]):
            self.dropped += 1
            return False
        self.queued += 1
        return True

    def _was_lately(self, sha256: str, address: str) -> bool:
        now, key = self._clock.monotonic(), (sha256, address)
        last = self._lately.pop(key, None)
        known = last is not None and now - last < AGAIN_SECONDS
        self._lately[key] = last if last is not None and known else now
        if len(self._lately) > REMEMBERED:
            self._lately.popitem(last=False)
        return known

    def _run(self) -> None:
        with contextlib.ExitStack() as stack:
            opened: Take | None = None
            while (file := self._waiting.get()) is not None:
                with self._lock:
                    self._octets -= len(file.data)
                try:
                    opened = opened or self._open(stack)
                    if self.keep(file, *opened) and self._wake is not None:
                        self._wake()
                except (PhageError, OSError) as error:
                    self.dropped += 1
                    _log.error("files from traffic: %s", error, extra={"limit": "carving"})
                except Exception:  # noqa: BLE001  One odd file must not end it for all.
                    self.dropped += 1
                    _log.exception("a file from traffic", extra={"limit": "carving"})


def origin_of(file: CarvedFile) -> Origin:
    """Return who got a file, from whom, and how."""
    return Origin(
        address=format_address(file.dst),
        mac=format_mac(file.dst_mac) if file.dst_mac else "",
        peer=format_address(file.src),
        protocol=file.protocol,
        name=file.name,
        time=file.time,
    )


def make_carved_files(settings: Settings, state: StateDirectory, clock: Clock) -> CarvedFiles:
    """Return what keeps and queues files by the settings; not started."""

    def open_(stack: contextlib.ExitStack) -> Take:
        from phage.daemon.scanfolders import ScanFolders  # noqa: PLC0415  With the first file.
        from phage.daemon.scanjobs import make_queue  # noqa: PLC0415  With the first file.
        from phage.scan.vault import Vault  # noqa: PLC0415  With the first file.
        from phage.store.store import open_store  # noqa: PLC0415  With the first file.

        store = stack.enter_context(open_store(location(settings), clock))
        vault = Vault(ScanFolders.of(state).samples, settings.scan.keep_size)
        vault.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        jobs = make_queue(settings.scan, store, clock)
        stack.callback(jobs.close)
        return vault, jobs

    return CarvedFiles(open_, clock)


def start_carving(
    carved: CarvedFiles | None,
    options: RunOptions,
    state: StateDirectory,
    clock: Clock,
    stack: contextlib.ExitStack,
) -> OwnWorker | None:
    """Keep and queue files, where they are taken; return the worker that then scans them."""
    if carved is None:
        return None
    from phage.daemon.ownprogram import OwnProgram  # noqa: PLC0415  Only where it is needed.
    from phage.daemon.scandesk import own_worker  # noqa: PLC0415  Only where it is needed.

    program = OwnProgram(options.settings_file, state.path)
    worker = own_worker(options.settings, state, program, clock, stack)
    carved.start(worker.wake if worker is not None else None)
    stack.callback(carved.stop)
    return worker
