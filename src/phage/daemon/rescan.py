"""Samples are scanned again when engines or definitions have changed; only what changed runs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from phage.daemon.feedhashes import write_feed_hashes
from phage.daemon.rescanbell import LOOK_SECONDS, definitions_in_force
from phage.daemon.scanjobs import new_job
from phage.daemon.scanning import make_scanner
from phage.errors import PhageError
from phage.records.sample import Outcome
from phage.records.scanjob import Priority
from phage.scan.selftest import healthy_engines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from phage.clock import Clock
    from phage.config.scan import ScanSettings
    from phage.daemon.scanfolders import ScanFolders
    from phage.daemon.scanning import ScanService
    from phage.records.scanjob import ScanJob
    from phage.scan.queue import Queue
    from phage.scan.vault import Vault
    from phage.store.repositories.samples import Place
    from phage.store.store import Store

_log = logging.getLogger(__name__)

AT_ONCE = 1000
"""Samples looked at and queued at a look, unless so many jobs wait."""

TRY_SECONDS = 300.0
"""When engines that have changed and could not be used are tried again: that takes a self-test."""

MOST_ASKED = 100_000
"""Samples that were queued for the engines of now and are remembered, so that one that cannot be
scanned is not asked for for ever; the first are forgotten, and asked for again."""

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
        self._asked: dict[str, None] = {}
        self._after: Place | None = None
        self._passed = 0
        self._next_look = self._next_try = 0.0
        self._must_replace = False
        self._fingerprint = ""
        self._next_whole = clock.monotonic() + settings.rescan_every
        self.queued = 0
        """Samples that were queued since the start."""
        self.stuck = 0
        """Samples of those that are due that were passed by when all were last looked at: they
        were asked for before, or are not kept any more."""

    def look(self, service: ScanService) -> None:
        """Look, when it is time: replace engines that have changed, queue what they should see."""
        now = self._clock.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        try:
            self._must_replace |= self._have_changed(now)
            if self._must_replace and now >= self._next_try:
                self._next_try = now + TRY_SECONDS
                self._replace(service)
                self._must_replace, self._next_try = False, 0.0
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
                self._begin_anew()
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
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Other engines: all that was asked of those before is asked of them."""
        self._asked.clear()
        self._after, self._passed = None, 0

    def _queue_due(self, fingerprint: str) -> int:
        """Queue the next samples that are due; return how many. Raises StoreError."""
        if self._queue.state().counts.get("queued", 0) >= AT_ONCE:
            return 0
        since = self._clock.now() - int(self._settings.keep_time * 1e9)
        page = self._store.samples.due(since, fingerprint, AT_ONCE, self._after)
        new = [place for place in page if place[1] not in self._asked and self._vault.has(place[1])]
        jobs = [self._job(sha256) for _, sha256 in new]
        taken = self._queue.put(jobs) if jobs else 0
        for _, sha256 in new[:taken]:
            self._asked[sha256] = None
        while len(self._asked) > MOST_ASKED:
            del self._asked[next(iter(self._asked))]
        if taken == len(new):
            self._turn_page(page, len(page) - len(new))
        if taken:
            _log.info("%d samples are scanned again with the engines of now", taken)
        return taken

    def _turn_page(self, page: Sequence[Place], passed: int) -> None:
        """Go on to the next page, from the last one to the first."""
        self._passed += passed
        if len(page) == AT_ONCE:
            self._after = page[-1]
            return
        if self._passed > self.stuck:
            _log.warning(
                "%d samples are not kept any more, or the engines of now have not judged them yet",
                self._passed,
            )
        self.stuck = self._passed
        self._after, self._passed = None, 0

    def _job(self, sha256: str) -> ScanJob:
        before = self._store.samples.verdict(sha256)
        # Who got it hears of what is found now, not again of what was found before.
        known = before is not None and before.outcome in TOLD
        return new_job(
            sha256,
            next(iter(before.sample.names), "") if before else "",
            priority=Priority.RESCAN,
            submitted=self._clock.now(),
            force=True,
            origin=None if known else self._store.scan_jobs.origin_of(sha256),
        )
