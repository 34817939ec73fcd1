"""The self-test of engines: something each finds, something good, garbage, through the sandbox."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.records.sample import Category
from phage.scan.content import Content

if TYPE_CHECKING:
    from phage.scan.engineset import EngineSet
    from phage.scan.scanner import Scanner
    from phage.scan.work import Worker


_log = logging.getLogger(__name__)


@frozen
class Tested:
    """What came of one engine's self-test; `fault` is '' when it passed."""

    engine: str
    trials: int
    fault: str
    seconds: float


def self_test(worker: Worker, engines: EngineSet) -> list[Tested]:
    """Test every engine of a worker that was started."""
    return [_tested(worker, engines, name) for name in engines.ready]


def _tested(worker: Worker, engines: EngineSet, name: str) -> Tested:
    engine = engines.ready[name].engine
    if lacking := worker.lacking(name):
        return Tested(name, 0, lacking, 0.0)
    seconds = 0.0
    trials = engine.trials()
    for trial in trials:
        with Content.of_bytes(trial.data, trial.name) as content:
            if engine.accepts and content.kind not in engine.accepts:
                continue
            (row,) = worker.ask(content, [name])
        seconds += row.seconds
        missing = [fact for fact in trial.facts if fact not in row.facts]
        if row.category not in trial.right:
            said = row.error or row.label
            fault = f"{trial.name}: says {row.category}{f' ({said})' if said else ''}"
            return Tested(name, len(trials), fault, seconds)
        if missing and row.category is not Category.FAILURE:
            fault = f"{trial.name}: does not tell {', '.join(missing)}"
            return Tested(name, len(trials), fault, seconds)
    return Tested(name, len(trials), "", seconds)


def healthy_engines(scanner: Scanner) -> tuple[str, ...]:
    """Return the engines that pass their self-test; what fails is logged and not used."""
    scanner.start()
    worker = scanner.worker()
    try:
        tested = self_test(worker, scanner.engines)
    finally:
        scanner.give_back(worker)
    for each in tested:
        if each.fault:
            _log.error("engine %s fails its self-test and is not used: %s", each.engine, each.fault)
    return tuple(each.engine for each in tested if not each.fault)
