"""`phage worker --join`: engines of this machine for a master elsewhere."""

from __future__ import annotations

import logging
import os
import signal
import socket
import tempfile
import threading
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from phage.daemon.definitionwork import DefinitionKeeper
from phage.daemon.scanfolders import ScanFolders
from phage.daemon.scanning import work_options
from phage.errors import PhageError
from phage.records.scantask import EngineReport, WorkerReport
from phage.scan.celeryworker import CeleryWorker
from phage.scan.engineset import find_engines
from phage.scan.latency import Latencies
from phage.scan.master import BEAT_SECONDS, MasterError
from phage.scan.seat import Seat, definition_stamps
from phage.scan.selftest import self_test
from phage.scan.work import NoResults, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from phage.clock import Clock
    from phage.config.settings import Settings
    from phage.config.statedir import StateDirectory
    from phage.scan.engineset import EngineSet, Ready
    from phage.scan.master import Master
    from phage.scan.sandbox.isolation import Isolation
    from phage.scan.seat import Worked

_log = logging.getLogger(__name__)


class EngineWork:
    """A worker's part: tests its engines, serves those that pass, tells of itself.

    Args:
        settings: Of this machine; what of them is about the store is not used.
        state: Where definitions lie.
        clock: Tells the time.
        master: Makes a connection to the master, one for each process.
        name: Of the worker; its host and process where it is empty.
        url: Where RabbitMQ is; that of the settings where it is empty.
    """

    def __init__(
        self,
        settings: Settings,
        state: StateDirectory,
        clock: Clock,
        master: Callable[[], Master],
        name: str = "",
    ) -> None:
        self._settings = settings
        self._folder = ScanFolders.of(state).engines
        self._clock = clock
        self._make_master = master
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        self._latencies = Latencies()
        self._faults: Counter[str] = Counter()
        self._stop = threading.Event()
        self._stamps = definition_stamps(self._folder)
        self._reports: dict[str, EngineReport] = {}
        self._isolation: Isolation | None = None
        self._served: tuple[str, ...] = ()
        self._keeper = DefinitionKeeper(lambda: self._settings.scan, self._folder, clock)

    def run(self, engines: Iterable[str] = ()) -> None:
        """Serve until told to stop (SIGTERM, SIGINT).

        Raises PhageError when no engine passes its self-test, and ConfigError.
        """
        self._settings = self._with_engines(tuple(engines))
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="phage-worker-")))
            self.test(folder)
            if not self._served:
                message = "no engine passes its self-test; `phage engines test` says why"
                raise PhageError(message)
            worker = CeleryWorker(
                self._settings.scan.queue_url.get_secret_value(),
                self.name,
                self._served,
                self._settings.scan.processes or os.cpu_count() or 1,
                lambda: self._seat(folder),
                self._told,
            )
            beats = threading.Thread(
                target=self._beat, args=(worker,), name="phage-beat", daemon=True
            )
            beats.start()
            stack.callback(beats.join)
            stack.callback(self._stop.set)
            worker.run()

    def test(self, folder: Path) -> None:
        """Test all engines in the sandbox; only those that pass are served."""
        found = self._find()
        options = work_options(self._settings.scan, folder)
        worker = Worker(found, NoResults(), self._clock, replace(options, unpack=False))
        try:
            self._isolation = worker.start()
            tested = self_test(worker, found)
        finally:
            worker.close()
        faults = {each.engine: each.fault for each in tested}
        for name, fault in faults.items():
            if fault:
                _log.error("engine %s fails its self-test and is not served: %s", name, fault)
        self._reports = {
            name: self._report_of(ready, faults[name]) for name, ready in found.ready.items()
        }
        self._served = tuple(name for name, fault in faults.items() if not fault)
        _log.info("%s serves %s", self.name, ", ".join(self._served) or "nothing")

    def report(self) -> WorkerReport:
        """Return what is said of this worker now."""
        if self._stamps != (stamps := definition_stamps(self._folder)):
            self._stamps = stamps
            self._note_versions()
        isolation = self._isolation
        return WorkerReport(
            name=self.name,
            host=socket.gethostname(),
            version=_version(),
            isolation=str(isolation.level) if isolation else "none",
            reason=isolation.reason[:500] if isolation else "",
            processes=self._settings.scan.processes or os.cpu_count() or 1,
            engines=tuple(self._with_latency(each) for each in self._reports.values()),
            faults=dict(self._faults),
        )

    def _find(self) -> EngineSet:
        return find_engines(self._settings.scan, self._folder)

    def _seat(self, folder: Path) -> Seat:
        return Seat(
            self.name,
            self._make_master(),
            lambda: self._find().only(self._served),
            self._folder,
            self._clock,
            replace(work_options(self._settings.scan, folder), unpack=False),
        )

    def _with_engines(self, engines: tuple[str, ...]) -> Settings:
        if not engines:
            return self._settings
        scan = self._settings.scan.model_copy(update={"engines": engines})
        return self._settings.model_copy(update={"scan": scan})

    def _report_of(self, ready: Ready, fault: str) -> EngineReport:
        engine = ready.engine
        return EngineReport(
            name=ready.name,
            kind=ready.kind,
            version=ready.version,
            options=ready.options,
            accepts=engine.accepts,
            largest=engine.largest,
            timeout=engine.timeout,
            place=str(engine.place),
            fault=fault[:500],
            isolation=str(getattr(engine, "isolation", ""))[:500],
        )

    def _note_versions(self) -> None:
        """Take note of new definitions: they were tested before they came in force."""
        for name, ready in self._find().ready.items():
            if name in self._reports:
                self._reports[name] = self._report_of(ready, self._reports[name].fault)

    def _with_latency(self, report: EngineReport) -> EngineReport:
        files, median, slowest = self._latencies.of(report.name)
        return replace(
            report,
            files=files,
            median=round(median, 6),
            slowest=round(slowest, 6),
            release=self._keeper.release(report.name),
            refused=self._keeper.refused.get(report.name, ""),
        )

    def _told(self, worked: Worked) -> None:
        if worked.engine and not worked.fault:
            self._latencies.add(worked.engine, worked.seconds)
        elif worked.fault:
            self._faults["tasks not done" if worked.engine else "tasks not had"] += 1

    def _beat(self, worker: CeleryWorker) -> None:
        """Tell the master of this worker, and do what it wants, again and again."""
        master, silent = self._make_master(), False
        while True:
            try:
                wanted = master.beat(self.report())
                self._keeper.keep(wanted.releases, master, worker)
                if wanted.end:
                    _log.info("the master has this worker end")
                    os.kill(os.getpid(), signal.SIGTERM)
                    break
                if silent:
                    _log.info("the master is there again")
                silent = False
            except MasterError as error:
                self._faults["beats not heard"] += 1
                if not silent or error.refused:
                    _log.error("%s", error, extra={"limit": "beat"})
                silent = True
            except Exception as error:  # noqa: BLE001  Nobody is to take this worker for dead.
                _log.exception("a beat: %s", error, extra={"limit": "beat"})
            if self._stop.wait(BEAT_SECONDS):
                break
        master.close()


def _version() -> str:
    try:
        return metadata.version("phage")
    except metadata.PackageNotFoundError:  # In a checkout.
        return ""
