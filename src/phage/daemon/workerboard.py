"""The engines of all workers, as they tell of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.errors import PhageError
from phage.scan.desk import EngineState, UnknownEngineError
from phage.scan.plan import in_service, rests_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.clock import Clock
    from phage.config.scan import ScanSettings
    from phage.records.scantask import WorkerReport
    from phage.store.store import Store

REMEMBERED_NS = 86_400 * 10**9
"""An engine is asked for as long after a worker of it was last heard of; then it is forgotten."""


class WorkerBoard:
    """Tells which engines there are; their workers test them by themselves."""

    def __init__(self, settings: ScanSettings, store: Store, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock

    def engines(self) -> Sequence[EngineState]:
        """Return the engines of all workers. Raises StoreError."""
        workers = self._workers()
        ready = in_service(workers)
        found = {
            name: EngineState(
                name=name,
                summary=f"on {', '.join(_serving(workers, name))}",
                kind=str(each.kind),
                place=each.place,
                state="ready",
                accepts=tuple(sorted(each.accepts)),
                version=each.version.engine,
                definitions=each.version.definitions,
                built=each.version.built,
            )
            for name, each in ready.items()
        }
        for worker in workers:
            for each in worker.engines:
                if each.name not in found:
                    found[each.name] = EngineState(
                        each.name, f"on {worker.name}", str(each.kind), each.place, "unavailable",
                        reason=each.fault,
                    )  # fmt: skip
        return list(found.values())

    def fingerprint(self) -> str:
        """Return what verdicts of now rest on, '' without engines. Raises StoreError."""
        from phage.daemon.scanning import work_options  # noqa: PLC0415  Loads what scans.

        engines = in_service(self._workers())
        return rests_on(engines.values(), work_options(self._settings)) if engines else ""

    def test(self, name: str) -> EngineState:
        """Refuse: engines are tested where they are. Raises PhageError."""
        if all(each.name != name for each in self.engines()):
            message = f"there is no engine {name!r}"
            raise UnknownEngineError(message)
        message = f"{name} is tested by its workers, when they start and with new definitions"
        raise PhageError(message)

    def _workers(self) -> list[WorkerReport]:
        return self._store.scan_workers.list(self._clock.now() - REMEMBERED_NS)


def _serving(workers: Sequence[WorkerReport], name: str) -> list[str]:
    return [
        worker.name
        for worker in workers
        if any(each.name == name and not each.fault for each in worker.engines)
    ]
