"""One process of a worker: takes tasks, fetches their files, asks its engines, answers."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from phage.errors import PhageError
from phage.frozen import frozen
from phage.scan.engineset import definitions_folder
from phage.scan.master import LEASE_SECONDS, Claim, Master, MasterError
from phage.scan.vault import revealed
from phage.scan.work import NoResults, Worker
from phage.store.repositories.verdictbody import result_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from phage.clock import Clock
    from phage.scan.engineset import EngineSet
    from phage.scan.work import WorkOptions

_log = logging.getLogger(__name__)

T = TypeVar("T")

PAUSES = (0.2, 1.0, 3.0, 8.0)
"""Seconds between tries to reach a master that is away; then the task is left to others."""


@frozen
class Worked:
    """What became of a task.

    Attributes:
        engine: Who was asked; '' where there was nothing to do.
        seconds: How long the engine took.
        fault: Why there is no answer, or ''.
        again: It should be tried again, by whom it may.
    """

    engine: str = ""
    seconds: float = 0.0
    fault: str = ""
    again: bool = False


class _Forgetful(NoResults):
    """Remembers nothing: what has ended engines before, the master knows."""

    def crashed(self, sha256: str, engine: str, now: int) -> None:
        """Leave it to the master."""


class Seat:
    """Works on one task at a time; has its own sandbox and its own connection to the master.

    Engines are loaded again when their definitions have changed.
    """

    def __init__(
        self,
        name: str,
        master: Master,
        engines: Callable[[], EngineSet],
        definitions: Path,
        clock: Clock,
        options: WorkOptions,
    ) -> None:
        self._name = name
        self._master = master
        self._find = engines
        self._definitions = definitions
        self._clock = clock
        self._options = options
        self._engines: EngineSet | None = None
        self._worker: Worker | None = None
        self._stamps: Mapping[str, str] = {}
        self._rest = threading.Event()

    def work(self, task: str) -> Worked:
        """Do a task, if it still is to be done."""
        try:
            claim = self._patient(lambda: self._master.claim(task, self._name))
        except MasterError as error:
            return Worked(fault=str(error), again=not error.refused)
        if claim is None:
            return Worked()
        with self._kept(claim):
            return self._do(claim)

    def close(self) -> None:
        """End the sandbox."""
        self._rest.set()
        if self._worker is not None:
            self._worker.close()
            self._worker = None
        self._master.close()

    def _do(self, claim: Claim) -> Worked:
        try:
            said, seconds = self._asked(claim)
        except (PhageError, OSError) as error:
            # Of this worker, not of the file: others may do it.
            _log.error("task %s: %s", claim.task, error, extra={"limit": "task"})
            fault = str(error)
            try:
                self._patient(lambda: self._master.give_back(claim, fault))
            except MasterError:
                _log.info("task %s is left to its lease", claim.task)
            return Worked(claim.engine, fault=fault)
        try:
            self._patient(lambda: self._master.answer(claim, said))
        except MasterError as error:
            return Worked(claim.engine, seconds, str(error), again=not error.refused)
        return Worked(claim.engine, seconds)

    def _asked(self, claim: Claim) -> tuple[dict[str, object], float]:
        """Fetch the file of a task and ask its engine. Raises PhageError, OSError."""
        worker, engines = self._ready()
        if claim.engine not in engines.ready:
            message = f"there is no engine {claim.engine} here any more"
            raise PhageError(message)
        with (
            self._master.sample(claim) as source,
            revealed(source, claim.name, self._options.folder, claim.size) as content,
        ):
            if content.hashes.sha256 != claim.sha256:
                message = "the file came damaged"
                raise PhageError(message)
            tags: set[str] = set()
            (row,) = worker.ask(content, [claim.engine], tags)
        said = {
            **result_body(row),
            "options": engines.ready[claim.engine].options,
            "tags": sorted(tags),
        }
        return said, row.seconds

    def _ready(self) -> tuple[Worker, EngineSet]:
        stamps = definition_stamps(self._definitions)
        if self._worker is None or self._engines is None or stamps != self._stamps:
            if self._worker is not None:
                self._worker.close()
            self._worker, self._stamps = None, stamps
            self._engines = self._find()
            worker = Worker(self._engines, _Forgetful(), self._clock, self._options)
            worker.start()
            self._worker = worker
        return self._worker, self._engines

    @contextmanager
    def _kept(self, claim: Claim) -> Iterator[None]:
        """Extend the lease of a task while it is worked on."""
        ended = threading.Event()

        def keep() -> None:
            while not ended.wait(LEASE_SECONDS / 3):
                try:
                    if not self._master.extend(claim):
                        return
                except MasterError:
                    continue

        thread = threading.Thread(target=keep, name="phage-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _patient(self, ask: Callable[[], T]) -> T:
        """Ask the master, again while it is away for a moment. Raises MasterError."""
        for pause in PAUSES:
            try:
                return ask()
            except MasterError as error:
                if error.refused:
                    raise
                self._rest.wait(pause)
        return ask()


def definition_stamps(folder: Path) -> dict[str, str]:
    """Return which definitions are in force, by engine: what they are is in their place's name."""
    if not folder.is_dir():
        return {}
    names = [each.name for each in folder.iterdir() if each.is_dir()]
    return {
        name: str(current.readlink())
        for name in names
        if (current := definitions_folder(folder, name)).is_symlink()
    }
