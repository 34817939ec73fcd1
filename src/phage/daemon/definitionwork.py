"""A worker's definitions made what its master wants: off the queue, updated, tested, on again."""

from __future__ import annotations

import json
import logging
import stat
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from phage.errors import PhageError
from phage.scan.definitions import go_back_to, in_force, update
from phage.scan.master import MasterError
from phage.scan.vault import revealed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from phage.clock import Clock
    from phage.config.scan import ScanSettings
    from phage.scan.master import Master, Release

_log = logging.getLogger(__name__)

GOOD = 100
"""Good files on which definitions are tried."""

LARGEST_GOOD = 2**20

LARGEST = 4 * 2**30
"""Octets of a file with definitions."""


class Gate(Protocol):
    """The queues that a worker serves."""

    def pause(self, engine: str) -> None:
        """Take no more tasks of an engine."""

    def resume(self, engine: str) -> None:
        """Take tasks of an engine again."""


class DefinitionKeeper:
    """Takes releases of definitions, and remembers which taking came of which.

    Args:
        settings: Of scanning here.
        folder: Where definitions lie, one folder an engine.
        clock: Names takings.
    """

    def __init__(self, settings: Callable[[], ScanSettings], folder: Path, clock: Clock) -> None:
        self._settings = settings
        self._folder = folder
        self._clock = clock
        self.refused: dict[str, str] = {}
        """The release that each engine refused last, and why, as "ID: reason"."""

    def release(self, engine: str) -> str:
        """Return the release in force; '' for none of the master's."""
        now = in_force(self._folder / engine)
        return self._releases(engine).get(now, "") if now else ""

    def keep(self, wanted: Mapping[str, Release], master: Master, gate: Gate) -> list[str]:
        """Make definitions what they should be; return the engines that changed."""
        changed = []
        for engine, release in wanted.items():
            if self.refused.get(engine, "").startswith(f"{release.id}:"):
                continue
            gate.pause(engine)
            try:
                self._take(engine, release, master)
            except MasterError as error:  # Again with the next beat.
                _log.error("definitions of %s cannot be fetched: %s", engine, error)
            except Exception as error:  # noqa: BLE001  Whatever an engine makes of them.
                if not isinstance(error, PhageError | OSError):
                    _log.exception("definitions of %s", engine)
                text = str(error) or type(error).__name__
                self.refused[engine] = f"{release.id}: {text}"[:1000]
                _log.error("definitions of %s are refused: %s", engine, text)
            else:
                self.refused.pop(engine, None)
                changed.append(engine)
            finally:
                gate.resume(engine)
        return changed

    def _take(self, engine: str, release: Release, master: Master) -> None:
        releases = self._releases(engine)
        earlier = [taking for taking, each in releases.items() if each == release.id]
        own = self._folder / engine
        if release.id and earlier and go_back_to(own, earlier[-1]):
            _log.info("definitions of %s: %s is in force again", engine, release.id)
            return
        if not release.id:
            before = go_back_to(own, set(releases))
            _log.info("definitions of %s: back to %s", engine, before or "those it came with")
            return
        with (
            tempfile.TemporaryDirectory(prefix="phage-definitions-") as name,
            master.definitions(release) as source,
            revealed(source, release.name, Path(name), LARGEST) as content,
        ):
            if content.hashes.sha256 != release.sha256:
                message = "the file came damaged"
                raise MasterError(message)
            path = Path(name) / (Path(release.name).name or "definitions")
            with path.open("wb") as file:
                for chunk in content.chunks():
                    file.write(chunk)
            settings = self._settings()
            done = update(
                engine, path, settings, self._folder, self._clock, _good(settings.workers.good)
            )
        releases[in_force(own)] = release.id
        self._note(engine, releases)
        _log.info("definitions of %s: %s (%s) is in force", engine, release.id, done.after)

    def _releases(self, engine: str) -> dict[str, str]:
        """Return which taking came of which release."""
        try:
            told = json.loads((self._folder / engine / NOTES).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(taking): str(release) for taking, release in told.items()}

    def _note(self, engine: str, releases: Mapping[str, str]) -> None:
        own = self._folder / engine
        there = {taking: each for taking, each in releases.items() if (own / taking).is_dir()}
        new = own / f"{NOTES}.new"
        new.write_text(json.dumps(there), encoding="utf-8")
        new.replace(own / NOTES)


NOTES = "releases.json"


def _good(paths: Sequence[Path]) -> list[Path]:
    """Return some good files, the same ones each time."""

    def files() -> Iterator[Path]:
        for path in paths:
            found = sorted(path.iterdir()) if path.is_dir() else [path]
            step = max(1, len(found) // GOOD)
            for each in found[::step]:
                try:
                    about = each.lstat()
                except OSError:
                    continue
                if stat.S_ISREG(about.st_mode) and about.st_size <= LARGEST_GOOD:
                    yield each

    return list(islice(files(), GOOD))
