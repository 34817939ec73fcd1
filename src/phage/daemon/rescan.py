"""Samples are scanned again when engines or definitions have changed; only what changed runs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from phage.daemon.feedhashes import write_feed_hashes
from phage.daemon.rescanbell import LOOK_SECONDS, definitions_in_force
from phage.daemon.scanning import make_scanner, new_job
from phage.errors import PhageError
from phage.records.sample import Outcome
from phage.records.scanjob import Priority
from phage.scan.selftest import healthy_engines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phage.clock import Clock
    from phage.config.scan import ScanSettings
    from phage.daemon.scanfolders import ScanFolders
    from phage.daemon.scanning import ScanService
    from phage.scan.queue import Queue
    from phage.scan.vault import Vault
    from phage.store.store import Store

_log = logging.getLogger(__name__)

AT_ONCE = 1000
"""Samples queued at a look; more when these are done."""

MOST_ASKED = 100_000
"""Samples that were queued for the engines of now and are remembered, so that one that cannot be
scanned is not asked for for ever."""

TOLD = frozenset({Outcome.INFECTED, Outcome.SUSPICIOUS})


class Rescans:
    """Keeps a worker's engines up to date, and queues the samples that older ones judged.

    It runs in the worker, which has the engines loaded.
    """

    def __init__(
        self,
        settings: ScanSettings,
        folders: ScanFolders,
        work: Path,
        store: Store,
        vault: Vault,
        queue: Queue,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._folders = folders
        self._work = work
        self._store = store
        self._vault = vault
        self._queue = queue
        self._clock = clock
        self._in_force = definitions_in_force(folders.engines)
        self._asked: set[str] = set()
        self._next_look = 0.0
        self._fingerprint = ""
        self._next_whole = clock.monotonic() + settings.rescan_every
        self.queued = 0
        """Samples that were queued since the start."""

    def look(self, service: ScanService) -> None:
        """Look, when it is time: replace engines that have changed, queue what they should see."""
        now = self._clock.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        try:
            if self._have_changed(now):
                self._replace(service)
            if self._settings.rescan:
                self.queued += self._queue_due(service.scanner.fingerprint)
        except (PhageError, OSError) as error:  # The next look may do better.
            _log.error("scanning again: %s", error, extra={"limit": "rescan"})

    def look_elsewhere(self, fingerprint: Callable[[], str]) -> None:
        """Look, when it is time: queue what engines elsewhere should see, which renew themselves.

        Args:
            fingerprint: Tells what verdicts rest on now.
        """
        now = self._clock.monotonic()
        if now < self._next_look or not self._settings.rescan:
            return
        self._next_look = now + LOOK_SECONDS
        try:
            told = fingerprint()
            if told != self._fingerprint:
                self._fingerprint = told
                self._asked.clear()
                return  # Engines come one by one; the next look sees them all.
            if told:
                self.queued += self._queue_due(told)
        except (PhageError, OSError) as error:  # The next look may do better.
            _log.error("scanning again: %s", error, extra={"limit": "rescan"})

    def _have_changed(self, now: float) -> bool:
        """Tell whether definitions are new; and every now and then, that they may be.

        What has definitions of its own, as a clamd that others keep, says so by its version only.
        """
        write_feed_hashes(self._store.indicators, self._folders.engines)
        in_force = definitions_in_force(self._folders.engines)
        changed, self._in_force = in_force != self._in_force, in_force
        if now >= self._next_whole:
            self._next_whole = now + self._settings.rescan_every
            changed = True
        return changed

    def _replace(self, service: ScanService) -> None:
        """Scan with the engines of now, if they are others and pass their self-test."""
        with make_scanner(self._settings, self._folders, self._clock, work=self._work) as tried:
            engines = healthy_engines(tried)
        if not engines:
            message = "no engine passes its self-test any more; those before stay in use"
            raise PhageError(message)
        scanner = make_scanner(
            self._settings, self._folders, self._clock, self._store, engines=engines,
            work=self._work,
        )  # fmt: skip
        if scanner.fingerprint == service.scanner.fingerprint:
            scanner.close()
            return
        _log.info("engines or definitions have changed; scanning with %s", ", ".join(engines))
        service.replace(scanner)
        self._asked.clear()

    def _queue_due(self, fingerprint: str) -> int:
        since = self._clock.now() - int(self._settings.keep_time * 1e9)
        due = self._store.samples.due(since, fingerprint, AT_ONCE)
        if len(self._asked) + len(due) > MOST_ASKED:
            return 0
        new = [sha256 for sha256 in due if sha256 not in self._asked and self._vault.has(sha256)]
        jobs = []
        for sha256 in new:
            before = self._store.samples.verdict(sha256)
            # Who got it hears of what is found now, not again of what was found before.
            known = before is not None and before.outcome in TOLD
            jobs.append(
                new_job(
                    sha256,
                    next(iter(before.sample.names), "") if before else "",
                    priority=Priority.RESCAN,
                    submitted=self._clock.now(),
                    force=True,
                    origin=None if known else self._store.scan_jobs.origin_of(sha256),
                )
            )
        taken = self._queue.put(jobs) if jobs else 0
        self._asked.update(new[:taken])
        if taken:
            _log.info("%d samples are scanned again with the engines of now", taken)
        return taken
