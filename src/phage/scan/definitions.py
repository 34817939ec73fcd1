"""Definitions of engines: taken from a file, tried, put in force; what fails is never in force.

Each engine has a folder: `current` is a link to the definitions in force, one folder a taking
beside it. For an isolated network a file is carried over; nothing is downloaded here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

from phage.clock import Clock, rfc3339
from phage.errors import PhageError, PluginUnavailableError
from phage.frozen import frozen
from phage.plugin import discover
from phage.scan.content import Content
from phage.scan.engine import ENGINES
from phage.scan.engineset import EngineSet, make_engine, ready_of
from phage.scan.selftest import self_test
from phage.scan.work import NoResults, Worker, WorkOptions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from phage.config.scan import ScanSettings
    from phage.records.sample import EngineVersion

KEPT = 3
"""Takings that are kept for going back."""


@frozen
class Update:
    """What an update did: versions before and after."""

    engine: str
    before: str
    after: EngineVersion


def update(
    name: str,
    source: Path,
    settings: ScanSettings,
    folder: Path,
    clock: Clock,
    canaries: Sequence[Path] = (),
) -> Update:
    """Take definitions: copy, self-test and try on good files, then put in force.

    Args:
        name: The engine.
        source: A file or folder with definitions.
        settings: What the settings say of engines.
        folder: Where definitions lie, one folder an engine.
        clock: Names the taking.
        canaries: Good files: definitions that find something in one are refused.

    Raises:
        PhageError: They cannot be used; what was in force still is.
    """
    plugin = next((each for each in discover(ENGINES) if each.name == name), None)
    if plugin is None or plugin.factory is None:
        message = f"there is no engine {name!r}, or it is unavailable"
        raise PhageError(message)
    own = folder / name
    staged = own / rfc3339(clock.now()).replace(":", "")
    staged.mkdir(parents=True)
    for each in (own.parent, own, staged):
        each.chmod(0o755)  # Engines read them as another account.
    before = in_force(own)
    try:
        changed = settings.model_copy(
            update={
                "settings": {
                    **settings.settings,
                    name: {**settings.settings.get(name, {}), "definitions": str(staged)},
                }
            }
        )
        engine = make_engine(plugin, changed, folder)
        engine.take(source, own / before if before else None)
        version = _try(changed, folder, name, clock, canaries)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    _switch(own, staged)
    _forget(own)
    return Update(name, before, version)


def roll_back(name: str, folder: Path) -> str:
    """Put the definitions before in force again; return their name. Raises PhageError."""
    own = folder / name
    takings = _takings(own)
    now = in_force(own)
    earlier = [each for each in takings if each < now]
    if not earlier:
        message = f"{name} has no earlier definitions to go back to"
        raise PhageError(message)
    _switch(own, own / earlier[-1])
    return earlier[-1]


def go_back_to(own: Path, wanted: str | AbstractSet[str]) -> str:
    """Put definitions in force that an engine has had; return their name, '' where it has none.

    Args:
        own: The engine's folder.
        wanted: The name of those definitions; or names of all that are not wanted: then the latest
            of the others is taken, or, where there are none, what the engine comes with.
    """
    if isinstance(wanted, str):
        if wanted not in _takings(own):
            return ""
        _switch(own, own / wanted)
        return wanted
    left = [each for each in _takings(own) if each not in wanted]
    if left:
        _switch(own, own / left[-1])
        return left[-1]
    (own / "current").unlink(missing_ok=True)
    return ""


def _try(
    settings: ScanSettings, folder: Path, name: str, clock: Clock, canaries: Sequence[Path]
) -> EngineVersion:
    plugin = next(each for each in discover(ENGINES) if each.name == name)
    engine = make_engine(plugin, settings, folder)
    ready = ready_of(engine)
    engines = EngineSet({name: ready}, {}, {})
    worker = Worker(engines, NoResults(), clock, WorkOptions(unpack=False))
    try:
        worker.start()
        (tested,) = self_test(worker, engines)
        if tested.fault:
            message = f"{name}: the self-test fails with these definitions: {tested.fault}"
            raise PhageError(message)
        for path in canaries:
            with Content.of_file(path) as content:
                (row,) = worker.ask(content, [name])
            if row.label:
                message = f"{name}: these definitions find {row.label} in {path}, which is good"
                raise PhageError(message)
    except PluginUnavailableError as error:
        message = f"{name}: cannot use these definitions: {error}"
        raise PhageError(message) from error
    finally:
        worker.close()
    return ready.version


def _takings(own: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(
            each.name for each in own.iterdir() if each.is_dir() and not each.is_symlink()
        )
    return []


def in_force(own: Path) -> str:
    """Return which definitions of an engine's folder are in force; '' for none."""
    current = own / "current"
    return current.readlink().name if current.is_symlink() else ""


def _switch(own: Path, target: Path) -> None:
    """Point `current` to a taking, at once."""
    link = own / f".current-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)
    link.replace(own / "current")


def _forget(own: Path) -> None:
    now = in_force(own)
    for name in _takings(own)[:-KEPT]:
        if name != now:
            shutil.rmtree(own / name, ignore_errors=True)
