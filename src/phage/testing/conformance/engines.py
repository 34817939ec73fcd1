"""Checks that every engine passes: it runs in the sandbox as it will for real."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from phage.records.sample import Category, EngineKind
from phage.scan.content import Content
from phage.testing.conformance.plugins import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.scan.engine import Engine
    from phage.scan.work import Worker

HUGE = 600 * 2**20
"""Octets of a sparse file: more than engines take, or more than they may copy."""


def check_trials(engine: Engine, worker: Worker) -> None:
    """It says of each file of its self-test what is right, and tells the facts it promises."""
    expect(engine.trials(), f"{engine.name} has no self-test")
    for trial in engine.trials():
        with Content.of_bytes(trial.data, trial.name) as content:
            (row,) = worker.ask(content, [engine.name])
        if row.category is Category.TYPE_UNSUPPORTED:
            continue
        expect(row.category in trial.right, f"{engine.name} says {row} of {trial.name}")
        for fact in trial.facts:
            expect(fact in row.facts, f"{engine.name} does not tell {fact} of {trial.name}")


def check_good_and_bad(engine: Engine, _worker: Worker) -> None:
    """Its self-test has something good; one that judges by definitions has something bad."""
    good = [trial for trial in engine.trials() if Category.MALICIOUS not in trial.right]
    expect(good, f"{engine.name} is never shown anything good")


def check_any_file(engine: Engine, worker: Worker) -> None:
    """Empty, tiny, truncated and misleading files never end it, and are never malicious."""
    misleading = [
        b"",
        b"x",
        b"MZ",
        b"%PDF-",
        b"{\\rt",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"\x7fELF",
    ]
    misleading += [start + bytes(200) for start in misleading] + [b"\0" * 100_000]
    for trial in (each for each in engine.trials() if Category.MALICIOUS not in each.right):
        misleading += [trial.data[: len(trial.data) // 2], trial.data[1:]]
    for data in misleading:
        with Content.of_bytes(data) as content:
            (row,) = worker.ask(content, [engine.name])
        expect(row.category is not Category.MALICIOUS, f"{engine.name}: {row} of {data[:20]!r}")
        expect("its process" not in row.error, f"{engine.name}: {row.error} on {data[:20]!r}")


def check_huge(engine: Engine, worker: Worker) -> None:
    """A file larger than it takes is not taken; one that it takes is dealt with in time."""
    with tempfile.NamedTemporaryFile() as file:
        os.truncate(file.name, min(engine.largest, HUGE) + 1)
        content = Content(os.open(file.name, os.O_RDONLY), HUGE + 1, "huge", "data")
        content.size = min(engine.largest, HUGE) + 1
        with content:
            (row,) = worker.ask(content, [engine.name])
    if engine.largest <= HUGE:
        expect(row.category is Category.TYPE_UNSUPPORTED, f"{engine.name}: {row}")
    expect(row.category is not Category.MALICIOUS, f"{engine.name}: {row}")


def check_metadata_never_judges(engine: Engine, worker: Worker) -> None:
    """An engine that tells facts never says that something is bad."""
    if engine.kind is EngineKind.EVILNESS:
        return
    for trial in engine.trials():
        with Content.of_bytes(trial.data, trial.name) as content:
            (row,) = worker.ask(content, [engine.name])
        expect(not row.label, f"{engine.name} judges: {row}")


def check_version(engine: Engine, _worker: Worker) -> None:
    """Its version is told, and the same each time."""
    expect(engine.version().engine, f"{engine.name} has no version")
    expect(engine.version() == engine.version(), f"{engine.name}: the version changes")


def check_limits(engine: Engine, _worker: Worker) -> None:
    """It has limits of time, memory and size."""
    expect(0 < engine.timeout <= 600, f"{engine.name}: timeout {engine.timeout}")
    expect(2**20 <= engine.memory <= 2**33, f"{engine.name}: memory {engine.memory}")
    expect(engine.largest > 0, f"{engine.name}: largest {engine.largest}")


CHECKS: tuple[Callable[[Engine, Worker], None], ...] = (
    check_trials,
    check_good_and_bad,
    check_any_file,
    check_huge,
    check_metadata_never_judges,
    check_version,
    check_limits,
)
