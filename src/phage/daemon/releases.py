"""Definitions rolled out to workers: to a canary first, then to all; taken back as easily."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, BinaryIO

from phage.errors import PhageError
from phage.records.scanrelease import DefinitionRelease, ReleaseState
from phage.scan.master import GONE_SECONDS, MasterError, Release
from phage.scan.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.clock import Clock
    from phage.config.scan import WorkerSettings
    from phage.daemon.scanfolders import ScanFolders
    from phage.records.scantask import EngineReport, WorkerReport
    from phage.scan.content import Content
    from phage.store.store import Store

_log = logging.getLogger(__name__)

GONE_NS = int(GONE_SECONDS * 1e9)


class Releases:
    """What definitions each worker should have; workers make it so."""

    def __init__(
        self, settings: WorkerSettings, folders: ScanFolders, store: Store, clock: Clock
    ) -> None:
        self._settings = settings
        self._vault = Vault(folders.releases)
        self._store = store
        self._clock = clock

    def begin(
        self, engine: str, content: Content, author: str, canary: str = ""
    ) -> DefinitionRelease:
        """Roll a file with definitions out, to a canary first. Raises PhageError."""
        now = self._clock.now()
        workers = self._store.scan_workers.list(now - GONE_NS)
        serving = [
            worker.name
            for worker in workers
            if any(each.name == engine and not each.fault for each in worker.engines)
        ]
        if canary and canary not in serving:
            message = f"the worker {canary} does not serve {engine} now"
            raise PhageError(message)
        if not serving:
            message = f"no worker serves {engine} now, so that nobody could try its definitions"
            raise PhageError(message)
        self._vault.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for releases in self._by_engine().values():  # Others make room, not what is in force.
            for each in releases:
                if each.state in {ReleaseState.OUT, ReleaseState.CANARY}:
                    self._vault.touch(each.sha256)
                if each.state is ReleaseState.OUT:
                    break
        if not self._vault.put(content):
            message = f"{content.name}: is larger than all definitions that are kept"
            raise PhageError(message)
        release = DefinitionRelease(
            id=f"{now // 10**9:012x}{secrets.token_hex(4)}",
            engine=engine,
            sha256=content.hashes.sha256,
            name=content.name[:200],
            size=content.size,
            canary=canary or serving[0],
            author=author,
            made=now,
            changed=now,
        )
        self._store.scan_releases.add(release)
        return release

    def withdraw(self, id: str) -> DefinitionRelease:  # noqa: A002  The field's name.
        """Take a release back: workers return to the one before. Raises PhageError."""
        release = self._store.scan_releases.get(id)
        if release is None or release.state in {ReleaseState.FAILED, ReleaseState.WITHDRAWN}:
            message = f"there is no release {id!r} that is out; `phage workers releases` names them"
            raise PhageError(message)
        now = self._clock.now()
        self._store.scan_releases.move(id, release.state, ReleaseState.WITHDRAWN, now)
        return release

    def open(self, id: str) -> tuple[BinaryIO, int]:  # noqa: A002  The field's name.
        """Open the file of a release, disguised, and tell its size so. Raises MasterError."""
        release = self._store.scan_releases.get(id)
        if release is None or not self._vault.has(release.sha256):
            message = f"there is no release {id!r}, or its file is not kept any more"
            raise MasterError(message, refused=True)
        file = self._vault.disguised(release.sha256)
        return file, file.seek(0, 2) + file.seek(0)

    def wanted(self, worker: WorkerReport) -> dict[str, Release]:
        """Return the definitions that a worker should have and has not, by engine.

        What it says of its own moves releases on: a canary that has one in force for long enough
        lets it out, one that refuses it ends it.
        """
        found = {}
        by_engine = self._by_engine()
        for report in worker.engines:
            releases = by_engine.get(report.name, [])
            self._move(worker.name, report, releases)
            release = next((each for each in releases if _is_for(each, worker.name)), None)
            wanted = release.id if release is not None else ""
            ours = {each.id for each in releases}
            if wanted == report.release or report.refused.startswith(f"{wanted}:"):
                continue
            if release is not None:
                found[report.name] = Release(release.id, release.sha256, release.name)
            elif report.release in ours:  # Else what it has is none of our business.
                found[report.name] = Release("")
        return found

    def _by_engine(self) -> Mapping[str, list[DefinitionRelease]]:
        found: dict[str, list[DefinitionRelease]] = {}
        for release in self._store.scan_releases.list():
            found.setdefault(release.engine, []).append(release)
        return found

    def _move(self, worker: str, report: EngineReport, releases: list[DefinitionRelease]) -> None:
        trial = next((each for each in releases if each.state is ReleaseState.CANARY), None)
        if trial is None or trial.canary != worker:
            return
        now = self._clock.now()
        refused, _, why = report.refused.partition(": ")
        if refused == trial.id:
            _log.error("definitions of %s are not rolled out: %s", trial.engine, why)
            move = self._store.scan_releases.move
            move(trial.id, ReleaseState.CANARY, ReleaseState.FAILED, now, why)
        elif report.release == trial.id and not trial.tried:
            self._store.scan_releases.tried(trial.id, now)
        elif report.release == trial.id and now - trial.tried >= self._settings.canary_time * 1e9:
            _log.info("definitions of %s go to all workers", trial.engine)
            self._store.scan_releases.move(trial.id, ReleaseState.CANARY, ReleaseState.OUT, now)


def _is_for(release: DefinitionRelease, worker: str) -> bool:
    """Tell whether a release is one that a worker should have."""
    if release.state is ReleaseState.CANARY:
        return release.canary == worker
    return release.state is ReleaseState.OUT
